"""Resize: resampling to a given size by one of six methods, each a weighted sum of a few positions along each axis.

`resize_taps` computes positions and weights once and is all there is to a method. "nearest", "bilinear" and "area"
follow TensorFlow 2 (half-pixel centres, edges replicated); bilinear does not antialias when it shrinks. "antialiased"
is bilinear with its tent widened by the factor of shrinking, as Pillow and PyTorch have it; area averages exactly what
each output pixel covers. "pyramid_down" and "pyramid_up" halve and double as the Gaussian and Laplacian pyramids of
Burt and Adelson 1983 do, with their kernel (1, 4, 6, 4, 1) / 16 and OpenCV's borders.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Pair, Shape, check_arrays

Resampling = Literal["nearest", "bilinear", "antialiased", "area", "pyramid_down", "pyramid_up"]

ENDS = 4  # positions beside either end of a span; borders mirror no more than the first and the last two


@dataclass(frozen=True, kw_only=True)
class Resize(Operator):
    """Resampling to (height, width)."""

    height: int
    width: int
    method: Resampling

    def __post_init__(self) -> None:
        """Check the attributes."""
        if min(self.height, self.width) < 1:
            raise self.error("size", (self.height, self.width), "(height, width) of at least 1 each")
        if self.method not in get_args(Resampling):
            raise self.error("method", repr(self.method), f"one of {', '.join(get_args(Resampling))}")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (height, width, C)."""
        self.require_count(*inputs)
        height, width, channels = inputs[0]
        if self.method == "pyramid_down":
            expected = _halved(height), _halved(width)
            if (self.height, self.width) != expected:
                raise self.error("size", (self.height, self.width), f"{expected}, half of the input's", *inputs)
        if self.method == "pyramid_up":
            expected = _halved(self.height), _halved(self.width)
            if (height, width) != expected:
                raise self.error("input (H, W)", (height, width), f"{expected}, half of the output's", *inputs)
        return self.height, self.width, channels

    def arguments(self) -> dict[str, Any]:
        """Return height, width and method."""
        return {"height": self.height, "width": self.width, "method": self.method}

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions that output positions [start, stop) read."""
        out = (self.height, self.width)[axis]
        # Later positions read later ones, but where a picture is mirrored: so the first few and the last few decide.
        ends = {(start, min(start + ENDS, stop)), (max(stop - ENDS, start), stop)}
        read = [resize_taps(n, out, self.method, span=span)[0] for span in ends]
        return min(int(r.min()) for r in read), max(int(r.max()) for r in read) + 1


def _halved(n: int) -> int:
    """Return the length of the next coarser level of a pyramid."""
    return (n + 1) // 2


def resize_taps(
    n: int, out: int, method: Resampling, *, span: Pair | None = None
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the input positions behind each output position, and their weights.

    Parameters
    ----------
    n, out : input and output length
    method : one of `Resampling`
    span : output positions [start, stop); all of them unless given

    Returns
    -------
    positions : ndarray (out, T) of intp, in [0, n), or of as many rows as the span has
    weights : ndarray (out, T) of float64, rows summing to 1; T is 1 for "nearest", 2 for "bilinear", 5 and 3 for
        "pyramid_down" and "pyramid_up", and what the widest area or tent covers for the others

    Examples
    --------
    >>> positions, weights = resize_taps(2, 4, "bilinear")
    >>> positions.tolist(), weights.tolist()
    ([[0, 0], [0, 1], [0, 1], [1, 1]], [[0.25, 0.75], [0.75, 0.25], [0.25, 0.75], [0.75, 0.25]])
    """
    at = np.arange(*(span or (0, out)))
    if method == "nearest":
        nearest = (2 * at + 1) * n // (2 * out)  # exact: floor((i + 0.5) * n / out)
        return nearest[:, np.newaxis], np.ones((len(at), 1))
    if method == "bilinear":
        centres = (at + 0.5) * (n / out) - 0.5
        below = np.floor(centres).astype(np.intp)
        above_weight = centres - below
        positions = np.clip(np.stack([below, below + 1], axis=1), 0, n - 1)
        return positions, np.stack([1 - above_weight, above_weight], axis=1)
    if method == "antialiased":
        return _tent_taps(n, out, at)
    if method == "pyramid_down":
        reach = 2 * at[:, np.newaxis] + np.arange(-2, 3)  # (out, 5)
        return _mirrored(reach, n), np.tile(np.array([1, 4, 6, 4, 1]) / 16, (len(at), 1))
    if method == "pyramid_up":
        # The kernel, doubled, on the positions between which zeros were put: 1, 6, 1 on one of them, 4, 4 between two.
        # The first position is mirrored, the last one repeated.
        centre, between = np.divmod(at, 2)
        reach = centre[:, np.newaxis] + np.where(between[:, np.newaxis], [0, 1, 0], [-1, 0, 1])  # (out, 3)
        weights = np.where(between[:, np.newaxis], [4, 4, 0], [1, 6, 1]) / 8
        return np.minimum(np.where(reach < 0, min(1, n - 1), reach), n - 1), weights
    # Area, in units of 1/out of an input pixel, so that every overlap is an exact integer.
    starts = at * n
    first, last = starts // out, (starts + n - 1) // out
    count = int((last - first).max()) + 1
    positions = first[:, np.newaxis] + np.arange(count)  # (out, T)
    left, right = positions * out, (positions + 1) * out
    overlap = np.minimum(right, starts[:, np.newaxis] + n) - np.maximum(left, starts[:, np.newaxis])
    return np.minimum(positions, last[:, np.newaxis]), np.maximum(overlap, 0) / n


