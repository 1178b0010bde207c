"""PointwiseConv2D in integers: NumPy's product of float64 matrices, which is exact for whole numbers below 2**53."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops import DEFINITIONS, PointwiseConv2D


def pointwise_conv2d(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> NDArray[Any]:
    """Map the channels of every pixel by a matrix of whole numbers.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin), integers or object; every sum of products must stay below 2**53
    kernel : ndarray (Cin, Cout), integers or object
    bias : ndarray (Cout,), optional

    Returns
    -------
    ndarray (N, H, W, Cout), int64, or object for objects

    Notes
    -----
    Matrices of integers have no fast product in NumPy. A float64 holds every partial sum exactly, so that neither the
    order of summation nor the processor matters.

    Examples
    --------
    >>> pointwise_conv2d(np.array([[[[1, 2]]]]), np.array([[1, 0], [10, 1]]))
    array([[[[21,  2]]]])
    """
    if x.dtype == object:
        return DEFINITIONS[PointwiseConv2D](x, kernel, bias)
    reals = (None if array is None else array.astype(np.float64) for array in (x, kernel, bias))
    return DEFINITIONS[PointwiseConv2D](*reals).astype(np.int64)
