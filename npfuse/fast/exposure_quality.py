"""ExposureQuality, compiled: one pass over the pixels; the luma of three rows is kept for the Laplacian."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.color import LUMA
from npfuse.engine.compiled import compiled, contiguous
from npfuse.ops.exposure_quality import FLOOR, MEASURES, MIDDLE, SIGMA, ExposureQuality, Measure, least_contrast
from npfuse.ops.operator import check_arrays


def exposure_quality(x: NDArray[Any], *, measures: tuple[Measure, ...] = MEASURES) -> NDArray[Any]:
    """Weigh every pixel of an exposure; see `npfuse.ops.exposure_quality`. float32 or float64."""
    shape = check_arrays(ExposureQuality(measures=measures), x)
    (x,) = contiguous("exposure_quality", x)
    out = np.empty((x.shape[0], *shape), x.dtype)
    numbers = np.array([*LUMA, MIDDLE, -0.5 / SIGMA**2, FLOOR, 1 / 3, least_contrast(x.dtype)], x.dtype)
    used = np.array([measure in measures for measure in MEASURES])
    if x.shape[3] == 1:
        used[MEASURES.index("saturation")] = False
    _exposure_quality(x, used, numbers, out[..., 0])
    return out


@compiled
def _exposure_quality(x, used, numbers, out):
    batch, height, width, channels = x.shape
    middle, steepness, floor, third, least = numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]
    lumas = np.empty((3, width), x.dtype)
    for n in range(batch):
        for h in range(height):
            first = h if h == 0 else h + 1  # the luma of the rows before is there already
            for row in range(first, min(h + 2, height)):
                _luma(x[n, row], numbers, lumas[row % 3])
            above, here = lumas[_mirrored(h - 1, height) % 3], lumas[h % 3]
            below = lumas[_mirrored(h + 1, height) % 3]
            for w in range(width):
                quality = x.dtype.type(1)
                if used[0]:
                    left, right = here[_mirrored(w - 1, width)], here[_mirrored(w + 1, width)]
                    centre = here[w]
                    contrast = abs(((above[w] - centre) + (below[w] - centre)) + ((left - centre) + (right - centre)))
                    quality *= contrast if contrast >= least else x.dtype.type(0)
                if used[1]:
                    a, b = x[n, h, w, 0] - x[n, h, w, 1], x[n, h, w, 1] - x[n, h, w, 2]
                    c = x[n, h, w, 2] - x[n, h, w, 0]
                    quality *= math.sqrt((a * a + b * b + c * c) * third)
                if used[2]:
                    total = x.dtype.type(0)
                    for channel in range(channels):
                        distance = x[n, h, w, channel] - middle
                        total += distance * distance
                    quality *= math.exp(total * steepness)
                out[n, h, w] = quality + floor


@compiled
def _luma(row, numbers, luma):
    if row.shape[1] == 1:
        for w in range(row.shape[0]):
            luma[w] = row[w, 0]
    else:
        for w in range(row.shape[0]):
            luma[w] = row[w, 0] * numbers[0] + row[w, 1] * numbers[1] + row[w, 2] * numbers[2]


@compiled
def _mirrored(i, n):
    """Return a position one beyond the border reflected into [0, n)."""
    if n == 1:
        return 0
    return -i if i < 0 else (2 * n - 2 - i if i >= n else i)
