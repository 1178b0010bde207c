"""RGB to luma and chroma and back, each conversion with its standard named.

Both standards here weigh luma by ITU-R BT.601; they differ in how the numbers are stored. `JFIF` (ITU-T T.871) uses the
full range: luma in [0, 1], chroma around 0.5. `STUDIO` (BT.601's studio swing, Matlab's rgb2ycbcr) keeps head room:
16 to 235 and 16 to 240 of 255. RGB values are taken as they are encoded; no transfer function is undone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class Standard:
    """How luma and chroma are stored.

    Parameters
    ----------
    name : name of the standard
    black, luma_range : stored luma is black + luma_range * luma, for luma in [0, 1]
    neutral, chroma_range : stored chroma is neutral + chroma_range * chroma, for chroma in [-0.5, 0.5]
    """

    name: str
    black: float
    luma_range: float
    neutral: float
    chroma_range: float


JFIF = Standard(name="ITU-T T.871 (JFIF), full range", black=0.0, luma_range=1.0, neutral=0.5, chroma_range=1.0)
STUDIO = Standard(
    name="ITU-R BT.601, studio swing",
    black=16 / 255,
    luma_range=219 / 255,
    neutral=128 / 255,
    chroma_range=224 / 255,
)


def luma_of(rgb: NDArray[Any], standard: Standard = JFIF) -> NDArray[Any]:
    """Return the stored luma of a picture.

    Parameters
    ----------
    rgb : ndarray (…, 3), floats in [0, 1]
    standard : JFIF or STUDIO

    Returns
    -------
    ndarray (…), dtype of rgb

    Examples
    --------
    >>> luma_of(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), STUDIO) * 255
    array([ 16., 235.])
    """
    scale = rgb.dtype.type(standard.luma_range)
    red, green, blue = (rgb.dtype.type(weight) for weight in LUMA)
    luma: NDArray[Any] = (rgb[..., 0] * red + rgb[..., 1] * green + rgb[..., 2] * blue) * scale
    luma += rgb.dtype.type(standard.black)
    return luma


def to_ycbcr(rgb: NDArray[Any], standard: Standard) -> NDArray[Any]:
    """Return luma, blue and red chroma of a picture.

    Parameters
    ----------
    rgb : ndarray (…, 3), floats in [0, 1]
    standard : JFIF or STUDIO

    Returns
    -------
    ndarray (…, 3), dtype of rgb

    Examples
    --------
    >>> to_ycbcr(np.array([1.0, 1.0, 1.0]), JFIF).round(12)
    array([1. , 0.5, 0.5])
    """
    number = rgb.dtype.type
    luma = luma_of(rgb)
    ycbcr = np.empty_like(rgb)
    ycbcr[..., 0] = luma * number(standard.luma_range) + number(standard.black)
    for channel, color in ((1, 2), (2, 0)):  # Cb from blue, Cr from red
        reach = number(standard.chroma_range / (2 * (1 - LUMA[color])))
        ycbcr[..., channel] = (rgb[..., color] - luma) * reach + number(standard.neutral)
    return ycbcr


def to_rgb(ycbcr: NDArray[Any], standard: Standard) -> NDArray[Any]:
    """Return the RGB of luma and chroma: the inverse of `to_ycbcr`; it may lie outside [0, 1].

    Parameters
    ----------
    ycbcr : ndarray (…, 3), floats
    standard : JFIF or STUDIO

    Returns
    -------
    ndarray (…, 3), dtype of ycbcr

    Examples
    --------
    >>> to_rgb(to_ycbcr(np.array([0.25, 0.5, 0.75]), STUDIO), STUDIO).round(12)
    array([0.25, 0.5 , 0.75])
    """
    number = ycbcr.dtype.type
    luma = (ycbcr[..., 0] - number(standard.black)) * number(1 / standard.luma_range)
    rgb = np.empty_like(ycbcr)
    for channel, color in ((1, 2), (2, 0)):
        reach = number(2 * (1 - LUMA[color]) / standard.chroma_range)
        rgb[..., color] = luma + (ycbcr[..., channel] - number(standard.neutral)) * reach
    red, green, blue = LUMA
    rgb[..., 1] = (luma - rgb[..., 0] * number(red) - rgb[..., 2] * number(blue)) * number(1 / green)
    return rgb
