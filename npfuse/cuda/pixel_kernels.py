"""Maps pixels to channels and back, for networks that do not fit `npfuse.cuda.fusing_kernel` and run layer by layer."""

from typing import Any

import numpy as np
from numba import cuda, float32

from npfuse.cuda.card import CardArray, count_of, empty, grid_for


@cuda.jit
def _map_pixels(under: Any, over: Any, levels: Any, out: Any) -> None:
    height, width, channels = under.shape
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        c, w, h = i % 6, i // 6 % out.shape[2], i // (6 * out.shape[2])
        row, column, channel = min(h, height - 1), min(w, width - 1), c % 3 if channels == 3 else 0
        if c < 3:
            out[0, h, w, c] = (float32(under[row, column, channel]) - levels[0]) * levels[1] - float32(1)
        else:
            out[0, h, w, c] = (float32(over[row, column, channel]) - levels[2]) * levels[3] - float32(1)


def mapped(under: CardArray, over: CardArray, levels: CardArray, height: int, width: int) -> CardArray:
    """Map a window of a pair to [-1, 1].

    Parameters
    ----------
    under, over : (H, W, 3), or (H, W, 1) for grey; beyond their edges the last pixel is repeated
    levels : (5,), black and scale of each picture come first
    height, width : size of the window

    Returns
    -------
    (1, height, width, 6), float32
    """
    out = empty((1, height, width, 6), np.float32)
    _map_pixels[grid_for(count_of(out))](under, over, levels, out)
    return out


@cuda.jit
def _store_levels(fused: Any, levels: Any, first_row: int, first_column: int, rounded: bool, out: Any) -> None:
    _, width, channels = out.shape
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        c, w, h = i % channels, i // channels % width, i // (channels * width)
        row, column = first_row + h, first_column + w
        value = fused[0, row, column, c]
        if channels == 1:
            value = (value + fused[0, row, column, 1] + fused[0, row, column, 2]) / float32(3)
        level = (value + float32(1)) * levels[4]
        out[h, w, c] = round(level) if rounded else level


def store_levels(fused: CardArray, levels: CardArray, place: tuple[int, int], out: CardArray) -> None:
    """Map a part of a window from [-1, 1] to levels.

    Parameters
    ----------
    fused : (1, height, width, 3)
    levels : (5,), half of the level of white comes last
    place : row and column of the window where the part begins
    out : (rows, columns, 3), or (rows, columns, 1) for the mean of the three; is written
    """
    _store_levels[grid_for(count_of(out))](fused, levels, *place, out.dtype.kind == "u", out)
