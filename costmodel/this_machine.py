"""The peak and the memory bandwidth of one core of this machine, measured once and kept in the user's cache directory.

The peak is that of NumPy's float32 matrix product, of matrices small and large; the bandwidth that of copying arrays
far larger than a cache, read and write together. Both are in processor time, which other programs disturb least, and
the best of several runs counts: whatever else runs only slows. A measurement is taken anew when the processor, NumPy or
the thread settings have changed.
"""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from costmodel.machine import Machine

SIDES = (256, 512, 1536)  # of matrices: in the caches of a core, and beyond them
COPIED_BYTES = 64 * 2**20
RUNS = 7

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CACHE_BYTES = 32 * 2**20  # where the system does not tell


def this_machine(cache: Path | None = None) -> Machine:
    """Return one core of this machine, from the cache or measured now in a process of its own (a few seconds).

    Parameters
    ----------
    cache : file that keeps the measurement; in the user's cache directory unless given. Where it cannot be written,
        nothing is kept.

    Returns
    -------
    Machine
    """
    cache = cache_file() if cache is None else cache
    identity = machine_identity()
    kept = _read(cache, identity)
    if kept is None:
        kept = measured_alone()
        _write(cache, identity, kept)
    peak, bandwidth = kept
    return Machine(
        name="here",
        description=f"one core of {identity['processor']}: NumPy's float32 matrix product, and copying",
        peak_gmacs=peak,
        bandwidth_gb_s=bandwidth,
        cache_bytes=cache_bytes(),
        sources=(f"measured in processor time, best of {RUNS}; kept in {cache}, delete it to measure anew",),
    )


def measured_alone() -> tuple[float, float]:
    """Return what `measure` does in a process of its own, in which NumPy has one thread."""
    code = "from costmodel.this_machine import measure; print(*measure())"
    alone = os.environ | dict.fromkeys(_THREAD_SETTINGS, "1")
    found = subprocess.run([sys.executable, "-c", code], env=alone, capture_output=True, text=True, check=True).stdout
    peak, bandwidth = map(float, found.split())
    return peak, bandwidth


def cache_bytes(folder: Path = _CACHES) -> int:
    """Return the size of the largest cache of this machine, as Linux tells it; elsewhere 32 MiB.

    Parameters
    ----------
    folder : of the caches' descriptions
    """
    try:
        sizes = [(each / "size").read_text().strip() for each in folder.glob("index*")]
    except OSError:
        sizes = []
    units = {"K": 2**10, "M": 2**20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=_CACHE_BYTES)


def measure(clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
    """Measure the peak in 1e9 multiply-adds a second, and the bandwidth in 1e9 bytes a second.

    Parameters
    ----------
    clock : of seconds
    """
    random = np.random.default_rng(0)
    peak = 0.0
    for side in SIDES:
        a, b = (random.random((side, side), dtype=np.float32) for _ in range(2))
        product = np.empty_like(a)
        times = max(1, (SIDES[1] // side) ** 3)  # a run takes some milliseconds at least
        multiply_s = _best(lambda: [np.matmul(a, b, out=product) for _ in range(times)], clock)  # noqa: B023
        peak = max(peak, times * side**3 / multiply_s / 1e9)
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros(COPIED_BYTES, np.uint8)
    copy_s = _best(lambda: np.copyto(target, source), clock)
    return peak, 2 * COPIED_BYTES / copy_s / 1e9


def _best(action: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the shortest of several runs, after one that is not timed, in seconds."""
    action()
    times = []
    for _ in range(RUNS):
        start = clock()
        action()
        times.append(clock() - start)
    return min(times)


def cache_file() -> Path:
    """Return the file in the user's cache directory."""
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "npfuse" / "costmodel-machine.json"


def machine_identity() -> dict[str, str]:
    """Return what a measurement is valid for."""
    settings = " ".join(f"{name}={os.environ[name]}" for name in _THREAD_SETTINGS if name in os.environ)
    processor = _linux_processor() or platform.processor() or platform.machine()
    return {
        "processor": f"{processor}, {os.cpu_count()} cores",
        "numpy": np.__version__,
        "threads": settings,
        "node": platform.node(),
        "measured": "one core, processor time",
    }


def _linux_processor() -> str:
    """Return the processor's name as Linux tells it, or nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def _read(cache: Path, identity: Mapping[str, str]) -> tuple[float, float] | None:
    """Return the kept measurement, or None where there is none for this machine."""
    try:
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["identity"] != identity:
            return None
        peak, bandwidth = float(kept["peak_gmacs"]), float(kept["bandwidth_gb_s"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    positive = all(math.isfinite(number) and number > 0 for number in (peak, bandwidth))
    return (peak, bandwidth) if positive else None


def _write(cache: Path, identity: Mapping[str, str], measured: tuple[float, float]) -> None:
    """Keep a measurement, whole or not at all."""
    text = json.dumps({"identity": identity, "peak_gmacs": measured[0], "bandwidth_gb_s": measured[1]}, indent=2)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=cache.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(cache)
    except OSError:
        return
