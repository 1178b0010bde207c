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

from npfuse.fast.compiled import inner
from npfuse.fast.dense_layer import LANES
from npfuse.fast.vectors import Value, Variable, Vectors, vector_function

TILES = 16  # rows of LANES pixels in a leaf

OFF, ON, UNDECIDED = 0.0, 1.0, 2.0

# Rows of a box (ROWS, features): least and most of a feature, or of what a line leaves of it; products with the pivot;
# slope; the middle of the feature at the middle of the pivot, on the line; radius of what the line leaves.
LOW, HIGH, PRODUCT, SLOPE, MIDDLE, RADIUS = range(6)
ROWS = 6


@inner
def leaf_box(
    channels: Any, at: Any, features: Any, opponent: Any, memory: Any, basis: Any, stride: Any, box: Any
) -> Any:
    """Make a leaf's features and find their box.

    Parameters
    ----------
    channels : array of TILES x features x LANES values of the leaf, from `at` on
    features : how many
    opponent : whether they are sums and differences of every three channels, or the channels
    memory : array
    basis, stride : place that is written: the features of tile t in rows of LANES from basis + t * stride on
    box : place (ROWS, features), is written

    Returns
    -------
    the pivot, and the largest absolute value of a feature: NaN where one is not finite
    """
    if opponent:
        _load_opponents(channels, at, features, memory, basis, stride, box)
    else:
        _load_channels(channels, at, features, memory, basis, stride, box)
    low_at, high_at, product = box + LOW * features, box + HIGH * features, box + PRODUCT * features
    slope, middle, radius = box + SLOPE * features, box + MIDDLE * features, box + RADIUS * features
    pivot = 0
    half = memory.dtype.type(0.5)
    largest = nothing = memory.dtype.type(0)
    for c in range(features):
        low, high = memory[low_at + c], memory[high_at + c]
        nothing += low * 0
        memory[slope + c] = 0
        memory[middle + c] = (low + high) * half
        memory[radius + c] = (high - low) * half
        largest = max(largest, high, -low)
        if memory[radius + c] > memory[radius + pivot]:
            pivot = c
    if nothing != 0:  # NaN
        return pivot, nothing
    _products(memory, basis, stride, features, pivot, box)
    variance = memory[product + pivot]
    if variance > 0:
        for c in range(features):
            memory[slope + c] = memory[product + c] / variance
        memory[slope + pivot] = 0
        _residuals(memory, basis, stride, features, pivot, box)
        for c in range(features):
            low, high = memory[low_at + c], memory[high_at + c]
            if c != pivot and (high - low) * half < memory[radius + c]:
                memory[middle + c] = (low + high) * half + memory[slope + c] * memory[middle + pivot]
                memory[radius + c] = (high - low) * half
            else:
                memory[slope + c] = 0
    return pivot, largest


class _Range:
    """Least and most of a feature while a loop goes over it, and a sum that is NaN where a value is not finite."""

    def __init__(self, v: Vectors, first: Value) -> None:
        self.low: Variable = v.variable(first)
        self.high: Variable = v.variable(first)
        self.nothing: Variable = v.variable(first * 0)
        self.v = v

    def include(self, values: Value, *, finite: bool = True) -> None:
        self.low.set(self.v.least(values, self.low.now))
        self.high.set(self.v.most(values, self.high.now))
        if not finite:
            self.nothing.set(self.nothing.now + values * self.v.number(0))

    def write(self, low: Value, high: Value) -> None:
        nothing = self.v.reduce(self.nothing.now, lambda a, b: a + b)
        self.v.put(self.v.reduce(self.low.now, self.v.least) + nothing, low)
        self.v.put(self.v.reduce(self.high.now, self.v.most) + nothing, high)


