"""Makes a label for a pair that has none: what a good fusion looks like of the exposures from one to the other.

These exposures are fused by Mertens 2009; the range is stretched, and the brightness is brought half-way to that of
SICE's labels. Then local contrast, and a little the contrast of the whole and the colour, are raised, since Mertens'
own results are flat and pale. People chose SICE's labels among such results.

Darker and brighter exposures of the scene take no part. A network that is asked for what its input does not show learns
to lift shadows to a veil and to change hues.
"""

from collections.abc import Sequence

import numpy as np
import scipy

from npfuse import fuse_stack
from npfuse.color import LUMA
from reference.arrays import Array

RANGE = (0.3, 99.7)  # percentiles of the values
ENDS = (0.02, 0.98)  # values that they become: nearly black and white, so that nothing is lost
MEAN = 0.46  # mean luma, about that of SICE's labels
BRIGHTENED = 0.5  # share of the way to that mean, in its logarithm
LOCAL, SIDE, EDGE = 0.4, 1 / 6, 0.02  # by how much detail is raised; window's side over the short side; a variance
CONTRAST = 0.5  # of an S-shaped curve
SATURATION = 1.25


def made_label(exposures: Sequence[Array]) -> Array:
    """Make a label.

    Parameters
    ----------
    exposures : sequence of ndarray (H, W, 3), uint8
        Of one scene, two or more: the pair's two and those between them.

    Returns
    -------
    ndarray (H, W, 3), uint8

    Examples
    --------
    >>> dark, bright = (np.full((16, 16, 3), level, np.uint8) for level in (40, 90))
    >>> made_label([dark, bright]).shape
    (16, 16, 3)
    """
    fused = brightened(stretched(fuse_stack(exposures, method="mertens").astype(np.float32) / 255))
    luma = fused @ np.array(LUMA, np.float32)
    smooth = edge_aware_mean(luma)
    raised = np.clip(smooth + (1 + LOCAL) * (luma - smooth), 0, 1)
    raised = raised + CONTRAST * 2 * (raised - 0.5) * raised * (1 - raised)
    share = ((raised + 0.02) / (luma + 0.02)) ** 0.8  # colours follow their luma, less where it is dark
    label = raised[..., np.newaxis] + (fused - luma[..., np.newaxis]) * (SATURATION * share)[..., np.newaxis]
    return np.rint(np.clip(label, 0, 1) * 255).astype(np.uint8)


def stretched(picture: Array) -> Array:
    """Stretch a picture in [0, 1] so that `RANGE` becomes `ENDS`; one of a single value is left as it is.

    Examples
    --------
    >>> float(stretched(np.array([0.25, 0.5, 0.75]).repeat(9)).min().round(3))
    0.02
    """
    low, high = np.percentile(picture, RANGE)
    if high <= low:
        return picture
    return np.clip(ENDS[0] + (picture - low) * (ENDS[1] - ENDS[0]) / (high - low), 0, 1)


def brightened(picture: Array) -> Array:
    """Bring the mean of a picture in [0, 1] half-way to `MEAN`, in its logarithm, by a gamma.

    Examples
    --------
    >>> round(float(brightened(np.full((4, 4, 3), 0.23)).mean()), 3)  # half an octave below
    0.325
    """
    mean = float(picture.mean())
    if not 0 < mean < 1:
        return picture
    wanted, gamma = mean ** (1 - BRIGHTENED) * MEAN**BRIGHTENED, 1.0
    for _ in range(8):  # the mean of powers is not the power of the mean
        gamma *= np.log(wanted) / np.log((picture**gamma).mean())
    return picture**gamma


def edge_aware_mean(luma: Array) -> Array:
    """Return a smooth copy of a plane (H, W) that keeps strong edges: its guided filter by itself (He 2013)."""
    window = max(3, int(min(luma.shape) * SIDE))

    def mean(x: Array) -> Array:
        return scipy.ndimage.uniform_filter(x, window, mode="reflect")

    mean_luma = mean(luma)
    variance = mean(luma * luma) - mean_luma**2
    slope = variance / (variance + EDGE)
    return mean(slope) * luma + mean(mean_luma - slope * mean_luma)
