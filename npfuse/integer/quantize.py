"""Turns a network and its weights into one of integers: kernels of 8 bits, values of 16 or 8, sums of 32.

Three arithmetics, by name:

- "int16": every value has 16 bits. Ranges follow from the integer weights by interval arithmetic, so no picture is
  needed. Only the input of tanh and one of its terms saturate, at numbers whose tanh is 1 or -1.
- "mixed": hidden values of full size that a convolution reads have 8 bits, unsigned; their ranges are measured on
  pictures. All other values are as in "int16".
- "int16-shift": like "int16", but all scales are such that each requantisation is a shift. A value that is added to
  another has a power of two for its scale. Every other value has one scale per channel: that of its sums, times a power
  of two; the kernel that reads it makes up for the rest.

No sum of a layer can leave 32 bits, in whatever order it is added up. A network for which that cannot be proved is
refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.arithmetics import ARITHMETICS, Arithmetic
from npfuse.graph import Graph, Node, check_weights
from npfuse.integer.format import BEFORE_TANH, INPUT, LEVELS, THUMBNAIL, Format, byte, symmetric
from npfuse.integer.kernels import MOST_WEIGHT, moments, rounded_kernel
from npfuse.integer.layers import (
    IntegerGraph,
    Layer,
    Ranges,
    Summing,
    hidden_values,
    layer_nodes,
)
from npfuse.integer.ops.resize import check_resize
from npfuse.integer.ops.tanh import tanh_levels
from npfuse.integer.ranges import Interval, Whole, added, constant, magnitude, sums
from npfuse.integer.requantize import MULTIPLIER_BITS, Rescale, Rounding, power_above, requantize, rescale
from npfuse.integer.run import layer_value
from npfuse.ops import (
    BOX,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)

SUM_LIMIT = 2**31  # no sum reaches it
BIAS_LIMIT = 2**29  # of a bias; to keep to it, the scale of the weights is made larger

INPUTS = {"exposures": INPUT, "thumbnail": THUMBNAIL}


def quantized(
    graph: Graph,
    weights: Mapping[str, NDArray[Any]],
    arithmetic: Arithmetic = "int16",
    *,
    rounding: Rounding = "single",
    ranges: Ranges | None = None,
    samples: Mapping[str, NDArray[Any]] | None = None,
) -> IntegerGraph:
    """Turn a network into one of integers.

    Parameters
    ----------
    graph : Graph with an input "exposures" and perhaps "thumbnail", mapped to [-1, 1]
    weights : ndarray by full name, as `npfuse.run.run` takes them
    arithmetic : "int16", "int16-shift" or "mixed"
    rounding : "single" or "double"; "int16-shift" has "single" only
    ranges : greatest real number of each of `hidden_values`, for "mixed": one for all channels, or one per channel
    samples : inputs of the integer network; kernels are rounded for their sums (`npfuse.integer.kernels`). None rounds
        every weight to the nearest

    Returns
    -------
    IntegerGraph : with the same numbers on every machine

    Raises
    ------
    ValueError : weights do not fit, a name is unknown, ranges are missing, an operator has no integer form, or a sum
        could leave 32 bits

    Notes
    -----
    Kernels: k / s rounded, s about a channel's greatest magnitude over 127, so from -127 to 127. Biases: rint(b / scale
    of the sum). Scales are float64; a value's is its greatest possible magnitude over 32767.

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
    build = _Builder(graph, weights, arithmetic, rounding, measured, samples)
    return IntegerGraph(
        graph=graph,
        arithmetic=arithmetic,
        rounding=rounding,
        layers=tuple(build.layer(nodes) for nodes in layer_nodes(graph)),
        formats=build.formats,
        ranges=measured,
    )


