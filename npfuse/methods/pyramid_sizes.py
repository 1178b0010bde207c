"""Sizes and memory of the strips and levels of `npfuse.methods.pyramid_strips`. Numba is not imported here."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from npfuse.methods.method import Values
from npfuse.models.mertens import coarsest_level

KEPT = 2  # the finest level that is held as a whole
STRIP_PIXELS = 1 << 20  # in a strip, of all pictures together
LEAST_ROWS = 32  # of a strip
REACH = 6  # rows beyond each end of a strip that its pyramids are made of
LEAST_SIDE = 1 << KEPT  # of a picture that has the level KEPT
DEPTHS = tuple(map(np.dtype, (np.uint8, np.uint16, np.float32)))  # dtypes of pictures that are computed in float32


def strip_rows(height: int, width: int, count: int, threads: int) -> int:
    """Return the rows of a strip, a multiple of LEAST_SIDE.

    Examples
    --------
    >>> strip_rows(4000, 6000, 2, 1), strip_rows(300, 400, 2, 2)
    (84, 152)
    """
    rows = min(STRIP_PIXELS // (width * count), -(-height // threads) + LEAST_SIDE - 1)
    return max(rows // LEAST_SIDE, LEAST_ROWS // LEAST_SIDE) * LEAST_SIDE


def kept_values(shape: Sequence[int], count: int) -> Values:
    """Return the memory of the level that is kept, and of the coarser ones, of `count` pictures of a shape."""
    (height, width), channels = shape[:2], 3 if len(shape) == 3 else 1
    pixels = sum(-(-height >> level) * -(-width >> level) for level in range(KEPT, coarsest_level(height, width) + 1))
    return ("pyramids", pixels * count * (channels + 1) * 4), ("blended", pixels * channels * 4)


def strip_values(shape: Sequence[int], dtype: np.dtype[Any], count: int, threads: int) -> Values:
    """Return the memory that each thread holds while it works on a strip of `count` pictures of a shape."""
    (height, width), channels = shape[:2], 3 if len(shape) == 3 else 1
    pixels = min(strip_rows(height, width, count, threads) + 2 * REACH, height) * width
    return (
        ("strip of the pictures", pixels * count * channels * dtype.itemsize),
        ("weights", pixels * count * 4),
        ("coarser level", pixels // 4 * count * (channels + 1) * 4),
        ("fused strip", pixels * channels * (4 + 1 + dtype.itemsize)),
    )
