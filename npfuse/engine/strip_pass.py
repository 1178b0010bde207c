"""Networks of LightFuse's form in one pass over a strip: pixels in, pixels out, no array of the strip's size between.

For a few groups at a time, pixels are dealt out to groups (`npfuse.engine.picture_runs`), the chain is evaluated
(`npfuse.engine.pixel_groups`), the coarse picture is enlarged and added, and the tanh of the sum is rounded and stored
(`npfuse.engine.finishing`). The coarse picture comes from `npfuse.strip_run`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import Chain
from npfuse.engine.compiled import compiled
from npfuse.engine.finishing import add_whole, finish_groups
from npfuse.engine.layout import (
    BLOCK_SIDE,
    BLOCKS,
    CELL,
    CHANNELS,
    GROUP_SIDE,
    PAIR_PIXELS,
    ROW_PAIRS,
    RUN,
)
from npfuse.engine.layout import (
    STRIP_GROUPS as GROUPS,
)
from npfuse.engine.picture_runs import Exposure, load_groups
from npfuse.engine.pixel_groups import evaluate_groups
from npfuse.engine.scratch import Scratch


class Window(NamedTuple):
    """Rows and columns of a picture: the first, and one past the last."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class Coarse(NamedTuple):
    """A coarse picture that has to be enlarged, and one that has full size; one of them has no rows."""

    planes: NDArray[Any]  # (CH, 3, `plane_width` of CW), as `npfuse.engine.coarse_pass` makes it
    weights: NDArray[Any]  # `npfuse.engine.finishing.cell_weights`
    whole: NDArray[Any]  # (H, W, 3)


class Target(NamedTuple):
    """A picture (H, W, 3 or 1) to write to, the position of the first pixel in it, and half of its level of white."""

    pixels: NDArray[Any]
    row: int
    column: int
    half: Any


class Space(NamedTuple):
    """Arrays to work in."""

    groups: NDArray[Any]  # (GROUPS, BLOCKS, ROW_PAIRS, CHANNELS, PAIR_PIXELS)
    results: NDArray[Any]  # (GROUPS, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS)
    line: NDArray[Any]  # (3, cells in a row of groups, and a run)
    edge: NDArray[Any]  # (3 * RUN,), of the pictures' dtype


def space_of(scratch: Scratch, dtype: Any, pixel_dtype: Any) -> Space:
    """Return the arrays to work in; those of the last call if they have these dtypes."""
    return Space(
        groups=scratch.array("groups", (GROUPS, BLOCKS, ROW_PAIRS, CHANNELS, PAIR_PIXELS), dtype),
        results=scratch.array("results", (GROUPS, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS), dtype),
        line=scratch.array("line", (3, GROUPS * GROUP_SIDE // CELL + RUN), dtype),
        edge=scratch.array("edge", (3 * RUN,), pixel_dtype),
    )


@compiled
def fuse_rows(
    under: Exposure,
    over: Exposure,
    window: Window,
    chain: Chain,
    coarse: Coarse,
    target: Target,
    space: Space,
    counts: NDArray[np.int64],
) -> None:
    """Fuse a window of two exposures, GROUPS groups at a time.

    Parameters
    ----------
    under, over : Exposure
    window : Window of the exposures; it begins at a group
    chain : Chain, whose memory and lists are written to
    coarse : Coarse, of the exposures' whole area
    target : Target
    space : Space
    counts : array of `npfuse.engine.pixel_groups.empty_counts`, is added to
    """
    groups, results, line, edge = space.groups, space.results, space.line, space.edge
    for row in range(window.first_row, window.last_row, GROUP_SIDE):
        height = min(GROUP_SIDE, window.last_row - row)
        whole = (height + BLOCK_SIDE - 1) // BLOCK_SIDE * BLOCK_SIDE
        for column in range(window.first_column, window.last_column, GROUPS * GROUP_SIDE):
            width = min(GROUPS * GROUP_SIDE, window.last_column - column)
            count = (width + GROUP_SIDE - 1) // GROUP_SIDE
            load_groups(groups, count, whole, under.pixels, row, column, under.black, under.scale, 0, edge)
            load_groups(groups, count, whole, over.pixels, row, column, over.black, over.scale, 3, edge)
            evaluate_groups(groups[:count], height, width, chain, results, counts)
            add_whole(results, count, height, coarse.whole, row, column)
            out_row, out_column = target.row + row - window.first_row, target.column + column - window.first_column
            finish_groups(
                results, height, width, coarse.planes, row, column, coarse.weights, line, target.half, target.pixels,
                out_row, out_column, edge,
            )  # fmt: skip
