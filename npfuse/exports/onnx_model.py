"""Writes any graph of npfuse as an ONNX model, node by node, so that there is no second description of a network.

The model of `onnx_model` takes and returns floats, as `npfuse.run.run` does. That of `onnx_bytes_model` takes two 8-bit
pictures of one size and returns one, so that conversion, normalization and rounding are the runtime's work, too;
`npfuse.exports.onnx_pair` makes it serve pictures of any size. Values are NHWC at the model's borders and NCHW, ONNX's
own layout, inside. An operator's rule writes it for one size; if possible, in a way that serves all sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from npfuse import padding as pad
from npfuse.exports.onnx_writer import Writer
from npfuse.graph import Graph, Node
from npfuse.ops import (
    BOX,
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
    Window,
)
from npfuse.ops.resize import resize_taps
from npfuse.weights.weights import Weights

HALF_WHITE = 127.5

Arrays = Mapping[str, NDArray[Any]]


def onnx_model(graph: Graph, arrays: Arrays) -> bytes:
    """Write a graph with its weights as an ONNX model of floats.

    Parameters
    ----------
    graph : Graph
    arrays : ndarray by full weight name, "<weight key>/<name>"

    Returns
    -------
    bytes of an ONNX file; its inputs and outputs are float32 (1, H, W, C), under the graph's own names

    Raises
    ------
    ValueError : an operator has no rule here
    """
    writer = Writer()
    values = {name: channels_first(writer, name, name) for name, _ in graph.inputs}
    values = write_nodes(writer, graph, arrays, values)
    for name in graph.outputs:
        writer.add("Transpose", name, values[name], perm=(0, 2, 3, 1))
    return writer.model(
        graph.name,
        [float_value(name, shape) for name, shape in graph.inputs],
        [float_value(name, graph.shapes[name]) for name in graph.outputs],
    )


def onnx_bytes_model(weights: Weights, height: int, width: int) -> bytes:
    """Write a network of two exposures as an ONNX model from bytes to bytes.

    Parameters
    ----------
    weights : Weights, with normalization "full_range"
    height, width : size of the pictures, multiples of 8

    Returns
    -------
    bytes of an ONNX file with the inputs "under" and "over", uint8 (1, H, W, 3), and, if the network reads one,
    "thumbnail", float32 (1, h, w, 6) in [-1, 1]; its output is "fused_bytes", uint8 (1, H, W, 3)

    Raises
    ------
    ValueError : the weights have another normalization, or an operator has no rule here
    """
    graph = weights.graph(height, width)
    (exposures, _), *others = graph.inputs
    (fused,) = graph.outputs
    writer = Writer()
    pair = writer.add("Concat", "pair_bytes", "under", "over", axis=3)
    floats = writer.add("Cast", "pair_floats", channels_first(writer, "pair", pair), to=TensorProto.FLOAT)
    scaled = writer.add("Mul", "pair_scaled", floats, writer.constant("scale", 1 / HALF_WHITE))
    values = {exposures: writer.add("Sub", "pair_mapped", scaled, writer.constant("one", 1))}
    values |= {name: channels_first(writer, name, name) for name, _ in others}
    values = write_nodes(writer, graph, weights.arrays, values)
    lifted = writer.add("Add", "fused_lifted", values[fused], "one")
    levels = writer.add("Mul", "fused_levels", lifted, writer.constant("half_white", HALF_WHITE))
    rounded = writer.add("Cast", "fused_rounded", writer.add("Round", "fused_whole", levels), to=TensorProto.UINT8)
    writer.add("Transpose", "fused_bytes", rounded, perm=(0, 2, 3, 1))
    picture = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, (1, height, width, 3)) for name in ("under", "over")
    ]
    return writer.model(
        graph.name,
        picture + [float_value(name, shape) for name, shape in others],
        [helper.make_tensor_value_info("fused_bytes", TensorProto.UINT8, (1, height, width, 3))],
    )


def float_value(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    """Describe an input or output of floats, (1, H, W, C), whose lengths are numbers or names."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *shape))


