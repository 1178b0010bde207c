"""Writes the headers of the C program: `network.h` for callers, and `weights.h`."""

from textwrap import dedent

import numpy as np

from npfuse.c_program.streams import Stream, scale_of
from npfuse.integer import Rescale
from npfuse.vectors.array_files import c_array, c_name
from npfuse.weights.weights import Weights


def header(stream: Stream, weights: Weights) -> str:
    """Return `network.h`, the declarations that a caller needs."""
    look = """
    /* First pass: the rows of both pictures, from the top; then npfuse_looked(). */
    void npfuse_look(const uint8_t *under, const uint8_t *over);
    void npfuse_looked(void);
    """
    levels = """
    /* Before npfuse_begin: the darkest and the brightest level of a picture, 0 the under-exposed, 1 the other. */
    void npfuse_levels(int picture, int black, int white);
    """
    return dedent(f"""\
    /* {weights.label} ({weights.model}) in integers: {stream.network.arithmetic}, rounding {stream.network.rounding}.
       Line buffers: {float(stream.bytes_a_column):g} bytes per column{_planes_comment(stream)}.
       Written by npfuse; plain C99, no malloc, no floats. */
    #ifndef NPFUSE_NETWORK_H
    #define NPFUSE_NETWORK_H
    #include <stdint.h>

    #ifndef NPFUSE_MAX_WIDTH
    #define NPFUSE_MAX_WIDTH 640
    #endif
    #ifndef NPFUSE_MAX_HEIGHT /* bounds what is stored between two passes */
    #define NPFUSE_MAX_HEIGHT 400
    #endif
    #define NPFUSE_PASSES {stream.passes}
    {levels if weights.normalization == "min_max" else ""}
    /* Begin a pair of pictures; `take` gets the rows of the result, from the top: width RGB pixels of bytes. Returns 0,
       or -1 where the pictures are larger than the program was compiled for. */
    typedef void (*npfuse_take)(int row, const uint8_t *rgb);
    int npfuse_begin(int height, int width, npfuse_take take);
    {look if stream.passes == 2 else ""}
    /* The rows of both pictures, from the top, width RGB pixels of bytes each; then npfuse_end(). */
    void npfuse_row(const uint8_t *under, const uint8_t *over);
    void npfuse_end(void);

    #ifdef NPFUSE_CHECK
    /* Is shown every number that is computed: which value (npfuse_values.h), row, column, and its channels. */
    void npfuse_see(int value, int row, int column, const void *numbers);
    #endif
    #endif
    """)


def _planes_comment(stream: Stream) -> str:
    planes = [
        f"{stream.network.shape(name)[2] * stream.network.formats[name].dtype.itemsize} bytes per pixel of "
        f"1/{scale_of(stream.network.graph, name)} of the height and width for {name}"
        for name in stream.planes
    ]
    return "".join(f", and {plane}" for plane in planes)


def weight_header(stream: Stream) -> str:
    """Return `weights.h`: every kernel, bias, multiplier, shift and table."""
    lines = ["/* Weights; kernels are (Cin, Cout), (kH, kW, C) or (kH, kW, Cout, Cin), the last axis fastest. */"]
    lines += ["#ifndef NPFUSE_WEIGHTS_H", "#define NPFUSE_WEIGHTS_H", "#include <stdint.h>"]
    for layer in stream.network.layers:
        name = c_name(layer.name)
        if layer.kernel is not None:
            lines.append(c_array(layer.kernel, f"{name}_kernel"))
            features = stream.network.shape(layer.name)[2]
            bias = np.zeros(features, np.int32) if layer.bias is None else layer.bias
            lines.append(c_array(bias, f"{name}_bias"))
            lines += _rescale_arrays(f"{name}_out", layer.rescales[0], features)
        else:
            for i, by in enumerate(layer.rescales):
                lines += _rescale_arrays(f"{name}_in{i}", by, 1)
        if layer.added is not None:
            lines += _rescale_arrays(f"{name}_added", layer.added, stream.network.shape(layer.name)[2])
        if layer.levels is not None:
            lines.append(c_array(layer.levels, f"{name}_levels"))
    return "\n".join([*lines, "#endif\n"])


def _rescale_arrays(name: str, by: Rescale, count: int) -> list[str]:
    mult, shift = (np.broadcast_to(array, count) for array in (by.mult, by.shift))
    return [c_array(mult.astype(np.int32), f"{name}_mult"), c_array(shift.astype(np.uint8), f"{name}_shift")]


def value_names(stream: Stream) -> list[str]:
    """Return the names of all values, in the order of their numbers in the program."""
    return list(stream.network.formats)
