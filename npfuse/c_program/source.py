"""Writes a network in integers as a C99 program that works row by row, without malloc and without floats.

The program has a function for every layer, which computes one pixel of it; stored values (`npfuse.c_program.streams`)
lie in rings of rows. It needs 32-bit sums and 64-bit products. Compiled with NPFUSE_CHECK it shows every value it
computes, also of the margin that is cut off at the end, to a checking program (`npfuse.c_program.check`).
"""

from collections.abc import Iterator
from textwrap import dedent

import numpy as np

from npfuse.c_program.streams import PICTURE, THUMBNAIL, Stream, is_view, of_picture, operator_of, scale_of
from npfuse.integer import Layer, Rescale
from npfuse.integer.quantize import SUM_LIMIT
from npfuse.ops import Add, Conv2DTranspose, DepthwiseConv2D, PointwiseConv2D, Resize, Tanh
from npfuse.padding import conv_pads, transposed_crop
from npfuse.vectors.array_files import c_array, c_name
from npfuse.weights.weights import Weights


def header(stream: Stream, weights: Weights) -> str:
    """Return `network.h`: what a caller needs."""
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
       Line buffers: {float(stream.bytes_a_column):g} bytes a column{_planes_comment(stream)}.
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
        f"{stream.network.shape(name)[2] * stream.network.formats[name].dtype.itemsize} bytes a pixel of "
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


def program(stream: Stream, weights: Weights) -> str:
    """Return `network.c`."""
    return "\n".join(_Program(stream, weights).parts())