def channels_first(writer: Writer, name: str, value: str) -> str:
    """Append the transposition from NHWC to NCHW."""
    return writer.add("Transpose", f"{name}, channels first", value, perm=(0, 3, 1, 2))


def write_nodes(writer: Writer, graph: Graph, arrays: Arrays, values: dict[str, str]) -> dict[str, str]:
    """Write every node; `values` names the ONNX value, NCHW, of each of the graph's inputs."""
    for node in graph.nodes:
        if type(node.op) not in RULES:
            known = ", ".join(sorted(op.__name__ for op in RULES))
            raise ValueError(f"{graph.name}/{node.name}: operator is {node.op.kind}, expected one of {known}")
        own = {name: arrays[f"{node.weight_key}/{name}"] for name in node.op.weight_shapes(*graph.input_shapes(node))}
        inputs = tuple(values[name] for name in node.inputs)
        values[node.name] = RULES[type(node.op)](Place(writer, graph, node, own), node.op, *inputs)
    return values


@dataclass(frozen=True)
class Place:
    """The place where a rule writes a node; new names begin with the node's, and differ from inputs and outputs."""

    writer: Writer
    graph: Graph
    node: Node
    weights: Arrays

    def add(self, kind: str, *inputs: str, step: str = "value", **attributes: Any) -> str:
        """Append an ONNX node, and return the name of its value."""
        return self.writer.add(kind, f"{self.node.name}, {step}", *inputs, **attributes)

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Store an array, and return its name."""
        return self.writer.constant(f"{self.node.name}/{name}", value, dtype)

    def kernel(self, kernel: NDArray[Any], channels: int) -> str:
        """Store a kernel, whose axis `channels` is that of its output channels."""
        return self.constant("kernel", kernel)

    def bias(self) -> tuple[str, ...]:
        """Store the bias, where there is one."""
        return (self.constant("bias", self.weights["bias"]),) if "bias" in self.weights else ()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Return the (H, W, C) of the first input."""
        return self.graph.input_shapes(self.node)[0]


def _pointwise(place: Place, op: PointwiseConv2D, x: str) -> str:
    kernel = place.weights["kernel"].T[:, :, np.newaxis, np.newaxis]  # (Cout, Cin, 1, 1)
    return place.add("Conv", x, place.kernel(kernel, 0), *place.bias(), kernel_shape=(1, 1))


def _convolution(place: Place, op: Window, x: str) -> str:
    kernel = place.weights["kernel"]
    depthwise = kernel.ndim == 3
    kernel = kernel.transpose(2, 0, 1)[:, np.newaxis] if depthwise else kernel.transpose(3, 2, 0, 1)
    pads = [pad.conv_pads(place.input_shape[axis], *op.axis_arguments(axis)) for axis in (0, 1)]
    return place.add(
        "Conv",
        x,
        place.kernel(kernel, 0),  # (Cout, Cin / groups, kH, kW)
        *place.bias(),
        kernel_shape=op.kernel_size,
        strides=op.stride,
        dilations=op.dilation,
        pads=[before for before, _ in pads] + [after for _, after in pads],
        group=place.input_shape[2] if depthwise else 1,
    )


def _transposed_convolution(place: Place, op: Window, x: str) -> str:
    constants = op.constants(place.input_shape)
    kernel = (constants | dict(place.weights))["kernel"]
    depthwise = kernel.ndim == 3
    kernel = kernel.transpose(2, 0, 1)[:, np.newaxis] if depthwise else kernel.transpose(3, 2, 0, 1)
    crops, extra = [], []
    for axis in (0, 1):
        n = place.input_shape[axis]
        size, stride, dilation, padding = op.axis_arguments(axis)
        full = (n - 1) * stride + pad.extent(size, dilation)
        before = pad.transposed_crop(n, size, stride, dilation, padding)
        after = full - before - pad.transposed_length(n, size, stride, dilation, padding)
        crops.append((before, max(after, 0)))
        extra.append(max(-after, 0))
    return place.add(
        "ConvTranspose",
        x,
        place.kernel(kernel, 0 if depthwise else 1),  # (Cin, Cout / groups, kH, kW)
        *place.bias(),
        kernel_shape=op.kernel_size,
        strides=op.stride,
        dilations=op.dilation,
        pads=[before for before, _ in crops] + [after for _, after in crops],
        output_padding=extra,
        group=place.input_shape[2] if depthwise else 1,
    )


