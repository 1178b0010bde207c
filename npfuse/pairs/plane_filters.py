"""Filters of planes: blur, means, least, greatest and median values around each pixel, and values between pixels.

They do the work of functions of `scipy.ndimage`, by operations on whole arrays: loading that package takes longer than
the whole comparison of two small copies. A square's values are combined by doubling: 1, 2, 4, ... of them.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Beyond = Literal["edge", "wrap", "symmetric", "constant"]
"""Values beyond a plane's borders, as `np.pad` names them; "constant" is 0."""

ROWS = 64  # rows of a plane that are worked on at once, so that they stay in the cache
RUN = 1 << 14  # places that are worked on at once
TAPS = tuple((np.exp(-0.5 * np.arange(4.0) ** 2) / np.exp(-0.5 * np.arange(-3.0, 4) ** 2).sum()).tolist())
"""The weights of a Gaussian of a pixel, from its middle on."""


def blurred(values: Floats, beyond: Beyond = "edge") -> Floats:
    """Blur a plane by a Gaussian of a standard deviation of one pixel, cut off at three.

    Examples
    --------
    >>> blurred(np.eye(1, 5, 2, np.float32)).round(3)
    array([[0.054, 0.242, 0.399, 0.242, 0.054]], dtype=float32)
    """
    reach = len(TAPS) - 1
    middle, *others = (np.float32(tap) for tap in TAPS)
    for axis in (0, 1):
        n = values.shape[axis]
        wide = np.pad(values, [(reach, reach) if at == axis else (0, 0) for at in (0, 1)], mode=beyond)
        total = _cut(wide, axis, reach, n) * middle
        pair = np.empty_like(total)
        for k, tap in enumerate(others, 1):
            np.add(_cut(wide, axis, reach - k, n), _cut(wide, axis, reach + k, n), out=pair)
            pair *= tap
            total += pair
        values = total
    return values


def means_around(values: NDArray[Any], side: int | tuple[int, int], beyond: Beyond = "symmetric") -> NDArray[Any]:
    """Return the means over squares, or other rectangles, around each pixel.

    Parameters
    ----------
    values : (H, W), float32 or float64
    side : side of the square in pixels, or its rows and columns
    beyond : way in which the plane is continued beyond its borders

    Examples
    --------
    >>> means_around(np.array([[0, 3, 0, 6.0]]), (1, 3)).tolist()
    [[1.0, 1.0, 3.0, 4.0]]
    """
    sides = (side, side) if isinstance(side, int) else side
    sums = _combined(values, sides, np.add, beyond)
    sums *= values.dtype.type(1 / (sides[0] * sides[1]))
    return sums


def least_around(values: NDArray[Any], side: int, beyond: Beyond = "edge") -> NDArray[Any]:
    """Return the least values in squares of a side, in pixels, around each pixel."""
    return _combined(values, (side, side), np.minimum, beyond)


def greatest_around(values: NDArray[Any], side: int, beyond: Beyond = "edge") -> NDArray[Any]:
    """Return the greatest values in squares of a side, in pixels, around each pixel."""
    return _combined(values, (side, side), np.maximum, beyond)


def median_of_nine(values: NDArray[Any]) -> NDArray[Any]:
    """Return the medians of 3 x 3 pixels around each; beyond the borders, the last pixels are repeated.

    The median of nine is the median of three: the greatest of the columns' least values, the median of their medians,
    and the least of their greatest (Smith, XAPP 1996).

    Examples
    --------
    >>> median_of_nine(np.array([[5, 1, 2], [3, 9, 4], [8, 7, 6]]))[1, 1]
    np.int64(5)
    """
    medians = np.empty_like(values)
    wide = np.pad(values, 1, mode="edge")
    for first in range(0, len(values), ROWS):
        rows = wide[first : first + ROWS + 2]
        low, middle, high = (_three(of, 1) for of in _sorted(_three(rows, 0)))
        medians[first : first + ROWS] = _sorted((_greatest(low), _sorted(middle)[1], _least(high)))[1]
    return medians