def _shifts_in_32_bits(layer: Layer) -> bool:
    """Tell whether a layer's rescaling needs no product, and whether a half can be added in 32 bits."""
    numbers = [*layer.rescales, *([layer.added] if layer.added else [])]
    return all(by.mult.max() == 1 and layer.sum_bound + (1 << int(by.shift.max())) // 2 < SUM_LIMIT for by in numbers)


class _Program:
    """Writes the parts of the program."""

    def __init__(self, stream: Stream, weights: Weights) -> None:
        self.stream, self.weights, self.network = stream, weights, stream.network
        self.graph = weights.graph(64, 64)
        self.network = stream.network.at(self.graph)
        self.layers = {layer.name: layer for layer in self.network.layers}
        self.of_picture = of_picture(self.network)
        self.numbers = {name: i for i, name in enumerate(self.network.formats)}
        self.adders = {layer.inputs[1]: layer for layer in self.network.layers if layer.added is not None}
        (self.result,) = self.graph.outputs
        self.own_levels = weights.normalization == "min_max"

    def parts(self) -> Iterator[str]:
        """Yield the parts, in order."""
        yield self._head()
        yield self._storage()
        for layer in self.network.layers:
            yield self._at(layer)
        if THUMBNAIL in dict(self.graph.inputs):
            yield self._tones()
        yield self._running()

    # --- what all layers share

    def _head(self) -> str:
        rounding = _DOUBLE if self.network.rounding == "double" else _SINGLE
        shifts = all(_shifts_in_32_bits(layer) for layer in self.network.layers)
        margin = self.weights.margin
        means = any(isinstance(node.op, Resize) and node.op.method == "area" for node in self.graph.nodes)
        bilinear = any(isinstance(node.op, Resize) and node.op.method == "bilinear" for node in self.graph.nodes)
        short = bilinear or shifts or self.network.rounding == "double"
        own = _FLOOR_SHIFT * short + (_SHIFTS if shifts else rounding) + _COMMON + _QUOTIENT * means
        return _HEAD.replace("@margin", str(margin)) + own

    def _type(self, name: str) -> str:
        return "uint8_t" if name == PICTURE else f"{self.network.formats[name].dtype.name}_t"

    def _channels(self, name: str) -> int:
        return self.graph.shapes[name][2]

    def _scale(self, name: str) -> int:
        return scale_of(self.graph, name)

    def _rows(self, name: str) -> str:
        return f"(rows / {self._scale(name)})" if name in self.of_picture else str(self.graph.shapes[name][0])

    def _columns(self, name: str) -> str:
        return f"(columns / {self._scale(name)})" if name in self.of_picture else str(self.graph.shapes[name][1])

    def _storage(self) -> str:
        lines = ["/* Rings of rows of the stored values, and how many rows of each are made. */"]
        for name in (PICTURE, *self.stream.stored):
            own, scale = c_name(name), self._scale(name)
            count = str(self.stream.rows[name]) if name in self.stream.rows else f"(MOST_ROWS / {scale})"
            lines += [
                f"static {self._type(name)} ring_{own}[{count}][MOST_COLUMNS / {scale} * {self._channels(name)}];",
                f"static int made_{own};",
                f"static {self._type(name)} *row_{own}(int row)",
                "{",
                f"    return ring_{own}[row % {count}];",
                "}",
            ]
        if THUMBNAIL in dict(self.graph.inputs):
            height, width, channels = dict(self.graph.inputs)[THUMBNAIL]
            lines.append(f"static int16_t thumbnail[{height}][{width}][{channels}];")
        for name, layer in self.adders.items():
            lines.append(f"static int32_t plus_{c_name(layer.name)}[{self._channels(name)}]; /* {name}, as a bias */")
        if self.own_levels:
            lines += [_LEVELS]
        else:
            lines += [_FULL_RANGE]
        return "\n".join(lines) + "\n"

    # --- one pixel of a layer

    def _at(self, layer: Layer) -> str:
        op = operator_of(self.network, layer)
        own, channels = c_name(layer.name), self._channels(layer.name)
        body: list[str]
        if isinstance(op, PointwiseConv2D):
            body = self._pointwise(layer)
        elif isinstance(op, DepthwiseConv2D):
            body = self._depthwise(layer, op)
        elif isinstance(op, Conv2DTranspose):
            body = self._transposed(layer, op)
        elif isinstance(op, Add):
            body = self._add(layer)
        elif isinstance(op, Tanh):
            body = [
                *self._pixel(layer.inputs[0], "row", "column", "x"),
                f"for (int c = 0; c < {channels}; c++) {{",
                "    int level = 0; /* how many of the 255 numbers are at most x[c] */",
                "    for (int step = 128; step > 0; step /= 2)",
                f"        if ({own}_levels[level + step - 1] <= x[c])",
                "            level += step;",
                "    y[c] = (uint8_t)level;",
                "}",
            ]
        elif isinstance(op, Resize) and op.method == "area":
            body = self._mean(layer)
        elif is_view(op):
            factor = self._scale(layer.inputs[0]) // self._scale(layer.name)
            body = [
                *self._pixel(layer.inputs[0], f"row / {factor}", f"column / {factor}", "x"),
                f"for (int c = 0; c < {channels}; c++)",
                "    y[c] = x[c];",
            ]
        else:
            assert isinstance(op, Resize)
            body = self._bilinear(layer)
        body.append(self._see(layer.name))
        lines = "\n".join(f"    {line}" for line in body)
        head = f"static void at_{own}(int row, int column, {self._type(layer.name)} *y)"
        return f"/* {' + '.join(layer.nodes)} */\n{head}\n{{\n{lines}\n}}\n"

    def _see(self, name: str) -> str:
        """Show a pixel to who checks; one that is repeated is shown for each of its copies."""
        return f"SEE({self.numbers[name]}, row, column, y);"

    def _pixel(self, name: str, row: str, column: str, to: str) -> list[str]:
        """Return lines that declare `to` and make it a pixel of a value."""
        channels, kind = self._channels(name), self._type(name)
        own = c_name(name)
        if name == PICTURE:
            return [
                f"int16_t {to}[{channels}];",
                f"for (int c = 0; c < {channels}; c++)",
                f"    {to}[c] = level(row_{own}({row})[({column}) * {channels} + c], c / 3);",
            ]
        if name == THUMBNAIL:
            return [f"const int16_t *{to} = thumbnail[{row}][{column}];"]
        if name in self.stream.stored:
            return [f"const {kind} *{to} = row_{own}({row}) + ({column}) * {channels};"]
        return [f"{kind} {to}[{channels}];", f"at_{own}({row}, {column}, {to});"]

    def _requantize(self, layer: Layer) -> list[str]:
        own, channels, form = c_name(layer.name), self._channels(layer.name), layer.output
        return [
            f"for (int c = 0; c < {channels}; c++)",
            f"    y[c] = ({self._type(layer.name)})saturated("
            f"requantized(sum[c], {own}_out_mult[c], {own}_out_shift[c]), {form.low}, {form.high});",
        ]

    def _start(self, layer: Layer) -> list[str]:
        own, channels = c_name(layer.name), self._channels(layer.name)
        plus = f" + plus_{own}[c]" if layer.added is not None else ""
        return [
            f"int32_t sum[{channels}];",
            f"for (int c = 0; c < {channels}; c++)",
            f"    sum[c] = {own}_bias[c]{plus};",
        ]

    def _pointwise(self, layer: Layer) -> list[str]:
        own, channels, reads = c_name(layer.name), self._channels(layer.name), self._channels(layer.inputs[0])
        return [
            *self._pixel(layer.inputs[0], "row", "column", "x"),
            *self._start(layer),
            f"for (int i = 0; i < {reads}; i++)",
            f"    for (int c = 0; c < {channels}; c++)",
            f"        sum[c] += x[i] * {own}_kernel[i * {channels} + c];",
            *self._requantize(layer),
        ]

    def _depthwise(self, layer: Layer, op: DepthwiseConv2D) -> list[str]:
        own, channels, name = c_name(layer.name), self._channels(layer.name), layer.inputs[0]
        before = [conv_pads(self.graph.shapes[name][axis], *op.axis_arguments(axis))[0] for axis in (0, 1)]
        number = "level(x[c], c / 3)" if name == PICTURE else "x[c]"
        return [
            *self._start(layer),
            f"for (int i = 0; i < {op.kernel_size[0]}; i++) {{",
            f"    int h = row * {op.stride[0]} + i * {op.dilation[0]} - {before[0]};",
            f"    if (h < 0 || h >= {self._rows(name)})",
            "        continue; /* zeros */",
            f"    for (int j = 0; j < {op.kernel_size[1]}; j++) {{",
            f"        int w = column * {op.stride[1]} + j * {op.dilation[1]} - {before[1]};",
            f"        if (w < 0 || w >= {self._columns(name)})",
            "            continue;",
            f"        const {self._type(name)} *x = row_{c_name(name)}(h) + w * {channels};",
            f"        for (int c = 0; c < {channels}; c++)",
            f"            sum[c] += {number} * {own}_kernel[(i * {op.kernel_size[1]} + j) * {channels} + c];",
            "    }",
            "}",
            *self._requantize(layer),
        ]

    def _transposed(self, layer: Layer, op: Conv2DTranspose) -> list[str]:
        own, channels, name = c_name(layer.name), self._channels(layer.name), layer.inputs[0]
        reads, kernel_width = self._channels(name), op.kernel_size[1]
        crop = [transposed_crop(self.graph.shapes[name][axis], *op.axis_arguments(axis)) for axis in (0, 1)]
        return [
            *self._start(layer),
            f"for (int i = 0; i < {op.kernel_size[0]}; i++) {{",
            f"    int h = row + {crop[0]} - i * {op.dilation[0]};",
            f"    if (h < 0 || h % {op.stride[0]} || h / {op.stride[0]} >= {self._rows(name)})",
            "        continue;",
            f"    for (int j = 0; j < {op.kernel_size[1]}; j++) {{",
            f"        int w = column + {crop[1]} - j * {op.dilation[1]};",
            f"        if (w < 0 || w % {op.stride[1]} || w / {op.stride[1]} >= {self._columns(name)})",
            "            continue;",
            f"        const {self._type(name)} *x = row_{c_name(name)}(h / {op.stride[0]})",
            f"            + w / {op.stride[1]} * {reads};",
            f"        for (int c = 0; c < {channels}; c++)",
            f"            for (int k = 0; k < {reads}; k++)",
            f"                sum[c] += x[k]"
            f" * {own}_kernel[((i * {kernel_width} + j) * {channels} + c) * {reads} + k];",
            "    }",
            "}",
            *self._requantize(layer),
        ]

    def _add(self, layer: Layer) -> list[str]:
        own, channels, form = c_name(layer.name), self._channels(layer.name), layer.output
        lines: list[str] = []
        terms = []
        for i, name in enumerate(layer.inputs):
            lines += self._pixel(name, "row", "column", f"x{i}")
            terms.append(f"requantized(x{i}[c], {own}_in{i}_mult[0], {own}_in{i}_shift[0])")
        return [
            *lines,
            f"for (int c = 0; c < {channels}; c++)",
            f"    y[c] = ({self._type(layer.name)})saturated({' + '.join(terms)}, {form.low}, {form.high});",
        ]

    def _mean(self, layer: Layer) -> list[str]:
        name, channels = layer.inputs[0], self._channels(layer.name)
        height, width, _ = self.graph.shapes[name]
        return [
            f"int32_t sum[{channels}] = {{0}};",
            f"for (int h = 0; h < {height}; h++)",
            f"    for (int w = 0; w < {width}; w++) {{",
            *(f"        {line}" for line in self._pixel(name, "h", "w", "x")),
            f"        for (int c = 0; c < {channels}; c++)",
            "            sum[c] += x[c];",
            "    }",
            f"for (int c = 0; c < {channels}; c++)",
            f"    y[c] = ({self._type(layer.name)})floor_quotient(2 * (int64_t)sum[c] + {height * width}, "
            f"{2 * height * width});",
        ]

    def _bilinear(self, layer: Layer) -> list[str]:
        name, channels = layer.inputs[0], self._channels(layer.name)
        factor = self._scale(name) // self._scale(layer.name)
        bits = 2 * factor.bit_length()
        lines = []
        for axis, at, n in (("h", "row", self._rows(name)), ("w", "column", self._columns(name))):
            lines += [
                f"int {axis}0 = floor_shift(2 * {at} + 1 - {factor}, {factor.bit_length()});",
                f"int {axis}_above = 2 * {at} + 1 - {factor} - {2 * factor} * {axis}0, "
                f"{axis}_below = {2 * factor} - {axis}_above;",
                f"int {axis}1 = {axis}0 + 1 < {n} ? {axis}0 + 1 : {n} - 1;",
                f"{axis}0 = {axis}0 < 0 ? 0 : {axis}0;",
            ]
        return [
            *lines,
            *(
                f"const {self._type(name)} *x{i}{j} = row_{c_name(name)}(h{i}) + w{j} * {channels};"
                for i in (0, 1)
                for j in (0, 1)
            ),
            f"for (int c = 0; c < {channels}; c++) {{",
            "    int32_t left = x00[c] * h_below + x10[c] * h_above, right = x01[c] * h_below + x11[c] * h_above;",
            f"    int32_t all = left * w_below + right * w_above + {1 << (bits - 1)};",
            f"    y[c] = ({self._type(layer.name)})floor_shift(all, {bits});",
            "}",
        ]

    # --- the thumbnail and what is computed from it

    def _tones(self) -> str:
        height, width, _ = dict(self.graph.inputs)[THUMBNAIL]
        lines = [_THUMBNAIL.replace("@height", str(height)).replace("@width", str(width))]
        lines[0] = lines[0].replace("@number", str(self.numbers[THUMBNAIL]))
        lines[0] = lines[0].replace("@low0", "lowest[c / 3]" if self.own_levels else "0")
        lines[0] = lines[0].replace("@span", "spread[c / 3]" if self.own_levels else "255")
        body = []
        for name, layer in self.adders.items():
            own, channels = c_name(layer.name), self._channels(name)
            body += [
                "    {",
                f"        {self._type(name)} v[{channels}];",
                f"        at_{c_name(name)}(0, 0, v);",
                f"        for (int c = 0; c < {channels}; c++)",
                f"            plus_{own}[c] = requantized(v[c], {own}_added_mult[c], {own}_added_shift[c]);",
                "    }",
            ]
        # What is only read once at 1x1 is computed on the way.
        return "\n".join([*lines, "static void hear_tones(void)", "{", *body, "}"]) + "\n"

    # --- rows in, rows out

    def _ready(self, name: str, row: str, kept: set[str]) -> list[str]:
        """Return conditions under which a row of a value can be made."""
        found: dict[str, str] = {}
        for value, last in self._last_rows(name, row, kept - {name}):
            found.setdefault(f"{last} < made_{c_name(value)}", value)
        return list(found)

    def _last_rows(self, name: str, row: str, kept: set[str]) -> Iterator[tuple[str, str]]:
        layer = self.layers[name]
        op = operator_of(self.network, layer)
        for i, value in enumerate(layer.inputs):
            if (i == 1 and layer.added is not None) or value not in self.of_picture:
                continue
            end = f"{self._rows(value)} - 1"
            factor = self._scale(value) // self._scale(name)
            if isinstance(op, DepthwiseConv2D):
                before = conv_pads(self.graph.shapes[value][0], *op.axis_arguments(0))[0]
                reach = (op.kernel_size[0] - 1) * op.dilation[0] - before
                last = f"least({row} * {op.stride[0]} + {reach}, {end})"
            elif isinstance(op, Conv2DTranspose):
                crop = transposed_crop(self.graph.shapes[value][0], *op.axis_arguments(0))
                last = f"least(({row} + {crop}) / {op.stride[0]}, {end})"
            elif is_view(op):
                last = f"({row}) / {factor}"
            elif isinstance(op, Resize):
                last = f"least(floor_shift(2 * ({row}) + 1 - {factor}, {factor.bit_length()}) + 1, {end})"
            else:
                last = row
            if value in kept:
                yield value, last
            else:
                yield from self._last_rows(value, last, kept)

    def _running(self) -> str:
        second = [name for name in self.stream.stored if name not in self.stream.first_pass]
        passes = [("look", list(self.stream.first_pass), False)] if self.stream.passes == 2 else []
        passes.append(("fuse", second if self.stream.passes == 2 else list(self.stream.stored), True))
        lines = [self._make_row(name) for name in self.stream.stored]
        lines.append(_RESULT.replace("@type", "uint8_t").replace("@result", c_name(self.result)))
        for verb, names, whole in passes:
            kept = {PICTURE, *names, *self.stream.planes}
            stages = [*names, *([self.result] if whole else [])]
            lines.append("/* Make all rows that can be made, those nearest to the result first. */")
            lines += [f"static void {verb}_on(void)", "{", "    for (;;) {"]
            for k, name in enumerate(reversed(stages)):
                made = "made_result" if name == self.result else f"made_{c_name(name)}"
                height = "rows_wanted" if name == self.result else self._rows(name)
                conditions = [f"{made} < {height}", *self._ready(name, made, kept)]
                make = "make_result();" if name == self.result else f"make_{c_name(name)}();"
                joint = " &&\n            ".join(conditions)
                lines += [f"        {'else ' if k else ''}if ({joint})", f"            {make}"]
            lines += ["        else", "            return;", "    }", "}\n"]
        resets = "\n".join(f"    made_{c_name(name)} = 0;" for name in (PICTURE, *self.stream.stored))
        running = _RUNNING if self.stream.passes == 1 else _RUNNING_TWICE
        count = self.stream.rows[PICTURE]
        tones = THUMBNAIL in dict(self.graph.inputs)
        return "\n".join(lines) + (
            _BEGIN.replace("@resets", resets)
            .replace("@begin_thumbnail", "    begin_thumbnail();\n" if tones else "")
            .replace("@number", str(self.numbers[PICTURE]))
            + running.replace("@count", str(count))
            .replace("@hear", "    hear_thumbnail();\n    hear_tones();\n" if tones else "")
            .replace("@thumb", "    add_to_thumbnail(under, over);\n" if tones else "")
        )

    def _make_row(self, name: str) -> str:
        own, channels = c_name(name), self._channels(name)
        return (
            f"static void make_{own}(void)\n{{\n    {self._type(name)} *to = row_{own}(made_{own});\n"
            f"    for (int column = 0; column < {self._columns(name)}; column++)\n"
            f"        at_{own}(made_{own}, column, to + column * {channels});\n    made_{own}++;\n}}\n"
        )


_HEAD = """\
/* Written by npfuse: see network.h. at_NAME(row, column, y) computes a pixel of the value NAME. */
#include "network.h"
#include "weights.h"

/* Pixels that are repeated beyond the bottom and the right, besides those up to a multiple of 8. */
#define MARGIN @margin
#define MOST_COLUMNS ((NPFUSE_MAX_WIDTH + 7) / 8 * 8 + MARGIN)
#define MOST_ROWS ((NPFUSE_MAX_HEIGHT + 7) / 8 * 8 + MARGIN)

#ifdef NPFUSE_CHECK
#define SEE(value, row, column, numbers) npfuse_see(value, row, column, numbers)
#else
#define SEE(value, row, column, numbers) ((void)(row), (void)(column))
#endif

static int height, width;   /* of the pictures */
static int rows, columns;   /* of the padded pictures */
static int rows_wanted;     /* of the result: all of the padded ones where they are checked */
static int made_result;
static npfuse_take taker;

/* Shifts to the right that round down, whatever the compiler does with negative numbers. */
static int64_t floor_shift64(int64_t x, int bits)
{
    return x >= 0 ? x >> bits : -((-x - 1) >> bits) - 1;
}

"""

_FLOOR_SHIFT = """\
static int32_t floor_shift(int32_t x, int bits)
{
    return (int32_t)floor_shift64(x, bits);
}

"""

_SINGLE = """\
/* sum * mult / 2^shift, rounded to the nearest, ties upwards. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    int64_t half = shift > 0 ? (int64_t)1 << (shift - 1) : 0;
    return (int32_t)floor_shift64((int64_t)sum * mult + half, shift);
}

"""

_SHIFTS = """\
/* sum / 2^shift, rounded to the nearest, ties upwards; all multipliers are 1. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    (void)mult;
    return shift > 0 ? floor_shift(sum + ((int32_t)1 << (shift - 1)), shift) : sum;
}

"""

_DOUBLE = """\
/* sum * mult / 2^shift by gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT. */
static int32_t requantized(int32_t sum, int32_t mult, int shift)
{
    int left = shift < 31 ? 31 - shift : 0, right = shift > 31 ? shift - 31 : 0;
    int64_t product = (int64_t)sum * ((int64_t)1 << left) * mult;
    int32_t high = (int32_t)((product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / ((int64_t)1 << 31));
    int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    int32_t below = floor_shift(high, right);
    int32_t rest = (int32_t)(high - below * ((int64_t)1 << right));
    return below + (rest > (mask >> 1) + (high < 0));
}

"""

_COMMON = """\
static int32_t saturated(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

"""

_QUOTIENT = """\
/* x / n, rounded down. */
static int64_t floor_quotient(int64_t x, int64_t n)
{
    return x >= 0 ? x / n : -((n - 1 - x) / n);
}

"""

_FULL_RANGE = """
/* The number that a level of a picture is. */
static int16_t level(uint8_t byte, int picture)
{
    (void)picture;
    return (int16_t)(2 * byte - 255);
}
"""

_LEVELS = """
/* The number that a level of a picture is: black becomes -255, white 255. */
static int lowest[2] = {0, 0}, spread[2] = {255, 255};

static int16_t level(uint8_t byte, int picture)
{
    int32_t x = 1020 * (byte - lowest[picture]) + spread[picture];
    return (int16_t)(x / (2 * spread[picture]) - 255); /* x is not negative */
}

void npfuse_levels(int picture, int black, int white)
{
    lowest[picture] = black < white ? black : 0;
    spread[picture] = black < white ? white - black : 255;
}
"""

_THUMBNAIL = """\
/* Sums over the pictures, and their means: what a row counts for is how much of it lies in a row of the thumbnail. */
#define CELL_ROWS @height
#define CELL_COLUMNS @width
static uint64_t cells[CELL_ROWS][CELL_COLUMNS][6];
static int row_seen;

static void begin_thumbnail(void)
{
    for (int i = 0; i < CELL_ROWS; i++)
        for (int j = 0; j < CELL_COLUMNS; j++)
            for (int c = 0; c < 6; c++)
                cells[i][j][c] = 0;
    row_seen = 0;
}

/* How many of `parts` parts of a position lie in a cell, of `n` positions. */
static int64_t overlap(int64_t position, int64_t cell, int64_t parts, int64_t n)
{
    int64_t first = position * parts > cell * n ? position * parts : cell * n;
    int64_t last = (position + 1) * parts < (cell + 1) * n ? (position + 1) * parts : (cell + 1) * n;
    return last > first ? last - first : 0;
}

static void add_to_thumbnail(const uint8_t *under, const uint8_t *over)
{
    int64_t top = (int64_t)row_seen * CELL_ROWS / height;
    int64_t bottom = (((int64_t)row_seen + 1) * CELL_ROWS - 1) / height;
    for (int column = 0; column < width; column++) {
        int64_t left = (int64_t)column * CELL_COLUMNS / width;
        int64_t right = (((int64_t)column + 1) * CELL_COLUMNS - 1) / width;
        for (int64_t i = top; i <= bottom; i++)
            for (int64_t j = left; j <= right; j++) {
                uint64_t part = (uint64_t)(overlap(row_seen, i, CELL_ROWS, height) *
                                           overlap(column, j, CELL_COLUMNS, width));
                for (int c = 0; c < 3; c++) {
                    cells[i][j][c] += part * under[3 * column + c];
                    cells[i][j][3 + c] += part * over[3 * column + c];
                }
            }
    }
    row_seen++;
}

static void hear_thumbnail(void)
{
    for (int i = 0; i < CELL_ROWS; i++)
        for (int j = 0; j < CELL_COLUMNS; j++) {
            for (int c = 0; c < 6; c++) {
                int64_t n = (int64_t)height * width, span = n * @span;
                int64_t sum = (int64_t)cells[i][j][c] - n * @low0;
                thumbnail[i][j][c] = (int16_t)((4 * 32640 * sum + span) / (2 * span) - 32640); /* sum is not negative */
            }
            SEE(@number, i, j, thumbnail[i][j]);
        }
}
"""

_RESULT = """\
static void make_result(void)
{
    static @type line[MOST_COLUMNS * 3];
#ifdef NPFUSE_CHECK
    int wanted = columns;
#else
    int wanted = width;
#endif
    for (int column = 0; column < wanted; column++)
        at_@result(made_result, column, line + 3 * column);
    if (made_result < height)
        taker(made_result, line);
    made_result++;
}
"""

_BEGIN = """\
int npfuse_begin(int picture_height, int picture_width, npfuse_take take)
{
    if (picture_height < 1 || picture_height > NPFUSE_MAX_HEIGHT)
        return -1;
    if (picture_width < 1 || picture_width > NPFUSE_MAX_WIDTH)
        return -1;
    height = picture_height, width = picture_width, taker = take;
    rows = (height + 7) / 8 * 8 + MARGIN, columns = (width + 7) / 8 * 8 + MARGIN;
#ifdef NPFUSE_CHECK
    rows_wanted = rows;
#else
    rows_wanted = height;
#endif
    made_result = 0;
@resets
@begin_thumbnail    return 0;
}

/* Take a row of the pictures; beyond their right edge, the last pixel is repeated. */
static void store_row(const uint8_t *under, const uint8_t *over)
{
    uint8_t *to = row_exposures(made_exposures);
    for (int column = 0; column < columns; column++) {
        int at = 3 * least(column, width - 1);
        for (int c = 0; c < 3; c++) {
            to[6 * column + c] = under[at + c];
            to[6 * column + 3 + c] = over[at + c];
        }
#ifdef NPFUSE_CHECK
        int16_t x[6];
        for (int c = 0; c < 6; c++)
            x[c] = level(to[6 * column + c], c / 3);
        SEE(@number, made_exposures, column, x);
#endif
    }
    made_exposures++;
}

/* Beyond the bottom, the last row is repeated. */
static void repeat_row(void)
{
    const uint8_t *last = row_exposures(made_exposures - 1);
    uint8_t *to = row_exposures(made_exposures);
    for (int i = 0; i < 6 * columns; i++)
        to[i] = last[i];
#ifdef NPFUSE_CHECK
    for (int column = 0; column < columns; column++) {
        int16_t x[6];
        for (int c = 0; c < 6; c++)
            x[c] = level(to[6 * column + c], c / 3);
        SEE(@number, made_exposures, column, x);
    }
#endif
    made_exposures++;
}

"""

_RUNNING = """\
void npfuse_row(const uint8_t *under, const uint8_t *over)
{
    store_row(under, over);
    fuse_on();
}

void npfuse_end(void)
{
    while (made_exposures < rows) {
        repeat_row();
        fuse_on();
    }
}
"""

_RUNNING_TWICE = """\
void npfuse_look(const uint8_t *under, const uint8_t *over)
{
@thumb    store_row(under, over);
    look_on();
}

void npfuse_looked(void)
{
    while (made_exposures < rows) {
        repeat_row();
        look_on();
    }
@hear    made_exposures = 0;
}

void npfuse_row(const uint8_t *under, const uint8_t *over)
{
    store_row(under, over);
    fuse_on();
}

void npfuse_end(void)
{
    while (made_exposures < rows) {
        repeat_row();
        fuse_on();
    }
}
"""
