"""ExposureQuality: how good each pixel of an exposure is, the weight of Mertens, Kautz and Van Reeth 2009.

The product of up to three measures: contrast, the absolute Laplacian of luma; saturation, how far the channels are from
their mean; exposedness, how near they are to the middle. A small constant keeps the weights of a pixel that is flat,
grey or black in every exposure from adding up to 0.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.color import LUMA
from npfuse.ops.operator import Operator, Pair, Shape, check_arrays

Measure = Literal["contrast", "saturation", "exposedness"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
MIDDLE, SIGMA = 0.5, 0.2  # of exposedness
FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class ExposureQuality(Operator):
    """Pictures (H, W, 3) or (H, W, 1) in [0, 1] become weight maps (H, W, 1).

    Parameters
    ----------
    measures : names of measures, of "contrast", "saturation" and "exposedness", at least one
        A picture of one channel has no saturation; there it is left out.
    """

    measures: tuple[Measure, ...] = MEASURES

    def __post_init__(self) -> None:
        """Check the attribute."""
        known = isinstance(self.measures, tuple) and set(self.measures) <= set(MEASURES)
        if not known or not self.measures or len(set(self.measures)) != len(self.measures):
            raise self.error("measures", self.measures, f"one or more of {', '.join(MEASURES)}, each once")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (H, W, 1)."""
        self.require_count(*inputs)
        height, width, channels = inputs[0]
        if channels not in (1, 3):
            raise self.error("number of channels", channels, "3 (RGB) or 1 (luma)", *inputs)
        if channels == 1 and self.measures == ("saturation",):
            raise self.error("measures", self.measures, "more than saturation, which one channel has not", *inputs)
        return height, width, 1

    def arguments(self) -> dict[str, Any]:
        """Return the measures."""
        return {"measures": self.measures}

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return one position more at either side, for the Laplacian."""
        return (start - 1, stop + 1) if "contrast" in self.measures else (start, stop)


def exposure_quality(x: NDArray[Any], *, measures: tuple[Measure, ...] = MEASURES) -> NDArray[Any]:
    """Weigh every pixel of an exposure.

    Parameters
    ----------
    x : ndarray (N, H, W, 3) or (N, H, W, 1), in [0, 1]; float32, float64 or object (of numbers that convert to float)
    measures : names of measures, of "contrast", "saturation" and "exposedness"

    Returns
    -------
    ndarray (N, H, W, 1), dtype of x

    Raises
    ------
    ValueError : another number of channels, or unknown measures or none

    Notes
    -----
    Source: Mertens, Kautz and Van Reeth 2009, section 3.1, with all exponents 1 (or 0, for a measure left out). As in
    OpenCV's MergeMertens, the Laplacian takes the four neighbours, mirrored at the border; saturation is the root of
    the sum, not of the mean, of squares; and 1e-12 is added. Departs from it in: a contrast below 8 roundings of 1 is
    taken as 0. In float32 that is 9.5e-7, and bytes have no contrast between 0 and 3.9e-6, a thousandth of a level;
    without it, rounding decides between two flat exposures, since its traces are far above 1e-12.

    Examples
    --------
    >>> x = np.array([0.5, 0.5, 0.75]).reshape(1, 1, 3, 1)
    >>> exposure_quality(x, measures=("contrast",))[0, 0, :, 0].round(6)
    array([0.  , 0.25, 0.5 ])
    """
    check_arrays(ExposureQuality(measures=measures), x)
    factors = []
    if "contrast" in measures:
        grey = x.shape[3] == 1
        luma = x[..., 0] if grey else x[..., 0] * LUMA[0] + x[..., 1] * LUMA[1] + x[..., 2] * LUMA[2]
        contrast = abs(_laplacian(luma))
        factors.append(contrast if x.dtype == object else np.where(contrast < least_contrast(x.dtype), 0, contrast))
    if "saturation" in measures and x.shape[3] == 3:
        # The sum of squared deviations from the mean, by differences: exactly 0 for grey.
        differences = [x[..., i] - x[..., j] for i, j in ((0, 1), (1, 2), (2, 0))]
        squares = [difference * difference for difference in differences]
        root = np.frompyfunc(math.sqrt, 1, 1) if x.dtype == object else np.sqrt
        factors.append(root((squares[0] + squares[1] + squares[2]) / 3))
    if "exposedness" in measures:
        distance = x - MIDDLE
        exp = np.frompyfunc(math.exp, 1, 1) if x.dtype == object else np.exp
        factors.append(exp((distance * distance).sum(axis=3) * (-0.5 / SIGMA**2)))
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    weights: NDArray[Any] = (product + FLOOR)[..., np.newaxis]
    return weights


def least_contrast(dtype: np.dtype[Any]) -> float:
    """Return the largest rounding error of a contrast of 0; less is taken as 0.

    Examples
    --------
    >>> least_contrast(np.dtype(np.float32)) * 2**20, least_contrast(np.dtype(np.float64)) * 2**49
    (1.0, 1.0)
    """
    return 8 * float(np.finfo(dtype).eps)


def _laplacian(luma: NDArray[Any]) -> NDArray[Any]:
    """Return the sum of the differences from the four neighbours, exactly 0 where all are equal; (N, H, W)."""
    around = np.pad(luma, [(0, 0), (1, 1), (1, 1)], mode="reflect")
    rows = (around[:, :-2, 1:-1] - luma) + (around[:, 2:, 1:-1] - luma)
    columns = (around[:, 1:-1, :-2] - luma) + (around[:, 1:-1, 2:] - luma)
    total: NDArray[Any] = rows + columns
    return total
