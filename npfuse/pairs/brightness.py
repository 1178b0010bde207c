"""Finds which brightness of one exposure stands for which brightness of another, from the pictures themselves.

The mapping rises: where a scene is brighter in one exposure, it is no darker in the other. Pixels are sorted by
brightness into bins of equal number, and the mapping goes through the medians of the bins. Bins that would need another
exposure time than the rest show something that moved; they are not believed. Vignetting, and other mappings that depend
on the place, are left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.medians import median
from npfuse.pictures.light import decode_light, encode_light

Floats = NDArray[np.float32]

BINS = 24
LOW, HIGH = 0.02, 0.97  # shares of white; a level beyond them tells nothing about the light
MOST_STOPS = 0.6  # distance of a bin from the line through the others
MOST_OFF = 0.1  # of white: the same where one of the levels tells nothing about the light


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapping:
    """Levels of one exposure as levels of another, both as shares of white.

    Parameters
    ----------
    levels : (n,), rising levels of the first exposure
    values : (n,), rising levels of the second exposure, which stand for them
    spreads : (n,), standard deviation of the second exposure's levels around `values`
    """

    levels: Floats
    values: Floats
    spreads: Floats

    def of(self, shares: Any) -> Floats:
        """Return the second's levels for levels of the first."""
        mapped: Floats = np.interp(shares, self.levels, self.values).astype(np.float32)
        return mapped

    def spread_of(self, shares: Any) -> Floats:
        """Return the standard deviation of the second's levels for levels of the first."""
        spread: Floats = np.interp(shares, self.levels, self.spreads).astype(np.float32)
        return spread


def find_mapping(a: NDArray[Any], b: NDArray[Any], among: NDArray[np.bool_] | None = None) -> Mapping:
    """Find the mapping from one picture's levels to another's.

    Parameters
    ----------
    a, b : arrays of one shape, shares of white, of the same places
    among : boolean array, True where both pictures show something; None for everywhere

    Returns
    -------
    Mapping : maps black to black and white to white

    Examples
    --------
    >>> light = np.linspace(0.01, 0.2, 5000, dtype=np.float32)
    >>> mapping = find_mapping(encode_light(light), encode_light(4 * light))
    >>> bool(abs(mapping.of(encode_light(np.float32(0.1))) - encode_light(np.float32(0.4))) < 0.01)
    True
    """
    a, b = (a.ravel(), b.ravel()) if among is None else (a[among], b[among])
    a, b = np.nan_to_num(a).astype(np.float32), np.nan_to_num(b).astype(np.float32)
    order = np.argsort(a, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    levels = np.array([median(a[part]) for part in bins], np.float32)
    values = np.array([median(b[part]) for part in bins], np.float32)
    if len(levels):
        values = believable(levels, values)
    levels, values = np.concatenate([[0], levels, [1]]), np.concatenate([[0], values, [1]])
    levels, values = levels.astype(np.float32), values.astype(np.float32)
    level = levels[np.diff(levels, prepend=-1) > 0]  # they rise, and some are equal
    values = np.array([median(values[levels == one]) for one in level], np.float32)
    levels, values = level, np.maximum.accumulate(values)
    off = [np.abs(b[part] - np.interp(a[part], levels, values)) for part in bins]
    spreads = np.array([1.4826 * median(part) for part in off], np.float32)
    if not len(spreads):
        return Mapping(levels=levels, values=values, spreads=np.zeros_like(levels))
    smooth = np.array([median(spreads[max(0, i - 1) : i + 2]) for i in range(len(spreads))], np.float32)
    at = np.array([median(a[part]) for part in bins], np.float32)
    return Mapping(levels=levels, values=values, spreads=np.interp(levels, at, smooth).astype(np.float32))


def believable(levels: Floats, values: Floats) -> Floats:
    """Return values, with those that need another exposure time than the rest replaced."""
    light_a, light_b = decode_light(levels), decode_light(values)
    tells = (levels > LOW) & (values > LOW) & (levels < HIGH) & (values < HIGH)
    if np.count_nonzero(tells) < 4:
        return values
    at, stops = levels[tells], np.log2(light_b[tells] / light_a[tells])
    apart = np.subtract.outer(at, at)
    slope = (
        float(median(np.subtract.outer(stops, stops)[apart > 1e-3] / apart[apart > 1e-3]))
        if (apart > 1e-3).any()
        else 0.0
    )
    line = slope * levels + float(median(stops - slope * at))
    expected = encode_light(np.clip(light_a * 2.0**line, 0, 1).astype(np.float32))
    off = np.full(len(levels), np.inf)
    off[tells] = np.abs(stops - line[tells])
    wrong = np.where(tells, off > MOST_STOPS, np.abs(values - expected) > MOST_OFF)
    believed: Floats = np.where(wrong, expected, values).astype(np.float32)
    return believed
