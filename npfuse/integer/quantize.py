"""Turns a network and its weights into one of integers: kernels of 8 bits, values of 16 or 8, sums of 32.

Three arithmetics, by name:

- "int16": every value has 16 bits. Ranges follow from the integer weights by interval arithmetic, so that no picture is
  needed and nothing but the input of tanh ever saturates.
- "mixed": hidden values of full size that a convolution reads have 8 bits, unsigned; their ranges were measured on
  pictures. All others as in "int16".
- "int16-shift": as "int16", with all scales such that each requantisation is a shift.

A node that makes sums (a convolution) is taken together with the AddChannels and the ReLU behind it: one layer, that
rounds once. A layer is plain data. No sum of a layer can leave 32 bits, in whatever order it is added up; a network
where one could is refused.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph, Node, check_weights
from npfuse.integer.format import BEFORE_TANH, INPUT, LEVELS, THUMBNAIL, Format, byte, symmetric
from npfuse.integer.ops.resize import check_resize
from npfuse.integer.ops.tanh import tanh_table
from npfuse.integer.ranges import Interval, Whole, added, constant, magnitude, sums
from npfuse.integer.requantize import MULTIPLIER_BITS, Rescale, Rounding, requantize, rescale
from npfuse.ops import (
    BOX,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)

Arithmetic = Literal["int16", "int16-shift", "mixed"]
ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)

MOST_WEIGHT = 127
SUM_LIMIT = 2**31  # no sum reaches it
BIAS_LIMIT = 2**29  # a weight's scale is made larger rather than a bias

Summing = PointwiseConv2D | DepthwiseConv2D | Conv2DTranspose
INPUTS = {"exposures": INPUT, "thumbnail": THUMBNAIL}


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """What makes one value of the integer network.

    Parameters
    ----------
    name : of the value, and of the last of the graph's nodes that make it
    nodes : names of those nodes, in order: one, or a convolution, perhaps AddChannels, perhaps ReLU, or Add and ReLU
    inputs : names of the values that it reads
    output : Format
    kernel, bias : ndarray int8 and int32 of a convolution, of the node's shapes; None where there is none
    kernel_scale : ndarray (Cout,), float64: real number that a step of the kernel stands for
    sum_scale : ndarray (Cout,), float64: real number that a step of the sum stands for
    rescales : of the sums to the output, or of each input of an Add to it; none where the scale stays as it is
    added : brings what AddChannels adds to the scale of the sums, or None
    sum_interval : least and greatest sum, channel by channel
    sum_bound : no partial sum is greater in magnitude
    interval : least and greatest number of the output, channel by channel
    table : bytes of tanh
    """

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    output: Format
    kernel: NDArray[np.int8] | None = None
    bias: NDArray[np.int32] | None = None
    kernel_scale: NDArray[np.float64] | None = None
    sum_scale: NDArray[np.float64] | None = None
    rescales: tuple[Rescale, ...] = ()
    added: Rescale | None = None
    sum_interval: Interval | None = None
    sum_bound: int = 0
    interval: Interval
    table: NDArray[np.uint8] | None = None

    @property
    def sum_bits(self) -> float:
        """How many bits the sums' magnitude takes, the sign not counted."""
        return math.log2(max(self.sum_bound, 1))

    @property
    def saturates(self) -> bool:
        """Whether what was rounded may lie beyond the output's range, and is then brought to its end."""
        return self.output == BEFORE_TANH or self.output.bits == 8


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerGraph:
    """A network in integers, for one size; `at` makes it one for another.

    Parameters
    ----------
    graph : Graph, whose operators the layers' nodes are
    arithmetic, rounding : names
    layers : in the order of execution
    formats : of every value by name, inputs included
    ranges : real greatest numbers that were measured, by name; empty where none are needed
    """

    graph: Graph
    arithmetic: Arithmetic
    rounding: Rounding
    layers: tuple[Layer, ...]
    formats: Mapping[str, Format]
    ranges: Mapping[str, float]

    def at(self, graph: Graph) -> "IntegerGraph":
        """Return the same network for the graph of another size."""
        if [node.name for node in graph.nodes] != [node.name for node in self.graph.nodes]:
            raise ValueError(f"{graph.name}: nodes differ from the integer network's, expected another size only")
        return replace(self, graph=graph)

    def layer(self, name: str) -> Layer:
        """Return the layer that makes a value."""
        return next(layer for layer in self.layers if layer.name == name)

    def shape(self, name: str) -> tuple[int, int, int]:
        """Return the (H, W, C) of a value."""
        return self.graph.shapes[name]


