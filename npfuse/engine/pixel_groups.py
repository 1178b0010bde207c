"""Evaluates a chain of pointwise convolutions on groups of blocks: bounds, folding, and evaluation of the rest.

Such a chain is a ReLU network of the channels of one pixel, and neighbouring pixels are alike: over a block of 16x16
pixels the sign of most hidden units is the same everywhere. For each block and layer:

1. Every unit's pre-activation is bounded over the block (`npfuse.engine.region_bounds`), with a margin for all
   roundings. A unit that is surely negative is off: it is left out. A unit that is surely positive is on: it is linear,
   and is folded into the next layer's coefficients. Only the other units, the undecided ones (in the literature:
   unstable neurons), are evaluated at every pixel (`npfuse.engine.dense_layer`). Their values decide some of them, too:
   those that are off, or on, at all pixels.
2. The next layer's pre-activations then are sums over a basis: the constant 1, the pixel's features, and the undecided
   units of the layers before. Their coefficients (`npfuse.engine.coefficient_rows`) are
       sum over the units that are on of (coefficients of the unit) x (its weights),
   and for each undecided unit its own weights. In the first hidden layer the sum is updated from one block to the next
   by the few units that changed, and computed afresh in every group of 4x4 blocks, so roundings do not pile up.

Some blocks are evaluated plainly, every unit at every pixel: those with too many undecided units (noise), and those
with values that are not finite or might overflow. Nothing is guessed, for any weights and pixels: the result is the
chain's, up to roundings. These are relative to a pixel's largest channel times a unit's largest weights (in the chain
itself, to the largest product).

The arrays of groups are drawn in `npfuse.engine.layout`.
"""

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import BIAS, COEFFICIENTS, KERNEL, MARGINS, PACKED, PADDED, RECTIFY, WIDTH
from npfuse.engine.coefficient_rows import add_products, clear, copy, copy_rows, gather_panels, units_where
from npfuse.engine.compiled import compiled, inner, pasted
from npfuse.engine.dense_layer import dense_layer
from npfuse.engine.layout import BLOCK_SIDE, BLOCKS, BLOCKS_PER_SIDE, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS
from npfuse.engine.region_bounds import (
    OFF,
    ON,
    UNDECIDED,
    block_box,
    gap_bounds,
    range_of,
    range_rows,
    rectified_row,
    relax,
    unit_states,
    value_ranges,
)

# Columns of the counts. Row i counts layer i's multiply-adds (of bounding it, of folding into it, of evaluating it) and
# its undecided units; row 0 counts blocks.
BOUNDING, FOLDING, EVALUATION, BY_BOUNDS, BY_VALUES, BLOCKS_SEEN, BLOCKS_PLAIN = range(7)

# Outcomes of a block.
DONE, NOT_FINITE, GIVEN_UP = range(3)


def empty_counts(depth: int) -> NDArray[np.int64]:
    """Return an array of counts that are all 0, (depth + 1, 7), for a chain of `depth` layers."""
    return np.zeros((depth + 1, 7), np.int64)


@compiled
def evaluate_groups(groups, height, width, chain, out, counts):
    """Evaluate the blocks of a row of groups.

    Parameters
    ----------
    groups : ndarray (G, BLOCKS, ROW_PAIRS, Cin, PAIR_PIXELS)
    height, width : number of pixels to evaluate, along each axis; blocks below and right of them are left out
    chain : Chain, whose memory and lists are written to
    out : ndarray (G, BLOCKS, ROW_PAIRS, Cout, PAIR_PIXELS), is written
    counts : array of `empty_counts`, is added to
    """
    table, places, memory, lists = chain.table, chain.places, chain.memory, chain.lists
    channels, outputs = table[0, WIDTH], table[places.depth, WIDTH]
    for group in range(groups.shape[0]):
        is_folded = False  # whether the second layer's coefficients hold units of this group
        # A block with at least this many undecided first-layer units goes straight to the plain evaluation. The limit
        # is lowered whenever a block was given up.
        undecided_limit = table[1, WIDTH] + 1
        for block in range(BLOCKS):
            row = block // BLOCKS_PER_SIDE * BLOCK_SIDE
            column = group * GROUP_SIDE + block % BLOCKS_PER_SIDE * BLOCK_SIDE
            if row < height and column < width:
                pixel = (group * BLOCKS + block) * ROW_PAIRS * PAIR_PIXELS
                counts[0, BLOCKS_SEEN] += 1
                x_at, out_at = pixel * channels, pixel * outputs
                outcome, undecided, folds = _evaluate_block(
                    groups, x_at, table, places, memory, lists, is_folded, undecided_limit, out, out_at, counts
                )
                is_folded = is_folded or folds
                if outcome != DONE:
                    undecided_limit = undecided if outcome == GIVEN_UP else undecided_limit
                    _evaluate_plainly(groups, x_at, table, places, memory, out, out_at, counts)


