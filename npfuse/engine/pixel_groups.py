"""Evaluates a chain of pointwise convolutions on groups of leaves: bounds, folding, and what is left to evaluate.

Such a chain is a ReLU network of the channels of one pixel, and neighbouring pixels are alike: over a leaf of 16x16
pixels the sign of most hidden units is the same everywhere. For each leaf and layer:

1. Every unit is bounded over the leaf (`npfuse.engine.region_bounds`), with a margin for all roundings. A unit that is
   surely negative is off: it is left out. One that is surely positive is on: it is linear, and is folded into the next
   layer's coefficients. Only the others, the undecided, are evaluated at every pixel (`npfuse.engine.dense_layer`);
   what they are found to be, off or on at all pixels, decides some of them too.
2. The next layer's pre-activations then are sums over a basis: the constant 1, the pixel's features, and the undecided
   units of the layers before. Their coefficients (`npfuse.engine.coefficient_rows`) are
       sum over the units that are on of (coefficients of the unit) x (its weights),
   and for each undecided unit its own weights. In the first hidden layer the sum is updated from one leaf to the next
   by the few units that changed, and made anew in every group of 4x4 leaves, so that roundings do not pile up.

Where too much is undecided (noise), and where a value is not finite or might overflow, the leaf is evaluated plainly.
Nothing is guessed, for any weights and pixels: the result is the chain's up to roundings, which are relative to a
pixel's largest channel times a unit's largest weights (in the chain itself: to the largest product).

What the kernels want lies together: a group is an array (16 leaves, 8 tiles, channels, 32 pixels), row by row of
leaves; a tile is two rows of a leaf.
"""

from typing import Any

import numpy as np

from npfuse.engine.chains import BIAS, COEFFICIENTS, KERNEL, MARGINS, PACKED, PADDED, RECTIFY, WIDTH
from npfuse.engine.coefficient_rows import add_products, clear, copy, copy_rows, gather_panels, units_where
from npfuse.engine.compiled import compiled, inner, pasted
from npfuse.engine.dense_layer import LANES, dense_layer
from npfuse.engine.region_bounds import (
    OFF,
    ON,
    TILES,
    UNDECIDED,
    gap_bounds,
    leaf_box,
    range_rows,
    rectified_row,
    relax,
    unit_states,
    value_ranges,
)

LEAF_SIDE = 16
TILE_ROWS = LANES // LEAF_SIDE  # rows of a leaf in a tile
LEAVES = 4  # along a side of a group
GROUP_SIDE = LEAVES * LEAF_SIDE

# What is counted: of the leaves, and of each layer.
LEAVES_SEEN, LEAVES_PLAIN = 0, 1
BOUNDING, FOLDING, EVALUATION, BY_BOUNDS, BY_VALUES = range(5)

# What became of a leaf.
DONE, NOTHING_SURE, GIVEN_UP = range(3)


@compiled
def evaluate_groups(
    groups: Any, height: Any, width: Any, table: Any, places: Any, memory: Any, lists: Any, out: Any, counts: Any
) -> None:
    """Evaluate the leaves of a row of groups.

    Parameters
    ----------
    groups : ndarray (G, leaves, TILES, Cin, LANES)
    height, width : in pixels, of what is to be evaluated: leaves below and right of it are left out
    table, places, memory, lists : of the chain, see `npfuse.engine.chains`; the last two are written to
    out : ndarray (G, leaves, TILES, Cout, LANES), is written
    counts : ndarray (depth + 1, 5) of int64, is added to: LEAVES_SEEN and LEAVES_PLAIN, then for each layer, of
        multiply-adds: BOUNDING, FOLDING into it, EVALUATION; and units left undecided BY_BOUNDS and BY_VALUES
    """
    channels, outputs = table[0, WIDTH], table[places.depth, WIDTH]
    for group in range(groups.shape[0]):
        anew = True  # nothing is folded yet
        # With how many undecided units in the first layer a leaf was last given up: others are not tried as far.
        given_up = table[1, WIDTH] + 1
        for leaf in range(LEAVES * LEAVES):
            row, column = leaf // LEAVES * LEAF_SIDE, group * GROUP_SIDE + leaf % LEAVES * LEAF_SIDE
            if row < height and column < width:
                tile = (group * LEAVES * LEAVES + leaf) * TILES * LANES
                counts[0, LEAVES_SEEN] += 1
                x_at, out_at = tile * channels, tile * outputs
                end, tried, folded = _leaf(
                    groups, x_at, table, places, memory, lists, anew, given_up, out, out_at, counts
                )
                anew = anew and not folded
                if end != DONE:
                    given_up = tried if end == GIVEN_UP else given_up
                    _evaluate_plainly(groups, x_at, table, places, memory, out, out_at, counts)


