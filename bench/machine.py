"""Describes where numbers were measured: the machine, its processor, versions and the commit."""

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import peers


def description(names: Iterable[str]) -> dict[str, Any]:
    """Describe where a measurement was taken, and with which versions of the named peers."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory("MemTotal:"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "pillow")}
        | {distribution: number for name in names for distribution, number in peers.versions(name).items()},
        "commit": commit(),
    }


def processor() -> str:
    """Return the processor's name, as the system tells it."""
    lines = _lines("/proc/cpuinfo")
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def available_bytes() -> int | None:
    """Return the bytes of memory that are available without swapping; None if the system does not tell."""
    return _memory("MemAvailable:")


def commit() -> str | None:
    """Return the commit of the source tree, marked if files were changed since; None outside of a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}, changed" if changed.strip() else head


def _memory(field: str) -> int | None:
    return next((int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith(field)), None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
