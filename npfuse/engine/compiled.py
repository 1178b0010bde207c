"""How the fast functions are compiled, and how they take their arrays.

Every compiled function releases the GIL and is cached on disk. Products and sums may be fused into one rounding
("contract"), never reordered: a result does not depend on how the work is cut up. `error_model="numpy"` drops the
zero-division checks that keep loops from being vectorised.
"""

from collections.abc import Callable
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

CACHE_LINE = 64  # bytes

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
NOT_FOR_PYTHON: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: F) -> F:
    """Compile a function at its first call, for the types it is called with."""
    try:
        return cast(F, njit(cache=True, **OPTIONS)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        return cast(F, njit(**OPTIONS)(function))


def inner(function: F) -> F:
    """Compile a function that only compiled functions call: with them, and with nothing that Python could call."""
    return cast(F, njit(**OPTIONS, **NOT_FOR_PYTHON)(function))


def pasted(function: F) -> F:
    """Paste a function into the one compiled function that calls it, so that it is not compiled on its own before."""
    return cast(F, njit(inline="always", **OPTIONS, **NOT_FOR_PYTHON)(function))


def contiguous(name: str, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the arrays in C order and writable, all of one dtype: one compilation then serves every caller.

    Parameters
    ----------
    name : of the operator, for the message
    arrays : of one dtype, float32 or float64

    Returns
    -------
    the same arrays, copied only where their memory is not in C order or is read-only

    Raises
    ------
    TypeError : a dtype is neither float32 nor float64, or dtypes differ

    Examples
    --------
    >>> contiguous("relu", np.zeros(2, np.float16))
    Traceback (most recent call last):
    TypeError: relu: dtypes are float16, expected all float32 or all float64
    """
    if {array.dtype for array in arrays} not in ({_FLOAT32}, {_FLOAT64}):
        dtypes = sorted({str(array.dtype) for array in arrays})
        raise TypeError(f"{name}: dtypes are {', '.join(dtypes)}, expected all float32 or all float64")
    return tuple(
        array if array.flags.c_contiguous and array.flags.writeable else np.require(array, requirements=["C", "W"])
        for array in arrays
    )


def bias_or_zeros(bias: NDArray[Any] | None, features: int, dtype: Any) -> NDArray[Any]:
    """Return the bias, or zeros where there is none."""
    return np.zeros(features, dtype) if bias is None else bias


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return a new array that begins on a cache line, so that no vector in it lies across two; NumPy's do not.

    Examples
    --------
    >>> x = aligned_empty((2, 3), np.float32)
    >>> x.shape, x.__array_interface__["data"][0] % 64
    ((2, 3), 0)
    """
    count = prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(count + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    array: NDArray[Any] = memory[start : start + count].view(dtype).reshape(shape)
    return array
