"""Writes a network of two exposures as a TensorFlow Lite model from bytes to bytes, for pictures of any size.

TensorFlow traces a function that does all that `npfuse.fuse` does with 8-bit RGB, in the order given. The graph's
operators are TensorFlow's, the weights are constants. TensorFlow's converter writes the file. This is the only module
of npfuse that imports TensorFlow.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.ops import (
    BOX,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)
from npfuse.padding import GRID
from npfuse.weights.weights import Weights

HALF_WHITE = 127.5


def tflite_pair_model(weights: Weights, size: tuple[int, int] | None = None) -> bytes:
    """Write a network of two exposures as a TensorFlow Lite model from bytes to bytes.

    Parameters
    ----------
    weights : Weights of LightFuse, ToneFuse or T_CNN
    size : (height, width) of the pictures; None for any, which the interpreter's `resize_tensor_input` then sets

    Returns
    -------
    bytes of a `.tflite` file with inputs "under" and "over", and output "fused", uint8 (1, H, W, 3) each, in its only
    signature

    Raises
    ------
    ValueError : an operator has no rule here
    """
    graph = weights.graph(3 * GRID, 5 * GRID)
    (exposures, _), *thumbnails = graph.inputs
    picture = [tf.TensorSpec((1, *(size or (None, None)), 3), tf.uint8, name) for name in ("under", "over")]

    @tf.function(input_signature=picture)  # type: ignore[untyped-decorator, unused-ignore]
    def fused(under: Any, over: Any) -> dict[str, Any]:
        pair = tf.concat([_mapped(x, weights) for x in (under, over)], axis=3)
        lengths = [size[axis] if size else tf.shape(pair)[1 + axis] for axis in (0, 1)]
        padded = pair
        for axis, n in enumerate(lengths, 1):  # repeat the last row and column
            positions = tf.range((n + GRID - 1) // GRID * GRID + weights.margin)
            padded = tf.gather(padded, tf.minimum(positions, n - 1), axis=axis)
        values = {name: _average(pair, lengths, *shape[:2]) for name, shape in thumbnails}
        (output,) = _outputs(graph, weights, values | {exposures: padded})
        levels = (output + 1.0) * HALF_WHITE
        return {"fused": tf.cast(tf.round(levels), tf.uint8)[:, : lengths[0], : lengths[1]]}

    module = tf.Module()  # the function must belong to a module, or the converter writes no signature
    module.fused = fused
    concrete = fused.get_concrete_function()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        content: bytes = converter.convert()
    return content


def _outputs(graph: Graph, weights: Weights, values: dict[str, Any]) -> list[Any]:
    """Run a graph by TensorFlow's operators; `values` has the tensors (1, H, W, C) of its inputs, by name."""
    for node in graph.nodes:
        if type(node.op) not in RULES:
            known = ", ".join(sorted(op.__name__ for op in RULES))
            raise ValueError(f"{graph.name}/{node.name}: operator is {node.op.kind}, expected one of {known}")
        shapes = graph.input_shapes(node)
        own = {name: weights.arrays[f"{node.weight_key}/{name}"] for name in node.op.weight_shapes(*shapes)}
        value = RULES[type(node.op)](node.op, shapes[0], own.get("kernel"), *(values[name] for name in node.inputs))
        values[node.name] = value + own["bias"] if "bias" in own else value
    return [values[name] for name in graph.outputs]


def _depthwise(op: DepthwiseConv2D, shape: Sequence[int], kernel: Any, x: Any) -> Any:
    # Not the function of tf.nn, which rearranges the picture for a dilation.
    return tf.raw_ops.DepthwiseConv2dNative(
        input=x,
        filter=tf.constant(kernel[..., np.newaxis]),
        strides=(1, *op.stride, 1),
        padding=op.padding.upper(),
        dilations=(1, *op.dilation, 1),
    )


def _transposed(op: Conv2DTranspose, shape: Sequence[int], kernel: Any, x: Any) -> Any:
    if op.padding != "same" or op.dilation != (1, 1):
        raise ValueError(f"{op.kind}: padding is {op.padding!r} and dilation {op.dilation}, expected 'same' and none")
    lengths = [tf.shape(x)[1] * op.stride[0], tf.shape(x)[2] * op.stride[1]]
    return tf.nn.conv2d_transpose(x, kernel, [1, *lengths, op.features], op.stride, "SAME")