@pasted
def _leaf(
    x: Any, at: Any, table: Any, p: Any, memory: Any, lists: Any, anew: Any, given_up: Any, out: Any, out_at: Any,
    counts: Any,
) -> Any:  # fmt: skip
    """Evaluate a leaf with what can be decided.

    Returns
    -------
    DONE; or NOTHING_SURE, where values might not be finite; or GIVEN_UP, where too much is undecided
    how many units of the first layer were undecided
    whether those of the first layer that are on were folded
    """
    depth, features = p.depth, table[0, WIDTH]
    width = memory.dtype.type(0)
    tried = used = cost = np.int64(0)
    folded = False
    end = NOTHING_SURE
    if depth > 1:
        pivot, width, largest = leaf_box(
            x, at, features, p.opponent, memory, p.basis, p.basis_stride, p.box, p.lanes, p.found
        )
        if largest <= memory[p.limit]:
            end = DONE
    layer = 1
    while end == DONE and layer < depth:
        units, coefficients = table[layer, PADDED], table[layer, COEFFICIENTS]
        rows = features + used
        linear, gaps = coefficients, p.no_gaps
        count = np.int64(0)
        if table[layer, RECTIFY]:
            if used:
                linear, gaps = p.linear, p.gaps
                _relax_layer(coefficients, features, used, units, p, memory, lists)
                counts[layer, BOUNDING] += used * (features + 3) * units
            unit_states(
                memory, linear, gaps, features, units, p.box, pivot, width, table[layer, MARGINS], largest, p.states
            )
            counts[layer, BOUNDING] += 3 * features * units
            count = units_where(memory, p.states, UNDECIDED, p.states, OFF, units, lists, p.undecided)
            counts[layer, BY_BOUNDS] += count
        else:
            for o in range(units):
                memory[p.states + o] = ON if o < table[layer, WIDTH] else OFF
        cost += count * rows
        if layer == 1:
            tried = count
        if 10 * cost > 9 * p.macs or tried >= given_up:
            end = GIVEN_UP
        else:
            kept = np.int64(0)
            if count:
                gather_panels(memory, coefficients, units, rows + 1, lists, p.undecided, count, p.panels)
                dense_layer(
                    memory, p.basis, p.basis_stride, rows, memory, p.panels, count, False,
                    memory, p.values, p.values_stride, TILES,
                )  # fmt: skip
                counts[layer, EVALUATION] += rows * count * TILES * LANES
                kept = _decide_by_values(linear, gaps, features, units, used, count, p, memory, lists)
                counts[layer, BY_VALUES] += kept
            following, begin = table[layer + 1, PADDED], table[layer + 1, COEFFICIENTS]
            counts[layer + 1, FOLDING] += following * (
                (features + 1) * _fold_first(table, features + 1, anew, p, memory, lists)
                if layer == 1
                else (rows + 1) * _fold(table, layer, rows + 1, p, memory, lists)
            )
            folded = True
            copy_rows(
                memory, table[layer + 1, KERNEL], lists, p.undecided, kept, following, begin + (rows + 1) * following
            )
            used += kept
            layer += 1
    if end == DONE:
        rows, outputs = features + used, table[depth, WIDTH]
        for o in range(outputs):
            lists[p.undecided + o] = o
        coefficients = table[depth, COEFFICIENTS]
        gather_panels(memory, coefficients, table[depth, PADDED], rows + 1, lists, p.undecided, outputs, p.panels)
        rectify = table[depth, RECTIFY] != 0
        dense_layer(
            memory, p.basis, p.basis_stride, rows, memory, p.panels, outputs, rectify,
            out, out_at, outputs * LANES, TILES,
        )  # fmt: skip
        counts[depth, EVALUATION] += rows * outputs * TILES * LANES
    return end, tried, folded


