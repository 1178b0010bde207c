"""Operators of other people's networks, which are counted and not run.

Together with those of `npfuse.ops` they describe every network that is counted: a file's reader makes an
`npfuse.graph.Graph` of both. Unlike those, each tells its own work; `npfuse.run` refuses them. Values are (H, W, C); a
vector of n numbers is (1, 1, n), and a value of another rank (1, product of the axes before, last axis).
"""

from abc import abstractmethod
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from costmodel.conventions import Work
from npfuse.ops.operator import Operator, Pair, Shape

Weights = tuple[tuple[str, tuple[int, ...]], ...]  # (name, shape)


@dataclass(frozen=True, kw_only=True)
class CountedOperator(Operator):
    """An operator that is counted and not run.

    Parameters
    ----------
    label : name of the layer's class in its own framework, as printed
    """

    label: str
    reads: ClassVar[int] = 1  # passes over the inputs; 0 for another view of the same numbers, which writes none either

    @property
    def kind(self) -> str:
        """The label."""
        return self.label

    @abstractmethod
    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the arithmetic of one use, for one picture."""

    def require_count(self, *inputs: Shape) -> None:
        """Raise ValueError unless there is an input and none is empty."""
        if not inputs or min(map(min, inputs)) < 1:
            raise self.error("input shape", inputs, "(H, W, C) of at least 1 each", *inputs)


@dataclass(frozen=True, kw_only=True)
class Elementwise(CountedOperator):
    """A function of the values at one place: activations, sums, products, scaling and normalisation by fixed numbers.

    Parameters
    ----------
    each : work for one number of the result
    stored : (name, shape) of its weights

    Examples
    --------
    >>> multiply = Elementwise(label="Multiply", each=Work(multiplications=1))
    >>> multiply.output_shape((4, 6, 8), (1, 1, 8))
    (4, 6, 8)
    """

    each: Work
    stored: Weights = ()

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which the inputs are broadcast."""
        self.require_count(*inputs)
        try:
            height, width, channels = np.broadcast_shapes(*inputs)
        except ValueError:
            raise self.error("input shapes", "unlike", "shapes that broadcast", *inputs) from None
        return height, width, channels

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the weights' shapes."""
        return dict(self.stored)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the work of all values."""
        return self.each * prod(output)

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the same positions, of an input of length 1 its only one."""
        return (0, 1) if n == 1 else (start, stop)


def fixed_normalisation(label: str, stored: Weights) -> Elementwise:
    """Return normalisation by stored moments: a factor and an addend a channel, which are worked out beforehand."""
    return Elementwise(label=label, each=Work(multiplications=1, additions=1), stored=stored)


@dataclass(frozen=True, kw_only=True)
class Dense(CountedOperator):
    """A matrix that maps the channels."""

    features: int
    use_bias: bool
    kernel_axes: ClassVar[tuple[str, ...]] = ("Cin", "Cout")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (H, W, features)."""
        self.require_count(*inputs)
        return *inputs[0][:2], self.features

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `kernel` and, where used, of `bias`."""
        kernel = {"kernel": (inputs[0][2], self.features)}
        return kernel | ({"bias": (self.features,)} if self.use_bias else {})

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return a multiply-add for each weight of the kernel and position, and the bias."""
        bias = prod(output) if self.use_bias else 0
        return Work(convolution_macs=prod(inputs[0]) * self.features, additions=bias)


@dataclass(frozen=True, kw_only=True)
class Reduction(CountedOperator):
    """A sum, mean or maximum over axes, which stay with length 1.

    Parameters
    ----------
    axes : of (H, W, C), reduced
    each : work for a number of the input after the first of each result
    last : work for a number of the result
    """

    axes: tuple[int, ...]
    each: Work
    last: Work = field(default_factory=Work)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the input's shape, 1 along the axes."""
        self.require_count(*inputs)
        height, width, channels = (1 if axis in self.axes else n for axis, n in enumerate(inputs[0]))
        return height, width, channels

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the work of all values."""
        return self.each * (prod(inputs[0]) - prod(output)) + self.last * prod(output)

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return all positions of a reduced axis."""
        return (0, n) if axis in self.axes else (start, stop)


