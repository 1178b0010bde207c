"""What an operator and a network cost: one rule an operator, and `count`, which walks a graph with them.

A rule counts what the operator's NumPy definition in `npfuse.ops` does, padded and cropped taps included; the tests run
the definitions on numbers that count. Every operator is taken to read its inputs and weights from memory once and to
write its output once, as in execution operator by operator with a cache that holds a window. Left out: batches (one
picture is counted), and what a runner saves by fusing operators (`npfuse.graph_memory`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from costmodel.conventions import Convention, Work
from costmodel.receptive_field import receptive_fields
from npfuse.graph import Graph, Node
from npfuse.ops import (
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Divide,
    ExposureQuality,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Shape,
    Subtract,
    Tanh,
    WeightedSum,
    Window,
)
from npfuse.ops.operator import Pair
from npfuse.ops.resize import resize_taps

FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class OperatorCost:
    """What one use of an operator costs, for one picture.

    Parameters
    ----------
    parameters : learned numbers
    work : arithmetic by kind
    values_read : numbers read from memory, of the inputs and of the weights
    values_written : numbers written
    """

    parameters: int
    work: Work
    values_read: int
    values_written: int


Rule = Callable[[Any, tuple[Shape, ...], Shape], OperatorCost]
RULES: dict[type[Operator], Rule] = {}


def rule(op: type[Operator]) -> Callable[[Rule], Rule]:
    """Make the decorated function the rule of an operator."""

    def registered(function: Rule) -> Rule:
        RULES[op] = function
        return function

    return registered


def _cost(op: Operator, inputs: tuple[Shape, ...], output: Shape, work: Work, *, passes: int = 1) -> OperatorCost:
    """Return the cost of an operator that reads its inputs in a number of passes, its weights once."""
    parameters = sum(prod(shape) for shape in op.weight_shapes(*inputs).values())
    read = passes * sum(prod(shape) for shape in inputs) + parameters
    return OperatorCost(parameters=parameters, work=work, values_read=read, values_written=prod(output))


def _bias(op: Window | PointwiseConv2D, output: Shape) -> int:
    """Return the additions of a bias: one an output value."""
    return prod(output) if op.use_bias else 0


@rule(Conv2D)
def _conv2d(op: Conv2D, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    macs = prod(output) * prod(op.kernel_size) * inputs[0][2]
    return _cost(op, inputs, output, Work(convolution_macs=macs, additions=_bias(op, output)))


@rule(DepthwiseConv2D)
def _depthwise_conv2d(op: DepthwiseConv2D, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    macs = prod(output) * prod(op.kernel_size)
    return _cost(op, inputs, output, Work(convolution_macs=macs, additions=_bias(op, output)))


@rule(PointwiseConv2D)
def _pointwise_conv2d(op: PointwiseConv2D, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    macs = prod(inputs[0]) * op.features
    return _cost(op, inputs, output, Work(convolution_macs=macs, additions=_bias(op, output)))


@rule(Conv2DTranspose)
def _conv2d_transpose(op: Conv2DTranspose, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    macs = prod(inputs[0]) * prod(op.kernel_size) * op.features  # at input positions
    return _cost(op, inputs, output, Work(convolution_macs=macs, additions=_bias(op, output)))


@rule(DepthwiseConv2DTranspose)
def _depthwise_conv2d_transpose(op: DepthwiseConv2DTranspose, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    macs = prod(inputs[0]) * prod(op.kernel_size)  # at input positions
    bias = _bias(op, output)
    if op.fixed is None:
        return _cost(op, inputs, output, Work(convolution_macs=macs, additions=bias))
    return _cost(op, inputs, output, Work(resizing_macs=macs, additions=bias))


@rule(Resize)
def _resize(op: Resize, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    height, width, channels = inputs[0]
    row_taps = resize_taps(height, op.height, op.method)[0].shape[1]
    column_taps = resize_taps(width, op.width, op.method)[0].shape[1]
    # Rows first: the result is (op.height, W, C) before the columns are resampled.
    macs = op.height * width * channels * row_taps + prod(output) * column_taps
    return _cost(op, inputs, output, Work(resizing_macs=macs))


@rule(Add)
def _add(op: Add, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(additions=(len(inputs) - 1) * prod(output)))


@rule(AddChannels)
def _add_channels(op: AddChannels, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(additions=prod(output)))


@rule(Subtract)
def _subtract(op: Subtract, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(additions=prod(output)))


@rule(Divide)
def _divide(op: Divide, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(divisions=prod(output)))


@rule(WeightedSum)
def _weighted_sum(op: WeightedSum, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    pictures = len(inputs) // 2
    work = Work(multiplications=pictures * prod(output), additions=(pictures - 1) * prod(output))
    return _cost(op, inputs, output, work)


@rule(ExposureQuality)
def _exposure_quality(op: ExposureQuality, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    channels, pixels = inputs[0][2], prod(output)
    used = [measure for measure in op.measures if measure != "saturation" or channels == 3]
    additions, multiplications, comparisons, divisions, functions = 1, len(used) - 1, 0, 0, 0  # the floor; the product
    if "contrast" in used:
        additions += 7 + (2 if channels == 3 else 0)  # 4 differences and their sum; luma
        multiplications += 3 if channels == 3 else 0
        comparisons += 1  # the absolute value
    if "saturation" in used:
        additions += 3 + 2  # the differences of the channels, the sum of their squares
        multiplications += 3
        divisions += 1
        functions += 1
    if "exposedness" in used:
        additions += 2 * channels - 1
        multiplications += channels + 1
        functions += 1
    work = Work(
        additions=additions * pixels,
        multiplications=multiplications * pixels,
        comparisons=comparisons * pixels,
        divisions=divisions * pixels,
        functions=functions * pixels,
    )
    return _cost(op, inputs, output, work)


@rule(Concatenate)
def _concatenate(op: Concatenate, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work())


@rule(ReLU)
def _relu(op: ReLU, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(comparisons=prod(output)))


@rule(LeakyReLU)
def _leaky_relu(op: LeakyReLU, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(comparisons=prod(output), multiplications=prod(output)))


@rule(Tanh)
def _tanh(op: Tanh, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    return _cost(op, inputs, output, Work(functions=prod(output)))


@rule(AdaptiveNorm)
def _adaptive_norm(op: AdaptiveNorm, inputs: tuple[Shape, ...], output: Shape) -> OperatorCost:
    values, channels = prod(output), output[2]
    work = Work(
        # Mean and sum of squares; minus mean, plus beta, plus w0 * x; plus epsilon.
        additions=2 * (values - channels) + 3 * values + channels,
        multiplications=4 * values,  # square, scale, w0, w1
        divisions=3 * channels,  # mean, variance, gamma / deviation
        functions=channels,
    )
    # Mean, variance and result each need the whole picture before the next can begin.
    return _cost(op, inputs, output, work, passes=3)


def operator_cost(op: Operator, *inputs: Shape) -> OperatorCost:
    """Return what an operator costs on inputs of the given shapes.

    Parameters
    ----------
    op : Operator
    inputs : (H, W, C) of each

    Returns
    -------
    OperatorCost

    Raises
    ------
    ValueError : the operator has no rule, or the shapes do not fit

    Examples
    --------
    >>> operator_cost(Conv2D(features=4, kernel_size=(3, 3)), (5, 7, 2)).work.macs  # 5*7*4 outputs, 3*3*2 taps
    2520
    """
    if type(op) not in RULES:
        raise ValueError(f"{op.kind}: number of cost rules is 0, expected one in costmodel.counts.RULES")
    return RULES[type(op)](op, inputs, op.output_shape(*inputs))


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One row of the table of layers.

    Parameters
    ----------
    name, operator : of the node
    reads : names of the values that it reads
    inputs, output : shapes (H, W, C)
    kernel_layout : axes of the learned kernel, in order; empty where there is none
    pads : zeros around the input (top, bottom, left, right), or what a transposed convolution cuts off; None where the
        operator has no window
    kernel_size, stride, dilation : (rows, columns), or None where the operator has none
    parameters : learned numbers, 0 where they are another layer's
    shares : weight key of that other layer, or None
    work : arithmetic by kind
    bytes_read, bytes_written : in execution operator by operator
    receptive_field : (rows, columns) of each of the network's inputs that one position of the output depends on
    """

    name: str
    operator: str
    reads: tuple[str, ...]
    inputs: tuple[Shape, ...]
    output: Shape
    kernel_layout: tuple[str, ...]
    pads: tuple[int, int, int, int] | None
    kernel_size: Pair | None
    stride: Pair | None
    dilation: Pair | None
    parameters: int
    shares: str | None
    work: Work
    bytes_read: int
    bytes_written: int
    receptive_field: Mapping[str, Pair]

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written

    @property
    def operations(self) -> int:
        """Multiply-adds and all other operations, each as one: what occupies an arithmetic unit for one slot."""
        return self.work.macs + self.work.other


