"""Measures whole pictures on the card: the sums from which a thumbnail and a mean are made, the range, and NaN.

The first of two kernels adds up rows: each thread works on one column, one channel and one row of the thumbnail. The
second adds up columns of these sums. For pictures of whole numbers, everything is whole: levels, sums, and the shares
of pixels that lie across two cells; so the result is that of `npfuse.survey`, to the bit. Floats are added in another
order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from npfuse.cuda.card import CardArray, count_of, empty, grid_for, to_card, wait
from npfuse.ops.resize import resize_taps


@dataclass(frozen=True, kw_only=True, eq=False)
class Area:
    """Measurements of a picture.

    Parameters
    ----------
    sums : ndarray (height, width, C), int64 or float64: sum of the levels in each cell of the thumbnail, each weighted
        by how much of its pixel the cell covers, in units of 1 / (height * width) of a pixel
    least, most : the least and the greatest level
    outside : whether a float is NaN or outside [0, 1]
    """

    sums: NDArray[Any]
    least: float
    most: float
    outside: bool


@cuda.jit
def _add_rows(picture: Any, rows: Any, units: Any, sums: Any, least: Any, most: Any) -> None:
    """Sum each column of (H, W, C) over the rows of each cell; find the least and the greatest level among these."""
    _, width, channels = sums.shape
    for i in range(cuda.grid(1), sums.size, cuda.gridsize(1)):
        c, w, h = i % channels, i // channels % width, i // (channels * width)
        total = sums.dtype.type(0)
        low = high = picture[rows[h, 0], w, c]
        for t in range(rows.shape[1]):
            value = picture[rows[h, t], w, c]
            total += units[h, t] * value
            if value < low or value != value:  # a NaN stays: no number is less
                low = value
            if value > high or value != value:
                high = value
        sums[h, w, c] = total
        least[h, w, c] = low
        most[h, w, c] = high


@cuda.jit
def _add_columns(x: Any, low: Any, high: Any, columns: Any, units: Any, sums: Any, least: Any, most: Any) -> None:
    """Sum each row of (height, W, C) over the columns of each cell; reduce the ranges, too."""
    _, width, channels = sums.shape
    for i in range(cuda.grid(1), sums.size, cuda.gridsize(1)):
        c, w, h = i % channels, i // channels % width, i // (channels * width)
        total = sums.dtype.type(0)
        lowest, highest = low[h, columns[w, 0], c], high[h, columns[w, 0], c]
        for t in range(columns.shape[1]):
            at = columns[w, t]
            total += units[w, t] * x[h, at, c]
            value = low[h, at, c]
            if value < lowest or value != value:
                lowest = value
            value = high[h, at, c]
            if value > highest or value != value:
                highest = value
        sums[h, w, c] = total
        least[h, w, c] = lowest
        most[h, w, c] = highest


def area_of(picture: CardArray, height: int, width: int) -> Area:
    """Measure a whole picture.

    Parameters
    ----------
    picture : (H, W, C) on the card; uint8, uint16 or float32
    height, width : size of the thumbnail
    """
    real = picture.dtype.kind == "f"
    dtype = np.float64 if real else np.int64
    rows, columns = (_taps(n, out, dtype) for n, out in zip(picture.shape, (height, width), strict=False))
    strips = _empty_set((height, *picture.shape[1:]), dtype, picture.dtype)
    _add_rows[grid_for(count_of(strips[0]))](picture, *rows, *strips)
    cells = _empty_set((height, width, picture.shape[2]), dtype, picture.dtype)
    _add_columns[grid_for(count_of(cells[0]))](*strips, *columns, *cells)
    sums, least, most = (x.copy_to_host() for x in cells)
    wait()
    low, high = float(least.min()), float(most.max())
    return Area(sums=sums, least=low, most=high, outside=real and not (low >= 0 and high <= 1))


def _empty_set(shape: tuple[int, ...], sums: Any, levels: Any) -> tuple[CardArray, CardArray, CardArray]:
    return empty(shape, sums), empty(shape, levels), empty(shape, levels)


def _taps(n: int, out: int, dtype: Any) -> tuple[CardArray, CardArray]:
    """Return the positions of n that make up each of `out` cells, and how many of n units each counts, on the card."""
    positions, weights = resize_taps(n, out, "area")
    return to_card(positions.astype(np.int64)), to_card(np.rint(weights * n).astype(dtype))
