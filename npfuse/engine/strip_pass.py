"""Networks of LightFuse's form in one pass over a strip: pixels in, pixels out, nothing of the strip's size between.

A few groups at a time, pixels are dealt out to groups (`npfuse.engine.picture_runs`), the chain is evaluated
(`npfuse.engine.pixel_groups`), the coarse picture is enlarged and added (`npfuse.engine.upsampling`), and the tanh of
the sum is rounded and stored. How the coarse picture is made is in `npfuse.strip_run`.
"""

from typing import Any

from npfuse.engine.compiled import compiled
from npfuse.engine.picture_runs import load_groups, store_groups
from npfuse.engine.pixel_groups import GROUP_SIDE, LEAF_SIDE, evaluate_groups
from npfuse.engine.tanh_vectors import tanh_in_place
from npfuse.engine.upsampling import add_upsampled, add_whole

PIECE = 4  # groups that are evaluated at a time: their pixels and results then take half a megabyte


@compiled
def fuse_rows(
    pictures: Any, levels: Any, keep: Any, chain: Any, coarse: Any, enlarged: Any, weights: Any, out: Any, space: Any,
    counts: Any,
) -> None:  # fmt: skip
    """Fuse what is wanted of a window, piece by piece.

    Parameters
    ----------
    pictures : two ndarrays (H, W, 3)
    levels : ndarray (5,): black and scale of each picture, and half of the level of white
    keep : first row, one past the last, first column, one past the last
    chain : table, places, memory and lists of `npfuse.engine.chains`
    coarse, enlarged, weights : the coarse picture (CH, CW, 3); whether it is to be enlarged, by which `cell_weights`
    out : ndarray (H, W, 3 or 1) that is written, and where the first pixel goes: row, column
    space : groups, results, line and edge, to work in
    counts : as `npfuse.engine.pixel_groups.evaluate_groups` takes them
    """
    under, over = pictures
    first_row, last_row, first_column, last_column = keep
    table, places, memory, lists = chain
    pixels, top, left = out
    groups, results, line, edge = space
    for row in range(first_row, last_row, GROUP_SIDE):
        height = min(GROUP_SIDE, last_row - row)
        whole = (height + LEAF_SIDE - 1) // LEAF_SIDE * LEAF_SIDE
        for column in range(first_column, last_column, PIECE * GROUP_SIDE):
            width = min(PIECE * GROUP_SIDE, last_column - column)
            count = (width + GROUP_SIDE - 1) // GROUP_SIDE
            load_groups(groups, count, whole, under, row, column, levels[0], levels[1], 0, edge)
            load_groups(groups, count, whole, over, row, column, levels[2], levels[3], 3, edge)
            evaluate_groups(groups[:count], height, width, table, places, memory, lists, results, counts)
            if enlarged:
                add_upsampled(results, count, height, coarse, row, column, weights, line)
            else:
                add_whole(results, count, height, coarse, row, column)
            tanh_in_place(results[:count].reshape(-1))
            target = top + row - first_row, left + column - first_column
            store_groups(results, height, width, levels[4], pixels, target[0], target[1], edge)