@dataclass(frozen=True, kw_only=True)
class GraphCost:
    """What a network costs for one picture.

    Parameters
    ----------
    name : of the graph
    layers : in the order of execution
    pixels : H * W of the first output
    element_bytes : of every number in memory
    """

    name: str
    layers: tuple[LayerCost, ...]
    pixels: int
    element_bytes: int

    @property
    def parameters(self) -> int:
        """Learned numbers, shared ones once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def work(self) -> Work:
        """Arithmetic of all layers, by kind."""
        return sum((layer.work for layer in self.layers), Work())

    @property
    def bytes_read(self) -> int:
        """Bytes read by all layers."""
        return sum(layer.bytes_read for layer in self.layers)

    @property
    def bytes_written(self) -> int:
        """Bytes written by all layers."""
        return sum(layer.bytes_written for layer in self.layers)

    def amount(self, convention: Convention) -> int:
        """Return the total under a convention."""
        return convention.amount(self.work)

    def per_pixel(self, convention: Convention) -> Fraction:
        """Return the total under a convention for one pixel of the output, exactly."""
        return Fraction(self.amount(convention), self.pixels)


def count(graph: Graph, *, element_bytes: int = FLOAT32_BYTES) -> GraphCost:
    """Return what a graph costs, layer by layer.

    Parameters
    ----------
    graph : Graph
    element_bytes : size of every number in memory; 4 for float32

    Returns
    -------
    GraphCost

    Raises
    ------
    ValueError : an operator has no rule, element_bytes < 1, or the graph has no nodes

    Examples
    --------
    >>> from costmodel.conventions import CONVENTIONS
    >>> from npfuse.models import lightfuse
    >>> cost = count(lightfuse(64, 96))
    >>> cost.parameters, int(cost.per_pixel(CONVENTIONS["paper"]))
    (18630, 36260)
    """
    if element_bytes < 1:
        raise ValueError(f"{graph.name}: element_bytes is {element_bytes}, expected at least 1")
    if not graph.nodes or not graph.outputs:
        raise ValueError(f"{graph.name}: number of nodes is {len(graph.nodes)}, expected at least 1 and an output")
    fields = receptive_fields(graph)
    counted: set[str] = set()
    layers = []
    for node in graph.nodes:
        layers.append(_layer(graph, node, fields[node.name], counted, element_bytes))
        counted.add(node.weight_key)
    height, width, _ = graph.shapes[graph.outputs[0]]
    return GraphCost(name=graph.name, layers=tuple(layers), pixels=height * width, element_bytes=element_bytes)


def _layer(graph: Graph, node: Node, field: Mapping[str, Pair], counted: set[str], element_bytes: int) -> LayerCost:
    """Return a node's row; its parameters are counted unless an earlier node has the same weight key."""
    inputs = graph.input_shapes(node)
    cost = operator_cost(node.op, *inputs)
    op = node.op
    first = node.weight_key not in counted
    return LayerCost(
        name=node.name,
        operator=op.kind,
        reads=node.inputs,
        inputs=inputs,
        output=graph.shapes[node.name],
        kernel_layout=op.kernel_axes if "kernel" in op.weight_shapes(*inputs) else (),
        pads=op.pads(inputs[0]) if isinstance(op, Window) else None,
        kernel_size=op.kernel_size if isinstance(op, Window) else (1, 1) if isinstance(op, PointwiseConv2D) else None,
        stride=op.stride if isinstance(op, Window) else (1, 1) if isinstance(op, PointwiseConv2D) else None,
        dilation=op.dilation if isinstance(op, Window) else (1, 1) if isinstance(op, PointwiseConv2D) else None,
        parameters=cost.parameters if first else 0,
        shares=None if first or not cost.parameters else node.weight_key,
        work=cost.work,
        bytes_read=cost.values_read * element_bytes,
        bytes_written=cost.values_written * element_bytes,
        receptive_field=field,
    )
