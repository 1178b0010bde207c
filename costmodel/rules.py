"""What one use of an operator costs: one rule an operator of `npfuse.ops`; those of `costmodel.networks` tell it.

A rule counts what the operator's NumPy definition in `npfuse.ops` does, padded and cropped taps included; the tests run
the definitions on numbers that count. Every operator is taken to read its inputs and weights from memory once and to
write its output once, as in execution operator by operator with a cache that holds a window. Left out: batches (one
picture is counted), and what a runner saves by fusing operators (`npfuse.graph_memory`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, overload

from costmodel.conventions import Work
from costmodel.networks.operators import CountedOperator
from costmodel.networks.own_layers import LayerRule, layer_rule
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
from npfuse.ops.resize import resize_taps


@dataclass(frozen=True, kw_only=True)
class OperatorCost:
    """What one use of an operator costs, for one picture.

    Parameters
    ----------
    parameters : learned numbers
    work : arithmetic by kind
    inputs_read : numbers read from memory, of each input
    values_written : numbers written
    """

    parameters: int
    work: Work
    inputs_read: tuple[int, ...]
    values_written: int

    @property
    def values_read(self) -> int:
        """Numbers read from memory, of the inputs and of the weights."""
        return sum(self.inputs_read) + self.parameters


Rule = Callable[[Any, tuple[Shape, ...], Shape], OperatorCost]
RULES: dict[type[Operator], Rule] = {}


@overload
def rule(of: type[Operator]) -> Callable[[Rule], Rule]: ...
@overload
def rule(of: str) -> Callable[[LayerRule], LayerRule]: ...
def rule(of: type[Operator] | str) -> Callable[[Any], Any]:
    """Make the decorated function the rule of an operator, or of somebody's own layer.

    Parameters
    ----------
    of : class of the operator, whose rule takes it, its inputs' shapes and its output's, and returns an `OperatorCost`;
        or name of the layer, as of `costmodel.networks.own_layers.layer_rule`
    """
    if isinstance(of, str):
        return layer_rule(of)

    def registered(function: Rule) -> Rule:
        RULES[of] = function
        return function

    return registered


def _cost(op: Operator, inputs: tuple[Shape, ...], output: Shape, work: Work, *, passes: int = 1) -> OperatorCost:
    """Return the cost of an operator that reads its inputs in a number of passes, its weights once."""
    parameters = sum(prod(shape) for shape in op.weight_shapes(*inputs).values())
    read = tuple(passes * prod(shape) for shape in inputs)
    return OperatorCost(parameters=parameters, work=work, inputs_read=read, values_written=prod(output))


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
    output = op.output_shape(*inputs)
    if isinstance(op, CountedOperator):
        work = op.work(inputs, output)
        return _cost(op, inputs, output if op.reads else (0, 0, 0), work, passes=op.reads)
    if type(op) not in RULES:
        raise ValueError(f"{op.kind}: number of cost rules is 0, expected one in costmodel.rules.RULES")
    return RULES[type(op)](op, inputs, output)
