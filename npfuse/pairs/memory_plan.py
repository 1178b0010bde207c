"""Predicts the peak memory of a command that fuses, and the number of threads that keep to a limit.

The method says what it holds beside the pictures (`npfuse.methods.method.Task`). Reading and writing hold whole
pictures, or some of their rows. The memory of the interpreter, its libraries and compiled functions was measured.
`python -m bench.memory` compares predictions with the peaks of processes.
"""

import ctypes
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.choices import float_engine, thread_count
from npfuse.engine.machine_code import anything_kept
from npfuse.graph import Graph
from npfuse.methods import Method
from npfuse.methods.method import Task, total
from npfuse.pairs.alignment import PRECISE_PIXELS
from npfuse.pairs.diagnosis import SMALL_PIXELS
from npfuse.pairs.file_options import FileOptions, Teller
from npfuse.pairs.small_copies import STRIP_ROWS, reduction
from npfuse.pictures.codecs.tiff_parts import KEPT_ROWS
from npfuse.pictures.formats import WRITTEN_BY_PARTS, format_of_suffix
from npfuse.pictures.stored import format_of
from npfuse.weights.weights import Weights

BASE_BYTES = 84 << 20  # the interpreter with NumPy, Pillow and this package
CODE_BYTES = 16 << 20  # added from the first call of machine code on: LLVM, which loads it
COMPILING_BYTES = 200 << 20  # added if code has to be compiled first: Numba and LLVM
NUMBA_BYTES = 86 << 20  # added if machine code calls Numba's library
SCIPY_BYTES = 20 << 20  # added where things that may have moved are found, whose regions SciPy joins
LIBRARY_BYTES = {"tiff": 5 << 20, "exr": 6 << 20, "heif": 6 << 20, "raw": 30 << 20, "zarr": 60 << 20}  # of extras
# Of the small copies in which faults and motions are looked for, in bytes per pixel of a copy.
LOOKING, ALIGNING = 130, 110
EACH_COPY = 4  # added for each picture beyond the second
SPARE = 1.02  # factor for what is not counted one by one
MMAP_THRESHOLD = -3  # option of glibc's mallopt: the bytes from which on an array has pages of its own
MAPPED_BYTES = 1 << 18
UNITS = {"": 1, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A command whose memory is predicted.

    Parameters
    ----------
    method : Method; None for a command that only looks at the pictures
    task : Task, what is fused
    frames : number of pictures that are given; it may be larger than the number that is fused
    held : number of pictures that are held whole in memory
    result_held : whether the result is held whole, too
    planes : memory of a picture with its alpha, as a multiple of that of its colours
    copied : whether all pictures are made anew before they are fused, as by --align
    decoding, encoding : most memory that decoding a picture, and encoding the result, take beside the picture, as a
        share of its memory
    libraries : bytes of the packages that formats need
    checked, aligned, mended : whether faults, motions of the camera, and things that moved are looked for
    compiling : whether code has to be compiled first
    """

    method: Method | None
    task: Task
    frames: int
    held: int
    result_held: bool
    planes: float = 1.0
    copied: bool = False
    decoding: float = 0.0
    encoding: float = 0.0
    libraries: int = 0
    checked: bool = False
    aligned: bool = False
    mended: bool = False
    compiling: bool = False

    @property
    def bytes(self) -> int:
        """Return the greatest number of bytes that the process takes."""
        return int(max(self.steps().values()) * SPARE)

    def steps(self) -> dict[str, int]:
        """Return the bytes that the process takes in each of its steps."""
        picture = self.task.picture_bytes * self.planes
        held = self.held * picture
        base = BASE_BYTES + self.libraries
        steps = {"reading": base + held + (self.decoding * picture if self.held else 0)}
        numba = NUMBA_BYTES if self.method is not None and self.method.needs_numba else 0
        base += CODE_BYTES + (COMPILING_BYTES if self.compiling else 0)
        if self.checked:
            base += SCIPY_BYTES * (self.frames == 2)
            steps["checking"] = base + held + self._copies(SMALL_PIXELS, LOOKING)
        if self.aligned:
            steps["aligning"] = base + held + self._copies(PRECISE_PIXELS, ALIGNING)
        if self.mended:
            base += SCIPY_BYTES * (not (self.checked and self.frames == 2))
            steps["mending"] = base + held + self._copies(SMALL_PIXELS, LOOKING)
        if self.method is not None:
            base += 0 if self.compiling else numba
            steps["fusing"] = base + held * (2 if self.copied else 1) + self._fusing
        if self.result_held:
            steps["writing"] = base + (1 + self.encoding) * picture
        return {name: int(count) for name, count in steps.items()}

    def _copies(self, most: int, pixel_bytes: int) -> int:
        """Return the bytes in which small copies of at most `most` pixels are compared, and a strip of a picture."""
        height, width = self.task.shape[:2]
        k = reduction(height, width, most)
        strip = min(STRIP_ROWS, height) * self.task.picture_bytes // height
        copies = (height // k) * (width // k) * (pixel_bytes + EACH_COPY * self.task.channels * (self.frames - 2))
        return copies + strip * (3 if self.task.dtype.kind == "f" else 1)

    @property
    def _fusing(self) -> int:
        """Return the bytes that are held beside the given pictures while they are fused."""
        if self.method is None:
            return 0
        picture, height = self.task.picture_bytes, self.task.shape[0]
        # Decoded rows of each input that stays in its file, and rows of the output that are to be packed.
        rows = (self.frames - self.held + (not self.result_held)) * (min(KEPT_ROWS, height) * picture // height)
        result = picture if self.result_held else 0
        return rows + max(
            total(moment.values) + (result if moment.written else 0) for moment in self.method.moments(self.task)
        )


def demand_of(
    pixels: Any,
    paths: Sequence[Path],
    output: Path | None,
    method: Method | None,
    weights: Weights | None,
    options: FileOptions,
    *,
    held: int,
    alpha: bool = False,
) -> Demand:
    """Return the demand of a command.

    Parameters
    ----------
    pixels : pixels of one of the pictures
    paths : paths of all pictures
    output : path of the result; None for a command that only looks at the pictures
    method, weights, options : Method, its Weights and FileOptions of the fusion
    held : number of pictures that are read whole; if it is not 0, the result is held whole, too
    alpha : whether the pictures have alpha
    """
    few = method is not None and (options.pair or method.most_exposures == 2)
    task = Task(
        graph=weights.graph if weights else method.graph if method else _no_graph,
        shape=tuple(pixels.shape),
        dtype=np.dtype(pixels.dtype),
        exposures=2 if few else len(paths),
        engine=float_engine(options.engine),
        threads=thread_count(options.threads),
        stored=held < len(paths),
    )
    formats = [format_of(path) for path in paths]
    written = None if output is None else format_of_suffix(output.suffix)
    # Pillow reads TIFF and AVIF of 8 bits without the extra `tiff`.
    extras = {format.extra for format in (*formats, written) if format and format.extra}
    if task.dtype == np.uint8:
        extras -= {"tiff"}
    return Demand(
        method=method,
        task=task,
        frames=len(paths),
        held=held,
        result_held=held == len(paths) and output is not None,
        planes=1 + alpha / task.channels,
        copied=options.align is not None or options.deghost or options.white_level is not None or alpha,
        decoding=max((format.decoding[task.dtype != np.uint8] for format in formats if format), default=0.0),
        encoding=written.encoding if written else 0,
        libraries=sum(LIBRARY_BYTES[extra] for extra in extras),
        checked=options.check,
        aligned=options.align is not None,
        mended=options.deghost,
        compiling=task.engine == "fast" and not anything_kept(),
    )


def threads_within(demand: Demand, max_bytes: int, tell: Teller) -> int:
    """Return the greatest number of threads that keeps to the allowed memory, and tell the prediction.

    Raises
    ------
    ValueError : one thread needs more than is allowed; the message gives the size that would fit
    """
    allowed = max_bytes >> 20
    for threads in range(demand.task.threads, 0, -1):
        least = replace(demand, task=replace(demand.task, threads=threads))
        if least.bytes <= max_bytes:
            tell.say(
                f"memory: at most {least.bytes >> 20:,} MiB predicted on {threads} threads, {allowed:,} MiB allowed"
            )
            return threads
    hint = ""
    if demand.held and demand.method is not None and demand.method.parts:
        *kinds, last = (format.suffixes[0] for format in WRITTEN_BY_PARTS)
        apart = replace(least, held=0, result_held=False, task=replace(least.task, stored=True))
        hint = f"; between {', '.join(kinds)} and {last} files it needs {apart.bytes >> 20:,} MiB"
    height, width = demand.task.shape[:2]
    raise ValueError(
        f"{demand.frames} pictures of {height}x{width} need about {least.bytes >> 20:,} MiB, expected at most"
        f" {allowed:,} MiB as --max-memory says{hint}"
    )


def give_back_freed() -> None:
    """Let this process give large arrays back to the system as soon as they are freed; where glibc allocates them.

    Else the allocator keeps what it believes to be of use again, and how much that is cannot be told.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, MAPPED_BYTES)


def _no_graph(height: int, width: int) -> Graph:
    raise AssertionError("nothing is fused")


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
