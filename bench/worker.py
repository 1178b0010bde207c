"""A process for one engine, which carries out tasks: load a pair, fuse it, compare, measure memory.

Each engine has a process of its own, since some can set the number of threads only once, since their memory could not
be told apart otherwise, and so that none is disturbed by another's thread pool. Only one works at a time.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import peer
from bench.runtime import NPFUSE, Engine
from bench.summary import Difference, difference
from bench.tiling import Picture
from costmodel import process_memory
from npfuse import fuse
from npfuse.weights.weights import Weights

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
WARM_SIDE = 64  # pixels, of the picture that is fused before memory is measured


@dataclass(frozen=True, kw_only=True)
class Run:
    """The time of one run, seconds; `cpu_s` is that of all threads, so cpu_s / wall_s tells how many worked."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The memory of one run beyond its inputs and its output, and the peak of the whole process, in bytes."""

    beyond_bytes: int
    process_bytes: int
    exact: bool  # whether the peak could be reset before the run


class WorkerError(RuntimeError):
    """An error in a worker, with the message that it sent."""


class Worker:
    """The caller's end of a process. Every method waits for the answer, and raises WorkerError if the task failed."""

    def __init__(self, name: str, weights: Weights, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.failed = False
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, weights, threads), daemon=True)
        with _environment(threads):
            self._process.start()
        theirs.close()

    def load(self, under: Path, over: Path) -> None:
        """Read a pair from `.npy` files; what was loaded before is dropped."""
        self._ask("load", under, over)

    def prepare(self, side: int | None) -> float:
        """Prepare what is made once for the pair's size, and run it once, on one tile or the whole; return seconds."""
        seconds: float = self._ask("prepare", side)
        return seconds

    def run(self, side: int | None) -> Run:
        """Fuse the pair."""
        run: Run = self._ask("run", side)
        return run

    def define(self) -> None:
        """Fuse the pair by npfuse's NumPy definitions; the result counts as that of the last run."""
        self._ask("define")

    def save(self, path: Path) -> None:
        """Write the last run's result as `.npy`."""
        self._ask("save", path)

    def compare(self, path: Path) -> Difference:
        """Compare the last run's result with one that was saved."""
        found: Difference = self._ask("compare", path)
        return found

    def measure_memory(self, under: Path, over: Path, side: int | None) -> Memory:
        """Load a pair and fuse it once; must be the first task of a process."""
        found: Memory = self._ask("measure_memory", under, over, side)
        return found

    def forget(self) -> None:
        """Drop networks, pictures and results."""
        self._ask("forget")

    def stop(self) -> None:
        """End the process."""
        if self._process.is_alive():
            self._pipe.close()
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
        self._process.join()

    def _ask(self, task: str, *arguments: Any) -> Any:
        try:
            self._pipe.send((task, *arguments))
            fine, answer = self._pipe.recv()
        except (EOFError, OSError):
            self.failed = True
            self._process.join(10)
            raise WorkerError(
                f"{self.name}: the process ended with status {self._process.exitcode} in {task}"
            ) from None
        if not fine:
            self.failed = True
            raise WorkerError(f"{self.name}: {answer}")
        return answer


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set the variables that libraries read when they are loaded, for a process that is started meanwhile."""
    settings = dict.fromkeys(THREAD_VARIABLES, str(threads)) | QUIET
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, name: str, weights: Weights, threads: int) -> None:
    """Carry out tasks from the pipe until it is closed; import the runtime before, while other processes do so, too."""
    for module in peer(name).MODULES if name != NPFUSE else ():
        import_module(module)
    desk = _Desk(Engine(name, weights, threads))
    while True:
        try:
            task, *arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            try:
                answer = True, getattr(desk, task)(*arguments)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            pipe.send(answer)
        except (BrokenPipeError, KeyboardInterrupt):  # the caller has ended
            return


class _Desk:
    """The worker's end: one method per task."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pair: tuple[Picture, Picture] | None = None
        self.fused: Picture | None = None

    def load(self, under: Path, over: Path) -> None:
        self.pair = self.fused = None
        self.pair = np.load(under), np.load(over)

    def prepare(self, side: int | None) -> float:
        start = time.perf_counter()
        self.engine.warm(*self._loaded(), side)
        return time.perf_counter() - start

    def run(self, side: int | None) -> Run:
        pair = self._loaded()
        self.fused = None
        cpu, wall = time.process_time(), time.perf_counter()
        self.fused = self.engine.fuse(*pair, side)
        return Run(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)

    def define(self) -> None:
        self.fused = None
        self.fused = fuse(*self._loaded(), self.engine.weights, order="given", engine="definition")

    def save(self, path: Path) -> None:
        np.save(path, self._result())

    def compare(self, path: Path) -> Difference:
        return difference(self._result(), np.load(path, mmap_mode="r"))

    def measure_memory(self, under: Path, over: Path, side: int | None) -> Memory:
        self.load(under, over)
        pair = self._loaded()
        warm = min(WARM_SIDE, *pair[0].shape[:2])
        self.engine.fuse(*(picture[:warm, :warm].copy() for picture in pair), None)  # loads and compiles what it needs
        self.engine.forget()
        exact = process_memory.reset_peak()
        before = process_memory.resident_bytes()
        self.fused = self.engine.fuse(*pair, side)
        peak = process_memory.peak_bytes()
        return Memory(beyond_bytes=max(peak - before - self.fused.nbytes, 0), process_bytes=peak, exact=exact)

    def forget(self) -> None:
        self.engine.forget()
        self.pair = self.fused = None

    def _loaded(self) -> tuple[Picture, Picture]:
        if self.pair is None:
            raise ValueError("no pair is loaded")
        return self.pair

    def _result(self) -> Picture:
        if self.fused is None:
            raise ValueError("nothing was fused yet")
        return self.fused
