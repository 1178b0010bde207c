"""Resize in integers: copies, a mean of the whole picture, or bilinear enlarging by a power of two, rounded once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops import Resize
from npfuse.ops.operator import Shape, check_arrays
from npfuse.ops.resize import Resampling, resize_taps


def integer_taps(n: int, factor: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return which two positions make up each position of an axis enlarged bilinearly, and with what whole weights.

    Returns
    -------
    positions, weights : ndarray (n * factor, 2); the weights of a position add up to 2 * factor

    Examples
    --------
    >>> integer_taps(2, 2)[1].tolist()
    [[1, 3], [3, 1], [1, 3], [3, 1]]
    """
    positions, weights = resize_taps(n, n * factor, "bilinear")
    return positions, np.rint(weights * 2 * factor).astype(np.int64)


def check_resize(op: Resize, shape: Shape) -> int:
    """Return the factor of enlarging, 0 for a mean of all; ValueError for what has no integer form."""
    height, width, _ = shape
    if op.method == "area" and (op.height, op.width) == (1, 1):
        return 0
    factor = op.height // height
    same = (op.height, op.width) == (factor * height, factor * width)
    if op.method not in ("nearest", "bilinear") or not same or factor & (factor - 1):
        raise op.error(
            f"{op.method} to (height, width)",
            (op.height, op.width),
            'an area mean to (1, 1), or "nearest" or "bilinear" by a power of two, in integers',
            shape,
        )
    return factor


def resize(x: NDArray[Any], *, height: int, width: int, method: Resampling) -> NDArray[Any]:
    """Resample pictures of whole numbers, rounding to the nearest, ties upwards.

    Parameters
    ----------
    x : ndarray (N, H, W, C), int64 or object
    height, width : size of the output: (1, 1) for "area", else H and W times a power of two
    method : "nearest", "bilinear" or "area"

    Returns
    -------
    ndarray (N, height, width, C), dtype of x

    Raises
    ------
    ValueError : another method or size

    Notes
    -----
    area: (2 * sum + n) // (2 * n), of n pixels. bilinear by 8: weights (1, 3, ..., 15) / 16 an axis, rows first, not
    rounded in between, then (sum + 128) >> 8; beyond the border the last pixel is repeated.

    Examples
    --------
    >>> resize(np.array([0, 100]).reshape(1, 1, 2, 1), height=2, width=4, method="bilinear")[0, :, :, 0].tolist()
    [[0, 25, 75, 100], [0, 25, 75, 100]]
    """
    op = Resize(height=height, width=width, method=method)
    check_arrays(op, x)
    _, rows, columns, channels = x.shape
    factor = check_resize(op, (rows, columns, channels))
    if factor == 0:
        count = rows * columns
        mean: NDArray[Any] = (2 * x.sum(axis=(1, 2), keepdims=True) + count) // (2 * count)
        return mean
    if method == "nearest":
        return x.repeat(factor, axis=1).repeat(factor, axis=2)
    (at, by), (across, share) = integer_taps(rows, factor), integer_taps(columns, factor)
    y: Any = sum(x[:, at[:, t]] * by[:, t, np.newaxis, np.newaxis] for t in (0, 1))  # (N, height, W, C)
    y = sum(y[:, :, across[:, t]] * share[:, t, np.newaxis] for t in (0, 1))  # (N, height, width, C)
    bits = 2 * factor.bit_length()  # (2 * factor)**2 = 2**bits
    rounded: NDArray[Any] = (y + (1 << (bits - 1))) >> bits
    return rounded