@vector_function()
def _load_opponents(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, box: Value
) -> None:
    """Write R + G + B, R - G and G - B of every three channels to the basis, and their ranges to the box."""
    x, basis, box = x + at, memory + basis, memory + box
    with v.loop(features // 3) as triple:
        c = triple * 3
        first = x + c * LANES
        ranges = [_Range(v, f) for f in _opponents(*(v.load(first + i * LANES) for i in range(3)))]
        with v.loop(v.index(TILES)) as t:
            source = x + (t * features + c) * LANES
            target = basis + (t * stride + c * LANES)
            for lane in range(0, LANES, v.width):
                values = _opponents(*(v.load(source + (i * LANES + lane)) for i in range(3)))
                for i, (value, seen) in enumerate(zip(values, ranges, strict=True)):
                    v.store(value, target + (i * LANES + lane))
                    seen.include(value, finite=False)
        for i, seen in enumerate(ranges):
            seen.write(box + (c + (features * LOW + i)), box + (c + (features * HIGH + i)))


def _opponents(red: Value, green: Value, blue: Value) -> list[Value]:
    return [red + green + blue, red - green, green - blue]


@vector_function()
def _load_channels(
    v: Vectors, x: Value, at: Value, features: Value, memory: Value, basis: Value, stride: Value, box: Value
) -> None:
    """Write channels to the basis, and their ranges to the box."""
    x, basis, box = x + at, memory + basis, memory + box
    with v.loop(features) as c:
        seen = _Range(v, v.load(x + c * LANES))
        with v.loop(v.index(TILES)) as t:
            for lane in range(0, LANES, v.width):
                value = v.load(x + ((t * features + c) * LANES + lane))
                v.store(value, basis + (t * stride + c * LANES + lane))
                seen.include(value, finite=False)
        seen.write(box + (features * LOW + c), box + (features * HIGH + c))


@vector_function()
def _products(
    v: Vectors, memory: Value, basis: Value, stride: Value, features: Value, pivot: Value, box: Value
) -> None:
    """Write the sums over the leaf of each feature times the pivot, both from their middles on."""
    basis, box = memory + basis, memory + box
    pivot_middle = v.spread(v.item(box + (features * MIDDLE + pivot)))
    with v.loop(features) as c:
        middle = v.spread(v.item(box + (features * MIDDLE + c)))
        totals = [v.variable(v.number(0)) for _ in range(0, LANES, v.width)]
        with v.loop(v.index(TILES)) as t:
            tile = basis + t * stride
            for lane, total in zip(range(0, LANES, v.width), totals, strict=True):
                along = v.load(tile + (pivot * LANES + lane)) - pivot_middle
                total.set(total.now + along * (v.load(tile + (c * LANES + lane)) - middle))
        together = totals[0].now
        for other in totals[1:]:
            together = together + other.now
        v.put(v.reduce(together, lambda a, b: a + b), box + (features * PRODUCT + c))


@vector_function()
def _residuals(
    v: Vectors, memory: Value, basis: Value, stride: Value, features: Value, pivot: Value, box: Value
) -> None:
    """Write least and most of each feature minus its slope times the pivot."""
    basis, box = memory + basis, memory + box
    with v.loop(features) as c:
        slope = v.spread(v.item(box + (features * SLOPE + c)))
        first = v.load(basis + c * LANES) - slope * v.load(basis + pivot * LANES)
        seen = _Range(v, first)
        with v.loop(v.index(TILES)) as t:
            tile = basis + t * stride
            for lane in range(0, LANES, v.width):
                along = v.load(tile + (pivot * LANES + lane))
                seen.include(v.load(tile + (c * LANES + lane)) - slope * along)
        seen.write(box + (features * LOW + c), box + (features * HIGH + c))


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
    box, pivot : of the leaf
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
            radius = v.where(v.spread(v.real(c.equals(pivot))).equals(v.number(1)), v.number(0), radius)
            reach.set(reach.now + radius * v.absolute(row))
        width = v.spread(v.item(box + (features * RADIUS + pivot)))
        margin = v.load(margins + o) * v.spread(largest) + v.load(margins + (units + o))
        total = reach.now + width * v.absolute(along.now) + margin
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
def value_ranges(
    v: Vectors, memory: Value, values: Value, stride: Value, count: Value, low: Value, high: Value
) -> None:
    """Write least and most over a leaf of `count` rows of LANES, which begin at values + t * stride in tile t."""
    values, low, high = (memory + place for place in (values, low, high))
    with v.loop(count) as i:
        seen = _Range(v, v.load(values + i * LANES))
        with v.loop(v.index(TILES)) as t:
            for lane in range(0, LANES, v.width):
                seen.include(v.load(values + (t * stride + i * LANES + lane)))
        seen.write(low + i, high + i)


@vector_function()
def rectified_row(v: Vectors, memory: Value, row: Value, stride: Value, out: Value, out_stride: Value) -> None:
    """Apply ReLU to a row of LANES of every tile of a leaf; the tiles are a stride apart."""
    row, out = memory + row, memory + out
    with v.loop(v.index(TILES)) as t:
        for lane in range(0, LANES, v.width):
            value = v.load(row + (t * stride + lane))
            v.store(v.most(value, v.number(0)), out + (t * out_stride + lane))