@pasted
def _evaluate_block(x, at, table, p, memory, lists, is_folded, undecided_limit, out, out_at, counts):
    """Evaluate a block's undecided units only.

    Parameters
    ----------
    x, at : array of channels, and the block's place in it
    table, p, memory, lists : the chain's parts; p are its places
    is_folded : whether the second layer's coefficients hold the first layer's units of the block before
    undecided_limit : least number of undecided first-layer units at which the block is given up
    out, out_at : array of results, and the block's place in it
    counts : array of `empty_counts`, is added to

    Returns
    -------
    outcome : DONE; NOT_FINITE, if values might overflow; or GIVEN_UP, if too many units are undecided
    undecided : number of undecided units in the first layer
    folds : whether the second layer's coefficients now hold the first layer's units of this block
    """
    depth, features = p.depth, table[0, WIDTH]
    pivot_radius = memory.dtype.type(0)
    undecided = used = cost = np.int64(0)
    folds = False
    outcome = NOT_FINITE
    if depth > 1:
        pivot, pivot_radius, largest = block_box(
            x, at, features, p.colour_differences, memory, p.basis, p.basis_stride, p.box, p.vectors, p.reduced
        )
        if largest <= memory[p.limit]:
            outcome = DONE
    layer = 1
    while outcome == DONE and layer < depth:
        units, coefficients = table[layer, PADDED], table[layer, COEFFICIENTS]
        rows = features + used
        linear, gaps = coefficients, p.no_gaps
        count = np.int64(0)
        if table[layer, RECTIFY]:
            if used:
                linear, gaps = p.linear, p.gaps
                _relax_layer(coefficients, features, used, units, p, memory, lists)
                counts[layer, BOUNDING] += used * (features + 3) * units
            margins = table[layer, MARGINS]
            unit_states(memory, linear, gaps, features, units, p.box, pivot, pivot_radius, margins, largest, p.states)
            counts[layer, BOUNDING] += 3 * features * units
            count = units_where(memory, p.states, UNDECIDED, p.states, OFF, units, lists, p.undecided)
            counts[layer, BY_BOUNDS] += count
        else:
            for o in range(units):
                memory[p.states + o] = ON if o < table[layer, WIDTH] else OFF
        cost += count * rows
        if layer == 1:
            undecided = count
        if 10 * cost > 9 * p.macs or undecided >= undecided_limit:
            outcome = GIVEN_UP
        else:
            kept = np.int64(0)
            if count:
                gather_panels(memory, coefficients, units, rows + 1, lists, p.undecided, count, p.panels)
                dense_layer(
                    memory, p.basis, p.basis_stride, rows, memory, p.panels, count, False,
                    memory, p.values, p.values_stride, ROW_PAIRS,
                )  # fmt: skip
                counts[layer, EVALUATION] += rows * count * ROW_PAIRS * PAIR_PIXELS
                kept = _decide_by_values(linear, gaps, features, units, used, count, p, memory, lists)
                counts[layer, BY_VALUES] += kept
            following, begin = table[layer + 1, PADDED], table[layer + 1, COEFFICIENTS]
            counts[layer + 1, FOLDING] += following * (
                (features + 1) * _fold_first(table, features + 1, is_folded, p, memory, lists)
                if layer == 1
                else (rows + 1) * _fold(table, layer, rows + 1, p, memory, lists)
            )
            folds = True
            copy_rows(
                memory, table[layer + 1, KERNEL], lists, p.undecided, kept, following, begin + (rows + 1) * following
            )
            used += kept
            layer += 1
    if outcome == DONE:
        rows, outputs = features + used, table[depth, WIDTH]
        for o in range(outputs):
            lists[p.undecided + o] = o
        coefficients = table[depth, COEFFICIENTS]
        gather_panels(memory, coefficients, table[depth, PADDED], rows + 1, lists, p.undecided, outputs, p.panels)
        rectify = table[depth, RECTIFY] != 0
        dense_layer(
            memory, p.basis, p.basis_stride, rows, memory, p.panels, outputs, rectify,
            out, out_at, outputs * PAIR_PIXELS, ROW_PAIRS,
        )  # fmt: skip
        counts[depth, EVALUATION] += rows * outputs * ROW_PAIRS * PAIR_PIXELS
    return outcome, undecided, folds


