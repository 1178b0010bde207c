"""Finds what is wrong with a pair before it is fused: exposure, clipping, alignment, motion; and says what to do.

Each picture is read once, strip by strip, so that no array of its size is allocated. Exposures are compared as light
(sRGB's curve undone), over pixels that are neither black nor white in either picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.edge_fields import Luma
from npfuse.pairs.ghosts import Ghosts, find_ghosts
from npfuse.pairs.medians import median
from npfuse.pairs.motion_search import Motion, find_motion, tolerance
from npfuse.pairs.motions import described, reduced
from npfuse.pairs.plane_filters import Floats
from npfuse.pairs.small_copies import block_means, in_colour, in_range, luma_of, opaque, reduction, unpadded
from npfuse.pictures.light import decode_light
from npfuse.strips import WHITE

BLACK, WHITE_SHARE = 5 / 255, 250 / 255  # of white: beyond these, a pixel tells nothing about the scene
LEAST_STOPS = 1.0  # between two exposures, for fusion to gain something
LEAST_SHARE = 0.02  # of the pixels: smaller shares are not reported
LEAST_MOTION = 1.5  # pixels at the corners, for pictures of up to 7 megapixels
ROUGH = 8  # times its error, that a motion must be, to be told where it is known roughly only
LEAST_UNDONE = 0.25  # pixels of the small copies: of less than this, neighbours tell
MOST_TOLD = 3  # regions that are listed
SMALL_PIXELS = 400_000  # of the copies that are compared
STRIP_ROWS = 256
SAMPLES = 200_000  # pixels on which exposure and clipping are measured


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Measurements of a pair, `a` and `b`.

    Parameters
    ----------
    stops : brightness of b over that of a, in stops (factors of two) of light; None if no pixel is exposed in both
    same : whether both hold the same numbers
    darker : share of the pixels exposed in both that are darker in a
    black, white : share of the pixels that are black in both, and that are white in both
    motion : Motion of b against a
    ghosts : Ghosts, what moved between them; None if the motion is not sure
    """

    stops: float | None
    same: bool
    darker: float
    black: float
    white: float
    motion: Motion
    ghosts: Ghosts | None = None

    @property
    def moved(self) -> bool:
        """Return whether the pictures are surely not aligned."""
        return is_moved(self.motion)


def is_moved(motion: Motion) -> bool:
    """Tell whether a motion is surely large enough to be seen in the result, however precisely it is known."""
    least = LEAST_MOTION * tolerance(motion.height, motion.width)
    doubtful = 3 * motion.spread if motion.sure else ROUGH * max(motion.spread, motion.left)
    return motion.known and motion.size >= max(least, doubtful)


