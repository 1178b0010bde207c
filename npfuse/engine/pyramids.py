"""Mertens' weights and pyramids of a strip of any number of pictures, compiled (Mertens, Kautz and Van Reeth 2009).

The definition is the graph of `npfuse.models.mertens`. Here its steps are taken row by row, so that only the weights of
level 0 are kept. Each channel is a plane, so that its columns lie along the vector lanes. Pictures stay in their own
levels (0 to 255, say), and become floats as they are read.

A plane holds rows of a picture, beginning with row `start`: enough of them for the rows that are asked for.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.color import LUMA
from npfuse.engine.compiled import compiled, inner
from npfuse.ops.exposure_quality import FLOOR, MIDDLE, SIGMA, least_contrast

EXP = tuple(np.float32(1 / math.factorial(k)) for k in range(7, -1, -1))  # Taylor's, highest power first
LOG2_E, HALF = np.float32(1 / math.log(2)), np.float32(0.5)
LN_2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: n times the first is exact for the n that occur here
LN_2_LOW = np.float32(math.log(2) - 0.693359375)
EXPONENT_BIAS, MANTISSA_BITS = np.int32(127), np.int32(23)  # of float32
EIGHTH, QUARTER, THREE_EIGHTHS = np.float32(1 / 8), np.float32(1 / 4), np.float32(3 / 8)
SIXTEENTH, THREE_QUARTERS = np.float32(1 / 16), np.float32(3 / 4)


class Rows(NamedTuple):
    """Planes (K, C, R, W) or (K, R, W) of pictures of some height; they hold R rows, beginning with row `start`."""

    planes: NDArray[Any]
    start: int
    height: int


class Measures(NamedTuple):
    """The constants of `npfuse.ops.exposure_quality`, float32, for pictures in levels; see `measures_of`."""

    red: Any
    green: Any
    blue: Any
    least: Any  # contrast
    middle: Any
    steepness: Any  # of exposedness
    floor: Any
    unit: Any  # one over the level of white


def measures_of(white: float) -> Measures:
    """Return the constants for pictures whose white is at a level."""
    least = least_contrast(np.dtype(np.float32)) * white
    numbers = (*LUMA, least, MIDDLE * white, -0.5 / (SIGMA * white) ** 2, FLOOR, 1 / white)
    return Measures(*map(np.float32, numbers))


@compiled
def deal_planes(picture: Any, planes: Any) -> None:
    """Write a picture (H, W * C), its channels side by side, to planes (C, H, W)."""
    channels, height, width = planes.shape
    for h in range(height):
        row = picture[h]
        if channels == 3:
            red, green, blue = planes[0, h], planes[1, h], planes[2, h]
            for w in range(width):
                red[w] = row[3 * w]
                green[w] = row[3 * w + 1]
                blue[w] = row[3 * w + 2]
        else:
            grey = planes[0, h]
            for w in range(width):
                grey[w] = row[w]


@compiled
def weigh(pictures: Rows, first: int, measures: Measures, lumas: Any, total: Any, weights: Any) -> None:
    """Write the weights of pictures, for their rows from `first` on; the weights of a pixel add up to 1.

    Parameters
    ----------
    pictures : Rows (K, C, R, W); at either end there is one row more than rows of weights, except at the border
    first : number of the first row
    measures : Measures
    lumas, total : arrays to work in, (K, 3, W) and (W,), float32
    weights : ndarray (K, rows, W), float32
    """
    planes, start, height = pictures.planes, pictures.start, pictures.height
    count, channels, _, width = planes.shape
    for h in range(weights.shape[1]):
        row = first + h
        above, below = (1 if row == 0 else row - 1), (height - 2 if row == height - 1 else row + 1)
        for k in range(count):
            if h == 0:  # later, the rows before the next one are there already
                _luma(planes[k], above - start, measures, lumas[k, above % 3])
                _luma(planes[k], row - start, measures, lumas[k, row % 3])
            _luma(planes[k], below - start, measures, lumas[k, below % 3])
            quality = weights[k, h]
            _contrast(lumas[k, above % 3], lumas[k, row % 3], lumas[k, below % 3], measures.least, quality)
            if channels == 3:
                _weigh_colours(planes[k], row - start, measures, quality)
            else:
                _weigh_grey(planes[k, 0, row - start], measures, quality)
            if k == 0:
                for w in range(width):
                    total[w] = quality[w]
            else:
                for w in range(width):
                    total[w] += quality[w]
        for k in range(count):
            quality = weights[k, h]
            for w in range(width):
                quality[w] /= total[w]


@inner
def _luma(planes, row, measures, luma):
    """Write the luma of a row."""
    if planes.shape[0] == 3:
        red, green, blue = planes[0, row], planes[1, row], planes[2, row]
        r, g, b = measures.red, measures.green, measures.blue
        for w in range(len(luma)):
            luma[w] = np.float32(red[w]) * r + np.float32(green[w]) * g + np.float32(blue[w]) * b
    else:
        grey = planes[0, row]
        for w in range(len(luma)):
            luma[w] = np.float32(grey[w])


@inner
def _contrast(above, here, below, least, contrast):
    """Write the absolute Laplacian of a row of luma; values below `least` become 0."""
    width = len(here)
    left, right = here[: width - 2], here[2:]
    centre, up, down, out = here[1:], above[1:], below[1:], contrast[1:]
    zero = np.float32(0)
    for w in range(width - 2):
        c = centre[w]
        value = abs(((up[w] - c) + (down[w] - c)) + ((left[w] - c) + (right[w] - c)))
        out[w] = value if value >= least else zero
    for w, beside in ((0, 1), (width - 1, width - 2)):
        c = here[w]
        value = abs(((above[w] - c) + (below[w] - c)) + ((here[beside] - c) + (here[beside] - c)))
        contrast[w] = value if value >= least else zero


@inner
def _weigh_colours(planes, row, measures, quality):
    """Multiply the contrast of a row of colours by its saturation and exposedness."""
    red, green, blue = planes[0, row], planes[1, row], planes[2, row]
    middle, third = measures.middle, np.float32(1 / 3)
    scale = measures.unit * measures.unit  # contrast and saturation are in levels
    for w in range(len(quality)):
        r, g, b = np.float32(red[w]), np.float32(green[w]), np.float32(blue[w])
        rg, gb, br = r - g, g - b, b - r
        saturation = math.sqrt((rg * rg + gb * gb + br * br) * third)
        r, g, b = r - middle, g - middle, b - middle
        exposedness = _exponential((r * r + g * g + b * b) * measures.steepness)
        quality[w] = quality[w] * scale * saturation * exposedness + measures.floor


@inner
def _weigh_grey(plane, measures, quality):
    """Multiply the contrast of a row of grey by its exposedness."""
    for w in range(len(quality)):
        distance = np.float32(plane[w]) - measures.middle
        exposedness = _exponential(distance * distance * measures.steepness)
        quality[w] = quality[w] * measures.unit * exposedness + measures.floor


@inner
def _exponential(z):
    """Return exp(z), for a float32 z from -80 to 0, as 2^n exp(r): n = round(z / ln 2), |r| <= ln(2) / 2."""
    n = np.float32(math.floor(z * LOG2_E + HALF))
    r = z - n * LN_2_HIGH - n * LN_2_LOW
    total = EXP[0]
    for k in range(1, len(EXP)):
        total = total * r + EXP[k]
    power = (np.int32(n) + EXPONENT_BIAS) << MANTISSA_BITS
    return total * np.int32(power).view(np.float32)


@compiled
def halve(finer: Rows, first: int, positions: Any, row: Any, out: Any) -> None:
    """Write rows of the next coarser level to `out` (K, C, rows, W), from row `first` on.

    Parameters
    ----------
    finer : Rows (K, C, R, W) of the level that is halved
    first : number of the first row, in the coarser level
    positions : ndarray (W, 5), the columns that "pyramid_down" reads (`npfuse.ops.resize`)
    row : array to work in, (W of the finer level,), float32
    out : ndarray (K, C, rows, W), float32, is written
    """
    start, height = finer.start, finer.height
    for k in range(out.shape[0]):
        for c in range(out.shape[1]):
            plane = finer.planes[k, c]
            for h in range(out.shape[2]):
                at = 2 * (first + h)
                _halve_rows(
                    plane[_mirrored(at - 2, height) - start],
                    plane[_mirrored(at - 1, height) - start],
                    plane[at - start],
                    plane[_mirrored(at + 1, height) - start],
                    plane[_mirrored(at + 2, height) - start],
                    row,
                )
                _halve_columns(row, positions, out[k, c, h])


@inner
def _halve_rows(a, b, c, d, e, out):
    """Write the mean of five rows, with weights 1, 4, 6, 4 and 1."""
    for w in range(len(out)):
        ends, beside = np.float32(a[w]) + np.float32(e[w]), np.float32(b[w]) + np.float32(d[w])
        out[w] = ends * SIXTEENTH + beside * QUARTER + np.float32(c[w]) * THREE_EIGHTHS


@inner
def _halve_columns(row, positions, out):
    """Write the mean of the five columns around every other column, with weights 1, 4, 6, 4 and 1."""
    whole = max((len(row) - 3) // 2, 0)  # outputs that see no border, from the second one on
    within = out[1:]
    for w in range(whole):
        ends, beside = row[2 * w] + row[2 * w + 4], row[2 * w + 1] + row[2 * w + 3]
        within[w] = ends * SIXTEENTH + beside * QUARTER + row[2 * w + 2] * THREE_EIGHTHS
    for w in range(len(out)):
        if w == 0 or w > whole:
            ends, beside = row[positions[w, 0]] + row[positions[w, 4]], row[positions[w, 1]] + row[positions[w, 3]]
            out[w] = ends * SIXTEENTH + beside * QUARTER + row[positions[w, 2]] * THREE_EIGHTHS


@inner
def _mirrored(i, n):
    """Return a position one or two beyond the border reflected into [0, n), n at least 2."""
    i = -i if i < 0 else i
    i = 2 * n - 2 - i if i >= n else i
    return -i if i < 0 else i


@inner
def _double(coarser, k, c, row, between, out):
    """Write a row of a plane, enlarged from the next coarser level, to `out`; `between` has room for a coarse row."""
    plane, start, height = coarser.planes[k, c], coarser.start, coarser.height
    at = row // 2
    here, below = plane[at - start], plane[min(at + 1, height - 1) - start]
    if row % 2:
        for w in range(len(between)):
            between[w] = (here[w] + below[w]) * HALF
    else:
        above = plane[(at - 1 if at else min(1, height - 1)) - start]
        for w in range(len(between)):
            between[w] = (above[w] + below[w]) * EIGHTH + here[w] * THREE_QUARTERS
    _double_columns(between, out)


@inner
def _double_columns(row, out):
    """Write a row of twice as many columns."""
    last, width = len(row) - 1, len(out)
    within = out[2:]
    for w in range(last - 1):
        within[2 * w] = (row[w] + row[w + 2]) * EIGHTH + row[w + 1] * THREE_QUARTERS
        within[2 * w + 1] = (row[w + 1] + row[w + 2]) * HALF
    second = min(1, last)
    out[0] = (row[second] + row[second]) * EIGHTH + row[0] * THREE_QUARTERS  # at the first column, mirrored
    if width > 1:
        out[1] = (row[0] + row[second]) * HALF
    if last:
        out[2 * last] = (row[last - 1] + row[last]) * EIGHTH + row[last] * THREE_QUARTERS  # at the last one, repeated
        if 2 * last + 1 < width:
            out[2 * last + 1] = row[last]


@compiled
def blend(
    finer: Rows, weights: Rows, coarser: Rows, fused: Rows, first: int, between: Any, enlarged: Any, out: Any
) -> None:
    """Write rows of the result at a level: the blended details, plus the enlarged result at the next coarser level.

    Parameters
    ----------
    finer : Rows (K, C, R, W) of the pictures at this level
    weights : Rows (K, R, W) of their weights
    coarser : Rows (K, C, R, W) of the pictures at the next coarser level
    fused : Rows (1, C, R, W) of the result at the next coarser level
    first : number of the first row, at this level
    between, enlarged : arrays to work in, float32, as long as a row of the coarser level and of this one
    out : ndarray (C, rows, W), float32, is written
    """
    count, channels, _, width = finer.planes.shape
    for h in range(out.shape[1]):
        row = first + h
        for c in range(channels):
            total = out[c, h]
            _double(fused, 0, c, row, between, total)
            for k in range(count):
                _double(coarser, k, c, row, between, enlarged)
                picture, weight = finer.planes[k, c, row - finer.start], weights.planes[k, row - weights.start]
                for w in range(width):
                    total[w] += (np.float32(picture[w]) - enlarged[w]) * weight[w]


@compiled
def collect_planes(planes: Any, white: Any, is_whole: bool, out: Any) -> None:
    """Write planes (C, H, W) to a picture (H, W * C), limited to [0, white], and rounded if `is_whole`."""
    channels, height, width = planes.shape
    for h in range(height):
        row = out[h]
        if channels == 3:
            red, green, blue = planes[0, h], planes[1, h], planes[2, h]
            for w in range(width):
                row[3 * w] = _level(red[w], white, is_whole)
                row[3 * w + 1] = _level(green[w], white, is_whole)
                row[3 * w + 2] = _level(blue[w], white, is_whole)
        else:
            grey = planes[0, h]
            for w in range(width):
                row[w] = _level(grey[w], white, is_whole)


@inner
def _level(value, white, is_whole):
    """Return a value limited to [0, white], and rounded to the nearest whole number if `is_whole`."""
    value = min(max(value, np.float32(0)), white)
    return np.rint(value) if is_whole else value
