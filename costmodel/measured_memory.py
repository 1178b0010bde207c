"""How much memory `npfuse.fuse` takes here at most, measured in a process of its own.

Counted is what comes on top of a process that has fused a small pair: both pictures, the result, and all that is held
in between.
"""

import os
import subprocess
import sys

import numpy as np

from costmodel.process_memory import peak_bytes, reset_peak, resident_bytes

SMALL = 136, 160  # of the pair that compiles and warms up
# glibc gives memory from this many bytes on back when it is freed, so that the warm-up leaves nothing to be used again.
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": str(1 << 16)}
_CHILD = "import sys; from costmodel.measured_memory import fuse_once; fuse_once(*sys.argv[1:])"


def measured_peak(model: str, height: int, width: int, *, threads: int = 1) -> int:
    """Return the bytes that `npfuse.fuse` takes at most for a pair of 8-bit RGB pictures.

    Parameters
    ----------
    model : key of `npfuse.models.MODELS`
    height, width : of the pictures
    threads : that work at once

    Raises
    ------
    subprocess.CalledProcessError : the process failed, for want of memory for example
    """
    arguments = model, str(height), str(width), str(threads)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **GIVEN_BACK},
    )
    return int(done.stdout)


def fuse_once(model: str, height: str, width: str, threads: str) -> None:
    """Fuse a pair in this process and print the bytes that it took."""
    from costmodel.measure import method_weights
    from npfuse import fuse

    weights = method_weights(model)

    def fused(rows: int, columns: int) -> None:
        ramp = np.arange(columns, dtype=np.uint8)[:, np.newaxis]
        under, over = np.empty((2, rows, columns, 3), np.uint8)
        under[...], over[...] = ramp // 2, 255 - ramp // 2
        fuse(under, over, weights, method=model, threads=int(threads))

    fused(*SMALL)
    reset_peak()
    before = resident_bytes()
    fused(int(height), int(width))
    print(peak_bytes() - before)
