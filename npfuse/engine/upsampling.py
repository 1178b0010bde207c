"""A coarse picture, made CELL times as large, added to a row of groups: GlobalNet's way up.

Each pixel of a cell is a weighted sum of the cell, the one before and the one behind, along each axis, with weights
that depend on where in its cell it lies; beyond the edges the last cell is repeated. That is what both of
`npfuse.ops.resize`'s ways to enlarge are: `cell_weights` takes the weights from there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled
from npfuse.engine.dense_layer import LANES
from npfuse.engine.layout import CELL
from npfuse.engine.picture_runs import RUN, row_place
from npfuse.engine.pixel_groups import GROUP_SIDE, LEAF_SIDE, LEAVES, TILE_ROWS
from npfuse.engine.region_bounds import TILES
from npfuse.engine.vectors import Value, Vectors, vector_function
from npfuse.ops.resize import Resampling, resize_taps

NEAR = 3  # the cell before, the cell, the cell behind


def cell_weights(method: Resampling, dtype: Any) -> NDArray[Any]:
    """Return the weights of the cell before, the cell and the cell behind for each pixel of the cells of a run.

    Parameters
    ----------
    method : "nearest" or "bilinear"
    dtype : of the result

    Returns
    -------
    ndarray (NEAR, RUN)

    Examples
    --------
    >>> cell_weights("bilinear", np.float64)[:, 0]
    array([0.4375, 0.5625, 0.    ])
    """
    positions, weights = (taps[CELL : 2 * CELL] for taps in resize_taps(NEAR, NEAR * CELL, method))
    of_cell = np.stack([np.where(positions == cell, weights, 0).sum(axis=1) for cell in range(NEAR)])
    return np.tile(of_cell, RUN // CELL).astype(dtype)


@compiled
def add_upsampled(
    results: Any, count: Any, rows: Any, coarse: Any, row: Any, column: Any, weights: Any, line: Any
) -> None:
    """Add an enlarged coarse picture to a row of groups.

    Parameters
    ----------
    results : ndarray (G, leaves, TILES, 3, LANES), is added to
    count, rows : how many groups, and how many of their rows
    coarse : ndarray (CH, CW, 3)
    row, column : where the groups begin in the enlarged picture, multiples of CELL
    weights : ndarray (NEAR, RUN), the weights of a cell's pixels again and again
    line : ndarray (3, >= 2 + cells in a row of groups), to work in
    """
    height, width, _ = coarse.shape
    leaf = TILES * 3 * LANES
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
            place = row_place(group, h, 3)
            _add_cells(results, place, leaf, LEAVES, line, group * (GROUP_SIDE // CELL), line.shape[1], weights)


@vector_function()
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
                target = results + (k * run_step + (c * LANES + lane))
                total = v.load(target)
                for i in range(NEAR):
                    near = v.load_many(cells + i, -(-v.width // CELL))
                    spread = v.shuffle(near, None, [pixel // CELL for pixel in range(v.width)])
                    total = total + spread * v.load(weights + (i * RUN + lane))
                v.store(total, target)


@compiled
def add_whole(results: Any, count: Any, rows: Any, coarse: Any, row: Any, column: Any) -> None:
    """Add a picture (H, W, 3) that is as large already; beyond its edges nothing is added."""
    height, width, _ = coarse.shape
    for h in range(min(rows, height - row)):
        for w in range(min(count * GROUP_SIDE, width - column)):
            leaf = h // LEAF_SIDE * LEAVES + w % GROUP_SIDE // LEAF_SIDE
            lane = h % TILE_ROWS * RUN + w % RUN
            for c in range(3):
                results[w // GROUP_SIDE, leaf, h % LEAF_SIDE // TILE_ROWS, c, lane] += coarse[row + h, column + w, c]