def layer_nodes(graph: Graph) -> list[tuple[Node, ...]]:
    """Cut a graph into layers: a node, or a convolution with the AddChannels and the ReLU behind it.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> [[node.name for node in nodes] for nodes in layer_nodes(lightfuse(8, 8, hidden=(4,)))][:3]
    [['detail1', 'detail1_relu'], ['detail2', 'detail2_relu'], ['global1']]
    """
    uses: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    layers: list[tuple[Node, ...]] = []
    place: dict[str, int] = {}  # of the layer whose last node has this name
    for node in graph.nodes:
        at = place.get(node.inputs[0])
        if at is not None and uses[node.inputs[0]] == 1 and _continues(layers[at], node):
            layers.append((*layers.pop(at), node))
            place = {nodes[-1].name: i for i, nodes in enumerate(layers)}
        else:
            place[node.name] = len(layers)
            layers.append((node,))
    return layers


def _continues(layer: tuple[Node, ...], node: Node) -> bool:
    """Tell whether a node rounds together with the layer before it."""
    if isinstance(node.op, ReLU):
        return isinstance(layer[-1].op, Summing | AddChannels | Add)
    return isinstance(node.op, AddChannels) and isinstance(layer[-1].op, Summing)


def hidden_values(graph: Graph) -> list[str]:
    """Return the names of the values that "mixed" keeps in 8 bits: ReLUs of full size that a convolution reads.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> hidden_values(lightfuse(8, 8))
    ['detail1_relu', 'detail2_relu']
    """
    (_, (height, width, _)), *_ = graph.inputs
    readers = {name: [node for node in graph.nodes if name in node.inputs] for name in graph.shapes}
    return [
        node.name
        for node in graph.nodes
        if isinstance(node.op, ReLU)
        and graph.shapes[node.name][:2] == (height, width)
        and all(isinstance(reader.op, Summing) for reader in readers[node.name])
    ]


def quantized(
    graph: Graph,
    weights: Mapping[str, NDArray[Any]],
    arithmetic: Arithmetic = "int16",
    *,
    rounding: Rounding = "single",
    ranges: Mapping[str, float] | None = None,
) -> IntegerGraph:
    """Turn a network into one of integers.

    Parameters
    ----------
    graph : Graph with an input "exposures" and perhaps "thumbnail", mapped to [-1, 1]
    weights : ndarray by full name, as `npfuse.run.run` takes them
    arithmetic : "int16", "int16-shift" or "mixed"
    rounding : "single" or "double"; "int16-shift" has "single" only
    ranges : greatest real number of each of `hidden_values`, for "mixed"

    Returns
    -------
    IntegerGraph; the same numbers on every machine

    Raises
    ------
    ValueError : weights do not fit, an unknown name, ranges missing, an operator without an integer form, or a sum that
        could leave 32 bits

    Notes
    -----
    Kernels: rint(k / s), s a channel's greatest magnitude over 127, so from -127 to 127. Biases: rint(b / scale of the
    sum). Scales are float64; a value's is its greatest possible magnitude over 32767.

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> lightfuse = load_weights("lightfuse")
    >>> network = quantized(lightfuse.graph(8, 8), lightfuse.arrays)
    >>> network.layer("detail2_relu").sum_bound < 2**31
    True
    """
    check_weights(graph, weights)
    if arithmetic not in ARITHMETICS:
        raise ValueError(f"{graph.name}: arithmetic is {arithmetic!r}, expected one of {', '.join(ARITHMETICS)}")
    if rounding not in get_args(Rounding):
        raise ValueError(f"{graph.name}: rounding is {rounding!r}, expected one of {', '.join(get_args(Rounding))}")
    if rounding == "double" and arithmetic == "int16-shift":
        raise ValueError(f"{graph.name}: rounding of int16-shift is 'double', expected 'single': a shift rounds once")
    unknown = [name for name, _ in graph.inputs if name not in INPUTS]
    if unknown:
        raise ValueError(f"{graph.name}: input is {unknown[0]!r}, expected {' and '.join(INPUTS)} in integers")
    measured = dict(ranges or {}) if arithmetic == "mixed" else {}
    missing = [name for name in hidden_values(graph) if name not in measured] if arithmetic == "mixed" else []
    if missing:
        raise ValueError(f"{graph.name}: range of {missing[0]} is missing, expected one for each of {missing}")
    build = _Builder(graph, weights, arithmetic, rounding, measured)
    return IntegerGraph(
        graph=graph,
        arithmetic=arithmetic,
        rounding=rounding,
        layers=tuple(build.layer(nodes) for nodes in layer_nodes(graph)),
        formats=build.formats,
        ranges=measured,
    )


