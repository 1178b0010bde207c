"""Bounds of linear functions over the pixels of a block, and of ReLU units that depend on them.

A block's colours lie near a line: where one of its features moves, the others move along. So the features f of a block
are written as f_c = s_c t + e_c, with t the feature that varies most (the pivot), s_c the slope of the least-squares
line through the block's pixels, and e_c what is left. A linear function a.f + b then has the centre and the radius of

    (sum_c a_c s_c) t + sum_c a_c e_c + b

over the box of t and the e_c: exact interval arithmetic, in coordinates in which the box is small. An undecided ReLU
unit u = max(z, 0), with z in [l, h] and l < 0 < h, lies between two parallel lines: r z <= u <= r z - r l with r = h /
(h - l) (the zonotope relaxation of Singh et al., NeurIPS 2018). Substituting r z for u, and adding what the gap can do,
bounds whatever depends on u.
"""

from typing import Any

import numpy as np

from npfuse.fast.compiled import compiled
from npfuse.fast.dense_layer import BLOCK

LANES = 16


@compiled
def block_box(features: Any, count: Any, slope: Any, centre: Any, radius: Any) -> Any:
    """Find the box of a block's features, in coordinates relative to the pivot.

    Parameters
    ----------
    features : ndarray (>= count, BLOCK)
    count : of features
    slope, centre, radius : ndarray (count,), are written: s_c, and centre and radius of e_c; of t itself for the pivot

    Returns
    -------
    the pivot, and the largest absolute value of a feature: NaN where one is not finite
    """
    pivot = 0
    largest = nothing = features.dtype.type(0)
    for c in range(count):
        nothing += _sum_of_zeros(features[c])
        low, high = block_range(features[c], features[c], features.dtype.type(0))
        slope[c] = 0
        centre[c] = (low + high) * features.dtype.type(0.5)
        radius[c] = (high - low) * features.dtype.type(0.5)
        largest = max(largest, high, -low)
        if radius[c] > radius[pivot]:
            pivot = c
    if nothing != 0:  # NaN
        return pivot, nothing
    t = features[pivot]
    variance = _covariance(t, t, centre[pivot], centre[pivot])
    if variance > 0:
        for c in range(count):
            if c != pivot:
                s = _covariance(t, features[c], centre[pivot], centre[c]) / variance
                low, high = block_range(features[c], t, s)
                if high - low < 2 * radius[c]:
                    slope[c] = s
                    centre[c] = (low + high) * features.dtype.type(0.5)
                    radius[c] = (high - low) * features.dtype.type(0.5)
    return pivot, largest


@compiled
def block_range(f: Any, t: Any, s: Any) -> Any:
    """Return minimum and maximum of f - s t over the block, lane by lane: a plain reduction would not be vectorised."""
    low, high = np.empty(LANES, f.dtype), np.empty(LANES, f.dtype)
    for q in range(LANES):
        low[q] = high[q] = f[q] - s * t[q]
    for p in range(LANES, BLOCK, LANES):
        for q in range(LANES):
            v = f[p + q] - s * t[p + q]
            low[q] = low[q] if low[q] < v else v
            high[q] = high[q] if high[q] > v else v
    least, most = low[0], high[0]
    for q in range(1, LANES):
        least = least if least < low[q] else low[q]
        most = most if most > high[q] else high[q]
    return least, most


@compiled
def _sum_of_zeros(f: Any) -> Any:
    """Return 0, or NaN where a value of the block is not finite."""
    sums = np.zeros(LANES, f.dtype)
    for p in range(0, BLOCK, LANES):
        for q in range(LANES):
            sums[q] += f[p + q] * 0
    return _sum(sums)


@compiled
def _sum(sums: Any) -> Any:
    total = sums[0]
    for q in range(1, LANES):
        total += sums[q]
    return total


@compiled
def _covariance(f: Any, g: Any, f0: Any, g0: Any) -> Any:
    """Return the sum of (f - f0) (g - g0) over the block, lane by lane."""
    sums = np.zeros(LANES, f.dtype)
    for p in range(0, BLOCK, LANES):
        for q in range(LANES):
            sums[q] += (f[p + q] - f0) * (g[p + q] - g0)
    return _sum(sums)


@compiled
def unit_bounds(
    coefficients: Any,
    features: Any,
    used: Any,
    outputs: Any,
    relaxation: Any,
    pivot: Any,
    slope: Any,
    centre: Any,
    radius: Any,
    linear: Any,
    lower: Any,
    upper: Any,
) -> None:
    """Bound every unit of a layer over a block.

    Parameters
    ----------
    coefficients : ndarray (features + 1 + used, outputs)
        Of the pre-activations: of each feature, the constant, and of each undecided unit before.
    features, used, outputs : how many there are
    relaxation : ndarray (used, features + 3): of each undecided unit, the linear function of features and constant, and
        the least and the most that the unit lies above it
    pivot, slope, centre, radius : the block's box
    linear : ndarray (features + 3, outputs), is written: the same as `relaxation`, for the pre-activations
    lower, upper : ndarray (outputs,), are written
    """
    zero = lower.dtype.type(0)
    for c in range(features + 3):
        for o in range(outputs):
            linear[c, o] = coefficients[c, o] if c <= features else zero
    least, most = linear[features + 1], linear[features + 2]
    for i in range(used):
        weights = coefficients[features + 1 + i]
        for c in range(features + 1):
            share, row = relaxation[i, c], linear[c]
            for o in range(outputs):
                row[o] += share * weights[o]
        low, high = relaxation[i, features + 1], relaxation[i, features + 2]
        for o in range(outputs):
            up = weights[o] if weights[o] > 0 else zero
            down = weights[o] if weights[o] < 0 else zero
            least[o] += up * low + down * high
            most[o] += up * high + down * low
    # `upper` holds the coefficient along t first, then centre + radius; `lower` the radius first.
    along = upper
    for o in range(outputs):
        along[o] = linear[pivot, o]
        lower[o] = 0
    for c in range(features):
        if c != pivot:
            s, r, row = slope[c], radius[c], linear[c]
            for o in range(outputs):
                along[o] += s * row[o]
                lower[o] += r * abs(row[o])
    constant = linear[features]
    for o in range(outputs):
        reach = lower[o] + radius[pivot] * abs(along[o])
        middle = constant[o] + centre[pivot] * along[o]
        for c in range(features):
            if c != pivot:
                middle += centre[c] * linear[c, o]
        lower[o] = middle - reach + least[o]
        upper[o] = middle + reach + most[o]


@compiled
def relax(o: Any, low: Any, high: Any, features: Any, linear: Any, row: Any) -> None:
    """Write the relaxation of an undecided unit: its pre-activation is column o of `linear` and lies in [low, high]."""
    share = high / (high - low)
    for c in range(features + 3):
        row[c] = share * linear[c, o]
    row[features + 2] -= share * low
