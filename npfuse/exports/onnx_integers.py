"""A network in integers as an ONNX model of quantised and dequantised values (QDQ), from bytes to bytes.

Kernels are int8 with a scale per channel, biases int32, values int16 or uint8, all from `npfuse.integer`. Between the
pairs of QuantizeLinear and DequantizeLinear stand ordinary operators. A runtime may fuse them into integer operators,
or compute in floats, as ONNX Runtime does with 16 bits. So the model is within a level of `npfuse.integer` on the
pictures that it is checked with, but it is no golden model: its bytes depend on the runtime and the processor.

Values with a scale per channel (`npfuse.integer.Format`) stay whole numbers: a kernel that reads them contains the
scales of its inputs, and its own scales are those of its sums.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.exports.onnx_model import RULES, Place
from npfuse.exports.onnx_pair import onnx_pair_model
from npfuse.exports.onnx_writer import Writer
from npfuse.graph import Graph
from npfuse.integer import Format, IntegerGraph, Layer
from npfuse.ops import Add, AddChannels, Tanh
from npfuse.weights.weights import Weights

OPSET = 21  # the first version whose QuantizeLinear has 16 bits


def onnx_integer_model(weights: Weights, network: IntegerGraph, size: tuple[int, int] | None = None) -> bytes:
    """Write a network in integers as an ONNX model from bytes to bytes.

    Parameters
    ----------
    weights : Weights that the network was made of
    network : IntegerGraph
    size : (height, width) of the pictures; None for any

    Returns
    -------
    bytes of an ONNX file, with the inputs and outputs of `npfuse.exports.onnx_pair.onnx_pair_model`
    """

    def write(writer: Writer, graph: Graph, values: dict[str, str]) -> dict[str, str]:
        sized = network.at(graph)
        values = {
            name: _rounded(writer, name, value, sized.formats[name], sized.formats[name].scale)
            for name, value in values.items()
        }
        for layer in sized.layers:
            _write_layer(writer, sized, layer, values)
        return values

    return onnx_pair_model(weights, size, network=write, opset=OPSET)


def _write_layer(writer: Writer, network: IntegerGraph, layer: Layer, values: dict[str, str]) -> None:
    """Write the nodes of a layer, and the rounding of their value."""
    nodes = {node.name: node for node in network.graph.nodes}
    for name in layer.nodes:
        node = nodes[name]
        integers = {"kernel": layer.kernel, "bias": layer.bias} if name == layer.nodes[0] else {}
        own = {key: array for key, array in integers.items() if array is not None}
        step = _step(network.formats[layer.inputs[0]])
        place = _IntegerPlace(writer, network.graph, node, own, layer, step)
        inputs = [values[key] for key in node.inputs]
        if isinstance(node.op, Add) and not layer.saturates:  # each term is rounded before they are added, and fits
            inputs = [_rounded_term(writer, network, layer, i, value) for i, value in enumerate(inputs)]
        if isinstance(node.op, AddChannels):
            inputs[1] = _rounded_to_sums(writer, layer, inputs[1])
        values[name] = RULES[type(node.op)](place, node.op, *inputs)
    if not isinstance(nodes[layer.nodes[0]].op, Tanh):  # bytes are rounded at the model's end
        scale = layer.output.scale if layer.rescales else _step(layer.output)  # a copy is in steps already
        values[layer.name] = _rounded(writer, layer.name, values[layer.name], layer.output, scale)


def _rounded_term(writer: Writer, network: IntegerGraph, layer: Layer, i: int, value: str) -> str:
    """Append the rounding of a term of a sum to the sum's format; after a shift, ties go upwards."""
    name = f"{layer.name}, term {i}"
    if layer.rescales[i].only_shifts:
        quarter = writer.constant(f"{name}/quarter", network.formats[layer.inputs[i]].common_scale / 4)
        value = writer.add("Add", f"{name}, lifted", value, quarter)
    return _rounded(writer, name, value, layer.output, layer.output.scale)


def _rounded_to_sums(writer: Writer, layer: Layer, value: str) -> str:
    """Append the rounding of what AddChannels adds to whole steps of the sums, which have 32 bits."""
    name = f"{layer.name}, added"
    scale = writer.constant(f"{name}/scale", np.reshape(layer.sum_scale, (1, -1, 1, 1)))  # type: ignore[arg-type]
    whole = writer.add("Round", f"{name}, whole", writer.add("Div", f"{name}, in steps", value, scale))
    return writer.add("Mul", f"{name}, real", whole, scale)


def _step(form: Format) -> float:
    """Return the size of a step of a dequantised value: its scale, or 1 if it has one scale per channel."""
    return form.scale if isinstance(form.scale, float) else 1.0


def _rounded(writer: Writer, name: str, value: str, form: Format, scale: float | tuple[float, ...]) -> str:
    """Append the rounding of a value to a format, by one scale or one per channel."""
    by = writer.constant(f"{name}/scale", scale)
    zero = writer.constant(f"{name}/zero", np.zeros_like(scale), form.dtype)
    whole = writer.add("QuantizeLinear", f"{name}, whole", value, by, zero, axis=1)
    if isinstance(scale, float):
        return writer.add("DequantizeLinear", f"{name}, real", whole, by, zero)
    step, middle = writer.constant(f"{name}/step", 1), writer.constant(f"{name}/middle", 0, form.dtype)
    return writer.add("DequantizeLinear", f"{name}, in steps", whole, step, middle)


@dataclass(frozen=True)
class _IntegerPlace(Place):
    """Where a rule writes a layer whose kernel and bias are integers."""

    layer: Layer
    input_step: float

    def kernel(self, kernel: NDArray[Any], channels: int) -> str:
        """Store a kernel of 8 bits with a scale per channel."""
        return self._real("kernel", kernel, np.int8, self._sum_scale / self.input_step, channels)

    def bias(self) -> tuple[str, ...]:
        """Store the bias, if there is one, at the scale of the sums; if a shift follows, add a quarter.

        Ties are frequent before a shift. npfuse rounds them upwards, QuantizeLinear to even; a quarter above a tie,
        both round upwards.
        """
        if "bias" not in self.weights:
            return ()
        bias, scale = self.weights["bias"].astype(np.int64), self._sum_scale
        if self.layer.rescales[0].only_shifts and np.abs(bias).max() < 2**29:
            bias, scale = 4 * bias + 1, scale / 4
        return (self._real("bias", bias, np.int32, scale, 0),)

    @property
    def _sum_scale(self) -> NDArray[np.float64]:
        assert self.layer.sum_scale is not None
        return self.layer.sum_scale

    def _real(self, name: str, whole: NDArray[Any], dtype: Any, scale: NDArray[np.float64], axis: int) -> str:
        stored, by = self.constant(f"{name}, whole", whole, dtype), self.constant(f"{name}, scale", scale)
        return self.add("DequantizeLinear", stored, by, step=name, axis=axis)
