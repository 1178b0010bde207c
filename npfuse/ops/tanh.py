"""Tanh: the hyperbolic tangent, LightFuse's last step."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, check_arrays


@dataclass(frozen=True, kw_only=True)
class Tanh(Operator):
    """tanh(x)."""


def tanh(x: NDArray[Any]) -> NDArray[Any]:
    """Apply the hyperbolic tangent.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object (of numbers that convert to float)

    Returns
    -------
    ndarray (N, H, W, C), dtype of x

    Examples
    --------
    >>> tanh(np.array([[[[0.0, np.inf]]]]))
    array([[[[0., 1.]]]])
    """
    check_arrays(Tanh(), x)
    function = np.frompyfunc(math.tanh, 1, 1) if x.dtype == object else np.tanh
    result: NDArray[Any] = function(x)
    return result
