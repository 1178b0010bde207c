"""Convolutions and pooling with any padding and groups, counted and not run.

`convolution` chooses an operator of `npfuse.ops` wherever there is one that does the same, so that a network of those
alone can be run and timed.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from costmodel.conventions import Work
from costmodel.networks.operators import CountedOperator
from npfuse import padding as pad
from npfuse.ops import Conv2D, DepthwiseConv2D, Operator, PointwiseConv2D, Shape
from npfuse.ops.operator import Pair

Pads = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True, kw_only=True)
class SlidingWindow(CountedOperator):
    """An operator with a sliding window. Every pair is (rows, columns).

    Parameters
    ----------
    kernel_size : (kH, kW)
    stride, dilation : at least 1 each; dilation 1 means none
    around : zeros around the input (top, bottom, left, right)
    """

    kernel_size: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    around: Pads = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        """Check the attributes."""
        for thing in ("kernel_size", "stride", "dilation"):
            pair = getattr(self, thing)
            if len(pair) != 2 or min(pair) < 1:
                raise self.error(thing, pair, "a pair (rows, columns) of at least 1 each")
        if len(self.around) != 4 or min(self.around) < 0:
            raise self.error("padding", self.around, "(top, bottom, left, right) of at least 0 each")

    def pads(self, lengths: tuple[int, ...]) -> Pads:
        """Return the zeros around an input (top, bottom, left, right)."""
        return self.around

    def output_lengths(self, lengths: tuple[int, ...]) -> Pair:
        """Return (OH, OW) for an input of (H, W)."""
        spans = [pad.extent(kernel, dilation) for kernel, dilation in zip(self.kernel_size, self.dilation, strict=True)]
        padded = [lengths[axis] + sum(self.around[2 * axis : 2 * axis + 2]) for axis in (0, 1)]
        rows, columns = ((padded[axis] - spans[axis]) // self.stride[axis] + 1 for axis in (0, 1))
        if min(rows, columns) < 1:
            raise self.error("input (H, W) with its padding", tuple(padded), f"at least the window's extent {spans}")
        return rows, columns

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions that output positions [start, stop) read."""
        first = start * self.stride[axis] - self.around[2 * axis]
        span = pad.extent(self.kernel_size[axis], self.dilation[axis])
        return first, first + (stop - start - 1) * self.stride[axis] + span


@dataclass(frozen=True, kw_only=True)
class Convolution(SlidingWindow):
    """A convolution in groups of channels, each of which reads its own part of the input's."""

    features: int
    groups: int = 1
    use_bias: bool = True
    kernel_axes: ClassVar[tuple[str, ...]] = ("kH", "kW", "Cin/groups", "Cout")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (OH, OW, features)."""
        self.require_count(*inputs)
        channels = inputs[0][2]
        if self.groups < 1 or channels % self.groups or self.features % self.groups or self.features < 1:
            parts = f"{channels} channels, {self.features} features"
            raise self.error("groups", self.groups, f"a divisor of both ({parts})", *inputs)
        return *self.output_lengths(inputs[0]), self.features

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `kernel` and, where used, of `bias`."""
        kernel = {"kernel": (*self.kernel_size, inputs[0][2] // self.groups, self.features)}
        return kernel | ({"bias": (self.features,)} if self.use_bias else {})

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return a multiply-add for each tap, channel of a group and result, and the bias."""
        macs = prod(output) * prod(self.kernel_size) * inputs[0][2] // self.groups
        return Work(convolution_macs=macs, additions=prod(output) if self.use_bias else 0)


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Convolution):
    """A transposed convolution in groups; `around` is cut off its full result, `output_padding` added at the end."""

    output_padding: Pair = (0, 0)
    kernel_axes: ClassVar[tuple[str, ...]] = ("kH", "kW", "Cin/groups", "Cout")

    def output_lengths(self, lengths: tuple[int, ...]) -> Pair:
        """Return (OH, OW) for an input of (H, W)."""
        rows, columns = (
            (lengths[axis] - 1) * self.stride[axis]
            + pad.extent(self.kernel_size[axis], self.dilation[axis])
            - sum(self.around[2 * axis : 2 * axis + 2])
            + self.output_padding[axis]
            for axis in (0, 1)
        )
        if min(rows, columns) < 1:
            raise self.error("output (H, W)", (rows, columns), "at least 1 each")
        return rows, columns

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return a multiply-add at each input position for each weight of its group, and the bias."""
        macs = prod(inputs[0]) * prod(self.kernel_size) * self.features // self.groups
        return Work(convolution_macs=macs, additions=prod(output) if self.use_bias else 0)

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions that output positions [start, stop) read."""
        stride, span = self.stride[axis], pad.extent(self.kernel_size[axis], self.dilation[axis])
        first = start + self.around[2 * axis]
        return -((span - 1 - first) // stride), (first + stop - start - 1) // stride + 1


@dataclass(frozen=True, kw_only=True)
class Pooling(SlidingWindow):
    """The greatest or the mean value of a window; places on padding count.

    Parameters
    ----------
    average : whether it is the mean
    """

    average: bool

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (OH, OW, C)."""
        self.require_count(*inputs)
        return *self.output_lengths(inputs[0]), inputs[0][2]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return a comparison or an addition for each value of a window after the first, and a division for a mean."""
        others = (prod(self.kernel_size) - 1) * prod(output)
        return Work(additions=others, divisions=prod(output)) if self.average else Work(comparisons=others)


def convolution(
    label: str,
    shape: Shape,
    *,
    features: int,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    around: Pads = (0, 0, 0, 0),
    groups: int = 1,
    use_bias: bool = True,
) -> Operator:
    """Return a convolution of an input (H, W, C), as an operator of `npfuse.ops` where one does the same.

    Examples
    --------
    >>> convolution("Conv", (9, 9, 4), features=8, kernel_size=(3, 3), around=(1, 1, 1, 1)).kind
    'Conv2D'
    >>> convolution("Conv", (9, 9, 4), features=8, kernel_size=(3, 3), around=(1, 1, 1, 1), groups=2).kind
    'Conv'
    """
    if kernel_size == stride == (1, 1) and not any(around) and groups == 1:
        return PointwiseConv2D(features=features, use_bias=use_bias)
    own = Convolution(
        label=label,
        features=features,
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        around=around,
        groups=groups,
        use_bias=use_bias,
    )
    depthwise = groups == shape[2] == features and groups > 1
    if groups > 1 and not depthwise:
        return own
    for padding in pad.PADDINGS:
        rows, columns = (
            pad.conv_pads(shape[axis], kernel_size[axis], stride[axis], dilation[axis], padding) for axis in (0, 1)
        )
        if (*rows, *columns) == around:
            window = {"kernel_size": kernel_size, "stride": stride, "dilation": dilation, "padding": padding}
            if depthwise:
                return DepthwiseConv2D(use_bias=use_bias, **window)  # type: ignore[arg-type]
            return Conv2D(features=features, use_bias=use_bias, **window)  # type: ignore[arg-type]
    return own


def same_pads(shape: Shape, kernel_size: Pair, stride: Pair, dilation: Pair) -> Pads:
    """Return the zeros that TensorFlow's "same" puts around an input (H, W, C)."""
    rows, columns = (
        pad.conv_pads(shape[axis], kernel_size[axis], stride[axis], dilation[axis], "same") for axis in (0, 1)
    )
    return *rows, *columns
