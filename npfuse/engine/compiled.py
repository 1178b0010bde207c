"""Compilation of the fast functions, and the arrays that they take.

Every compiled function releases the GIL and is cached on disk. Products and sums may be fused into one rounding
("contract"), never reordered: a result does not depend on how the work is cut up. `error_model="numpy"` drops the
zero-division checks that keep loops from being vectorised.

Rules for compiled code:
- Integer literals make float64: float32 times 3 is float64, and is rounded again when it is stored, another result than
  the definition's. Hand numbers in as `x.dtype.type(3)`, or convert them in the function: `one = x.dtype.type(1)`.
- Parameters are not annotated: Numba finds the types at each call. Functions that Python calls have NumPy types.
- Numba's cache looks at a function's own file only. After a change to a function or constant of another file (all
  emitted instructions: `npfuse.engine.vectors`), delete `__pycache__/*.nb?`.
- Array arguments cost an atomic reference count a call; numbers and named tuples of numbers cost nothing.
"""

import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import config, event
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
        vars(config)["CACHE_DIR"] = str(temporary_cache())
        return cast(F, njit(cache=True, **OPTIONS)(function))


def temporary_cache() -> Path:
    """Return a folder for compiled functions among the temporary ones that only this user can write; warn if it is new.

    Numba trusts what it finds in its cache: a folder that others could have made or changed is not taken.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(tempfile.gettempdir(), f"npfuse-compiled-{user}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and (
            os.name == "nt" or (found.st_uid == user and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
        ):
            return folder
        folder = Path(tempfile.mkdtemp(prefix="npfuse-compiled-"))
    warnings.warn(
        f"no folder for compiled code can be written beside npfuse or in the home directory; it is kept in {folder}, "
        "and compiled anew when that is gone; set NUMBA_CACHE_DIR to a folder of yours to keep it",
        stacklevel=2,
    )
    return folder


def inner(function: F) -> F:
    """Compile a function for calls from compiled functions only; Python cannot call it."""
    return cast(F, njit(**OPTIONS, **NOT_FOR_PYTHON)(function))


def pasted(function: F) -> F:
    """Inline a function into its only caller; saves compiling it separately."""
    return cast(F, njit(inline="always", **OPTIONS, **NOT_FOR_PYTHON)(function))


@contextmanager
def telling_of_compiling(note: Callable[[], None]) -> Iterator[None]:
    """Call `note` when Numba begins to compile, once; code from its cache is not compiled."""

    class Listener(event.Listener):
        def on_start(self, compiling: event.Event) -> None:
            if not self.told:
                note()
            self.told = True

        def on_end(self, compiling: event.Event) -> None:
            pass

        told = False

    with event.install_listener("numba:compile", Listener()):
        yield


def contiguous(name: str, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the arrays in C order and writable, all of one dtype: one compilation then serves every caller.

    Parameters
    ----------
    name : of the operator, for the message
    arrays : of one dtype, float32 or float64

    Returns
    -------
    the same arrays, copied only if their memory is not in C order or is read-only

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
    """Return the bias, or zeros for None."""
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
