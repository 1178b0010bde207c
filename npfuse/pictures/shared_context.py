"""A context of the whole process that several threads may be in at once."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class SharedContext:
    """A context that the first thread enters and the last one leaves; one thread may enter it several times.

    All get the value that the first one got.

    Parameters
    ----------
    make : function that returns a new context manager

    Examples
    --------
    >>> from contextlib import contextmanager
    >>> @contextmanager
    ... def told():
    ...     print("entered")
    ...     yield 7
    ...     print("left")
    >>> shared = SharedContext(told)
    >>> with shared, shared as number:
    ...     print("inside", number)
    entered
    inside 7
    left
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self.make = make
        self.lock, self.inside = threading.Lock(), 0
        self.entered: AbstractContextManager[Any] | None = None
        self.value: Any = None

    def __enter__(self) -> Any:
        """Enter, if no thread is inside."""
        with self.lock:
            if not self.inside:
                self.entered = self.make()
                self.value = self.entered.__enter__()
            self.inside += 1
            return self.value

    def __exit__(self, *error: object) -> None:
        """Leave, if no other thread is inside."""
        with self.lock:
            self.inside -= 1
            if not self.inside and self.entered is not None:
                self.entered.__exit__(None, None, None)