class _Builder:
    """Quantises layer after layer; keeps the format, the interval and the samples' numbers of every value."""

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, NDArray[Any]],
        arithmetic: Arithmetic,
        rounding: Rounding,
        measured: Ranges,
        samples: Mapping[str, NDArray[Any]] | None,
    ) -> None:
        self.graph, self.weights, self.rounding, self.measured = graph, weights, rounding, measured
        self.shifts = arithmetic == "int16-shift"
        self.formats = {name: INPUTS[name] for name, _ in graph.inputs}
        self.intervals = {
            name: constant(INPUTS[name].low, INPUTS[name].high, channels) for name, (_, _, channels) in graph.inputs
        }
        self.samples: dict[str, NDArray[Any]] | None = None if samples is None else dict(samples)
        self.nodes = {node.name: node for node in graph.nodes}
        self.before_tanh = {node.inputs[0] for node in graph.nodes if isinstance(node.op, Tanh)}
        joints = [node for node in graph.nodes if isinstance(node.op, Add | AddChannels)]
        self.aligned = {name for node in joints for term in node.inputs for name in self._enlarged_from(term)}
        self.aligned |= self.before_tanh | {node.name for node in joints}
        self.terms = self._terms()

    def _enlarged_from(self, name: str) -> Iterator[str]:
        """Yield a value, and the values that it was enlarged or averaged from; all have one format."""
        yield name
        while name in self.nodes and isinstance(self.nodes[name].op, Resize | DepthwiseConv2DTranspose):
            (name,) = self.nodes[name].inputs
            yield name

    def _terms(self) -> dict[str, list[str]]:
        """Return, for each term of the sum before tanh (or the value it was enlarged from), the other terms."""
        uses = [name for node in self.graph.nodes for name in node.inputs]
        found = {}
        for total in (self.nodes[name] for name in self.before_tanh if name in self.nodes):
            for term in total.inputs if isinstance(total.op, Add) else ():
                for name in self._enlarged_from(term):
                    if uses.count(name) == 1:
                        found[name] = [other for other in total.inputs if other != term]
        return found

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
            layer = replace(layer, levels=tanh_levels())
        elif isinstance(op, Resize) or (isinstance(op, DepthwiseConv2DTranspose) and self._copies(op)):
            if isinstance(op, Resize):
                check_resize(op, self.graph.input_shapes(nodes[0])[0])
            layer = self._plain(nodes, self.formats[nodes[0].inputs[0]], self.intervals[nodes[0].inputs[0]])
        else:
            raise ValueError(f"{self._at(nodes)}: {op.kind} has no integer form here")
        self.formats[layer.name], self.intervals[layer.name] = layer.output, layer.interval
        if self.samples is not None:
            xs = [self.samples[name] for name in layer.inputs]
            self.samples[layer.name], _ = layer_value(op, layer, xs, self.rounding)
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
        (x,) = nodes[0].inputs
        kernel, bias, scale = self._kernel(nodes, op)
        interval, bound = sums(op, self.intervals[x], kernel, bias)
        inputs, added_by = [x], None
        for follower in nodes[1:]:
            if isinstance(follower.op, AddChannels):
                v = follower.inputs[1]
                inputs.append(v)
                added_by = self._rescale(self.formats[v].common_scale / scale, self._at(nodes), self.intervals[v])
                plus = self._requantized(self.intervals[v], added_by)
                interval, bound = added(follower.op, [interval, plus])[0], bound + magnitude(plus)
        self._check_bound(nodes, bound)
        output = self._output(nodes[-1], interval, scale)
        by = self._rescale(scale / np.asarray(output.scale), self._at(nodes), interval)
        rounded = self._requantized(interval, by)
        return Layer(
            name=nodes[-1].name,
            nodes=tuple(n.name for n in nodes),
            inputs=tuple(inputs),
            output=output,
            kernel=kernel.astype(np.int8),
            bias=None if bias is None else bias.astype(np.int32),
            sum_scale=scale,
            rescales=(by,),
            added=added_by,
            sum_interval=interval,
            sum_bound=int(bound.max()),
            saturates=self._saturates(nodes, rounded, output),
            interval=(output.saturated(rounded[0]), output.saturated(rounded[1])),
        )

    def _kernel(self, nodes: tuple[Node, ...], op: Summing) -> tuple[Whole, Whole | None, NDArray[np.float64]]:
        """Return a convolution's kernel and bias in whole numbers, and the scale of its sums."""
        node = nodes[0]
        x = node.inputs[0]
        kernel = np.asarray(self.weights[f"{node.weight_key}/kernel"], np.float64)
        bias = self.weights.get(f"{node.weight_key}/bias")
        by_input = np.broadcast_to(self.formats[x].scale, self.graph.shapes[x][2])
        # Real weight of a step of each input, (inputs of a sum, Cout).
        if isinstance(op, PointwiseConv2D):
            real = kernel * by_input[:, np.newaxis]
        elif isinstance(op, Conv2DTranspose):
            real = (kernel * by_input).transpose(0, 1, 3, 2).reshape(-1, kernel.shape[2])
        else:
            real = (kernel * by_input).reshape(-1, kernel.shape[2])
        scale = np.abs(real).max(axis=0) / MOST_WEIGHT
        if bias is not None:
            scale = np.maximum(scale, np.abs(np.asarray(bias, np.float64)) / BIAS_LIMIT)
        scale = np.where(scale > 0, scale, 1.0)
        fixed = self.shifts and any(n.name in self.aligned for n in nodes)
        if fixed:
            scale = np.array([power_above(s) for s in scale])
        seen = None if self.samples is None else moments(op, self.samples[x].astype(np.int64))
        whole, scale, lost = rounded_kernel(real, scale, seen, fixed_scale=fixed)
        if isinstance(op, Conv2DTranspose):
            whole = whole.reshape(kernel.transpose(0, 1, 3, 2).shape).transpose(0, 1, 3, 2)
        if bias is None and seen is None:
            return whole.reshape(kernel.shape), None, scale
        biases = lost if bias is None else np.asarray(bias, np.float64) + lost
        return whole.reshape(kernel.shape), np.rint(biases / scale).astype(np.int64), scale

    def _adding(self, nodes: tuple[Node, ...], op: Add) -> Layer:
        names = nodes[0].inputs
        scales = [self.formats[name].common_scale for name in names]
        channels = self.graph.shapes[nodes[0].name][2]
        ends = [np.sum([self.intervals[n][e] * s for n, s in zip(names, scales, strict=True)], axis=0) for e in (0, 1)]
        output = self._output(nodes[-1], (ends[0], ends[1]), np.ones(channels))
        rescales = tuple(
            self._rescale([scale / output.common_scale], self._at(nodes), self.intervals[name])
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
            saturates=self._saturates(nodes, interval, output),
            interval=(output.saturated(interval[0]), output.saturated(interval[1])),
        )

    def _output(self, node: Node, interval: Any, scale: NDArray[np.float64]) -> Format:
        """Return the format of a value, given the interval and scale of its sums, and the last node that makes it."""
        relu = isinstance(node.op, ReLU)
        if node.name in self.before_tanh:
            return replace(BEFORE_TANH, low=0) if relu else BEFORE_TANH
        if node.name in self.measured:
            ends = np.broadcast_to(self.measured[node.name], scale.shape)
            return byte(tuple(float(end) / 255 if end > 0 else 1.0 for end in ends))
        low, high = interval
        most = float(np.max(np.maximum(high, 0 if relu else -low) * scale))
        others = self.terms.get(node.name, [])
        if others and all(other in self.intervals for other in others):
            # Beyond this, the sum is beyond 8 whatever the others are, and tanh is 1 or -1.
            rest = sum(float(magnitude(self.intervals[o]).max()) * self.formats[o].common_scale for o in others)
            most = min(most, -BEFORE_TANH.low * BEFORE_TANH.common_scale + rest)
        step = most / 32767 if most > 0 else 2.0**-15
        if not self.shifts:
            return symmetric(step, positive=relu)
        if node.name in self.aligned:
            return symmetric(power_above(step), positive=relu)
        return symmetric(tuple(s * power_above(step / s) for s in scale.tolist()), positive=relu)

    def _rescale(self, factors: Sequence[float] | NDArray[Any], at: str, interval: Interval) -> Rescale:
        """Return the multipliers and shifts for factors; check that they can be applied to an interval."""
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

    def _saturates(self, nodes: tuple[Node, ...], interval: Interval, output: Format) -> bool:
        """Tell whether an interval leaves a format; only bytes, tanh's input and the terms of that sum may do so."""
        low, high = interval
        relu = isinstance(nodes[-1].op, ReLU)
        leaves = bool(high.max() > output.high or (not relu and low.min() < output.low))
        may = output.bits == 8 or nodes[-1].name in self.before_tanh or nodes[-1].name in self.terms
        assert may or not leaves, f"{self._at(nodes)} saturates"
        return leaves
