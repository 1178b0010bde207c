"""Reads a picture between its pixels, by Lanczos' window of three lobes: compiled.

The definition is in `tests/engine/test_resampling.py`. Positions are rounded to 1/512 of a pixel. They do not depend on
how the work is divided, so neither does the result.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled

LOBES = 3
STEPS = 512  # positions between two pixels


def lanczos_table() -> NDArray[np.float32]:
    """Return the weights of the six pixels around each position between two, (STEPS + 1, 6); rows add up to 1."""
    fraction = np.arange(STEPS + 1)[:, None] / STEPS
    distance = fraction - np.arange(1 - LOBES, 1 + LOBES)
    weights = np.sinc(distance) * np.sinc(distance / LOBES)
    table: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return table


@compiled
def resample(
    source: Any,
    origin: Any,
    shape: Any,
    matrix: Any,
    top: int,
    left: int,
    table: Any,
    low: float,
    high: float,
    rounded: bool,
    out: Any,
    there: Any,
) -> None:
    """Write a part of the second picture of a motion, moved onto the first picture.

    Parameters
    ----------
    source : ndarray (h, w, C), the part of the second picture that is needed
    origin : row and column of that part's first pixel
    shape : height and width of the whole second picture
    matrix : ndarray (3, 3), float64, from the first picture's (row, column, 1) to the second's
    top, left : row and column of the first picture where `out` begins
    table : weights of `lanczos_table`
    low, high : limits of the values
    rounded : whether values are rounded to whole numbers
    out : ndarray (H, W, C), dtype of the source, is written; left alone where the second picture shows nothing
    there : ndarray (H, W), uint8, is written: 1 where the second picture shows something, else 0
    """
    height, width, channels = out.shape
    steps = len(table) - 1
    half = np.float32(0.5)
    for i in range(height):
        for j in range(width):
            r, c = float(top + i), float(left + j)
            below = matrix[2, 0] * r + matrix[2, 1] * c + matrix[2, 2]
            row = (matrix[0, 0] * r + matrix[0, 1] * c + matrix[0, 2]) / below
            column = (matrix[1, 0] * r + matrix[1, 1] * c + matrix[1, 2]) / below
            # The tolerance keeps rounding from losing the border of a picture that is not moved.
            if not (-1e-6 <= row <= shape[0] - 1 + 1e-6 and -1e-6 <= column <= shape[1] - 1 + 1e-6):
                there[i, j] = 0
                continue
            there[i, j] = 1
            row0, column0 = int(np.floor(row)), int(np.floor(column))
            down = table[int((row - row0) * steps + 0.5)]
            along = table[int((column - column0) * steps + 0.5)]
            for k in range(channels):
                total = np.float32(0)
                for m in range(6):
                    y = min(max(row0 + m - 2, 0), shape[0] - 1) - origin[0]
                    line = np.float32(0)
                    for n in range(6):
                        x = min(max(column0 + n - 2, 0), shape[1] - 1) - origin[1]
                        line += along[n] * np.float32(source[y, x, k])
                    total += down[m] * line
                value = min(max(total, np.float32(low)), np.float32(high))
                out[i, j, k] = np.floor(value + half) if rounded else value
