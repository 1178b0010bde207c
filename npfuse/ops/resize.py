"""Resize: nearest, bilinear or area resampling to a given size, pixel centres at half positions.

Along each axis an output position is a weighted sum of a few input positions; `resize_taps` computes them once and is
all there is to a method. Positions follow TensorFlow 2 (half-pixel centres, edges replicated); bilinear does not
antialias when it shrinks, area does: it averages exactly what each output pixel covers.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Pair, Shape, check_arrays

Method = Literal["nearest", "bilinear", "area"]


@dataclass(frozen=True, kw_only=True)
class Resize(Operator):
    """Resampling to (height, width)."""

    height: int
    width: int
    method: Method

    def __post_init__(self) -> None:
        """Check the attributes."""
        if min(self.height, self.width) < 1:
            raise self.error("size", (self.height, self.width), "(height, width) of at least 1 each")
        if self.method not in get_args(Method):
            raise self.error("method", repr(self.method), f"one of {', '.join(get_args(Method))}")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, C)."""
        self.require_count(*inputs)
        return self.height, self.width, inputs[0][2]

    def arguments(self) -> dict[str, Any]:
        """Return height, width and method."""
        return {"height": self.height, "width": self.width, "method": self.method}

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions that output positions [start, stop) read."""
        positions, _ = resize_taps(n, (self.height, self.width)[axis], self.method)
        read = positions[start:stop]
        return int(read.min()), int(read.max()) + 1


def resize_taps(n: int, out: int, method: Method) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which input positions make up each output position, and with what weights.

    Parameters
    ----------
    n, out : input and output length
    method : "nearest", "bilinear" or "area"

    Returns
    -------
    positions : ndarray (out, T) of intp, in [0, n)
    weights : ndarray (out, T) of float64, rows summing to 1; T is 1, 2, or what the widest area covers

    Examples
    --------
    >>> positions, weights = resize_taps(2, 4, "bilinear")
    >>> positions.tolist(), weights.tolist()
    ([[0, 0], [0, 1], [0, 1], [1, 1]], [[0.25, 0.75], [0.75, 0.25], [0.25, 0.75], [0.75, 0.25]])
    """
    if method == "nearest":
        nearest = (2 * np.arange(out) + 1) * n // (2 * out)  # exact: floor((i + 0.5) * n / out)
        return nearest[:, np.newaxis], np.ones((out, 1))
    if method == "bilinear":
        centres = (np.arange(out) + 0.5) * (n / out) - 0.5
        below = np.floor(centres).astype(np.intp)
        above_weight = centres - below
        positions = np.clip(np.stack([below, below + 1], axis=1), 0, n - 1)
        return positions, np.stack([1 - above_weight, above_weight], axis=1)
    # Area, in units of 1/out of an input pixel, so that every overlap is an exact integer.
    starts = np.arange(out) * n
    first = starts // out
    count = int((-(-(starts + n) // out) - first).max())
    positions = first[:, np.newaxis] + np.arange(count)  # (out, T)
    left, right = positions * out, (positions + 1) * out
    overlap = np.minimum(right, starts[:, np.newaxis] + n) - np.maximum(left, starts[:, np.newaxis])
    return np.minimum(positions, n - 1), np.maximum(overlap, 0) / n


def resize(x: NDArray[Any], *, height: int, width: int, method: Method) -> NDArray[Any]:
    """Resample pictures to a given size.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    height, width : of the output
    method : "nearest", "bilinear" or "area"

    Returns
    -------
    ndarray (N, height, width, C), dtype of x

    Raises
    ------
    ValueError : a size below 1, or an unknown method

    Notes
    -----
    Source: tf.image.resize of TensorFlow 2 with half-pixel centres ("nearest" and "bilinear", antialias off; "area").

    Examples
    --------
    >>> resize(np.array([0.0, 4.0]).reshape(1, 1, 2, 1), height=1, width=4, method="bilinear")[0, 0, :, 0]
    array([0., 1., 3., 4.])
    """
    check_arrays(Resize(height=height, width=width, method=method), x)
    return _resample(_resample(x, 1, height, method), 2, width, method)


def _resample(x: NDArray[Any], axis: int, out: int, method: Method) -> NDArray[Any]:
    """Resample one axis."""
    positions, weights = resize_taps(x.shape[axis], out, method)
    along = [1, 1, 1, 1]
    along[axis] = out
    total: Any = 0
    for t in range(positions.shape[1]):
        weight = weights[:, t].reshape(along).astype(x.dtype)
        total = total + np.take(x, positions[:, t], axis=axis) * weight
    result: NDArray[Any] = total
    return result