def diagnose(
    a: Any,
    b: Any,
    *,
    alphas: Sequence[Any] = (),
    reduced: int = 1,
    shape: tuple[int, int] | None = None,
) -> Diagnosis:
    """Measure a pair.

    Parameters
    ----------
    a, b : (H, W) or (H, W, 3), both of one shape and dtype; uint8, uint16, float32 or float64; ndarray, or anything
        that gives one for `picture[rows, columns]`
    alphas : (H, W) each, likewise, or None; what is transparent in one picture says nothing of what moved
    reduced : factor by which the pictures were reduced on reading: each pixel of a and b is the mean of a block of
        `reduced` x `reduced` pixels
    shape : height and width of the whole pictures; None for those of a, if `reduced` is 1

    Returns
    -------
    Diagnosis : in pixels of the whole pictures

    Raises
    ------
    ValueError : the shapes or dtypes differ

    Examples
    --------
    >>> dark, bright = np.full((20, 30), 60, np.uint8), np.full((20, 30), 180, np.uint8)
    >>> found = diagnose(dark, bright)
    >>> round(found.stops, 1), found.same, found.motion.sure
    (3.3, False, False)
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ValueError(f"diagnose: b is {b.shape} {b.dtype}, expected {a.shape} {a.dtype} as a")
    white = WHITE[np.dtype(a.dtype)]
    height, width = shape or a.shape[:2]
    blocks = -(-reduction(height, width, SMALL_PIXELS) // reduced)
    k = blocks * reduced
    (small_a, luma_a), (small_b, luma_b) = _sampled(a, blocks), _sampled(b, blocks)
    low, high = BLACK * white, WHITE_SHARE * white
    telling = (luma_a > low) & (luma_b > low) & (luma_a < high) & (luma_b < high)
    stops, darker = None, 0.5
    if np.count_nonzero(telling) >= max(10, len(telling) // 1000):
        light_a, light_b = (
            decode_light(luma[telling].astype(np.float32) / np.float32(white)) for luma in (luma_a, luma_b)
        )
        stops = float(median(np.log2(light_b) - np.log2(light_a)))
        differ = luma_a[telling] != luma_b[telling]
        darker = float(np.mean((luma_a < luma_b)[telling][differ])) if differ.any() else 0.5
    elif luma_a.mean() != luma_b.mean():
        darker = float(luma_a.mean() < luma_b.mean())
    shown = opaque(alphas, blocks)
    lumas = _luma(small_a, white, shown), _luma(small_b, white, shown)
    motion = find_motion(*lumas, k, (height, width))
    same = bool(np.abs(luma_a - luma_b).mean() <= white / 255 / 4 and np.abs(small_a - small_b).max() <= white / 255)
    return Diagnosis(
        stops=stops,
        same=same,
        darker=darker,
        black=float(np.mean((luma_a <= low) & (luma_b <= low))),
        white=float(np.mean((luma_a >= high) & (luma_b >= high))),
        motion=motion,
        ghosts=_moving(lumas, (small_a / white, small_b / white), motion, k) if motion.sure else None,
    )


def _moving(lumas: tuple[Luma, Luma], shares: tuple[Floats, Floats], motion: Motion, k: int) -> Ghosts:
    """Find what moved in the scene, after the motion of the camera is undone."""
    a, there = lumas
    seen = shares[1]
    if motion.size > LEAST_UNDONE * k:
        matrix = reduced(motion.matrix, k)
        there = there.seen_through(matrix, a.frame)
        planes = [Luma(levels=plane).seen_through(matrix, a.frame).levels for plane in np.moveaxis(seen, 2, 0)]
        seen = np.stack(planes, axis=-1)
    valid = a.inner & there.inner
    return find_ghosts([in_colour(shares[0]), in_colour(seen)], valid, k)


def findings(found: Diagnosis, *, align: bool = False, deghost: bool = False) -> list[str]:
    """Return a line for each fault of a pair, the worst first.

    Parameters
    ----------
    found : Diagnosis
    align, deghost : whether motions of the camera, and things that moved, are mended anyway; then they are no faults
    """
    told = []
    if found.same:
        return ["both are the same picture; give two exposures of the scene"]
    if found.moved and not align:
        motion = found.motion
        lies = described(motion.matrix, motion.height, motion.width)
        told.append(f"the second picture is {lies}; use --align, or a tripod")
    if found.ghosts and not deghost:
        regions = found.ghosts.regions
        more = f", and {len(regions) - MOST_TOLD} more" if len(regions) > MOST_TOLD else ""
        places = "; ".join(str(region) for region in regions[:MOST_TOLD])
        told.append(f"something moved between the pictures: {places}{more}; use --deghost")
    if found.stops is not None and abs(found.stops) < LEAST_STOPS:
        told.append(
            f"the exposures are {abs(found.stops):.1f} stops apart, expected at least {LEAST_STOPS:.0f}; "
            "fusing gains little: take one darker or the other brighter"
        )
    if 0.3 <= found.darker <= 0.7:
        told.append("which picture is the under-exposed one is not clear; name it first and use --order given")
    if found.black >= LEAST_SHARE:
        told.append(f"{found.black:.0%} of the pixels are black in both pictures and stay so; take a brighter one")
    if found.white >= LEAST_SHARE:
        told.append(f"{found.white:.0%} of the pixels are white in both pictures and stay so; take a darker one")
    return told


def _luma(small: Floats, white: float, shown: NDArray[np.bool_] | None) -> Luma:
    levels = small[..., min(1, small.shape[2] - 1)] * np.float32(255 / white)
    valid = unpadded(levels)
    if shown is not None and not shown.all():
        valid = shown.astype(np.float32) if valid is None else valid * shown
    return Luma(levels=levels, valid=valid)


def _sampled(picture: Any, k: int) -> tuple[Floats, Floats]:
    """Return two things from one pass over a picture: means over k x k pixels, (h, w, C), and samples of its luma."""
    height, width = picture.shape[:2]
    step = max(1, int(np.sqrt(height * width / SAMPLES)))
    small, samples = [], []
    rows = -(-STRIP_ROWS // k) * k
    for start in range(0, height, rows):
        part = in_range(np.asarray(picture[start : start + rows, :]))
        samples.append(luma_of(part)[-start % step :: step, ::step].ravel())
        if min(part.shape[:2]) >= k:
            small.append(block_means(part.reshape(*part.shape[:2], -1), k))
    means = np.concatenate(small) if small else np.zeros((1, 1, 1), np.float32)
    return means, np.concatenate(samples).astype(np.float32)
