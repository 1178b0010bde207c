"""LeakyReLU: negative values are scaled by a small slope."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, check_arrays


@dataclass(frozen=True, kw_only=True)
class LeakyReLU(Operator):
    """max(x, 0) + slope * min(x, 0)."""

    slope: float

    def arguments(self) -> dict[str, Any]:
        """Return the slope."""
        return {"slope": self.slope}


def leaky_relu(x: NDArray[Any], *, slope: float) -> NDArray[Any]:
    """Scale negative values by a slope.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    slope : slope of the negative side, e.g. 0.01 (DeepFuse) or 0.2 (MEF-Net)

    Returns
    -------
    ndarray (N, H, W, C), dtype of x

    Examples
    --------
    >>> leaky_relu(np.array([[[[-10.0, 2.0]]]]), slope=0.5)
    array([[[[-5.,  2.]]]])
    """
    check_arrays(LeakyReLU(slope=slope), x)
    # The slope in the dtype of x: a float64 scalar would turn float32 pictures into float64 ones.
    result: NDArray[Any] = np.where(x > 0, x, x * np.asarray(slope, x.dtype))
    return result