def _tent_taps(n: int, out: int, at: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the taps of a tent as wide as two output pixels, or two input pixels where those are larger."""
    scale = n / out
    radius = max(scale, 1.0)
    centres = (at + 0.5) * scale
    first = np.floor(centres - radius + 0.5).astype(np.intp)
    positions = first[:, np.newaxis] + np.arange(int(np.ceil(2 * radius)) + 1)  # (out, T)
    weights = np.maximum(1 - np.abs(positions + 0.5 - centres[:, np.newaxis]) / radius, 0)
    weights[(positions < 0) | (positions >= n)] = 0  # no edge is replicated: what is left weighs more
    return np.clip(positions, 0, n - 1), weights / weights.sum(axis=1, keepdims=True)


def _mirrored(positions: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return positions reflected into [0, n), the outermost one not repeated."""
    period = max(2 * n - 2, 1)
    folded = positions % period
    return np.minimum(folded, period - folded) if n > 1 else np.zeros_like(positions)


def resize(x: NDArray[Any], *, height: int, width: int, method: Resampling) -> NDArray[Any]:
    """Resample pictures to a given size.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    height, width : size of the output; for "pyramid_down", half of the input's, rounded up; for "pyramid_up", a size of
        which the input's is that half
    method : one of `Resampling`

    Returns
    -------
    ndarray (N, height, width, C), dtype of x

    Raises
    ------
    ValueError : a size below 1 or that the method does not make, or an unknown method

    Notes
    -----
    Source: tf.image.resize of TensorFlow 2 with half-pixel centres ("nearest" and "bilinear", antialias off; "area";
    "antialiased", which is "bilinear" with antialias on); pyrDown and pyrUp of OpenCV 4 and 5.

    Examples
    --------
    >>> resize(np.array([0.0, 4.0]).reshape(1, 1, 2, 1), height=1, width=4, method="bilinear")[0, 0, :, 0]
    array([0., 1., 3., 4.])
    """
    check_arrays(Resize(height=height, width=width, method=method), x)
    return _resample(_resample(x, 1, height, method), 2, width, method)


def _resample(x: NDArray[Any], axis: int, out: int, method: Resampling) -> NDArray[Any]:
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
