"""Finds which levels of one exposure are plausible where another exposure of the scene shows some level.

Pixels of both are counted by their two levels. For each level of the first, the middle of the plausible levels of the
second is the median of what it shows there, made to rise; beyond the levels that are seen, it goes on at the same ratio
of light. Around it lies what noise does, which is told by the pixels themselves, and what lenses and cameras do: they
vignette, glare and render colours, so that a mapping by levels alone is never exact. Where the first is black or white,
it says only that the second is no brighter, or no darker.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.brightness import HIGH, LOW, believable
from npfuse.pairs.medians import median
from npfuse.pictures.light import decode_light, encode_light

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LEVELS = 256
BLACK_LEVEL, WHITE_LEVEL = int(np.ceil(LOW * (LEVELS - 1))), int(HIGH * (LEVELS - 1))
LEAST_PIXELS, LEAST_SHARE = 60, 0.0005  # that a median is taken of: neighbouring levels are joined up to this
SPREADS = 3.0  # standard deviations of noise
LEAST_OFF, RELATIVE_OFF = 0.015, 0.06  # of white, and of the level: what lenses and cameras do


@dataclass(frozen=True, kw_only=True, eq=False)
class Plausible:
    """The plausible levels of one exposure, for each level of another.

    Parameters
    ----------
    lowest, highest : (LEVELS,), rising, shares of white; beyond 0 and 1 where any level is plausible
    """

    lowest: Floats
    highest: Floats


def levels_of(shares: Floats) -> Bytes:
    """Return shares of white as levels, 0 to 255."""
    levels: Bytes = np.rint(np.clip(shares, 0, 1) * np.float32(LEVELS - 1)).astype(np.uint8)
    return levels


def tolerance(shares: Any) -> Any:
    """Return by how much levels may be off without noise, in shares of white."""
    return np.float32(LEAST_OFF) + np.float32(RELATIVE_OFF) * shares


def find_plausible(a: Bytes, b: Bytes, among: NDArray[np.bool_]) -> Plausible | None:
    """Find the plausible levels of b for each level of a.

    Parameters
    ----------
    a, b : levels of two exposures, of one shape, of the same places
    among : of that shape, which pixels are counted

    Returns
    -------
    Plausible; None where too few pixels tell

    Examples
    --------
    >>> a = np.repeat(np.arange(10, 100, dtype=np.uint8), 100)
    >>> found = find_plausible(a, 2 * a, np.ones(a.shape, bool))
    >>> [bool(found.lowest[50] < level / 255 < found.highest[50]) for level in (80, 100, 120)]
    [False, True, False]
    """
    pairs = a[among].astype(np.intp) * LEVELS + b[among]
    counts = np.bincount(pairs, minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    seen = counts.sum(axis=1)
    tells = np.flatnonzero(seen[BLACK_LEVEL:WHITE_LEVEL]) + BLACK_LEVEL
    of_level = seen[tells]
    least = max(LEAST_PIXELS, LEAST_SHARE * of_level.sum())
    group = ((np.cumsum(of_level) - of_level) // least).astype(int)
    group = np.cumsum(np.diff(group, prepend=group[:1]) > 0)  # without gaps
    size = np.bincount(group, of_level)
    if len(size) < 3:
        return None
    at = np.bincount(group, of_level * tells) / size
    joined = np.zeros((len(size), LEVELS))
    np.add.at(joined, group, counts[tells])
    middles = np.array([_median(row) for row in joined])
    # A level that only something that moved shows is mapped as the others are.
    middles = believable((at / (LEVELS - 1)).astype(np.float32), (middles / (LEVELS - 1)).astype(np.float32))
    middles = middles.astype(np.float64) * (LEVELS - 1)
    # The mean of the closest lines that rise, above and below.
    middles = (np.maximum.accumulate(middles) + np.minimum.accumulate(middles[::-1])[::-1]) / 2
    middle = _continued(at, middles)
    # Noise: medians of distances, in half levels, where the second is neither black nor white.
    others = np.arange(BLACK_LEVEL, WHITE_LEVEL)
    distance = np.rint(2 * np.abs(others - middle[tells][:, None])).astype(int)
    of_distance = np.zeros((len(size), 2 * LEVELS))
    np.add.at(of_distance, (group[:, None], distance), counts[tells[:, None], others])
    told = of_distance.sum(axis=1) > 0
    if not told.any():
        return None
    noise = np.array([_median(row) / 2 for row in of_distance[told]])
    calm = [median(noise[max(0, i - 1) : i + 2]) for i in range(len(noise))]
    spread = 1.4826 * np.interp(np.arange(LEVELS), at[told], calm) / (LEVELS - 1)
    middle /= LEVELS - 1
    # The levels are whole ones: half a level of the first, times how fast the second rises.
    may = tolerance(middle) + SPREADS * spread + np.gradient(middle)
    lowest, highest = np.maximum.accumulate(middle - may), np.minimum.accumulate((middle + may)[::-1])[::-1]
    lowest[: BLACK_LEVEL + 1], lowest[WHITE_LEVEL:] = -1, lowest[WHITE_LEVEL]
    highest[:BLACK_LEVEL], highest[WHITE_LEVEL:] = highest[BLACK_LEVEL], 2
    return Plausible(lowest=lowest.astype(np.float32), highest=highest.astype(np.float32))


def _median(counts: NDArray[Any]) -> float:
    """Return the median of levels that are counted, between whole ones."""
    below = np.cumsum(counts)
    half = below[-1] / 2
    level = int(np.searchsorted(below, half))
    before = below[level - 1] if level else 0.0
    return level - 0.5 + float((half - before) / max(counts[level], 1))


def _continued(at: NDArray[Any], middles: NDArray[Any]) -> NDArray[Any]:
    """Return the middle for every level: straight lines between the levels seen, the same ratio of light beyond."""
    levels = np.arange(LEVELS)
    middle: NDArray[Any] = np.interp(levels, at, middles)
    tells = (middles > BLACK_LEVEL) & (middles < WHITE_LEVEL)
    if tells.any():
        ratios = _light(middles[tells]) / _light(at[tells])
        dark, bright = median(ratios[:3]), median(ratios[-3:])
        below, above = levels < at[0], levels > at[-1]
        middle[below] = np.minimum(_encoded(_light(levels[below]) * dark), middles[0])
        middle[above] = np.maximum(_encoded(_light(levels[above]) * bright), middles[-1])
    return middle


def _light(levels: NDArray[Any]) -> Floats:
    shares: Floats = np.asarray(levels / (LEVELS - 1), np.float32)
    return decode_light(shares)


def _encoded(light: NDArray[Any]) -> NDArray[np.float64]:
    encoded: NDArray[np.float64] = encode_light(np.clip(light, 0, 1).astype(np.float32)) * np.float64(LEVELS - 1)
    return encoded
