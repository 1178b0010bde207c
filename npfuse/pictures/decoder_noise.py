"""Keeps off the terminal what decoders written in C and C++ print about a damaged file.

libtiff, OpenEXR and LibRaw print many lines to the process's own output, past Python. What matters of it is in the
error that they raise. While they are silenced, output of other threads is lost as well, unless it is inside `heard`. So
this module is for the commands, around reading alone, and not for callers of the library.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OUTPUTS = (1, 2)  # file descriptors: standard output and standard error


class _Kept:
    """The original outputs, kept while at least one thread wants them silenced."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.callers = 0
        self.copies: dict[int, int] = {}


KEPT = _Kept()


@contextmanager
def unheard() -> Iterator[None]:
    """Drop what is printed past Python while a block runs; any number of threads may do so at once.

    Examples
    --------
    >>> with unheard():
    ...     _ = os.write(2, b"TIFFFetchNormalTag: Defined set_get_field_type of custom tag")
    """
    with KEPT.lock:
        if KEPT.callers == 0:
            _turn_away()
        KEPT.callers += 1
    try:
        yield
    finally:
        with KEPT.lock:
            KEPT.callers -= 1
            if KEPT.callers == 0:
                _turn_back()


@contextmanager
def heard() -> Iterator[None]:
    """Let what is printed and flushed in a block reach the outputs, even while other threads silence them."""
    with KEPT.lock:
        if KEPT.callers:
            _turn_back()
        try:
            yield
        finally:
            if KEPT.callers:
                _turn_away()


def _turn_away() -> None:
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for output in OUTPUTS:
            try:
                KEPT.copies[output] = os.dup(output)
            except OSError:  # the output is closed: nothing can be printed there
                continue
            os.dup2(nowhere, output)
    finally:
        os.close(nowhere)


def _turn_back() -> None:
    _flush()
    while KEPT.copies:
        output, copy = KEPT.copies.popitem()
        os.dup2(copy, output)
        os.close(copy)


def _flush() -> None:
    """Flush the buffers of the C library, so that their content goes to the output it was meant for."""
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, TypeError, AttributeError):  # no such library under that name: Windows
        return