def _depthwise_transposed(place: Place, op: DepthwiseConv2DTranspose, x: str) -> str:
    if op.fixed == BOX and op.stride == (2, 2) and op.padding == "same" and not op.use_bias:
        # The box repeats every value twice each way; runtimes have an operator for that.
        return _resized(place, x, "nearest")
    return _transposed_convolution(place, op, x)


def _resize(place: Place, op: Resize, x: str) -> str:
    if op.method != "area":
        return _resized(place, x, op.method)
    rows, columns = (_taps_matrix(n, out) for n, out in zip(place.input_shape, (op.height, op.width), strict=False))
    narrow = place.add("MatMul", x, place.constant("columns", columns.T), step="columns")
    return place.add("MatMul", place.constant("rows", rows), narrow)


def _resized(place: Place, x: str, method: str) -> str:
    height, width, channels = place.graph.shapes[place.node.name]
    rows, columns, _ = place.input_shape
    if height % rows or width % columns:
        target: tuple[str, ...] = "", place.constant("sizes", (1, channels, height, width), np.int64)
    else:  # a whole factor serves pictures of every size
        target = (place.constant("factors", (1, 1, height // rows, width // columns)),)
    return place.add(
        "Resize",
        x,
        "",
        *target,
        mode="nearest" if method == "nearest" else "linear",
        coordinate_transformation_mode="half_pixel",
        nearest_mode="round_prefer_ceil",
    )


def _taps_matrix(n: int, out: int) -> NDArray[np.float64]:
    """Return area resampling along one axis as a matrix (out, n)."""
    matrix = np.zeros((out, n))
    positions, weights = resize_taps(n, out, "area")
    for i in range(out):
        np.add.at(matrix[i], positions[i], weights[i])
    return matrix


def _adaptive_norm(place: Place, op: AdaptiveNorm, x: str) -> str:
    w = place.weights
    gamma, beta = (place.constant(name, w["w1"] * w[name]) for name in ("gamma", "beta"))
    normal = place.add("InstanceNormalization", x, gamma, beta, step="normal", epsilon=op.epsilon)
    return place.add("Add", place.add("Mul", x, place.constant("w0", w["w0"]), step="part"), normal)


def _joined(kind: str, **attributes: Any) -> Callable[..., str]:
    def rule(place: Place, op: Operator, *inputs: str) -> str:
        value, *others = inputs
        for i, other in enumerate(others[:-1]):
            value = place.add(kind, value, other, step=f"value {i}")
        return place.add(kind, value, *others[-1:], **attributes)

    return rule


RULES: Mapping[type[Operator], Callable[..., str]] = {
    AdaptiveNorm: _adaptive_norm,
    Add: _joined("Add"),
    AddChannels: _joined("Add"),
    Concatenate: lambda place, op, *inputs: place.add("Concat", *inputs, axis=1),
    Conv2D: _convolution,
    Conv2DTranspose: _transposed_convolution,
    DepthwiseConv2D: _convolution,
    DepthwiseConv2DTranspose: _depthwise_transposed,
    LeakyReLU: lambda place, op, x: place.add("LeakyRelu", x, alpha=op.slope),
    PointwiseConv2D: _pointwise,
    ReLU: _joined("Relu"),
    Resize: _resize,
    Tanh: _joined("Tanh"),
}
