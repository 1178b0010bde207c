"""The graphics card: whether there is one, what is kept on it, and how work is sent to it.

All calls to the driver go through this module, so that each error of the driver becomes a message of one line. Work
goes to the stream of the thread that sends it, so two threads copy and compute at the same time. A thread's own work
stays in order, and comes after all that was sent to the default stream before. With NUMBA_ENABLE_CUDASIM=1 in the
environment, Numba simulates a card: kernels then run as Python, slowly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
from numba import config, cuda
from numpy.typing import NDArray

SIMULATED = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]
THREADS = 2 if SIMULATED else 256  # of a block that goes over an array number by number
MOST_BLOCKS = 1 if SIMULATED else 4096  # of those; each thread takes several numbers where there are more
SPEAKERS = ("numba", "numba_cuda", "cuda")  # the packages whose errors are the driver's or the compiler's
ADVICE = 'use the engine "fast"'

CardArray = Any  # of shape, dtype and slices like an ndarray's, on the card


class CardError(OSError):
    """The reason why a card cannot be used, in one line."""


def require_card() -> None:
    """Raise CardError, with the reason, if there is no card to work on.

    Examples
    --------
    >>> try:
    ...     require_card()
    ... except CardError as error:
    ...     assert "engine cuda" in str(error)
    """
    if SIMULATED:
        return
    if find_spec("numba_cuda") is None:
        raise CardError(f'engine cuda: numba-cuda is missing; install npfuse with the extra "cuda", or {ADVICE}')
    with card_errors():
        if cuda.is_available():
            cuda.current_context()
            return
    reason = cuda.cuda_error() or 'NVVM is missing; install npfuse with the extra "cuda"'
    raise CardError(f"engine cuda: no NVIDIA card can be used here: {_line(reason).rstrip('.')}; {ADVICE}")


@contextmanager
def card_errors() -> Iterator[None]:
    """Turn errors of the driver, and of the compiler, into CardError."""
    try:
        yield
    except Exception as error:  # errors of the driver and of the compiler have no common class
        if type(error).__module__.split(".")[0] not in SPEAKERS:
            raise
        raise CardError(f"engine cuda: {_line(error)}; {ADVICE}") from error


def _line(message: object) -> str:
    return " ".join(str(message).split())


def free_bytes() -> int:
    """Return the number of free bytes of the card's memory."""
    return 1 << 30 if SIMULATED else int(cuda.current_context().get_memory_info().free)


def card_name() -> str:
    """Return the card's name."""
    if SIMULATED:
        return "Numba's simulator"
    name = cuda.get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


def stream() -> Any:
    """Return the calling thread's stream."""
    return 0 if SIMULATED else cuda.per_thread_default_stream()


def wait() -> None:
    """Wait until all work that the calling thread has sent is done."""
    if not SIMULATED:
        stream().synchronize()


def to_card(x: NDArray[Any]) -> CardArray:
    """Return a copy of an array on the card."""
    return cuda.to_device(np.ascontiguousarray(x), stream=stream())


def empty(shape: tuple[int, ...], dtype: Any) -> CardArray:
    """Return a new array on the card, whose values are not set."""
    return cuda.device_array(shape, dtype, stream=stream())


def pinned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return a new array in pinned memory: the card copies it by itself while the processor does other work."""
    array: NDArray[Any] = cuda.pinned_array(shape, dtype)
    return array


def adopted(x: Any) -> CardArray:
    """Return Numba's array for an array of another library on the card; both share their memory."""
    return x if hasattr(x, "__cuda_ndarray__") else cuda.as_cuda_array(x)


def as_picture(x: CardArray | NDArray[Any]) -> CardArray:
    """Return a picture as (H, W, C) on the card, C being 1 for grey; one in memory is copied there."""
    if isinstance(x, np.ndarray):
        return to_card(x.reshape(*x.shape[:2], -1))
    if len(x.shape) == 3:
        return x
    if SIMULATED:
        return x.reshape(*x.shape, 1)
    known = dict(x.__cuda_array_interface__)
    strides = known.get("strides") or (x.shape[1] * x.dtype.itemsize, x.dtype.itemsize)
    return cuda.as_cuda_array(_Described(x, known | {"shape": (*x.shape, 1), "strides": (*strides, x.dtype.itemsize)}))


class _Described:
    """Memory on the card with another shape; keeps what the memory belongs to."""

    def __init__(self, owner: Any, interface: dict[str, Any]) -> None:
        self.owner = owner
        self.__cuda_array_interface__ = interface


def grid_for(count: int) -> tuple[int, int, Any]:
    """Return blocks, threads of each, and stream, for a kernel that goes over `count` numbers in steps of its grid."""
    return max(min(-(-count // THREADS), MOST_BLOCKS), 1), THREADS, stream()


def count_of(x: CardArray) -> int:
    """Return the number of values of an array."""
    return prod(x.shape)