@inner
def _evaluate_plainly(x, at, table, p, memory, out, out_at, counts):
    """Evaluate all layers of a block at every pixel."""
    for t in range(ROW_PAIRS):
        source, target = p.plain, p.plain_next
        for layer in range(1, p.depth + 1):
            inputs, outputs, weights = table[layer - 1, WIDTH], table[layer, WIDTH], table[layer, PACKED]
            rectify = table[layer, RECTIFY] != 0
            first, last = layer == 1, layer == p.depth
            x_at, result = at + t * inputs * PAIR_PIXELS, out_at + t * outputs * PAIR_PIXELS
            if first and last:
                dense_layer(x, x_at, 0, inputs, memory, weights, outputs, rectify, out, result, 0, 1)
            elif first:
                dense_layer(x, x_at, 0, inputs, memory, weights, outputs, rectify, memory, target, 0, 1)
            elif last:
                dense_layer(memory, source, 0, inputs, memory, weights, outputs, rectify, out, result, 0, 1)
            else:
                dense_layer(memory, source, 0, inputs, memory, weights, outputs, rectify, memory, target, 0, 1)
            source, target = target, source
    counts[0, BLOCKS_PLAIN] += 1
    for layer in range(1, p.depth + 1):
        counts[layer, EVALUATION] += table[layer - 1, WIDTH] * table[layer, WIDTH] * ROW_PAIRS * PAIR_PIXELS


@inner
def _relax_layer(coefficients, features, used, units, p, memory, lists):
    """Write linear functions of the features for a layer's pre-activations, and the gaps between the two."""
    copy(memory, coefficients, (features + 1) * units, p.linear)
    weights = coefficients + (features + 1) * units
    add_products(
        memory, p.linear, features + 1, units, 1.0, p.relaxation, 1, features + 3, lists, p.every, used, weights
    )
    gap_bounds(memory, p.relaxation, features, used, weights, units, p.gaps)


@inner
def _decide_by_values(linear, gaps, features, units, used, count, p, memory, lists):
    """Decide undecided units whose values have one sign; add the others to the basis, and return their number."""
    value_ranges(memory, p.values, p.values_stride, count, p.vectors)
    range_rows(memory, p.vectors, 2 * count, p.reduced)
    kept = np.int64(0)
    for i in range(count):
        o = lists[p.undecided + i]
        low, high = range_of(memory, p.reduced, count, i)
        if high <= 0:
            memory[p.states + o] = OFF
        elif low >= 0:
            memory[p.states + o] = ON
        else:
            relax(memory, linear, gaps, features, units, o, low, high, p.relaxation + (used + kept) * (features + 3))
            place = p.basis + (features + used + kept) * PAIR_PIXELS
            rectified_row(memory, p.values + i * PAIR_PIXELS, p.values_stride, place, p.basis_stride)
            lists[p.undecided + kept] = o
            kept += 1
    return kept


@inner
def _fold_first(table, rows, is_folded, p, memory, lists):
    """Update the second layer's coefficients from the last block's first-layer units to this block's.

    Returns
    -------
    int : number of units that were added or taken out
    """
    units, coefficients = table[1, PADDED], table[1, COEFFICIENTS]
    columns, out, weights = table[2, PADDED], table[2, COEFFICIENTS], table[2, KERNEL]
    count = np.int64(0)
    if is_folded:
        count = units_where(memory, p.folded_states, ON, p.states, ON, units, lists, p.changed)
        add_products(memory, out, rows, columns, -1.0, coefficients, units, 1, lists, p.changed, count, weights)
    else:
        _only_bias(table, 2, rows, memory)
        clear(memory, units, p.folded_states)  # OFF
    added = units_where(memory, p.states, ON, p.folded_states, ON, units, lists, p.changed)
    add_products(memory, out, rows, columns, 1.0, coefficients, units, 1, lists, p.changed, added, weights)
    copy(memory, p.states, units, p.folded_states)
    return count + added


@inner
def _fold(table, layer, rows, p, memory, lists):
    """Fold the units of a later layer that are on into the next layer; return their number."""
    units, columns, out = table[layer, PADDED], table[layer + 1, PADDED], table[layer + 1, COEFFICIENTS]
    _only_bias(table, layer + 1, rows, memory)
    count = units_where(memory, p.states, ON, p.states, OFF, units, lists, p.changed)
    add_products(
        memory, out, rows, columns, 1.0, table[layer, COEFFICIENTS], units, 1, lists, p.changed, count,
        table[layer + 1, KERNEL],
    )  # fmt: skip
    return count


@inner
def _only_bias(table, layer, rows, memory):
    """Write a layer's first coefficients: its biases, and zeros."""
    columns, out = table[layer, PADDED], table[layer, COEFFICIENTS]
    copy(memory, table[layer, BIAS], columns, out)
    clear(memory, (rows - 1) * columns, out + columns)