@inner
def _evaluate_plainly(x: Any, at: Any, table: Any, p: Any, memory: Any, out: Any, out_at: Any, counts: Any) -> None:
    """Evaluate all layers of a leaf at every pixel."""
    for t in range(TILES):
        source, target = p.plain, p.plain_next
        for layer in range(1, p.depth + 1):
            inputs, outputs, weights = table[layer - 1, WIDTH], table[layer, WIDTH], table[layer, PACKED]
            rectify = table[layer, RECTIFY] != 0
            first, last = layer == 1, layer == p.depth
            x_at, result = at + t * inputs * LANES, out_at + t * outputs * LANES
            if first and last:
                dense_layer(x, x_at, 0, inputs, memory, weights, outputs, rectify, out, result, 0, 1)
            elif first:
                dense_layer(x, x_at, 0, inputs, memory, weights, outputs, rectify, memory, target, 0, 1)
            elif last:
                dense_layer(memory, source, 0, inputs, memory, weights, outputs, rectify, out, result, 0, 1)
            else:
                dense_layer(memory, source, 0, inputs, memory, weights, outputs, rectify, memory, target, 0, 1)
            source, target = target, source
    counts[0, LEAVES_PLAIN] += 1
    for layer in range(1, p.depth + 1):
        counts[layer, EVALUATION] += table[layer - 1, WIDTH] * table[layer, WIDTH] * TILES * LANES


@inner
def _relax_layer(coefficients: Any, features: Any, used: Any, units: Any, p: Any, memory: Any, lists: Any) -> None:
    """Write a layer's pre-activations as linear functions of the features, and the gaps to them."""
    copy(memory, coefficients, (features + 1) * units, p.linear)
    weights = coefficients + (features + 1) * units
    add_products(
        memory, p.linear, features + 1, units, 1.0, p.relaxation, 1, features + 3, lists, p.every, used, weights
    )
    gap_bounds(memory, p.relaxation, features, used, weights, units, p.gaps)


@inner
def _decide_by_values(
    linear: Any, gaps: Any, features: Any, units: Any, used: Any, count: Any, p: Any, memory: Any, lists: Any
) -> Any:
    """Decide undecided units whose values have one sign; the others join the basis. Return how many these are."""
    value_ranges(memory, p.values, p.values_stride, count, p.lanes)
    range_rows(memory, p.lanes, 2 * count, p.found)
    kept = np.int64(0)
    for i in range(count):
        o, low, high = lists[p.undecided + i], memory[p.found + i], -memory[p.found + count + i]
        if high <= 0:
            memory[p.states + o] = OFF
        elif low >= 0:
            memory[p.states + o] = ON
        else:
            relax(memory, linear, gaps, features, units, o, low, high, p.relaxation + (used + kept) * (features + 3))
            place = p.basis + (features + used + kept) * LANES
            rectified_row(memory, p.values + i * LANES, p.values_stride, place, p.basis_stride)
            lists[p.undecided + kept] = o
            kept += 1
    return kept


@inner
def _fold_first(table: Any, rows: Any, anew: Any, p: Any, memory: Any, lists: Any) -> Any:
    """Bring what is folded into the second layer from the last leaf's units to this one's; return how many changed."""
    units, coefficients = table[1, PADDED], table[1, COEFFICIENTS]
    columns, out, weights = table[2, PADDED], table[2, COEFFICIENTS], table[2, KERNEL]
    count = np.int64(0)
    if anew:
        _only_bias(table, 2, rows, memory)
        clear(memory, units, p.before)  # OFF
    else:
        count = units_where(memory, p.before, ON, p.states, ON, units, lists, p.changed)
        add_products(memory, out, rows, columns, -1.0, coefficients, units, 1, lists, p.changed, count, weights)
    added = units_where(memory, p.states, ON, p.before, ON, units, lists, p.changed)
    add_products(memory, out, rows, columns, 1.0, coefficients, units, 1, lists, p.changed, added, weights)
    copy(memory, p.states, units, p.before)
    return count + added


@inner
def _fold(table: Any, layer: Any, rows: Any, p: Any, memory: Any, lists: Any) -> Any:
    """Fold a later layer's units that are on into the next one; return how many."""
    units, columns, out = table[layer, PADDED], table[layer + 1, PADDED], table[layer + 1, COEFFICIENTS]
    _only_bias(table, layer + 1, rows, memory)
    count = units_where(memory, p.states, ON, p.states, OFF, units, lists, p.changed)
    add_products(
        memory, out, rows, columns, 1.0, table[layer, COEFFICIENTS], units, 1, lists, p.changed, count,
        table[layer + 1, KERNEL],
    )  # fmt: skip
    return count


@inner
def _only_bias(table: Any, layer: Any, rows: Any, memory: Any) -> None:
    """Begin a layer's coefficients: its biases, and zeros."""
    columns, out = table[layer, PADDED], table[layer, COEFFICIENTS]
    copy(memory, table[layer, BIAS], columns, out)
    clear(memory, (rows - 1) * columns, out + columns)
