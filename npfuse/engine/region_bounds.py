"""Bounds of linear functions over the pixels of a block, and of ReLU units that depend on them.

A block's colours lie near a line: if one of its features moves, the others move along. So the features f of a block are
written as f_c = s_c t + e_c. The pivot t is the feature that varies most, s_c the slope of the least-squares line
through the block's pixels, and e_c the rest. In these coordinates

    a.f + b = (sum_c a_c s_c) t + sum_c a_c e_c + b

Interval arithmetic over the box of t and e_c bounds it. The box is small because the e_c are small. An undecided ReLU
unit u = max(z, 0), with pre-activation bounds l < 0 < h, lies between two parallel lines, its lower and its upper
linear bound: r z <= u <= r z - r l with the slope r = h / (h - l) (the zonotope relaxation of Singh et al., NeurIPS
2018). Whatever depends on u is bounded by putting r z for u, up to a gap between 0 and -r l.

The features of three channels R, G, B are R + G + B, R - G and G - B: pictures vary along the first.

Ranges are reduced with minima alone: beside each minimum lies the minimum of the negated values (`range_of`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npfuse.engine.compiled import inner
from npfuse.engine.layout import PAIR_PIXELS, ROW_PAIRS
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Variable, Vectors

OFF, ON, UNDECIDED = 0.0, 1.0, 2.0

# Rows of a box, (BOX_ROWS, features): the slope; the feature's value on the line at the middle of the pivot; and the
# feature's largest distance from the line, 0 for the pivot.
SLOPE, MIDDLE, RADIUS = range(3)
BOX_ROWS = 3


@inner
def range_of(memory, reduced, count, i):
    """Return the least and the greatest value of row i of `count`, from the minima that `range_rows` wrote."""
    return memory[reduced + i], -memory[reduced + count + i]


@inner
def block_box(channels, at, features, colour_differences, memory, basis, stride, box, vectors, reduced):
    """Compute a block's features and their box.

    Parameters
    ----------
    channels, at : array, and the place in it of the block's values (ROW_PAIRS, features, PAIR_PIXELS)
    features : number of features
    colour_differences : whether features are sums and differences of every three channels, or the channels
    memory : array
    basis, stride : place that is written; the features of row pair t begin at basis + t * stride
    box : place (BOX_ROWS, features), is written
    vectors, reduced : places to work in, see `range_rows`

    Returns
    -------
    pivot : the feature that varies most
    pivot_radius : half of the length of its range
    largest : the largest absolute value of a feature; NaN if one is not finite
    """
    if colour_differences:
        _load_colour_differences(channels, at, features, memory, basis, stride, vectors, reduced)
    else:
        _load_channels(channels, at, features, memory, basis, stride, vectors, reduced)
    invalid = memory[reduced]
    slope, middle, radius = box + SLOPE * features, box + MIDDLE * features, box + RADIUS * features
    half = memory.dtype.type(0.5)
    largest = pivot_radius = memory.dtype.type(0)
    pivot = 0
    if invalid != 0:  # NaN
        return pivot, pivot_radius, invalid
    range_rows(memory, vectors, 2 * features, reduced)
    for c in range(features):
        low, high = range_of(memory, reduced, features, c)
        memory[slope + c] = 0
        memory[middle + c] = (low + high) * half
        memory[radius + c] = (high - low) * half
        largest = max(largest, high, -low)
        if memory[radius + c] > memory[radius + pivot]:
            pivot = c
    _products(memory, basis, stride, features, pivot, middle, vectors)
    sum_rows(memory, vectors, features, reduced)
    variance = memory[reduced + pivot]
    if variance > 0:
        for c in range(features):
            memory[slope + c] = memory[reduced + c] / variance
        memory[slope + pivot] = 0
        _residuals(memory, basis, stride, features, pivot, slope, vectors)
        range_rows(memory, vectors, 2 * features, reduced)
        for c in range(features):
            low, high = range_of(memory, reduced, features, c)
            if c != pivot and (high - low) * half < memory[radius + c]:
                memory[middle + c] = (low + high) * half + memory[slope + c] * memory[middle + pivot]
                memory[radius + c] = (high - low) * half
            else:
                memory[slope + c] = 0
    pivot_radius = memory[radius + pivot]
    memory[radius + pivot] = 0
    return pivot, pivot_radius, largest


class _Range:
    """The least and the greatest value of a feature, lane by lane, while a loop goes over it."""

    def __init__(self, v: Vectors, first: Value) -> None:
        self.low: Variable = v.variable(first)
        self.high: Variable = v.variable(first)
        self.v = v

    def include(self, values: Value) -> None:
        self.low.set(self.v.minimum(values, self.low.now))
        self.high.set(self.v.maximum(values, self.high.now))

    def store(self, low: Value, negated_high: Value) -> None:
        """Write the least value, and the negated greatest one."""
        self.v.store(self.low.now, low)
        self.v.store(self.v.number(0) - self.high.now, negated_high)


@vector_function
def range_rows(v: Vectors, memory: Value, vectors: Value, count: Value, reduced: Value) -> None:
    """Write the minimum of each of `count` rows; a row is one vector, and there is room for a multiple of v.width."""
    _reduced_rows(v, memory + vectors, count, memory + reduced, v.minimum)


@vector_function
def sum_rows(v: Vectors, memory: Value, vectors: Value, count: Value, reduced: Value) -> None:
    """Write the sum of each of `count` rows; a row is one vector, and there is room for a multiple of v.width."""
    _reduced_rows(v, memory + vectors, count, memory + reduced, lambda a, b: a + b)


def _reduced_rows(v: Vectors, vectors: Value, count: Value, reduced: Value, combine: Any) -> None:
    with v.loop((count + (v.width - 1)) // v.width) as block:
        rows = [v.load(vectors + (block * (v.width * v.width) + i * v.width)) for i in range(v.width)]
        v.store(v.reduce_rows(rows, combine), reduced + block * v.width)


@vector_function
def _load_colour_differences(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, vectors: Value,
    reduced: Value,
) -> None:  # fmt: skip
    """Write R + G + B, R - G and G - B of every three channels to the basis, and their ranges, lane by lane.

    The first reduced number is 0, or NaN if a feature is not finite.
    """
    x, basis, vectors = x + at, memory + basis, memory + vectors
    invalids = [v.variable(v.number(0)) for _ in range(3)]
    with v.loop(features // 3) as triple:
        c = triple * 3
        first = x + c * PAIR_PIXELS
        ranges = [_Range(v, f) for f in _colour_differences(*(v.load(first + i * PAIR_PIXELS) for i in range(3)))]
        with v.loop(v.index(ROW_PAIRS)) as t:
            source = x + (t * features + c) * PAIR_PIXELS
            target = basis + (t * stride + c * PAIR_PIXELS)
            for lane in range(0, PAIR_PIXELS, v.width):
                values = _colour_differences(*(v.load(source + (i * PAIR_PIXELS + lane)) for i in range(3)))
                for i, (value, seen, invalid) in enumerate(zip(values, ranges, invalids, strict=True)):
                    v.store(value, target + (i * PAIR_PIXELS + lane))
                    seen.include(value)
                    invalid.set(invalid.now + value * v.number(0))
        for i, seen in enumerate(ranges):
            seen.store(vectors + (c + i) * v.width, vectors + (features + c + i) * v.width)
    total = invalids[0].now + invalids[1].now + invalids[2].now
    v.store_scalar(v.reduce(total, lambda a, b: a + b), memory + reduced)


def _colour_differences(red: Value, green: Value, blue: Value) -> list[Value]:
    return [red + green + blue, red - green, green - blue]


@vector_function
def _load_channels(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, vectors: Value,
    reduced: Value,
) -> None:  # fmt: skip
    """Write channels to the basis, and their ranges, lane by lane.

    The first reduced number is 0, or NaN if a channel is not finite.
    """
    x, basis, vectors = x + at, memory + basis, memory + vectors
    invalid = v.variable(v.number(0))
    with v.loop(features) as c:
        seen = _Range(v, v.load(x + c * PAIR_PIXELS))
        with v.loop(v.index(ROW_PAIRS)) as t:
            for lane in range(0, PAIR_PIXELS, v.width):
                value = v.load(x + ((t * features + c) * PAIR_PIXELS + lane))
                v.store(value, basis + (t * stride + c * PAIR_PIXELS + lane))
                seen.include(value)
                invalid.set(invalid.now + value * v.number(0))
        seen.store(vectors + c * v.width, vectors + (features + c) * v.width)
    v.store_scalar(v.reduce(invalid.now, lambda a, b: a + b), memory + reduced)


@vector_function
def _products(
    v: Vectors,
    memory: Value,
    basis: Value,
    stride: Value,
    features: Value,
    pivot: Value,
    middles: Value,
    vectors: Value,
) -> None:
    """Write the sum of each feature times the pivot, both less their middles, lane by lane.

    Every other row pair is enough: a slope is only a guess, and the box is right for any.
    """
    basis, middles, vectors = memory + basis, memory + middles, memory + vectors
    pivot_middle = v.broadcast(v.load_scalar(middles + pivot))
    with v.loop(features) as c:
        middle = v.broadcast(v.load_scalar(middles + c))
        total = v.variable(v.number(0))
        for t in range(0, ROW_PAIRS, 2):
            pair = basis + stride * t
            for lane in range(0, PAIR_PIXELS, v.width):
                along = v.load(pair + (pivot * PAIR_PIXELS + lane)) - pivot_middle
                total.set(total.now + along * (v.load(pair + (c * PAIR_PIXELS + lane)) - middle))
        v.store(total.now, vectors + c * v.width)


@vector_function
def _residuals(
    v: Vectors, memory: Value, basis: Value, stride: Value, features: Value, pivot: Value, slopes: Value, vectors: Value
) -> None:
    """Write the range of each feature minus its slope times the pivot, lane by lane."""
    basis, vectors = memory + basis, memory + vectors
    with v.loop(features) as c:
        slope = v.broadcast(v.load_scalar(memory + (slopes + c)))
        seen = _Range(v, v.load(basis + c * PAIR_PIXELS) - slope * v.load(basis + pivot * PAIR_PIXELS))
        with v.loop(v.index(ROW_PAIRS)) as t:
            pair = basis + t * stride
            for lane in range(0, PAIR_PIXELS, v.width):
                along = v.load(pair + (pivot * PAIR_PIXELS + lane))
                seen.include(v.load(pair + (c * PAIR_PIXELS + lane)) - slope * along)
        seen.store(vectors + c * v.width, vectors + (features + c) * v.width)


@vector_function
def unit_states(
    v: Vectors,
    memory: Value,
    linear: Value,
    gaps: Value,
    features: Value,
    units: Value,
    box: Value,
    pivot: Value,
    pivot_radius: Value,
    margins: Value,
    largest: Value,
    states: Value,
) -> None:
    """Find the units of a layer that are surely off or on over a block.

    Parameters
    ----------
    memory : array
    linear : place (features + 1, units): the constants of the units' linear functions, then their coefficients of the
        features
    gaps : place (2, units): the least and the greatest distance of each unit above its linear function
    features, units : number of features, and of units; that of units is a multiple of the vector's width
    box, pivot, pivot_radius : the block's, see `block_box`
    margins : place (2, units): the largest rounding error is the first row times `largest`, plus the second row
    largest : the largest absolute value of a feature
    states : place (units,), is written: OFF, ON, or UNDECIDED; a bound that is NaN leaves a unit UNDECIDED
    """
    linear, gaps, box, margins, states = (memory + place for place in (linear, gaps, box, margins, states))
    with v.loop(units // v.width) as chunk:
        o = chunk * v.width
        along, reach = v.variable(v.number(0)), v.variable(v.number(0))
        middle = v.variable(v.load(linear + o))
        along.set(v.load(linear + ((pivot + 1) * units + o)))
        with v.loop(features) as c:
            row = v.load(linear + ((c + 1) * units + o))
            slope, centre, radius = (
                v.broadcast(v.load_scalar(box + (features * which + c))) for which in (SLOPE, MIDDLE, RADIUS)
            )
            along.set(along.now + slope * row)
            middle.set(middle.now + centre * row)
            reach.set(reach.now + radius * v.absolute(row))
        margin = v.load(margins + o) * v.broadcast(largest) + v.load(margins + (units + o))
        total = reach.now + v.broadcast(pivot_radius) * v.absolute(along.now) + margin
        lower = middle.now + v.load(gaps + o) - total
        upper = middle.now + v.load(gaps + (units + o)) + total
        undecided = v.select(v.number(0) <= lower, v.number(ON), v.number(UNDECIDED))
        v.store(v.select(upper <= v.number(0), v.number(OFF), undecided), states + o)


@vector_function
def gap_bounds(
    v: Vectors,
    memory: Value,
    relaxation: Value,
    features: Value,
    used: Value,
    weights: Value,
    units: Value,
    gaps: Value,
) -> None:
    """Bound how far each unit of a layer lies above its linear function, which takes undecided units by `relax`.

    Parameters
    ----------
    memory : array
    relaxation : place (used, features + 3): rows of the undecided units of the layers before, see `relax`
    weights : place (used, units): the weights of those units in this layer
    gaps : place (2, units), is written: the least and the greatest distance
    """
    relaxation, weights, gaps = (memory + place for place in (relaxation, weights, gaps))
    with v.loop(units // v.width) as chunk:
        o = chunk * v.width
        least, greatest = v.variable(v.number(0)), v.variable(v.number(0))
        with v.loop(used) as i:
            weight = v.load(weights + (i * units + o))
            end = relaxation + ((i + 1) * (features + 3))
            a, b = (weight * v.broadcast(v.load_scalar(end + (v.index(0) - back))) for back in (2, 1))
            least.set(least.now + v.minimum(a, b))
            greatest.set(greatest.now + v.maximum(a, b))
        v.store(least.now, gaps + o)
        v.store(greatest.now, gaps + (units + o))


@inner
def relax(memory, linear, gaps, features, units, o, low, high, row):
    """Write the relaxation of an undecided unit.

    Parameters
    ----------
    memory : array
    linear, gaps, features, units : the layer's, as `unit_states` takes them
    o : number of the unit
    low, high : bounds of its pre-activation
    row : place (features + 3,), is written: constant and coefficients of its lower linear bound, then the least and the
        greatest distance of the unit above that bound
    """
    slope = high / (high - low)
    for c in range(features + 1):
        memory[row + c] = slope * memory[linear + c * units + o]
    memory[row + features + 1] = slope * memory[gaps + o]
    memory[row + features + 2] = slope * memory[gaps + units + o] - slope * low


@vector_function
def value_ranges(v: Vectors, memory: Value, values: Value, stride: Value, count: Value, vectors: Value) -> None:
    """Write the ranges of `count` rows over a block, lane by lane; row pair t begins at values + t * stride."""
    values, vectors = memory + values, memory + vectors
    with v.loop(count) as i:
        seen = _Range(v, v.load(values + i * PAIR_PIXELS))
        with v.loop(v.index(ROW_PAIRS)) as t:
            for lane in range(0, PAIR_PIXELS, v.width):
                seen.include(v.load(values + (t * stride + i * PAIR_PIXELS + lane)))
        seen.store(vectors + i * v.width, vectors + (count + i) * v.width)


@vector_function
def rectified_row(v: Vectors, memory: Value, row: Value, stride: Value, out: Value, out_stride: Value) -> None:
    """Apply ReLU to a row of PAIR_PIXELS of every row pair of a block; row pairs are a stride apart."""
    row, out = memory + row, memory + out
    with v.loop(v.index(ROW_PAIRS)) as t:
        for lane in range(0, PAIR_PIXELS, v.width):
            value = v.load(row + (t * stride + lane))
            v.store(v.maximum(value, v.number(0)), out + (t * out_stride + lane))
