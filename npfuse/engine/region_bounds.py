"""Bounds of linear functions over the pixels of a leaf, and of ReLU units that depend on them.

A leaf's colours lie near a line: where one of its features moves, the others move along. So the features f of a leaf
are written as f_c = s_c t + e_c, with t the feature that varies most (the pivot), s_c the slope of the least-squares
line through the leaf's pixels, and e_c what is left. A linear function a.f + b then has the centre and the radius of

    (sum_c a_c s_c) t + sum_c a_c e_c + b

over the box of t and the e_c: exact interval arithmetic, in coordinates in which the box is small. An undecided ReLU
unit u = max(z, 0), with z in [l, h] and l < 0 < h, lies between two parallel lines: r z <= u <= r z - r l with r = h /
(h - l) (the zonotope relaxation of Singh et al., NeurIPS 2018). Substituting r z for u, and adding what the gap can do,
bounds whatever depends on u.

The features of three channels R, G, B are R + G + B, R - G and G - B: pictures vary along the first.
"""

from typing import Any

from npfuse.engine.compiled import inner
from npfuse.engine.dense_layer import LANES
from npfuse.engine.vectors import Value, Variable, Vectors, vector_function

TILES = 8  # of LANES pixels in a leaf

OFF, ON, UNDECIDED = 0.0, 1.0, 2.0

# Rows of a box (ROWS, features): slope; the middle of the feature at the middle of the pivot, on the line; radius of
# what the line leaves, 0 for the pivot.
SLOPE, MIDDLE, RADIUS = range(3)
ROWS = 3


@inner
def leaf_box(
    channels: Any, at: Any, features: Any, opponent: Any, memory: Any, basis: Any, stride: Any, box: Any, lanes: Any,
    found: Any,
) -> Any:  # fmt: skip
    """Make a leaf's features and find their box.

    Parameters
    ----------
    channels : array of TILES x features x LANES values of the leaf, from `at` on
    features : how many
    opponent : whether they are sums and differences of every three channels, or the channels
    memory : array
    basis, stride : place that is written: the features of tile t in rows of LANES from basis + t * stride on
    box : place (ROWS, features), is written
    lanes, found : places to work in, see `range_rows`

    Returns
    -------
    the pivot, the radius of its range, and the largest absolute value of a feature: NaN where one is not finite
    """
    if opponent:
        _load_opponents(channels, at, features, memory, basis, stride, lanes, found)
    else:
        _load_channels(channels, at, features, memory, basis, stride, lanes, found)
    nothing = memory[found]
    slope, middle, radius = box + SLOPE * features, box + MIDDLE * features, box + RADIUS * features
    half = memory.dtype.type(0.5)
    largest = width = memory.dtype.type(0)
    pivot = 0
    if nothing != 0:  # NaN
        return pivot, width, nothing
    range_rows(memory, lanes, 2 * features, found)
    for c in range(features):
        low, high = memory[found + c], -memory[found + features + c]
        memory[slope + c] = 0
        memory[middle + c] = (low + high) * half
        memory[radius + c] = (high - low) * half
        largest = max(largest, high, -low)
        if memory[radius + c] > memory[radius + pivot]:
            pivot = c
    _products(memory, basis, stride, features, pivot, middle, lanes)
    sum_rows(memory, lanes, features, found)
    variance = memory[found + pivot]
    if variance > 0:
        for c in range(features):
            memory[slope + c] = memory[found + c] / variance
        memory[slope + pivot] = 0
        _residuals(memory, basis, stride, features, pivot, slope, lanes)
        range_rows(memory, lanes, 2 * features, found)
        for c in range(features):
            low, high = memory[found + c], -memory[found + features + c]
            if c != pivot and (high - low) * half < memory[radius + c]:
                memory[middle + c] = (low + high) * half + memory[slope + c] * memory[middle + pivot]
                memory[radius + c] = (high - low) * half
            else:
                memory[slope + c] = 0
    width = memory[radius + pivot]
    memory[radius + pivot] = 0
    return pivot, width, largest


class _Range:
    """Least and most of a feature, lane by lane, while a loop goes over it."""

    def __init__(self, v: Vectors, first: Value) -> None:
        self.low: Variable = v.variable(first)
        self.high: Variable = v.variable(first)
        self.v = v

    def include(self, values: Value) -> None:
        self.low.set(self.v.least(values, self.low.now))
        self.high.set(self.v.most(values, self.high.now))

    def store(self, low: Value, high: Value) -> None:
        """Write the least, and the most with its sign turned, so that it is a least too."""
        self.v.store(self.low.now, low)
        self.v.store(self.v.number(0) - self.high.now, high)


