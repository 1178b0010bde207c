"""Predicts the peak memory of a fusion, and the number of threads that keep to a limit.

The memory of a thread is that of one part of the picture (`npfuse.strip_memory`). Reading and writing hold whole
pictures, or some of their rows. The interpreter with its libraries and compiled functions was measured.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npfuse.pictures.codecs.tiff_parts import KEPT_ROWS
from npfuse.run import Engine
from npfuse.strip_memory import part_values
from npfuse.weights.weights import Weights

# The interpreter with NumPy, SciPy, Numba and Pillow: 180 MiB were measured, 264 where code is compiled first; tifffile
# or zarr add up to 40.
BASE_BYTES = 330 << 20
DECODING = 1.4  # of the samples: Pillow keeps four bytes for RGB's three, until they are copied
UNITS = {"": 1, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A fusion whose memory is predicted.

    Parameters
    ----------
    shape, dtype : shape and dtype of a picture
    weights, engine, threads : Weights, engine and number of threads of the fusion
    held : number of pictures that are whole in memory, of the inputs and the output
    frames : number of inputs
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weights: Weights
    engine: Engine
    threads: int
    held: int
    frames: int = 2

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture."""
        size = self.dtype.itemsize
        for n in self.shape:
            size *= int(n)
        return size

    @property
    def bytes(self) -> int:
        """Bytes of the process, at most."""
        values = part_values(
            self.weights.graph,
            self.shape,
            self.dtype,
            engine=self.engine,
            threads=self.threads,
            copied=self.held < self.frames + 1,
            merged=self.frames > 2,
        )
        part = sum(count for _, count in values)
        row_bytes = self.picture_bytes // self.shape[0]
        kept = min(KEPT_ROWS, self.shape[0]) * row_bytes  # decoded rows of an input, rows of the output to be packed
        extra = int(self.picture_bytes * (DECODING - 1)) if self.held else 0
        return (
            BASE_BYTES
            + self.threads * part
            + self.held * self.picture_bytes
            + (self.frames + 1 - self.held) * kept
            + extra
        )


def parse_size(text: str) -> int:
    """Return the bytes of a size such as "1.5G", "800M" or "123456789".

    Examples
    --------
    >>> parse_size("1.5G"), parse_size("800 MiB"), parse_size("17")
    (1610612736, 838860800, 17)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if not match:
        raise ValueError(f"--max-memory is {text!r}, expected a size such as 800M or 1.5G")
    scale = UNITS[match[2]]
    return int(float(match[1]) * (1 if scale == 1 else 1 << scale))


def threads_that_fit(demand: Demand, max_bytes: int) -> int:
    """Return the most threads, up to those of the demand, that keep to a limit; 0 if one is too many."""
    for threads in range(demand.threads, 0, -1):
        if replace(demand, threads=threads).bytes <= max_bytes:
            return threads
    return 0
