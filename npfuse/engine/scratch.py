"""Arrays to work in, kept from one strip to the next: the system spends time on clearing newly allocated memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty


class Scratch:
    """Arrays by name, for one thread at a time.

    Examples
    --------
    >>> scratch = Scratch()
    >>> first = scratch.array("rows", (2, 3), "float32")
    >>> scratch.array("rows", (2, 3), "float32") is first
    True
    """

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return the array of a name: the one of the last call if it has this shape and dtype, else one of zeros."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self._arrays[name] = aligned_empty(shape, dtype)
            array[...] = 0
        return array

    def copy(self, name: str, original: NDArray[Any]) -> NDArray[Any]:
        """Return the copy of an array that has a name; it is made at the first call."""
        if name not in self._arrays:
            self._arrays[name] = original.copy()
        return self._arrays[name]


class Spare:
    """Scratches that no thread uses at present.

    Examples
    --------
    >>> spare = Spare()
    >>> with spare.one() as first:
    ...     pass
    >>> with spare.one() as second:
    ...     second is first
    True
    """

    def __init__(self) -> None:
        self._scratches: list[Scratch] = []

    @contextmanager
    def one(self) -> Iterator[Scratch]:
        """Yield a Scratch that no other thread uses; after an error it is not used again."""
        try:
            scratch = self._scratches.pop()
        except IndexError:  # another thread may have taken the last one since it was seen
            scratch = Scratch()
        yield scratch
        self._scratches.append(scratch)
