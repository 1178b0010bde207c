"""Thumbnails: a whole picture averaged to a few pixels, each the mean of exactly the area it covers.

Sums are whole numbers for integer pictures, so the result is exact up to one rounding; nothing of the picture's size
is allocated. It equals `npfuse.ops.resize` with method "area", which would take a floating-point copy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.resize import resize_taps


def thumbnail(picture: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Average a picture to a given size.

    Parameters
    ----------
    picture : ndarray (H, W, 3) or (H, W); uint8, uint16, float32 or float64
    height, width : of the thumbnail

    Returns
    -------
    ndarray (height, width, 3) or (height, width), float64, in the picture's own levels

    Examples
    --------
    >>> thumbnail(np.array([[0, 30, 60]], np.uint8), 1, 2)  # the middle pixel counts half for each
    array([[10., 50.]])
    """
    rows, columns = picture.shape[:2]
    total = np.uint64 if picture.dtype.kind == "u" else np.float64
    strips = np.zeros((height, *picture.shape[1:]), total)
    for i, (positions, units) in enumerate(zip(*_taps(rows, height), strict=True)):
        for first, last, unit in _runs(positions, units):
            strips[i] += picture[first:last].sum(axis=0, dtype=total) * total(unit)
    strips = strips.reshape(height, columns, -1)  # (height, W, C)
    cells = np.empty((height, width, strips.shape[2]), np.float64)
    for j, (positions, units) in enumerate(zip(*_taps(columns, width), strict=True)):
        cells[:, j] = np.einsum("hwc,w->hc", strips[:, positions], units.astype(total))
    means: NDArray[np.float64] = (cells / (rows * columns)).reshape(height, width, *picture.shape[2:])
    return means


def _taps(n: int, out: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which of n positions make up each of `out`, and how many of n units each of them counts."""
    positions, weights = resize_taps(n, out, "area")
    return positions, np.rint(weights * n).astype(np.intp)


def _runs(positions: NDArray[np.intp], units: NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """Return runs of positions of equal weight: first, one past the last, and the weight."""
    used = [(int(position), int(unit)) for position, unit in zip(positions, units, strict=True) if unit]
    runs: list[tuple[int, int, int]] = []
    for position, unit in used:
        if runs and runs[-1][1:] == (position, unit):
            runs[-1] = (runs[-1][0], position + 1, unit)
        else:
            runs.append((position, position + 1, unit))
    return runs
