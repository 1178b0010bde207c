"""From a row of groups to a picture's levels: the coarse picture is enlarged and added, then come tanh and rounding.

All of it goes run by run, in registers. A cell is the CELL x CELL pixels that one pixel of the coarse picture becomes.
Along each axis, a pixel of a cell is a weighted sum of three coarse pixels: the cell's, the one before and the one
behind. The weights depend on the pixel's place in its cell. Beyond the edges, the last cell is repeated. Both "nearest"
and "bilinear" of `npfuse.ops.resize` are such sums; `cell_weights` takes the weights from there.

Levels are told apart by absolute differences, so tanh x of float32 is x P(x^2) / Q(x^2) here, with P and Q of degree 4,
for |x| <= SATURATED; beyond, x is cut. The fraction is at most 2e-8 off (least squares, reweighted until all errors
were about alike), and roundings add some 3e-7: 4e-5 levels of a byte. `npfuse.engine.tanh_vectors` is relatively right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine import layout
from npfuse.engine.compiled import compiled, inner
from npfuse.engine.layout import BLOCKS, BLOCKS_PER_SIDE, CELL, GROUP_SIDE, PAIR_PIXELS, PLANE_START, ROW_PAIRS, RUN
from npfuse.engine.tanh_vectors import polynomial
from npfuse.engine.vectors import vector_function
from npfuse.ops.resize import Resampling, resize_taps

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

NEAR = 3  # the cell before, the cell, the cell behind
SATURATED = 9.0
NUMERATOR = [0.999999906, 0.133731967, 0.00348658072, 2.04718126e-05, 1.31842014e-08]
DENOMINATOR = [1.0, 0.467064935, 0.0258419747, 0.000327138353, 7.70265379e-07]

block_place, run_place = inner(layout.block_place), inner(layout.run_place)


def cell_weights(method: Resampling, dtype: Any) -> NDArray[Any]:
    """Return the weights of the cell before, the cell and the cell behind, for each pixel of a run.

    Parameters
    ----------
    method : "nearest" or "bilinear"
    dtype : dtype of the result

    Returns
    -------
    ndarray (NEAR, RUN), of that dtype

    Examples
    --------
    >>> cell_weights("bilinear", np.float64)[:, 0]
    array([0.4375, 0.5625, 0.    ])
    """
    positions, weights = (taps[CELL : 2 * CELL] for taps in resize_taps(NEAR, NEAR * CELL, method))
    of_cell = np.stack([np.where(positions == cell, weights, 0).sum(axis=1) for cell in range(NEAR)])
    return np.tile(of_cell, RUN // CELL).astype(dtype)


@compiled
def finish_groups(
    results, height, width, coarse, coarse_row, coarse_column, weights, line, half, pixels, row, column, edge
):
    """Add an enlarged coarse picture to a row of groups, apply tanh, and map [-1, 1] to a picture's levels.

    Parameters
    ----------
    results : ndarray (G, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS)
    height, width : number of pixels to store, along each axis
    coarse : ndarray (CH, 3, `npfuse.engine.layout.plane_width` of CW), from PLANE_START on; nothing is added if CH is 0
    coarse_row, coarse_column : position of the first pixel in the enlarged coarse picture, multiples of CELL
    weights : ndarray (NEAR, RUN) of `cell_weights`
    line : ndarray (3, cells in a row of groups, and RUN), to work in
    half : half of the level of white
    pixels, row, column : ndarray (H, W, 3), or (H, W, 1) for the mean of the channels, and the first pixel's position
    edge : ndarray (3 * RUN,) of the pixels' dtype, to work in
    """
    block = ROW_PAIRS * 3 * PAIR_PIXELS
    jump = (BLOCKS - BLOCKS_PER_SIDE) * block
    cells, stored, first = coarse.shape[0], coarse.shape[2], PLANE_START - 1 + coarse_column // CELL
    whole, rest, channels, grey = width // RUN, width % RUN, pixels.shape[2], pixels.shape[2] == 1
    along = line.shape[1]
    for h in range(height):
        if cells:
            here = min((coarse_row + h) // CELL, cells - 1)
            before, behind = max(here - 1, 0), min(here + 1, cells - 1)
            a, b, c = 3 * before * stored + first, 3 * here * stored + first, 3 * behind * stored + first
            _mix_rows(line, along, coarse, a, b, c, stored, weights, h % CELL, width // CELL + NEAR)
        place = run_place(0, h, 3)
        at = ((row + h) * pixels.shape[1] + column) * channels
        _finish_runs(results, place, block, jump, line, 0, along, weights, whole, half, grey, pixels, at)
        if rest:
            place += whole * block + whole // BLOCKS_PER_SIDE * jump
            near = whole * (RUN // CELL)
            _finish_runs(results, place, block, jump, line, near, along, weights, 1, half, grey, edge, 0)
            for i in range(rest):
                for c in range(channels):
                    pixels[row + h, column + whole * RUN + i, c] = edge[channels * i + c]


@vector_function
def _mix_rows(
    v: Vectors, line: Value, line_stored: Value, coarse: Value, a: Value, b: Value, c: Value, stored: Value,
    weights: Value, part: Value, count: Value,
) -> None:  # fmt: skip
    """Write a weighted sum of three rows of three planes, `count` numbers rounded up to whole vectors."""
    shares = [v.broadcast(v.load_scalar(weights + (part + i * RUN))) for i in range(NEAR)]
    with v.loop((count + (v.width - 1)) // v.width) as chunk:
        for channel in range(3):
            place = stored * channel + chunk * v.width
            before, here, behind = (v.load(coarse + (row + place)) for row in (a, b, c))
            total = before * shares[0] + here * shares[1] + behind * shares[2]
            v.store(total, line + (line_stored * channel + chunk * v.width))


@vector_function
def _finish_runs(
    v: Vectors, results: Value, place: Value, run_step: Value, jump: Value, line: Value, at: Value, stored: Value,
    weights: Value, runs: Value, half: Value, grey: Value, pixels: Value, pixels_at: Value,
) -> None:  # fmt: skip
    """Finish runs of three channels; the places of results are those of `npfuse.engine.picture_runs.load_runs`."""
    half = v.broadcast(half)
    lanes = range(0, RUN, v.width)
    shares = {(i, lane): v.load(weights + (i * RUN + lane)) for i in range(NEAR) for lane in lanes}

    def numbers(k: Value) -> list[list[Value]]:
        """Return a run's three channels in [-1, 1]."""
        source = results + (place + k * run_step + k // BLOCKS_PER_SIDE * jump)
        return [[number(source + (c * PAIR_PIXELS + lane), k, c, lane) for lane in lanes] for c in range(3)]

    def number(source: Value, k: Value, channel: int, lane: int) -> Value:
        total = v.load(source)
        cells = line + (at + stored * channel + k * (RUN // CELL) + lane // CELL)
        near = v.load_many(cells, 4)
        for i in range(NEAR):
            spread = v.shuffle(near, None, [i + pixel // CELL for pixel in range(v.width)])
            total = total + spread * shares[i, lane]
        return _level_tanh(v, total) if v.itemsize == 4 else v.call_c("tanh", total)

    one = v.index(0) + 1
    colours, greys = v.select(grey, one - 1, runs), v.select(grey, runs, one - 1)
    with v.loop(colours) as k:
        parts = [[v.convert_to(x * half + half, pixels) for x in channel] for channel in numbers(k)]
        red, green, blue = (_joined(v, channel) for channel in parts)
        both = v.shuffle(red, green, list(range(2 * RUN)))
        blue = v.shuffle(blue, None, [i % RUN for i in range(2 * RUN)])
        order = [c * RUN + i for i in range(RUN) for c in range(3)]
        v.store(v.shuffle(both, blue, order), pixels + (pixels_at + k * (3 * RUN)))
    with v.loop(greys) as k:
        for lane, red, green, blue in zip(lanes, *numbers(k), strict=True):
            mean = (red + green + blue) / v.number(3)
            v.store(v.convert_to(mean * half + half, pixels), pixels + (pixels_at + k * RUN + lane))


def _level_tanh(v: Vectors, x: Value) -> Value:
    """Emit tanh of a vector of float32, as right as levels need it."""
    most = v.number(SATURATED)
    x = v.select(most < x, most, x)  # a NaN stays a NaN
    x = v.select(x < v.number(-SATURATED), v.number(-SATURATED), x)
    square = x * x
    return x * polynomial(v, square, NUMERATOR) / polynomial(v, square, DENOMINATOR)


def _joined(v: Vectors, parts: list[Value]) -> Value:
    """Join several vectors to one."""
    while len(parts) > 1:
        count = 2 * v.count_of(parts[0])
        parts = [v.shuffle(a, b, list(range(count))) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


@compiled
def add_whole(results, count, rows, coarse, row, column):
    """Add a picture (H, W, 3) that has its full size already to a row of groups; beyond its edges nothing is added.

    Parameters
    ----------
    results : ndarray (G, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS), is added to
    count, rows : number of groups, and of their rows
    coarse : ndarray (H, W, 3)
    row, column : position of the groups' first pixel in it
    """
    height, width, _ = coarse.shape
    for h in range(min(rows, height - row)):
        for w in range(min(count * GROUP_SIDE, width - column)):
            group, block, row_pair, pixel = block_place(h, w)
            for c in range(3):
                results[group, block, row_pair, c, pixel] += coarse[row + h, column + w, c]
