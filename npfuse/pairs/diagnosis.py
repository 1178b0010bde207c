"""What can be wrong with a pair before it is fused: size, exposure, clipping, alignment; each with what to do.

A pair is looked at in one pass over each picture, by strips, so that nothing of its size is allocated. Exposures are
compared as light (sRGB's curve undone) over pixels that are neither black nor white in either picture.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.alignment import Shift, find_shift, luma_of, reduction
from npfuse.pictures.light import decode_light
from npfuse.strips import WHITE

BLACK, WHITE_SHARE = 5 / 255, 250 / 255  # of white: beyond these, a pixel tells nothing of the scene
LEAST_STOPS = 1.0  # between two exposures for fusion to gain from
LEAST_SHARE = 0.02  # of the pixels; less than this is not worth a word
LEAST_SHIFT = 1.5  # pixels; the estimate is off by up to one where parts of the scene move
STRIP_ROWS = 256
SAMPLES = 200_000  # pixels that exposure and clipping are counted on


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was measured of a pair, `a` and `b`.

    Parameters
    ----------
    stops : by how much b is brighter than a, in factors of two of light; None where no pixel tells
    same : whether both show the same numbers
    darker : share of the telling pixels that are darker in a
    black, white : share of the pixels that are black or white in both
    shift : of b against a
    """

    stops: float | None
    same: bool
    darker: float
    black: float
    white: float
    shift: Shift

    @property
    def shifted(self) -> bool:
        """Whether the pictures are surely not aligned."""
        return self.shift.sure and max(abs(self.shift.rows), abs(self.shift.columns)) >= LEAST_SHIFT


def diagnose(a: Any, b: Any) -> Diagnosis:
    """Measure a pair.

    Parameters
    ----------
    a, b : (H, W) or (H, W, 3), both of one shape and dtype; uint8, uint16, float32 or float64; ndarray, or anything
        that gives one for `picture[rows, columns]`

    Returns
    -------
    Diagnosis

    Raises
    ------
    ValueError : the shapes or dtypes differ

    Examples
    --------
    >>> dark, bright = np.full((20, 30), 60, np.uint8), np.full((20, 30), 180, np.uint8)
    >>> found = diagnose(dark, bright)
    >>> round(found.stops, 1), found.same, found.shift.sure
    (3.3, False, False)
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ValueError(f"diagnose: b is {b.shape} {b.dtype}, expected {a.shape} {a.dtype} as a")
    white = WHITE[np.dtype(a.dtype)]
    (small_a, luma_a), (small_b, luma_b) = _sampled(a), _sampled(b)
    low, high = BLACK * white, WHITE_SHARE * white
    telling = (luma_a > low) & (luma_b > low) & (luma_a < high) & (luma_b < high)
    stops, darker = None, 0.5
    if np.count_nonzero(telling) >= max(10, len(telling) // 1000):
        light_a, light_b = (
            decode_light(luma[telling].astype(np.float32) / np.float32(white)) for luma in (luma_a, luma_b)
        )
        stops = float(np.median(np.log2(light_b) - np.log2(light_a)))
        differ = luma_a[telling] != luma_b[telling]
        darker = float(np.mean((luma_a < luma_b)[telling][differ])) if differ.any() else 0.5
    elif luma_a.mean() != luma_b.mean():
        darker = float(luma_a.mean() < luma_b.mean())
    same = bool(np.abs(luma_a - luma_b).mean() <= white / 255 / 4 and np.abs(small_a - small_b).max() <= white / 255)
    return Diagnosis(
        stops=stops,
        same=same,
        darker=darker,
        black=float(np.mean((luma_a <= low) & (luma_b <= low))),
        white=float(np.mean((luma_a >= high) & (luma_b >= high))),
        shift=find_shift(a, b, small_a, small_b, white),
    )


def findings(found: Diagnosis) -> list[str]:
    """Say what a diagnosis means, the worst first; nothing where all is well."""
    told = []
    if found.same:
        return ["both are the same picture; give two exposures of the scene"]
    shift = found.shift
    if found.shifted:
        told.append(
            f"the second picture is shifted by {shift.rows:+.0f} rows and {shift.columns:+.0f} columns; "
            "use --align, or a tripod"
        )
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


def overlap(shape: tuple[int, ...], shift: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the parts of two pictures that show the same, the second being shifted by whole rows and columns.

    Examples
    --------
    >>> overlap((10, 20), (2, -3))
    ((slice(0, 8, None), slice(3, 20, None)), (slice(2, 10, None), slice(0, 17, None)))
    """
    first = tuple(slice(max(0, -by), n - max(0, by)) for n, by in zip(shape, shift, strict=False))
    second = tuple(slice(max(0, by), n - max(0, -by)) for n, by in zip(shape, shift, strict=False))
    return (first[0], first[1]), (second[0], second[1])


def _sampled(picture: Any) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Read a picture once: its green channel, averaged over blocks, and some of its pixels as they are."""
    height, width = picture.shape[:2]
    k = reduction(height, width)
    step = max(1, int(np.sqrt(height * width / SAMPLES)))
    small, samples = [], []
    rows = -(-STRIP_ROWS // k) * k
    for start in range(0, height, rows):
        strip = np.asarray(picture[start : start + rows, :])
        luma = luma_of(strip)
        samples.append(luma[-start % step :: step, ::step].ravel())
        high, wide = luma.shape[0] // k, width // k
        if high and wide:
            columns = np.ascontiguousarray(luma[: high * k]).reshape(high, k, width).mean(axis=1, dtype=np.float32)
            small.append(columns[:, : wide * k].reshape(high, wide, k).mean(axis=2))
    means = np.concatenate(small) if small else np.zeros((1, 1), np.float32)
    return means, np.concatenate(samples).astype(np.float32)