class _Builder:
    """Quantises layer after layer, keeping the format and the interval of every value."""

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, NDArray[Any]],
        arithmetic: Arithmetic,
        rounding: Rounding,
        measured: Mapping[str, float],
    ) -> None:
        self.graph, self.weights, self.arithmetic, self.rounding = graph, weights, arithmetic, rounding
        self.measured = measured
        self.shifts = arithmetic == "int16-shift"
        self.formats = {name: INPUTS[name] for name, _ in graph.inputs}
        self.intervals = {
            name: constant(INPUTS[name].low, INPUTS[name].high, channels) for name, (_, _, channels) in graph.inputs
        }
        self.before_tanh = {node.inputs[0] for node in graph.nodes if isinstance(node.op, Tanh)}

    def layer(self, nodes: tuple[Node, ...]) -> Layer:
        """Quantise a layer."""
        op = nodes[0].op
        if isinstance(op, Summing):
            layer = self._summing(nodes, op)
        elif isinstance(op, Add):
            layer = self._adding(nodes, op)
        elif isinstance(op, Tanh):
            if nodes[0].inputs[0] not in self.formats or self.formats[nodes[0].inputs[0]] != BEFORE_TANH:
                raise ValueError(f"{self._at(nodes)}: input is a picture, expected a value that a layer computes")
            layer = self._plain(nodes, LEVELS, constant(0, 255, self.graph.shapes[nodes[0].name][2]))
            layer = replace(layer, table=tanh_table())
        elif isinstance(op, Resize) or (isinstance(op, DepthwiseConv2DTranspose) and self._copies(op)):
            if isinstance(op, Resize):
                check_resize(op, self.graph.input_shapes(nodes[0])[0])
            layer = self._plain(nodes, self.formats[nodes[0].inputs[0]], self.intervals[nodes[0].inputs[0]])
        else:
            raise ValueError(f"{self._at(nodes)}: {op.kind} has no integer form here")
        self.formats[layer.name], self.intervals[layer.name] = layer.output, layer.interval
        return layer

    def _at(self, nodes: tuple[Node, ...]) -> str:
        return f"{self.graph.name}/{nodes[0].name}"

    def _copies(self, op: DepthwiseConv2DTranspose) -> bool:
        """Tell whether a transposed convolution only repeats pixels."""
        return op == DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)

    def _plain(self, nodes: tuple[Node, ...], output: Format, interval: Interval) -> Layer:
        """Return a layer without sums of 32 bits."""
        return Layer(
            name=nodes[-1].name, nodes=(nodes[0].name,), inputs=nodes[0].inputs, output=output, interval=interval
        )

    def _summing(self, nodes: tuple[Node, ...], op: Summing) -> Layer:
        node = nodes[0]
        (x,) = node.inputs
        real = np.asarray(self.weights[f"{node.weight_key}/kernel"], np.float64)
        real_bias = self.weights.get(f"{node.weight_key}/bias")
        others = {PointwiseConv2D: (0,), DepthwiseConv2D: (0, 1), Conv2DTranspose: (0, 1, 3)}[type(op)]
        scale = self._kernel_scale(np.abs(real).max(axis=others), real_bias, self.formats[x].scale)
        axis_scale = scale[:, np.newaxis] if isinstance(op, Conv2DTranspose) else scale
        kernel = np.rint(real / axis_scale).astype(np.int64)
        sum_scale = self.formats[x].scale * scale
        bias = None if real_bias is None else np.rint(np.asarray(real_bias, np.float64) / sum_scale).astype(np.int64)
        interval, bound = sums(op, self.intervals[x], kernel, bias)
        inputs, added_by = [x], None
        for follower in nodes[1:]:
            if isinstance(follower.op, AddChannels):
                v = follower.inputs[1]
                inputs.append(v)
                added_by = self._rescale(self.formats[v].scale / sum_scale, self._at(nodes), self.intervals[v])
                plus = self._requantized(self.intervals[v], added_by)
                interval, bound = added(follower.op, [interval, plus])[0], bound + magnitude(plus)
        self._check_bound(nodes, bound)
        relu = isinstance(nodes[-1].op, ReLU)
        output = self._output(nodes[-1].name, interval, sum_scale, relu)
        by = self._rescale(sum_scale / output.scale, self._at(nodes), interval)
        return Layer(
            name=nodes[-1].name,
            nodes=tuple(n.name for n in nodes),
            inputs=tuple(inputs),
            output=output,
            kernel=kernel.astype(np.int8),
            bias=None if bias is None else bias.astype(np.int32),
            kernel_scale=scale,
            sum_scale=sum_scale,
            rescales=(by,),
            added=added_by,
            sum_interval=interval,
            sum_bound=int(bound.max()),
            interval=self._fitted(nodes, self._requantized(interval, by), output),
        )

    def _adding(self, nodes: tuple[Node, ...], op: Add) -> Layer:
        names = nodes[0].inputs
        scales = [self.formats[name].scale for name in names]
        channels = self.graph.shapes[nodes[0].name][2]
        ends = [np.sum([self.intervals[n][e] * s for n, s in zip(names, scales, strict=True)], axis=0) for e in (0, 1)]
        output = self._output(nodes[-1].name, (ends[0], ends[1]), np.ones(channels), isinstance(nodes[-1].op, ReLU))
        rescales = tuple(
            self._rescale([scale / output.scale], self._at(nodes), self.intervals[name])
            for name, scale in zip(names, scales, strict=True)
        )
        terms = [self._requantized(self.intervals[name], by) for name, by in zip(names, rescales, strict=True)]
        interval, bound = added(op, terms)
        self._check_bound(nodes, bound)
        return Layer(
            name=nodes[-1].name,
            nodes=tuple(n.name for n in nodes),
            inputs=names,
            output=output,
            rescales=rescales,
            sum_interval=interval,
            sum_bound=int(bound.max()),
            sum_scale=np.full(channels, output.scale),
            interval=self._fitted(nodes, interval, output),
        )

    def _kernel_scale(self, most: NDArray[np.float64], bias: Any, input_scale: float) -> NDArray[np.float64]:
        """Return the scale of each channel's kernel."""
        scale = most / MOST_WEIGHT
        if bias is not None:
            scale = np.maximum(scale, np.abs(np.asarray(bias, np.float64)) / (input_scale * BIAS_LIMIT))
        scale = np.where(scale > 0, scale, 1.0)
        if self.shifts:  # such that the sum's scale is a power of two
            scale = np.array([power_above(s * input_scale) for s in scale]) / input_scale
        return scale

    def _output(self, name: str, interval: Any, scale: NDArray[np.float64], relu: bool) -> Format:
        """Return the format of a value whose sums are known."""
        if name in self.before_tanh:
            return replace(BEFORE_TANH, low=0) if relu else BEFORE_TANH
        if name in self.measured:
            return byte((self.measured[name] or 1.0) / 255)
        low, high = interval
        most = float(np.max(np.maximum(high, 0 if relu else -low) * scale))
        step = most / 32767 if most > 0 else 2.0**-15
        return symmetric(power_above(step) if self.shifts else step, positive=relu)

    def _rescale(self, factors: Sequence[float] | NDArray[Any], at: str, interval: Interval) -> Rescale:
        """Return the multipliers and shifts for factors, after checking that they can be applied to an interval."""
        by = rescale([float(factor) for factor in factors], only_shifts=self.shifts)
        left = np.maximum(MULTIPLIER_BITS - by.shift, 0) if self.rounding == "double" else np.zeros(1, np.int64)
        rounded = (magnitude(interval).astype(np.float64) * by.mult) / 2.0**by.shift
        if (magnitude(interval) << left).max() >= SUM_LIMIT or rounded.max() >= SUM_LIMIT:
            raise ValueError(f"{at}: a rescaled number could leave 32 bits, expected less; the weights differ too much")
        return by

    def _requantized(self, interval: Interval, by: Rescale) -> Interval:
        """Return the interval of requantised numbers: rounding keeps their order."""
        low, high = (requantize(end, by, self.rounding) for end in interval)
        return low, high

    def _check_bound(self, nodes: tuple[Node, ...], bound: Whole) -> None:
        if int(bound.max()) >= SUM_LIMIT:
            raise ValueError(
                f"{self._at(nodes)}: sums may reach {int(bound.max())}, expected less than 2**31 = {SUM_LIMIT}"
            )

    def _fitted(self, nodes: tuple[Node, ...], interval: Interval, output: Format) -> Interval:
        """Return an interval saturated to a format; only values of 8 bits and tanh's input may need it."""
        low, high = interval
        relu = isinstance(nodes[-1].op, ReLU)
        fits = high.max() <= output.high and (relu or low.min() >= output.low)
        assert fits or output.bits == 8 or nodes[-1].name in self.before_tanh, f"{self._at(nodes)} saturates"
        return output.saturated(low), output.saturated(high)


def power_above(number: float) -> float:
    """Return the least power of two that is not below a positive number.

    Examples
    --------
    >>> power_above(0.3), power_above(0.5)
    (0.5, 0.5)
    """
    mantissa, exponent = math.frexp(number)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)