@vector_function()
def range_rows(v: Vectors, memory: Value, lanes: Value, count: Value, found: Value) -> None:
    """Write the least of each of `count` rows of one vector; room for a vector's width of rows at a time is needed."""
    _reduced_rows(v, memory + lanes, count, memory + found, v.least)


@vector_function()
def sum_rows(v: Vectors, memory: Value, lanes: Value, count: Value, found: Value) -> None:
    """Write the sum of each row likewise."""
    _reduced_rows(v, memory + lanes, count, memory + found, lambda a, b: a + b)


def _reduced_rows(v: Vectors, lanes: Value, count: Value, found: Value, combine: Any) -> None:
    with v.loop((count + (v.width - 1)) // v.width) as block:
        rows = [v.load(lanes + (block * (v.width * v.width) + i * v.width)) for i in range(v.width)]
        v.store(v.reduce_rows(rows, combine), found + block * v.width)


@vector_function()
def _load_opponents(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, lanes: Value,
    found: Value,
) -> None:  # fmt: skip
    """Write R + G + B, R - G and G - B of every three channels to the basis, and their ranges, lane by lane.

    What is found is 0, or NaN where a feature is not finite.
    """
    x, basis, lanes = x + at, memory + basis, memory + lanes
    nothings = [v.variable(v.number(0)) for _ in range(3)]
    with v.loop(features // 3) as triple:
        c = triple * 3
        first = x + c * LANES
        ranges = [_Range(v, f) for f in _opponents(*(v.load(first + i * LANES) for i in range(3)))]
        with v.loop(v.index(TILES)) as t:
            source = x + (t * features + c) * LANES
            target = basis + (t * stride + c * LANES)
            for lane in range(0, LANES, v.width):
                values = _opponents(*(v.load(source + (i * LANES + lane)) for i in range(3)))
                for i, (value, seen, nothing) in enumerate(zip(values, ranges, nothings, strict=True)):
                    v.store(value, target + (i * LANES + lane))
                    seen.include(value)
                    nothing.set(nothing.now + value * v.number(0))
        for i, seen in enumerate(ranges):
            seen.store(lanes + (c + i) * v.width, lanes + (features + c + i) * v.width)
    total = nothings[0].now + nothings[1].now + nothings[2].now
    v.put(v.reduce(total, lambda a, b: a + b), memory + found)


def _opponents(red: Value, green: Value, blue: Value) -> list[Value]:
    return [red + green + blue, red - green, green - blue]


@vector_function()
def _load_channels(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, lanes: Value,
    found: Value,
) -> None:  # fmt: skip
    """Write channels to the basis, and their ranges likewise."""
    x, basis, lanes = x + at, memory + basis, memory + lanes
    nothing = v.variable(v.number(0))
    with v.loop(features) as c:
        seen = _Range(v, v.load(x + c * LANES))
        with v.loop(v.index(TILES)) as t:
            for lane in range(0, LANES, v.width):
                value = v.load(x + ((t * features + c) * LANES + lane))
                v.store(value, basis + (t * stride + c * LANES + lane))
                seen.include(value)
                nothing.set(nothing.now + value * v.number(0))
        seen.store(lanes + c * v.width, lanes + (features + c) * v.width)
    v.put(v.reduce(nothing.now, lambda a, b: a + b), memory + found)


@vector_function()
def _products(
    v: Vectors, memory: Value, basis: Value, stride: Value, features: Value, pivot: Value, middles: Value, lanes: Value
) -> None:
    """Write the sums over every other tile of each feature times the pivot, both from their middles on, lane by lane.

    A slope is only a guess: whatever it is, the box is right.
    """
    basis, middles, lanes = memory + basis, memory + middles, memory + lanes
    pivot_middle = v.spread(v.item(middles + pivot))
    with v.loop(features) as c:
        middle = v.spread(v.item(middles + c))
        total = v.variable(v.number(0))
        for t in range(0, TILES, 2):
            tile = basis + stride * t
            for lane in range(0, LANES, v.width):
                along = v.load(tile + (pivot * LANES + lane)) - pivot_middle
                total.set(total.now + along * (v.load(tile + (c * LANES + lane)) - middle))
        v.store(total.now, lanes + c * v.width)


@vector_function()
def _residuals(
    v: Vectors, memory: Value, basis: Value, stride: Value, features: Value, pivot: Value, slopes: Value, lanes: Value
) -> None:
    """Write the range of each feature minus its slope times the pivot, lane by lane."""
    basis, lanes = memory + basis, memory + lanes
    with v.loop(features) as c:
        slope = v.spread(v.item(memory + (slopes + c)))
        seen = _Range(v, v.load(basis + c * LANES) - slope * v.load(basis + pivot * LANES))
        with v.loop(v.index(TILES)) as t:
            tile = basis + t * stride
            for lane in range(0, LANES, v.width):
                along = v.load(tile + (pivot * LANES + lane))
                seen.include(v.load(tile + (c * LANES + lane)) - slope * along)
        seen.store(lanes + c * v.width, lanes + (features + c) * v.width)


@vector_function()
def unit_states(
    v: Vectors,
    memory: Value,
    linear: Value,
    gaps: Value,
    features: Value,
    units: Value,
    box: Value,
    pivot: Value,
    width: Value,
    margins: Value,
    largest: Value,
    states: Value,
) -> None:
    """Find which units of a layer are surely off or on over a leaf.

    Parameters
    ----------
    memory : array
    linear : place (features + 1, units): the constants of the units' linear functions, then their coefficients of the
        features
    gaps : place (2, units): the least and the most that each unit lies above its linear function
    features, units : how many there are; units a multiple of the vector's width
    box, pivot, width : of the leaf, as `leaf_box` leaves them
    margins : place (2, units): what roundings may do, the first row times `largest`, plus the second
    states : place (units,), is written: OFF, ON, or UNDECIDED, which a bound that is NaN gives too
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
                v.spread(v.item(box + (features * which + c))) for which in (SLOPE, MIDDLE, RADIUS)
            )
            along.set(along.now + slope * row)
            middle.set(middle.now + centre * row)
            reach.set(reach.now + radius * v.absolute(row))
        margin = v.load(margins + o) * v.spread(largest) + v.load(margins + (units + o))
        total = reach.now + v.spread(width) * v.absolute(along.now) + margin
        lower = middle.now + v.load(gaps + o) - total
        upper = middle.now + v.load(gaps + (units + o)) + total
        undecided = v.where(v.number(0) <= lower, v.number(ON), v.number(UNDECIDED))
        v.store(v.where(upper <= v.number(0), v.number(OFF), undecided), states + o)


@vector_function()
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
    """Bound how far each unit of a layer lies above the linear function that `relax`ed units before it make of it.

    Parameters
    ----------
    memory : array
    relaxation : place (used, features + 3): of each undecided unit before, see `relax`
    weights : place (used, units): theirs in this layer
    gaps : place (2, units), is written: the least and the most
    """
    relaxation, weights, gaps = (memory + place for place in (relaxation, weights, gaps))
    with v.loop(units // v.width) as chunk:
        o = chunk * v.width
        least, most = v.variable(v.number(0)), v.variable(v.number(0))
        with v.loop(used) as i:
            weight = v.load(weights + (i * units + o))
            end = relaxation + ((i + 1) * (features + 3))
            a, b = (weight * v.spread(v.item(end + (v.index(0) - back))) for back in (2, 1))
            least.set(least.now + v.least(a, b))
            most.set(most.now + v.most(a, b))
        v.store(least.now, gaps + o)
        v.store(most.now, gaps + (units + o))


@inner
def relax(
    memory: Any, linear: Any, gaps: Any, features: Any, units: Any, o: Any, low: Any, high: Any, row: Any
) -> None:
    """Write the relaxation of an undecided unit.

    Parameters
    ----------
    memory : array
    linear, gaps, features, units : of the layer, as `unit_states` takes them
    o : the unit
    low, high : the least and the most of its pre-activation
    row : place (features + 3,), is written: constant and coefficients of a linear function, and the least and the most
        that the unit lies above it
    """
    share = high / (high - low)
    for c in range(features + 1):
        memory[row + c] = share * memory[linear + c * units + o]
    memory[row + features + 1] = share * memory[gaps + o]
    memory[row + features + 2] = share * memory[gaps + units + o] - share * low


@vector_function()
def value_ranges(v: Vectors, memory: Value, values: Value, stride: Value, count: Value, lanes: Value) -> None:
    """Write the ranges over a leaf of `count` rows of LANES, which begin at values + t * stride in tile t, by lanes."""
    values, lanes = memory + values, memory + lanes
    with v.loop(count) as i:
        seen = _Range(v, v.load(values + i * LANES))
        with v.loop(v.index(TILES)) as t:
            for lane in range(0, LANES, v.width):
                seen.include(v.load(values + (t * stride + i * LANES + lane)))
        seen.store(lanes + i * v.width, lanes + (count + i) * v.width)


@vector_function()
def rectified_row(v: Vectors, memory: Value, row: Value, stride: Value, out: Value, out_stride: Value) -> None:
    """Apply ReLU to a row of LANES of every tile of a leaf; the tiles are a stride apart."""
    row, out = memory + row, memory + out
    with v.loop(v.index(TILES)) as t:
        for lane in range(0, LANES, v.width):
            value = v.load(row + (t * stride + lane))
            v.store(v.most(value, v.number(0)), out + (t * out_stride + lane))
