"""Writes a network of two exposures as one ONNX model from bytes to bytes, for pictures of any size.

The model does all that `npfuse.fuse` does with 8-bit RGB, in the order given: it maps the levels to [-1, 1], averages
the thumbnail, repeats the last row and column, runs the network, rounds, and cuts off what was repeated.
"""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper

from npfuse.exports.onnx_model import HALF_WHITE, channels_first, float_value, write_nodes
from npfuse.exports.onnx_writer import Writer
from npfuse.graph import Graph
from npfuse.padding import GRID
from npfuse.weights.weights import Weights

Size = tuple[int, int]
WriteNetwork = Callable[[Writer, Graph, dict[str, str]], dict[str, str]]  # takes and returns names of values, NCHW

SIZES = ((6 * GRID, 8 * GRID), (10 * GRID, 5 * GRID))  # they share no length: a model for both serves all


def onnx_pair_model(
    weights: Weights, size: Size | None = None, *, network: WriteNetwork | None = None, opset: int = 18
) -> bytes:
    """Write a network of two exposures as an ONNX model from bytes to bytes.

    Parameters
    ----------
    weights : Weights of LightFuse, ToneFuse or T_CNN
    size : (height, width) of the pictures; None for any
    network : function that writes the network between mapping and rounding; None for floats
    opset : version of ONNX's operators

    Returns
    -------
    bytes of an ONNX file with inputs "under" and "over", and output "fused", uint8 (1, H, W, 3) each

    Raises
    ------
    ValueError : an operator has no rule, or is written differently for every size
    """
    writer = Writer(opset)
    pair = writer.add("Concat", "pair", *(_mapped(writer, name, weights) for name in ("under", "over")), axis=3)
    exposures = channels_first(writer, "pair", pair)
    lengths = writer.add("Shape", "size", exposures, start=2)  # (H, W)
    grid = writer.constant("grid", GRID, np.int64)
    above = writer.add("Add", "size, above", lengths, writer.constant("grid - 1", GRID - 1, np.int64))
    on_grid = writer.add("Mul", "size, on the grid", writer.add("Div", "cells", above, grid), grid)
    padded = writer.add("Add", "size, padded", on_grid, writer.constant("margin", weights.margin, np.int64))
    extra = writer.add("Sub", "rows and columns to repeat", padded, lengths)
    pads = writer.add("Concat", "pads", writer.constant("no pads", [0] * 6, np.int64), extra, axis=0)
    (name, _), *others = weights.graph(GRID, GRID).inputs
    values = {name: writer.add("Pad", "exposures, padded", exposures, pads, mode="edge")}
    for other, (rows, columns, _) in others:
        values[other] = _average(writer, other, exposures, rows, columns)
    values = _at_any_size(writer, weights, values, network or _floats(weights))
    (fused,) = weights.graph(GRID, GRID).outputs
    lifted = writer.add("Add", "levels, lifted", values[fused], writer.constant("one", 1))
    levels = writer.add("Mul", "levels", lifted, writer.constant("half white", HALF_WHITE))
    rounded = writer.add("Cast", "levels, bytes", writer.add("Round", "levels, whole", levels), to=TensorProto.UINT8)
    starts, axes = writer.constant("first", [0, 0], np.int64), writer.constant("rows and columns", [2, 3], np.int64)
    cropped = writer.add("Slice", "levels, cropped", rounded, starts, lengths, axes)
    writer.add("Transpose", "fused", cropped, perm=(0, 2, 3, 1))
    shape = (1, *(size or ("height", "width")), 3)
    pictures = [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in ("under", "over", "fused")]
    about = f"{weights.label}: under and over to fused, 8-bit RGB. {weights.source}"
    return writer.model(weights.model, pictures[:2], pictures[2:], about)


def onnx_network(weights: Weights) -> bytes:
    """Write a network without the steps around it, from floats to floats, for inputs of any size.

    Parameters
    ----------
    weights : Weights

    Returns
    -------
    bytes of an ONNX file whose inputs and outputs are float32 (1, H, W, C), under the graph's own names

    Raises
    ------
    ValueError : an operator has no rule, or is written differently for every size
    """
    writer = Writer()
    graph, other = (weights.graph(*size) for size in SIZES)
    values = {name: channels_first(writer, name, name) for name, _ in graph.inputs}
    values = _at_any_size(writer, weights, values, _floats(weights))
    for name in graph.outputs:
        writer.add("Transpose", name, values[name], perm=(0, 2, 3, 1))

    def shape(name: str) -> tuple[int | str, ...]:
        rows, columns, channels = graph.shapes[name]
        return (rows, columns, channels) if other.shapes[name][0] == rows else ("height", "width", channels)

    inputs, outputs = (
        [float_value(name, shape(name)) for name in names] for names in (dict(graph.inputs), graph.outputs)
    )
    return writer.model(weights.model, inputs, outputs, f"{weights.label}: the network alone. {weights.source}")


