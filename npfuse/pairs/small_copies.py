"""Makes small copies of pictures of any size in one pass, strip by strip: their luma, and where they show nothing.

No array of a picture's size is allocated, so that the picture may stay in its file.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.column_sums import ROWS, column_sums
from npfuse.pairs.connected import labelled
from npfuse.pairs.edge_fields import Luma
from npfuse.pairs.plane_filters import Floats
from npfuse.strips import WHITE

STRIP_ROWS = 256
MOST_ROUNDED = 1.2  # factor by which blocks' sides may grow, to become multiples of a JPEG's reduction
# A frame that another program has turned shows something in a convex part; the rest is black padding.
PADDED = 2.0  # levels of 255: a pixel up to this may be padding
LEAST_PADDED, LEAST_FILLED = 0.003, 0.985  # shares: of the picture that is padded, and of the rest that is not black


def reduction(height: int, width: int, most: int) -> int:
    """Return the side of the blocks whose means make a copy of at most `most` pixels.

    Examples
    --------
    >>> reduction(400, 600, 400_000), reduction(4000, 6000, 400_000)
    (1, 8)
    """
    return max(1, int(np.ceil(np.sqrt(height * width / most))))


def reading_reduction(height: int, width: int, most: int) -> int:
    """Return the factor, 8, 4, 2 or 1, by which JPEGs may be reduced on reading without making copies much smaller.

    Examples
    --------
    >>> [reading_reduction(*size, 400_000) for size in ((4000, 6000), (3000, 4000), (800, 1200), (400, 600))]
    [8, 2, 2, 1]
    """
    k = reduction(height, width, most)
    return next(by for by in (8, 4, 2, 1) if by <= k and -(-k // by) * by <= MOST_ROUNDED * k)


def luma_of(part: Any) -> NDArray[Any]:
    """Return the green channel, which has most of the luma; of floats, NaN and values beyond [0, 1] are clipped."""
    luma: NDArray[Any] = np.asarray(part)
    return in_range(luma[..., 1] if luma.ndim == 3 else luma)


def in_range(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of a picture; of floats, NaN becomes 0, and values beyond [0, 1] are clipped."""
    return np.nan_to_num(values, nan=0.0).clip(0, 1) if values.dtype.kind == "f" else values


