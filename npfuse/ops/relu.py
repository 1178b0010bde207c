"""ReLU: negative values become 0."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, check_arrays


@dataclass(frozen=True, kw_only=True)
class ReLU(Operator):
    """max(x, 0)."""


def relu(x: NDArray[Any]) -> NDArray[Any]:
    """Replace negative values by 0; NaN stays NaN.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object

    Returns
    -------
    ndarray (N, H, W, C), dtype of x

    Examples
    --------
    >>> relu(np.array([[[[-1.0, 2.0]]]]))
    array([[[[0., 2.]]]])
    """
    check_arrays(ReLU(), x)
    result: NDArray[Any] = np.maximum(x, 0)
    return result