def values_at(values: Floats, places: Floats) -> Floats:
    """Return the values of a plane between its pixels, interpolated along straight lines.

    Parameters
    ----------
    values : (H, W)
    places : (2, ...), rows and columns; beyond the borders, those of the nearest pixel are taken

    Examples
    --------
    >>> values_at(np.array([[0, 10], [20, 30]], np.float32), np.array([[0.5, -3], [0.25, 1]], np.float32)).tolist()
    [12.5, 10.0]
    """
    height, width = values.shape
    stride = width + 1
    flat = np.pad(values, (0, 1), mode="edge").ravel()
    rows, columns = places.reshape(2, -1)
    found = np.empty(rows.shape, np.float32)
    for start in range(0, len(found), RUN):
        part = slice(start, start + RUN)
        down, along = rows[part].clip(0, height - 1), columns[part].clip(0, width - 1)
        top, left = down.astype(np.int32), along.astype(np.int32)  # rounded down, none being negative
        down -= top
        along -= left
        at = top.astype(np.intp)
        at *= stride
        at += left
        upper, lower = (_between(flat, row, along) for row in (at, at + stride))
        lower -= upper
        lower *= down
        np.add(upper, lower, out=found[part])
    return found.reshape(places.shape[1:])


def _between(flat: Floats, at: NDArray[np.intp], share: Floats) -> Floats:
    """Return the values between the numbers at some places and those behind them."""
    value = flat.take(at)
    step = flat.take(at + 1)
    step -= value
    step *= share
    value += step
    return value


def _combined(
    values: NDArray[Any], sides: tuple[int, int], combine: Callable[..., NDArray[Any]], beyond: Beyond
) -> NDArray[Any]:
    """Combine the values of rectangles around each pixel; as in SciPy, one of an even side reaches further back."""
    wide = np.pad(values, [(side // 2, side - 1 - side // 2) for side in sides], mode=beyond)
    found = np.empty_like(values)
    for first in range(0, len(values), ROWS):
        part = wide[first : first + ROWS + sides[0] - 1]
        for axis, side in enumerate(sides):
            part = _of_runs(part, axis, side, combine)
        found[first : first + ROWS] = part
    return found


def _of_runs(values: NDArray[Any], axis: int, length: int, combine: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """Combine each run of a length along an axis."""
    n = values.shape[axis] - length + 1
    run, done, found = 1, 0, None  # `values` become combinations of runs of 1, 2, 4, ...
    while True:
        if length & run:
            part = _cut(values, axis, done, n)
            found = part.copy() if found is None else combine(found, part, out=found)
            done += run
        if done == length:
            assert found is not None
            return found
        m = values.shape[axis] - run
        values = combine(_cut(values, axis, 0, m), _cut(values, axis, run, m))
        run *= 2


def _cut(values: NDArray[Any], axis: int, first: int, count: int) -> NDArray[Any]:
    return values[first : first + count] if axis == 0 else values[:, first : first + count]


def _three(values: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the pixels before, at and behind each along an axis, the first and the last one left out."""
    n = values.shape[axis] - 2
    return _cut(values, axis, 0, n), _cut(values, axis, 1, n), _cut(values, axis, 2, n)


def _least(of: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> NDArray[Any]:
    least: NDArray[Any] = np.minimum(np.minimum(of[0], of[1]), of[2])
    return least


def _greatest(of: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> NDArray[Any]:
    greatest: NDArray[Any] = np.maximum(np.maximum(of[0], of[1]), of[2])
    return greatest


def _sorted(
    of: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the least, the middle and the greatest of three."""
    low, high = np.minimum(of[0], of[1]), np.maximum(of[0], of[1])
    return np.minimum(low, of[2]), np.maximum(low, np.minimum(high, of[2])), np.maximum(high, of[2])
