"""The peak and the memory bandwidth of this machine, measured once and kept in the user's cache directory.

The peak is that of NumPy's float32 matrix product, with as many threads as NumPy uses; the bandwidth that of copying
arrays far larger than a cache, read and write together. The best of several runs counts: whatever else runs only slows.
A measurement is taken anew when the processor, NumPy or the thread settings have changed.
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

SIDE = 1536  # 3.6 GMAC a product, 27 MiB of matrices
COPIED_BYTES = 64 * 2**20
RUNS = 7

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def this_machine(cache: Path | None = None) -> Machine:
    """Return this machine, from the cache or measured now (about a second).

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
        kept = measure()
        _write(cache, identity, kept)
    peak, bandwidth = kept
    return Machine(
        name="here",
        description=f"this machine, {identity['processor']}: NumPy's float32 matrix product, and copying",
        peak_gmacs=peak,
        bandwidth_gb_s=bandwidth,
        sources=(f"measured, best of {RUNS}; kept in {cache}, delete it to measure anew",),
    )


def one_core(cache: Path | None = None) -> Machine:
    """Return one core of this machine, from the cache or measured now in a process of its own.

    Parameters
    ----------
    cache : as of `this_machine`, beside whose file another one is kept

    Returns
    -------
    Machine
    """
    cache = (cache_file() if cache is None else cache).with_name("costmodel-one-core.json")
    alone = dict.fromkeys(_THREAD_SETTINGS, "1")
    identity = {**machine_identity(), "threads": "1"}
    kept = _read(cache, identity)
    if kept is None:
        code = "import time; from costmodel.this_machine import measure; print(*measure(time.process_time))"
        found = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | alone, capture_output=True, text=True, check=True
        ).stdout
        peak, bandwidth = map(float, found.split())
        kept = peak, bandwidth
        _write(cache, identity, kept)
    peak, bandwidth = kept
    return Machine(
        name="one core here",
        description=f"one core of {identity['processor']}: NumPy's float32 matrix product, and copying",
        peak_gmacs=peak,
        bandwidth_gb_s=bandwidth,
        sources=(f"measured, best of {RUNS}; kept in {cache}, delete it to measure anew",),
    )


def measure(clock: Callable[[], float] = time.perf_counter) -> tuple[float, float]:
    """Measure the peak in 1e9 multiply-adds a second, and the bandwidth in 1e9 bytes a second.

    Parameters
    ----------
    clock : of seconds; processor time is steadier where there is one thread and other programs run
    """
    random = np.random.default_rng(0)
    a = random.random((SIDE, SIDE), dtype=np.float32)
    b = random.random((SIDE, SIDE), dtype=np.float32)
    product = np.empty_like(a)
    multiply_s = _best(lambda: np.matmul(a, b, out=product), clock)
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros(COPIED_BYTES, np.uint8)
    copy_s = _best(lambda: np.copyto(target, source), clock)
    return SIDE**3 / multiply_s / 1e9, 2 * COPIED_BYTES / copy_s / 1e9


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
        "clock": "processor time",
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