@dataclass(frozen=True, kw_only=True)
class Softmax(CountedOperator):
    """Exponentials of the channels over their sum, the greatest subtracted before."""

    reads: ClassVar[int] = 2

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the work of all positions."""
        values, positions = prod(output), output[0] * output[1]
        return Work(
            comparisons=values - positions, additions=2 * values - positions, functions=values, divisions=values
        )


@dataclass(frozen=True, kw_only=True)
class Standardise(CountedOperator):
    """Values less their mean, over their deviation, in sets of their own: layer, group and instance normalisation.

    Parameters
    ----------
    sets : number of sets that the values fall into
    stored : (name, shape) of what multiplies and is added afterwards
    """

    sets: int
    stored: Weights = ()
    reads: ClassVar[int] = 3  # mean, variance and result each need all values before the next can begin

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the weights' shapes."""
        return dict(self.stored)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the work of all values, counted as that of `AdaptiveNorm`."""
        values, names = prod(output), dict(self.stored)
        return Work(
            # Sums of the values and of their squares; minus mean; plus what is learned; plus epsilon.
            additions=2 * (values - self.sets) + values * (1 + ("beta" in names)) + self.sets,
            multiplications=values * (2 + ("gamma" in names)),  # square, scale
            divisions=3 * self.sets,  # mean, variance, 1 / deviation
            functions=self.sets,
        )

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return all positions."""
        return 0, n


@dataclass(frozen=True, kw_only=True)
class Interpolation(CountedOperator):
    """Resampling to (height, width) by so many taps along each axis, rows first."""

    height: int
    width: int
    taps: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, C)."""
        self.require_count(*inputs)
        return self.height, self.width, inputs[0][2]

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return a multiply-add a tap."""
        _, width, channels = inputs[0]
        return Work(resizing_macs=self.taps * (self.height * width * channels + prod(output)))

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the positions within the taps' reach."""
        out = (self.height, self.width)[axis]
        reach = self.taps // 2
        return start * n // out - reach, -(-stop * n // out) + reach


@dataclass(frozen=True, kw_only=True)
class Rearrangement(CountedOperator):
    """The same numbers, or some of them, in another order or between zeros: transposing, slicing, joining.

    Parameters
    ----------
    shape : of the result
    """

    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape."""
        self.require_count(*inputs)
        return self.shape

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return none."""
        return Work()

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return all positions: where a number comes from is not described."""
        return 0, n


@dataclass(frozen=True, kw_only=True)
class View(Rearrangement):
    """The same numbers under another shape: nothing is read or written."""

    reads: ClassVar[int] = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape; ValueError unless it has as many numbers as the input."""
        self.require_count(*inputs)
        if prod(self.shape) != prod(inputs[0]):
            raise self.error("number of values", prod(self.shape), str(prod(inputs[0])), *inputs)
        return self.shape


@dataclass(frozen=True, kw_only=True)
class Shift(Rearrangement):
    """Rows and columns cut off or put around: cropping and padding.

    Parameters
    ----------
    offset : (row, column) of the input at the result's first position, negative where it is padding
    """

    offset: Pair

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the positions behind the result's."""
        return start + self.offset[axis], stop + self.offset[axis]


@dataclass(frozen=True, kw_only=True)
class Blocks(Rearrangement):
    """Channels made blocks of pixels, or the other way round: DepthToSpace, SpaceToDepth.

    Parameters
    ----------
    enlarging, shrinking : (rows, columns) by which the result is larger or smaller
    """

    enlarging: Pair = (1, 1)
    shrinking: Pair = (1, 1)

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the positions behind the result's."""
        larger, smaller = self.enlarging[axis], self.shrinking[axis]
        return start * smaller // larger, -(-stop * smaller // larger)


@dataclass(frozen=True, kw_only=True)
class OwnLayer(CountedOperator):
    """A layer of one's own, as a rule of `costmodel.rule` describes it.

    Parameters
    ----------
    shape : of the result
    total : work of one use
    stored : (name, shape) of its weights
    """

    shape: Shape
    total: Work
    stored: Weights = ()

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape."""
        self.require_count(*inputs)
        return self.shape

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the weights' shapes."""
        return dict(self.stored)

    def work(self, inputs: tuple[Shape, ...], output: Shape) -> Work:
        """Return the total."""
        return self.total

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return all positions: how far such a layer reaches is not known."""
        return 0, n
