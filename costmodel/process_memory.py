"""The memory that one process has taken at most, from a moment that can be set anew.

Linux keeps the high-water mark of a process (what `getrusage` returns as `ru_maxrss`) and sets it back on request;
without that, a child would begin with the size that its parent had when it was started. Elsewhere the mark is that of
the process's whole life.
"""

import ctypes
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs


def reset_peak() -> bool:
    """Set the high-water mark back to what is in use now; return whether that was possible."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def resident_bytes() -> int:
    """Return what is in use now; where that cannot be told, the high-water mark."""
    return _linux("VmRSS:") or peak_bytes()


def peak_bytes() -> int:
    """Return the high-water mark; ImportError on Windows, which has none that Python tells."""
    if found := _linux("VmHWM:"):
        return found
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _linux(field: str) -> int:
    """Return a field of the process's status in bytes; 0 where there is none."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # options of glibc's mallopt


def keep_memory() -> None:
    """Let this process keep memory that it frees, instead of giving it back to the system; where glibc allocates it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_ARENA_MAX, 1)  # a thread's own arena gives memory back all the same
