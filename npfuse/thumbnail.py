"""Thumbnails: a whole picture averaged to a few pixels, each the mean of exactly the area it covers.

Sums are whole numbers for integer pictures, so the result is exact up to one rounding; nothing of the picture's size
is allocated. It equals `npfuse.ops.resize` with method "area", which would take a floating-point copy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.resize import resize_taps

Run = tuple[int, int, int, int]  # first row, one past the last, row of the thumbnail, and weight in it


class Thumbnail:
    """A thumbnail that is made from bands of up to 64 rows, one after the other.

    Parameters
    ----------
    shape : shape of the picture, (H, W) or (H, W, 3)
    height, width : size of the thumbnail

    Examples
    --------
    >>> taps = Thumbnail((1, 3), 1, 2)
    >>> sums, least, most = taps.band_sums(np.array([[0, 30, 60]], np.uint8), 0)
    >>> taps.add(0, 1, sums)
    >>> taps.result()  # the mean of all; the middle pixel counts half for each of the two
    (30.0, array([[10., 50.]]))
    """

    def __init__(self, shape: tuple[int, ...], height: int, width: int) -> None:
        self.shape, self.height, self.width = shape, height, width
        self.runs = [
            (first, last, i, unit)
            for i, (positions, units) in enumerate(zip(*_taps(shape[0], height), strict=True))
            for first, last, unit in _runs(positions, units)
        ]
        self.strips: NDArray[Any] | None = None

    def band_runs(self, first: int, last: int) -> list[Run]:
        """Return the runs of rows in a band, each cut to it."""
        return [
            (max(start, first), min(stop, last), i, u)
            for start, stop, i, u in self.runs
            if start < last and stop > first
        ]

    def band_sums(self, part: NDArray[Any], first: int) -> tuple[NDArray[Any], float, float]:
        """Return the sums of a band over each of its runs of rows, and its least and greatest value, or NaN.

        Parameters
        ----------
        part : ndarray (rows, columns, 3) or (rows, columns), in C order: the order of float additions depends on it
        first : the part's first row in the picture
        """
        runs = [(a - first, b - first) for a, b, _, _ in self.band_runs(first, first + len(part))]
        if part.dtype.kind == "f":
            sums = np.stack([part[a:b].sum(axis=0, dtype=np.float64) for a, b in runs])
            return sums, float(part.min()), float(part.max())
        from npfuse.engine.column_sums import column_sums

        exact, least, most = column_sums(part.reshape(len(part), -1), runs)
        return exact.astype(np.uint64).reshape(-1, *part.shape[1:]), least, most

    def add(self, first: int, last: int, sums: NDArray[Any]) -> None:
        """Add the sums of the band of rows [first, last)."""
        if self.strips is None:
            self.strips = np.zeros((self.height, *self.shape[1:]), sums.dtype)
        for (_, _, i, unit), values in zip(self.band_runs(first, last), sums, strict=True):
            self.strips[i] += values * sums.dtype.type(unit)

    def result(self) -> tuple[float, NDArray[np.float64]]:
        """Return the mean of the picture and the thumbnail (height, width, 3) or (height, width)."""
        assert self.strips is not None
        rows, columns = self.shape[:2]
        strips = self.strips.reshape(self.height, columns, -1)  # (height, W, C)
        # A cell's sum is the difference of two sums from the left, each over whole columns and a part of the next one.
        whole, part = np.divmod(np.arange(self.width + 1) * columns, self.width)
        left = np.zeros((self.height, columns + 1, strips.shape[2]), strips.dtype)
        with np.errstate(invalid="ignore"):  # of pictures that will be refused
            np.cumsum(strips, axis=1, out=left[:, 1:])
            parts = strips[:, np.minimum(whole, columns - 1)] * part[:, np.newaxis].astype(strips.dtype)
            cells = np.diff(left[:, whole] * strips.dtype.type(self.width) + parts, axis=1).astype(np.float64)
        # Every row counts `height` times in all.
        total = strips.sum()
        size = self.height * strips.shape[1] * strips.shape[2] * rows
        mean = int(total) / size if strips.dtype.kind == "u" else float(total) / size
        return mean, (cells / (rows * columns)).reshape(self.height, self.width, *self.shape[2:])


def _taps(n: int, out: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of n behind each of `out` positions, and their weights in n-ths."""
    positions, weights = resize_taps(n, out, "area")
    return positions, np.rint(weights * n).astype(np.intp)


def _runs(positions: NDArray[np.intp], units: NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """Return runs of positions of equal weight: first, one past the last, and the weight."""
    positions, units = positions[units > 0], units[units > 0]
    breaks = np.flatnonzero((np.diff(positions) != 1) | (np.diff(units) != 0)) + 1
    firsts, lasts = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(positions)]]) - 1
    runs = zip(positions[firsts].tolist(), (positions[lasts] + 1).tolist(), units[firsts].tolist(), strict=True)
    return list(runs)
