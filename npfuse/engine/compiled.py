"""Compilation of the fast functions, and the arrays that they take.

A function is compiled when it is first called with arguments of its kinds, and its machine code is kept in a file:
later processes load it without Numba (`npfuse.engine.machine_code`). Importing a module of compiled functions does not
import Numba. Every compiled function releases the GIL. Products and sums may be fused into one rounding ("contract"),
never reordered: a result does not depend on how the work is cut up. `error_model="numpy"` drops the zero-division
checks that keep loops from being vectorised.

Rules for compiled code:
- Integer literals make float64: float32 times 3 is float64. It is rounded again when it is stored, so the result is not
  the definition's. Hand numbers in as `x.dtype.type(3)`, or convert them in the function: `one = x.dtype.type(1)`.
- Parameters are not annotated: Numba finds the types at each call. Functions that Python calls have NumPy types.
- Functions that Python calls return nothing; they write to arrays that they are given.
- Memory that a function asks for (`np.empty`), and `reshape`, need Numba's library, and a process that has to import it
  starts half a second later. What the default method calls is given arrays to work in.
- Each array argument costs an atomic reference count per call; numbers and named tuples of numbers cost nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from npfuse.engine import machine_code

F = TypeVar("F", bound=Callable[..., Any])

CACHE_LINE = 64  # bytes

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

OPTIONS: dict[str, Any] = {
    "nogil": True, "error_model": "numpy", "fastmath": {"contract"},
    "no_cpython_wrapper": True, "no_cfunc_wrapper": True,
}  # fmt: skip

_COMPILING = threading.RLock()  # Numba compiles one function at a time
_TOLD_OF_COMPILING: list[Callable[[], None]] = []


class InnerFunction:
    """A function that compiled functions call; Python cannot.

    Parameters
    ----------
    function : to be compiled
    options : Numba's, besides OPTIONS
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.function, self.options = function, OPTIONS | options
        self._for_numba: Any = None
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Raise TypeError: Python cannot call it."""
        raise TypeError(f"{self.function.__name__}: called from Python, expected a call in a compiled function")

    def for_numba(self) -> Any:
        """Return what Numba calls; Numba is imported here."""
        from npfuse.engine.compiling import dispatcher_of

        if self._for_numba is None:
            self._for_numba = dispatcher_of(self.function, self.options)
        return self._for_numba


class CompiledFunction(InnerFunction):
    """A function that is compiled at its first call, for the kinds of arguments that it is called with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._loaded: dict[tuple[str, ...], machine_code.Call] = {}

    def __call__(self, *arguments: Any) -> None:
        """Run the machine code."""
        kinds: list[str] = []
        numbers: list[Any] = []
        for argument in arguments:
            machine_code.read(argument, kinds, numbers)
        key = tuple(kinds)
        call = self._loaded.get(key)
        if call is None:
            call = self._load(key, arguments)
        call(numbers, arguments)

    def _load(self, kinds: tuple[str, ...], arguments: tuple[Any, ...]) -> machine_code.Call:
        """Load machine code that was kept, or compile and keep it."""
        name = f"{self.function.__module__.rpartition('.')[2]}.{self.function.__qualname__}"
        with _COMPILING:
            if kinds not in self._loaded:
                code = machine_code.kept(name, kinds)
                call = self._call_of(code, kinds) if code else self._compile(name, kinds, arguments)
                self._loaded[kinds] = call
        return self._loaded[kinds]

    def _compile(self, name: str, kinds: tuple[str, ...], arguments: tuple[Any, ...]) -> machine_code.Call:
        """Compile and keep machine code; if this version of Numba does not allow that, let Numba call the function."""
        from npfuse.engine.compiling import OtherNumbaError, called_by_numba, compile_function

        for note in _TOLD_OF_COMPILING:
            note()
        try:
            code = compile_function(self, arguments, kinds)
        except OtherNumbaError:
            return called_by_numba(self)
        machine_code.keep(name, kinds, code)
        return machine_code.call_of(code, kinds)

    @staticmethod
    def _call_of(code: machine_code.Code, kinds: tuple[str, ...]) -> machine_code.Call:
        """Load machine code."""
        if code.needs_numba:
            from npfuse.engine.compiling import load_library

            load_library()
        return machine_code.call_of(code, kinds)


def compiled(function: F) -> F:
    """Compile a function at its first call, for the kinds of arguments it is called with."""
    return cast(F, CompiledFunction(function))


def inner(function: F) -> F:
    """Compile a function for calls from compiled functions only; Python cannot call it."""
    return cast(F, InnerFunction(function))


def pasted(function: F) -> F:
    """Inline a function into its only caller, which saves compiling it by itself."""
    return cast(F, InnerFunction(function, inline="always"))


@contextmanager
def telling_of_compiling(note: Callable[[], None]) -> Iterator[None]:
    """Call `note` once, before the first function is compiled; never, if all machine code was kept."""
    told = False

    def once() -> None:
        nonlocal told
        if not told:
            told = True
            note()

    _TOLD_OF_COMPILING.append(once)
    try:
        yield
    finally:
        _TOLD_OF_COMPILING.remove(once)


def contiguous(name: str, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return arrays in C order, so that one compilation serves every caller.

    Parameters
    ----------
    name : name of the operator, for the message
    arrays : ndarrays, all float32 or all float64

    Returns
    -------
    tuple of ndarray : the same arrays, copied only if their memory is not in C order or not aligned

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
        array if array.flags.c_contiguous and array.flags.aligned else np.require(array, requirements=["C", "A"])
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
