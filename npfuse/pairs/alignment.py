"""Aligns the exposures of a hand-held bracket: any number of frames onto the first.

Each frame is compared with the frame of the nearest exposure, and these motions are joined. A frame is resampled once,
by Lanczos' window of three lobes; if it is shifted by whole pixels, it is not resampled. Frames whose motion is not
sure are left as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.brightness import find_mapping
from npfuse.pairs.edge_fields import Luma
from npfuse.pairs.motion_search import Motion, find_motion, joined, still
from npfuse.pairs.moved_pictures import Area, MovedAlpha, MovedPicture, shared_area, whole_shift
from npfuse.pairs.small_copies import block_means, luma_of, reduction, small_luma
from npfuse.strips import WHITE

PRECISE_PIXELS = 1_600_000  # of the copies that motions are found on
NEGLIGIBLE = 0.3  # pixels at the corners, up to which a frame stays as it is
LEAST_SHARED = 0.25  # of the area, for aligned frames to be worth it


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """Aligned frames, and what was done to them.

    Parameters
    ----------
    frames : list of ndarray, of one shape, in the given order
    masks : list of (H, W) bool, True where a frame shows something; None for everywhere
    motions : tuple of Motion, of each frame against the first
    area : slices of the rows and columns of the first frame that are left
    """

    frames: list[NDArray[Any]]
    masks: list[NDArray[np.bool_] | None]
    motions: tuple[Motion, ...]
    area: Area


def align(
    frames: Sequence[NDArray[Any]], *, masks: Sequence[NDArray[Any] | None] | None = None, keep: bool = False
) -> Alignment:
    """Align exposures of one scene onto the first.

    Parameters
    ----------
    frames : at least two ndarrays (H, W) or (H, W, 3) of one shape and dtype; uint8, uint16, or float32 or float64 in
        [0, 1]
    masks : (H, W) of each frame, 0 where it is transparent; such pixels are not compared. None if no frame has any.
    keep : whether the first frame's whole area is kept: where another frame shows nothing, it gets the first one's
        pixels at its own brightness. Otherwise all frames are cropped to the area that they share.

    Returns
    -------
    Alignment

    Raises
    ------
    ValueError : fewer than two frames, or shapes differ; without `keep`, nothing that all frames show
    TypeError : their dtypes differ, or are not as above

    Examples
    --------
    >>> scene = np.random.default_rng(0).integers(0, 255, (50, 70)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
    >>> done = align([scene[10:, 20:] // 3, scene[:-10, :-20]])
    >>> bool((done.frames[0] == done.frames[1] // 3).all()), done.motions[1].kind, done.frames[0].shape
    (True, 'shifted', (230, 310))
    """
    first = _checked(frames)
    masks = _checked_masks(masks, frames)
    motions = find_motions(frames, masks)
    height, width = first.shape[:2]
    matrices = [moved_by(motion) for motion in motions]
    if keep:
        area: Area = (slice(0, height), slice(0, width))
    else:
        area = shared_area(matrices, height, width)
        if area[0].start == area[0].stop:
            raise ValueError("align: frames share no area, expected some; leave the outermost out, or use keep=True")
    cut = [moved_frame(frame, mask, matrix, area) for frame, mask, matrix in zip(frames, masks, matrices, strict=True)]
    if keep:
        for frame, there in cut[1:]:
            if not there.all():
                fill(frame, there, first)
    shown = [there if mask is not None else None for (_, there), mask in zip(cut, masks, strict=True)]
    return Alignment(frames=[frame for frame, _ in cut], masks=shown, motions=motions, area=area)


def _checked(frames: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len(frames) < 2:
        raise ValueError(f"align: frames are {len(frames)}, expected at least 2")
    for k, frame in enumerate(frames, 1):
        if not isinstance(frame, np.ndarray):
            raise TypeError(f"align: frame {k} is a {type(frame).__name__}, expected an ndarray")
    first = frames[0]
    if first.ndim not in (2, 3) or (first.ndim == 3 and first.shape[2] != 3) or 0 in first.shape:
        raise ValueError(f"align: frame 1 is {first.shape}, expected (H, W) or (H, W, 3)")
    for k, frame in enumerate(frames, 1):
        if frame.dtype not in WHITE:
            raise TypeError(f"align: frame {k} is {frame.dtype}, expected uint8, uint16, float32 or float64")
        if frame.shape != first.shape:
            raise ValueError(f"align: frame {k} is {frame.shape}, expected {first.shape} as frame 1")
        if frame.dtype != first.dtype:
            raise TypeError(f"align: frame {k} is {frame.dtype}, expected {first.dtype} as frame 1")
    return first


def _checked_masks(
    masks: Sequence[NDArray[Any] | None] | None, frames: Sequence[NDArray[Any]]
) -> list[NDArray[Any] | None]:
    if masks is None:
        return [None] * len(frames)
    if len(masks) != len(frames):
        raise ValueError(f"align: masks are {len(masks)}, expected {len(frames)} as of frames")
    for k, (mask, frame) in enumerate(zip(masks, frames, strict=True), 1):
        if mask is not None and mask.shape != frame.shape[:2]:
            raise ValueError(f"align: mask {k} is {mask.shape}, expected {frame.shape[:2]} as of its frame")
    return list(masks)


def find_motions(frames: Sequence[Any], masks: Sequence[Any], most_pixels: int = PRECISE_PIXELS) -> tuple[Motion, ...]:
    """Find how frames lie against the first; each is compared with the frame of the nearest exposure on the way to it.

    Parameters
    ----------
    frames : pictures of one shape and dtype; anything that gives an ndarray for `frame[rows, columns]`
    masks : mask of each frame, of the same kind; or None
    most_pixels : greatest number of pixels of the copies that are compared

    Returns
    -------
    tuple of Motion, of which the first is still
    """
    height, width = frames[0].shape[:2]
    k = reduction(height, width, most_pixels)
    copies = [small_luma(frame, mask, k) for frame, mask in zip(frames, masks, strict=True)]
    order = sorted(range(len(frames)), key=lambda i: float(copies[i].levels.mean()))
    start = order.index(0)
    motions: dict[int, Motion] = {0: still(height, width)}
    for way in (order[start:], order[: start + 1][::-1]):
        for before, i in pairwise(way):
            motions[i] = _chained(copies, motions, before, i, k, (height, width))
    return tuple(motions[i] for i in range(len(frames)))


def _chained(
    copies: Sequence[Luma], motions: dict[int, Motion], before: int, i: int, k: int, shape: tuple[int, int]
) -> Motion:
    """Find a frame's motion by way of the frame before it; if that is not sure, compare it with the first."""
    found = find_motion(copies[before], copies[i], k, shape)
    if found.sure and motions[before].sure:
        return joined(motions[before], found)
    return found if before == 0 else find_motion(copies[0], copies[i], k, shape)


def moved_by(motion: Motion) -> NDArray[np.float64]:
    """Return the matrix that a frame is moved by: the identity if its motion is not sure, or too small to matter."""
    return motion.matrix if motion.sure and motion.size > NEGLIGIBLE else np.eye(3)


def moved_frame(
    frame: NDArray[Any], mask: NDArray[Any] | None, matrix: NDArray[np.float64], area: Area
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a frame as it is seen from the first's place, and where it shows something."""
    rows, columns = area
    height, width = frame.shape[:2]
    out = np.zeros((rows.stop - rows.start, columns.stop - columns.start, *frame.shape[2:]), frame.dtype)
    there = np.zeros(out.shape[:2], bool)
    shift = whole_shift(matrix, height, width)
    if shift is not None:
        (here_r, from_r), (here_c, from_c) = (
            _overlap(cut, by, n) for cut, by, n in zip(area, shift, (height, width), strict=True)
        )
        out[here_r, here_c] = frame[from_r, from_c]
        there[here_r, here_c] = True if mask is None else mask[from_r, from_c] > 0
        return out, there
    picture = MovedPicture(frame, matrix)
    for strip in picture.strips(area):
        here = slice(strip[0].start - rows.start, strip[0].stop - rows.start)
        out[here], there[here] = picture.read(strip)
    if mask is not None:
        there &= MovedAlpha(mask, matrix).shown(area)
    return out, there


def _overlap(cut: slice, by: int, n: int) -> tuple[slice, slice]:
    """Return the part of a cut that a shifted axis of n pixels covers, and the part of the axis that covers it."""
    low, high = max(cut.start, -by, 0), min(cut.stop, n - by)
    high = max(low, high)
    return slice(low - cut.start, high - cut.start), slice(low + by, high + by)


def fill(frame: NDArray[Any], there: NDArray[np.bool_], first: NDArray[Any]) -> None:
    """Fill a frame, where it shows nothing, with another's pixels at the frame's own brightness."""
    white = WHITE[np.dtype(frame.dtype)]
    height, width = frame.shape[:2]
    k = reduction(height, width, 400_000)
    among = block_means(there.astype(np.float32), k) > 0.999
    channels = frame.reshape(*frame.shape[:2], -1), first.reshape(*first.shape[:2], -1)
    for channel in range(channels[0].shape[2]):
        here, other = (pixels[..., channel] for pixels in channels)
        means_other, means_here = (block_means(luma_of(each), k) / np.float32(white) for each in (other, here))
        mapping = find_mapping(means_other, means_here, among)
        values = mapping.of(other[~there] / white) * white
        here[~there] = np.rint(values) if frame.dtype.kind == "u" else values
