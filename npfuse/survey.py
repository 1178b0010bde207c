"""Statistics and thumbnail of a whole picture, from one pass over it before its parts are fused.

The pass reads bands of 64 rows and adds them up in order, for an array, a file read by strips and chunks on many
machines alike; so the result is the same to the bit.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.thumbnail import Thumbnail

BAND = 64  # rows, for floats, whose sums depend on it
TALL_BAND = 256  # rows, for whole numbers in memory, whose sums do not
LARGE = 1 << 22  # pixels; threads pay from here on


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """Statistics of a band of rows.

    Parameters
    ----------
    rows : (first, one past the last) of the picture
    sums : ndarray (runs, W, 3) or (runs, W), uint64 or float64: sums over runs of rows (`Thumbnail.band_runs`)
    least, most : least and greatest value; NaN if one is NaN
    outside : number of values of a float picture that are NaN or outside [0, 1]
    at : position of the first of those
    """

    rows: tuple[int, int]
    sums: NDArray[Any]
    least: float
    most: float
    outside: int
    at: tuple[int, ...] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """Statistics and thumbnail of a picture.

    Parameters
    ----------
    mean : mean of all values; exact up to one rounding for integers
    least, most : least and greatest value
    outside : number of values of a float picture that are NaN or outside [0, 1]
    at : position of the first of those, or None
    thumbnail : ndarray (height, width, 3) or (height, width), float64, in the picture's levels
    """

    mean: float
    least: float
    most: float
    outside: int
    at: tuple[int, ...] | None
    thumbnail: NDArray[np.float64]


def survey(picture: Any, height: int = 1, width: int = 1, threads: int = 1) -> Survey:
    """Return statistics and thumbnail of a picture, reading it once.

    Parameters
    ----------
    picture : (H, W) or (H, W, 3), uint8, uint16, float32 or float64; an ndarray, or an object with `shape` and `dtype`
        that gives an ndarray for `picture[rows, columns]`
    height, width : size of the thumbnail
    threads : number of threads for a large picture; the result does not depend on it

    Returns
    -------
    Survey

    Examples
    --------
    >>> found = survey(np.array([[0, 30, 60]], np.uint8), 1, 2)
    >>> found.mean, found.least, found.most, found.thumbnail.tolist()
    (30.0, 0.0, 60.0, [[10.0, 50.0]])
    """
    taps = Thumbnail(picture.shape, height, width)
    if threads == 1 or picture.shape[0] * picture.shape[1] < LARGE:
        return put_together(taps, (band(taps, part, first) for first, part in bands(picture)))
    with ThreadPoolExecutor(threads) as pool:
        return put_together(taps, pool.map(lambda of: band(taps, of[1], of[0]), bands(picture)))


def bands(picture: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield a picture's bands of rows, each with its first row."""
    rows = TALL_BAND if isinstance(picture, np.ndarray) and picture.dtype.kind == "u" else BAND
    for first in range(0, picture.shape[0], rows):
        yield first, np.asarray(picture[first : first + rows, :])


def band(taps: Thumbnail, part: NDArray[Any], first: int, column: int = 0) -> Band:
    """Return the statistics of a band, or of some of its columns.

    Parameters
    ----------
    taps : Thumbnail, of the whole picture
    part : ndarray (rows, columns, 3) or (rows, columns)
    first, column : the part's first row and column in the picture
    """
    part = np.ascontiguousarray(part)  # numpy's order of summation depends on the layout
    outside, at = 0, None
    if part.dtype.kind == "f":
        bad = ~((part >= 0) & (part <= 1))  # a NaN compares false
        outside = int(np.count_nonzero(bad))
        if outside:
            row, place, *channel = (int(i) for i in np.argwhere(bad)[0])
            at = first + row, column + place, *channel
    with np.errstate(invalid="ignore"):
        sums, least, most = taps.band_sums(part, first)
    return Band(rows=(first, first + len(part)), sums=sums, least=least, most=most, outside=outside, at=at)


def put_together(taps: Thumbnail, found: Iterable[Band]) -> Survey:
    """Add up the bands of a picture, which come in order."""
    least, most, outside, at = float("inf"), float("-inf"), 0, None
    for part in found:
        taps.add(*part.rows, part.sums)
        least, most = float(np.minimum(least, part.least)), float(np.maximum(most, part.most))
        outside += part.outside
        at = at or part.at
    mean, thumbnail = taps.result()
    return Survey(mean=mean, least=least, most=most, outside=outside, at=at, thumbnail=thumbnail)