def small_luma(picture: Any, alpha: Any, k: int) -> Luma:
    """Return the luma of a picture, averaged over blocks.

    Parameters
    ----------
    picture : (H, W) or (H, W, 3), uint8, uint16, float32 or float64; gives an ndarray for `picture[rows, columns]`
    alpha : (H, W), likewise, 0 where the picture is transparent; or None
    k : side of the blocks, pixels

    Returns
    -------
    Luma (H // k, W // k); not valid where a block has a transparent pixel, or where the picture is padded
    """
    height = picture.shape[0]
    scale = np.float32(255 / WHITE[np.dtype(picture.dtype)])
    rows = -(-STRIP_ROWS // k) * k
    levels, opaque = [], []
    for start in range(0, height - height % k, rows):
        strip = slice(start, min(start + rows, height - height % k))
        levels.append(block_means(luma_of(picture[strip, :]), k) * scale)
        if alpha is not None:
            shown = (np.asarray(alpha[strip, :]) > 0).astype(np.float32)
            opaque.append(np.floor(block_means(shown, k)))
    luma = np.concatenate(levels) if levels else np.zeros((1, 1), np.float32)
    valid = np.concatenate(opaque) if opaque else None
    filled = unpadded(luma)
    if filled is not None:
        valid = filled if valid is None else valid * filled
    return Luma(levels=luma, valid=None if valid is None or valid.all() else valid)


def small_shares(picture: Any, k: int) -> Floats:
    """Return a picture averaged over blocks, as shares of white, (H // k, W // k, C)."""
    height = picture.shape[0] - picture.shape[0] % k
    scale = np.float32(1 / WHITE[np.dtype(picture.dtype)])
    rows = -(-STRIP_ROWS // k) * k
    parts = []
    for start in range(0, height, rows):
        strip = np.asarray(picture[start : min(start + rows, height), :])
        parts.append(block_means(strip.reshape(*strip.shape[:2], -1), k) * scale)
    return np.concatenate(parts) if parts else np.zeros((1, 1, 1), np.float32)


def in_colour(shares: Floats) -> Floats:
    """Return a small copy (h, w, C) as (h, w, 3), or as (h, w) if it is grey."""
    return shares if shares.shape[2] == 3 else shares[..., 0]


def opaque(alphas: Sequence[Any], k: int) -> NDArray[np.bool_] | None:
    """Return where pictures are opaque in all pixels of a block of k x k; None if none of them has alpha.

    Parameters
    ----------
    alphas : (H, W) each, of pictures of one size, or None; gives an ndarray for `alpha[rows, columns]`
    k : side of the blocks, pixels
    """
    shown = [small_shares(alpha, k)[..., 0] > 1 - 1e-6 for alpha in alphas if alpha is not None]
    return np.logical_and.reduce(shown) if shown else None


def block_means(values: NDArray[Any], k: int) -> Floats:
    """Return means over blocks of k x k pixels; what is left over at the lower and right border is dropped.

    Parameters
    ----------
    values : (H, W) or (H, W, C); all channels together take little longer than one
    k : side of the blocks, pixels

    Returns
    -------
    (H // k, W // k) or (H // k, W // k, C)

    Examples
    --------
    >>> block_means(np.array([[1, 2, 9], [3, 6, 9]], np.uint8), 2)
    array([[3.]], dtype=float32)
    """
    if k == 1:
        return values.astype(np.float32)
    high, wide, count = values.shape[0] // k, values.shape[1] // k, prod(values.shape[2:])
    whole = np.ascontiguousarray(values[: high * k]).reshape(high * k, values.shape[1] * count)
    if values.dtype.kind == "u" and k <= ROWS and high:
        rows, _, _ = column_sums(whole, [(row, row + k) for row in range(0, high * k, k)])
    else:
        rows = whole.reshape(high, k, whole.shape[1]).sum(axis=1, dtype=np.float32)
    blocks = rows[:, : wide * k * count].reshape(high, wide, k * count)
    of_channels = np.tile(np.eye(count, dtype=np.float32), (k, 1))  # a product adds up each block's columns
    means: Floats = ((blocks @ of_channels) / np.float32(k * k)).reshape(high, wide, *values.shape[2:])
    return means


def unpadded(levels: Floats) -> Floats | None:
    """Return 0 where a picture is padded with black around a convex part, else 1; None if it has no padding.

    Examples
    --------
    >>> turned = np.full((60, 80), 90, np.float32)
    >>> turned[np.add.outer(np.arange(60), np.arange(80)) < 30] = 0
    >>> int((unpadded(turned) == 0).sum())
    465
    >>> unpadded(np.full((60, 80), 90, np.float32)) is None
    True
    """
    black = levels <= PADDED
    border = np.concatenate([black[0], black[-1], black[:, 0], black[:, -1]])
    if not border.any() or black.mean() < LEAST_PADDED or black.mean() > 0.7:
        return None
    hull = convex_hull(~black)
    if hull.mean() > 1 - LEAST_PADDED or (~black & hull).sum() < LEAST_FILLED * hull.sum():
        return None
    labels, count = labelled(black)
    valid = np.ones(count + 1, np.float32)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        valid[side] = 0
    valid[0] = 1
    return valid[labels]


def convex_hull(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the smallest convex part of a plane that holds all pixels of a mask, which has some.

    Examples
    --------
    >>> convex_hull(np.array([[1, 0, 0], [1, 0, 0], [1, 1, 1]], bool)).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    rows = np.flatnonzero(inside.any(axis=1))
    some = inside[rows]
    first = some.argmax(axis=1)
    last = inside.shape[1] - 1 - some[:, ::-1].argmax(axis=1)
    low = _convex(rows, first.astype(float), under=True)
    high = _convex(rows, last.astype(float), under=False)
    hull = np.zeros(inside.shape, bool)
    columns = np.arange(inside.shape[1])
    everywhere = np.arange(rows[0], rows[-1] + 1)
    hull[everywhere] = (columns >= np.interp(everywhere, *low)[:, None] - 0.5) & (
        columns <= np.interp(everywhere, *high)[:, None] + 0.5
    )
    return hull


def _convex(rows: NDArray[Any], at: NDArray[Any], *, under: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the corners of the lower or upper convex hull of points, by Andrew's chain."""
    sign = 1.0 if under else -1.0
    chain: list[tuple[float, float]] = []
    for point in zip(rows.tolist(), (sign * at).tolist(), strict=True):
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    corners = np.array(chain)
    return corners[:, 0], sign * corners[:, 1]


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