def _floats(weights: Weights) -> WriteNetwork:
    def write(writer: Writer, graph: Graph, values: dict[str, str]) -> dict[str, str]:
        return write_nodes(writer, graph, weights.arrays, values)

    return write


def _at_any_size(writer: Writer, weights: Weights, values: dict[str, str], network: WriteNetwork) -> dict[str, str]:
    """Append the network's nodes, after checking that they are the same for two sizes."""
    first, other = Writer(writer.opset), Writer(writer.opset)
    found = network(first, weights.graph(*SIZES[0]), dict(values))
    network(other, weights.graph(*SIZES[1]), dict(values))
    for a, b in zip((*first.nodes, *first.constants), (*other.nodes, *other.constants), strict=True):
        if a != b:
            raise ValueError(
                f"{weights.label}: {a.name} depends on the pictures' size, expected one model for all sizes"
            )
    writer.nodes += first.nodes
    writer.constants += first.constants
    return found


def _mapped(writer: Writer, name: str, weights: Weights) -> str:
    """Map a picture's bytes to [-1, 1]."""
    floats = writer.add("Cast", f"{name}, floats", name, to=TensorProto.FLOAT)
    if weights.normalization == "full_range":
        scaled = writer.add("Mul", f"{name}, scaled", floats, writer.constant(f"{name}/scale", 1 / HALF_WHITE))
    else:
        ends = [writer.add(f"Reduce{end}", f"{name}, {end}", floats, keepdims=1) for end in ("Min", "Max")]
        flat = writer.add("Equal", f"{name}, of one value", *ends)
        levels = (("black", 0), ("white", 2 * HALF_WHITE))
        black, white = (
            writer.add("Where", f"{name}, {level}", flat, writer.constant(f"{name}/{level}", number), end)
            for (level, number), end in zip(levels, ends, strict=True)
        )
        span = writer.add("Sub", f"{name}, span", white, black)
        scale = writer.add("Div", f"{name}, scale", writer.constant(f"{name}/two", 2), span)
        lifted = writer.add("Sub", f"{name}, above black", floats, black)
        scaled = writer.add("Mul", f"{name}, scaled", lifted, scale)
    return writer.add("Sub", f"{name}, mapped", scaled, writer.constant(f"{name}/one", 1))


def _average(writer: Writer, name: str, x: str, rows: int, columns: int) -> str:
    """Average a picture (1, C, H, W) to rows x columns, each the mean of exactly the area that it covers."""
    narrow = writer.add("MatMul", f"{name}, rows", _shares(writer, f"{name} rows", x, 2, rows), x)
    turned = writer.add("Transpose", f"{name}, shares", _shares(writer, f"{name} columns", x, 3, columns), perm=(1, 0))
    return writer.add("MatMul", f"{name}, averaged", narrow, turned)


def _shares(writer: Writer, name: str, x: str, axis: int, count: int) -> str:
    """Return the share of each of n positions in each of `count` means, (count, n).

    Positions are measured in parts of 1 / count, and means cover n of them, so that every overlap is a whole number.
    """

    def whole(kind: str, step: str, *inputs: str) -> str:
        return writer.add(kind, f"{name}, {step}", *inputs)

    zero, one, parts = (writer.constant(f"{name}/{n}", n, np.int64) for n in (0, 1, count))
    n = whole("Squeeze", "length", writer.add("Shape", f"{name}, lengths", x, start=axis, end=axis + 1))
    left = whole("Mul", "left", whole("Range", "positions", zero, n, one), parts)
    right = whole("Add", "right", left, parts)
    index = writer.constant(f"{name}/index", np.arange(count)[:, np.newaxis], np.int64)  # (count, 1)
    start = whole("Mul", "start", index, n)
    stop = whole("Add", "stop", start, n)
    overlap = whole("Sub", "overlap", whole("Min", "end", right, stop), whole("Max", "begin", left, start))
    floats = writer.add("Cast", f"{name}, floats", whole("Max", "covered", overlap, zero), to=TensorProto.FLOAT)
    return whole("Div", "shares", floats, writer.add("Cast", f"{name}, parts", n, to=TensorProto.FLOAT))
