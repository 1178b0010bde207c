"""Medians, quartiles and ratios of repeated measurements, and how two pictures differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The quartiles of measurements, and how many there were."""

    low: float
    median: float
    high: float
    count: int


def summarized(values: Sequence[float]) -> Summary:
    """Return the quartiles of at least one measurement.

    Examples
    --------
    >>> summarized([3.0, 1.0, 2.0, 10.0, 4.0])
    Summary(low=2.0, median=3.0, high=4.0, count=5)
    """
    low, median, high = (float(value) for value in np.percentile(np.asarray(values, np.float64), [25, 50, 75]))
    return Summary(low=low, median=median, high=high, count=len(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Summary:
    """Return the quartiles of theirs / ours, round by round: what slows the machine for a while slows both.

    Examples
    --------
    >>> ratios([1.0, 2.0, 1.0], [10.0, 22.0, 12.0]).median  # not 12 / 1
    11.0
    """
    return summarized([b / a for a, b in zip(ours, theirs, strict=True)])


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far two pictures are apart: the largest difference in levels, and the share of bytes that differ."""

    levels: int
    share: float


def difference(a: NDArray[Any], b: NDArray[Any]) -> Difference:
    """Compare two 8-bit pictures of one shape, some rows at a time.

    Raises
    ------
    ValueError : shapes or dtypes differ

    Examples
    --------
    >>> difference(np.array([[1, 2], [3, 4]], np.uint8), np.array([[1, 5], [3, 4]], np.uint8))
    Difference(levels=3, share=0.25)
    """
    if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"difference: pictures are {a.dtype} {a.shape} and {b.dtype} {b.shape}, expected uint8 alike")
    levels = count = 0
    for row in range(0, len(a), 64):
        apart = np.abs(a[row : row + 64].astype(np.int16) - b[row : row + 64])
        levels = max(levels, int(apart.max(initial=0)))
        count += int(np.count_nonzero(apart))
    return Difference(levels=levels, share=count / max(a.size, 1))
