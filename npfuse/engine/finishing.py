"""A coarse picture, made CELL times as large, added to a row of groups: GlobalNet's way up.

A cell is the CELL x CELL pixels that one pixel of the coarse picture becomes. Along each axis, a pixel of a cell is a
weighted sum of three coarse pixels: the cell's, the one before and the one behind. The weights depend on the pixel's
place in its cell. Beyond the edges, the last cell is repeated. Both "nearest" and "bilinear" of `npfuse.ops.resize` are
such sums; `cell_weights` takes the weights from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine import layout
from npfuse.engine.compiled import compiled, inner
from npfuse.engine.layout import BLOCKS_PER_SIDE, CELL, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, RUN
from npfuse.engine.vectors import vector_function
from npfuse.ops.resize import Resampling, resize_taps

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

NEAR = 3  # the cell before, the cell, the cell behind

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
def add_upsampled(results, count, rows, coarse, row, column, weights, line):
    """Add an enlarged coarse picture to a row of groups.

    Parameters
    ----------
    results : ndarray (G, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS), is added to
    count, rows : number of groups, and of their rows
    coarse : ndarray (CH, CW, 3)
    row, column : position of the groups' first pixel in the enlarged picture, multiples of CELL
    weights : ndarray (NEAR, RUN) of `cell_weights`
    line : ndarray (3, 2 + cells in a row of groups, or more), to work in
    """
    height, width, _ = coarse.shape
    block = ROW_PAIRS * 3 * PAIR_PIXELS
    cells = count * (GROUP_SIDE // CELL)
    for h in range(rows):
        cell, part = (row + h) // CELL, h % CELL
        here = min(cell, height - 1)
        before, behind = max(here - 1, 0), min(here + 1, height - 1)
        for i in range(cells + 2):
            j = min(max(column // CELL + i - 1, 0), width - 1)
            for c in range(3):
                line[c, i] = (
                    coarse[before, j, c] * weights[0, part]
                    + coarse[here, j, c] * weights[1, part]
                    + coarse[behind, j, c] * weights[2, part]
                )
        for group in range(count):
            place = run_place(group, h, 3)
            _add_cells(
                results, place, block, BLOCKS_PER_SIDE, line, group * (GROUP_SIDE // CELL), line.shape[1], weights
            )


@vector_function
def _add_cells(
    v: Vectors, results: Value, place: Value, run_step: Value, runs: Value, line: Value, at: Value, stride: Value,
    weights: Value,
) -> None:  # fmt: skip
    """Add a line of cells, enlarged, to runs of three channels."""
    results, line = results + place, line + at
    with v.loop(runs) as k:
        for c in range(3):
            for lane in range(0, RUN, v.width):
                cells = line + (stride * c + k * (RUN // CELL) + lane // CELL)
                target = results + (k * run_step + (c * PAIR_PIXELS + lane))
                total = v.load(target)
                for i in range(NEAR):
                    near = v.load_many(cells + i, -(-v.width // CELL))
                    spread = v.shuffle(near, None, [pixel // CELL for pixel in range(v.width)])
                    total = total + spread * v.load(weights + (i * RUN + lane))
                v.store(total, target)


@compiled
def add_whole(results, count, rows, coarse, row, column):
    """Add a picture (H, W, 3) that has its full size already; beyond its edges nothing is added."""
    height, width, _ = coarse.shape
    for h in range(min(rows, height - row)):
        for w in range(min(count * GROUP_SIDE, width - column)):
            group, block, row_pair, pixel = block_place(h, w)
            for c in range(3):
                results[group, block, row_pair, c, pixel] += coarse[row + h, column + w, c]