def _repeated(op: DepthwiseConv2DTranspose, shape: Sequence[int], kernel: Any, x: Any) -> Any:
    if not (op.fixed == BOX and op.stride == (2, 2) and op.padding == "same" and not op.use_bias):
        raise ValueError(f"{op.kind}: expected one that only repeats pixels")
    return _enlarged(x, 2, 2, "nearest")


def _resized(op: Resize, shape: Sequence[int], kernel: Any, x: Any) -> Any:
    rows, columns = shape[:2]
    if op.method == "area" and (op.height, op.width) == (1, 1):
        return tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    if op.method in ("nearest", "bilinear") and op.height % rows == op.width % columns == 0:
        return _enlarged(x, op.height // rows, op.width // columns, op.method)
    raise ValueError(
        f"Resize: resizing by {op.method} from {rows}x{columns} to {op.height}x{op.width}, expected nearest or "
        "bilinear by a whole factor, or the mean of all"
    )


def _enlarged(x: Any, rows: int, columns: int, method: str) -> Any:
    return tf.image.resize(x, (tf.shape(x)[1] * rows, tf.shape(x)[2] * columns), method)


RULES: Mapping[type[Operator], Callable[..., Any]] = {
    Add: lambda op, shape, kernel, *xs: sum(xs[1:], xs[0]),
    AddChannels: lambda op, shape, kernel, *xs: sum(xs[1:], xs[0]),
    Conv2DTranspose: _transposed,
    DepthwiseConv2D: _depthwise,
    DepthwiseConv2DTranspose: _repeated,
    PointwiseConv2D: lambda op, shape, kernel, x: tf.nn.conv2d(x, kernel[np.newaxis, np.newaxis], 1, "VALID"),
    ReLU: lambda op, shape, kernel, x: tf.nn.relu(x),
    Resize: _resized,
    Tanh: lambda op, shape, kernel, x: tf.tanh(x),
}


def run_tflite_model(content: bytes, inputs: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], str]:
    """Run a `.tflite` file on a pair; return the fused picture (1, H, W, 3), and the name of the interpreter.

    That is LiteRT if it is installed, else the interpreter of TensorFlow.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter

        name = "LiteRT"
    except ImportError:
        Interpreter, name = tf.lite.Interpreter, "TensorFlow Lite"  # noqa: N806 (a class)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces that its interpreter moves to LiteRT
        interpreter = Interpreter(model_content=content, num_threads=1)
    (key,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(key)
    return np.asarray(runner(**inputs)["fused"]), name


def _mapped(x: Any, weights: Weights) -> Any:
    """Map a picture's bytes to [-1, 1]."""
    floats = tf.cast(x, tf.float32)
    if weights.normalization == "full_range":
        return floats * (1 / HALF_WHITE) - 1.0
    black, white = tf.reduce_min(floats), tf.reduce_max(floats)
    flat = tf.equal(black, white)
    black, white = tf.where(flat, 0.0, black), tf.where(flat, 2 * HALF_WHITE, white)
    return (floats - black) * (2.0 / (white - black)) - 1.0


def _average(x: Any, lengths: list[Any], rows: int, columns: int) -> Any:
    """Average a picture (1, H, W, C) to rows x columns, each the mean of exactly the area that it covers."""
    planes = tf.transpose(x, (0, 3, 1, 2))
    narrow = tf.matmul(_shares(lengths[0], rows), planes)
    return tf.transpose(tf.matmul(narrow, _shares(lengths[1], columns), transpose_b=True), (0, 2, 3, 1))


def _shares(n: Any, count: int) -> Any:
    """Return the share of each of n positions in each of `count` means, (count, n); see `npfuse.exports.onnx_pair`."""
    left = tf.range(n) * count
    start = tf.range(count)[:, tf.newaxis] * n
    overlap = tf.minimum(left + count, start + n) - tf.maximum(left, start)
    return tf.cast(tf.maximum(overlap, 0), tf.float32) / tf.cast(n, tf.float32)
