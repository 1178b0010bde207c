"""The record that describes a method, and the steps that methods share: pictures to floats and back, rows in strips.

A method turns exposures into jobs that fill an array. Jobs come in phases. The jobs of one phase may run at once, in
any order; a phase begins when the one before it is done.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.graph_memory import Peak
from npfuse.run import Engine
from npfuse.strips import WHITE, Pixels, float_dtype
from npfuse.weights.weights import Weights

Job = Callable[[], None]
Phases = list[list[Job]]
Values = tuple[tuple[str, int], ...]  # (name, bytes)

STRIP_PIXELS = 1 << 18  # of a strip; smaller ones fit the cache better, but threads then wait for Python


@dataclass(frozen=True, kw_only=True)
class Task:
    """A fusion whose memory is predicted.

    Parameters
    ----------
    graph : function that builds the network's graph, or the formula's, for one size
    shape : shape of each picture, (H, W) or (H, W, 3)
    dtype : dtype of each picture
    exposures : number of pictures that are fused
    engine, threads : as for `npfuse.fuse`
    stored : whether pictures stay in their files, and parts are copied out of them
    """

    graph: "BuildGraph"
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint8))
    exposures: int = 2
    engine: Engine = "fast"
    threads: int = 1
    stored: bool = False

    @property
    def channels(self) -> int:
        """Return the number of channels of a picture, 1 or 3."""
        return 3 if len(self.shape) == 3 else 1

    @property
    def picture_bytes(self) -> int:
        """Return the bytes of a picture."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def number_bytes(self) -> int:
        """Return the bytes of a number that is computed with: 8 for float64 pictures, else 4."""
        return float_dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A part of a fusion, and the memory that it holds beside the pictures.

    Parameters
    ----------
    during : name of the part
    written : whether the result is being written; before that, it takes no memory
    values : (name, bytes) of all arrays that are held
    """

    during: str
    written: bool
    values: Values


class BuildGraph(Protocol):
    """Builds a method's graph for one size."""

    def __call__(self, height: int, width: int) -> Graph:
        """Return the graph for pictures of (height, width)."""


class FormulaJobs(Protocol):
    """Makes the jobs of a method without weights."""

    def __call__(self, exposures: Sequence[Pixels], out: Pixels, *, engine: Engine, threads: int) -> Phases:
        """Return jobs that fill `out` with the fusion of exposures, darkest first."""


class NetworkJobs(Protocol):
    """Makes the jobs of a method with weights."""

    def __call__(
        self, exposures: Sequence[Pixels], out: Pixels, weights: Weights, *, engine: Engine, threads: int
    ) -> Phases:
        """Return jobs that fill `out` with the fusion of exposures, darkest first."""


def same_size(height: int, width: int) -> tuple[int, int]:
    """Return the picture's own size: the grid of a graph that runs on whole pictures."""
    return height, width


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A way to fuse exposures: all that the rest of the package asks of it.

    Parameters
    ----------
    name : key in `npfuse.methods.METHODS`, value of options, and model of its weights
    title : name in tables and messages
    graph : function that builds its graph, of the default widths; the cost model counts it
    grid : function that returns the size of the graph's input for a picture of (height, width)
    runs : number of runs of the graph for a pair
    around : text: the work around the graph, which the cost model does not count
    most_exposures : 2 for methods of a pair; None for methods of any number
    parts : whether a pair is fused part by part, so that its pictures may stay in their files
    needs_numba : whether its machine code calls Numba's library, which is then loaded
    moments : function that yields the memory held for a Task, part by part
    """

    name: str
    title: str
    graph: BuildGraph
    grid: Callable[[int, int], tuple[int, ...]] = same_size
    runs: int = 1
    around: str
    most_exposures: int | None
    parts: bool = False
    needs_numba: bool = True
    moments: Callable[[Task], Iterator[Moment]]

    @abstractmethod
    def phases(
        self, exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
    ) -> Phases:
        """Return the work of one fusion, phase by phase.

        Parameters
        ----------
        exposures : pictures (H, W, 3) or (H, W), of one shape and dtype, darkest first
        out : picture of the same shape and dtype, filled by the jobs
        weights : Weights of a network; None for a formula
        engine, threads : as for `npfuse.fuse`
        """

    def peak(self, height: int, width: int, *, threads: int = 1) -> Peak:
        """Return the peak of the memory that `npfuse.fuse` takes for a pair of 8-bit RGB pictures.

        The interpreter, libraries, compiled code and the weights are not counted.

        Parameters
        ----------
        height, width : size of the pictures
        threads : number of threads that work at once

        Examples
        --------
        >>> from npfuse.methods import METHODS
        >>> found = METHODS["tonefuse"].peak(4000, 6000)
        >>> found.during, found.values[:3]
        ('parts', (('under', 72000000), ('over', 72000000), ('result', 72000000)))
        """
        task = Task(graph=self.graph, shape=(height, width, 3), threads=threads)
        picture = task.picture_bytes
        pair, result = (("under", picture), ("over", picture)), (("result", picture),)
        held = [
            (moment.during, pair + (result if moment.written else ()) + moment.values) for moment in self.moments(task)
        ]
        during, values = max(held, key=lambda moment: total(moment[1]))
        return Peak(bytes=total(values), during=during, values=values)


@dataclass(frozen=True, kw_only=True)
class FormulaMethod(Method):
    """A method without weights.

    Parameters
    ----------
    jobs : FormulaJobs
    """

    jobs: FormulaJobs

    def phases(
        self, exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
    ) -> Phases:
        """Return the work of one fusion, phase by phase; `weights` is not read."""
        return self.jobs(exposures, out, engine=engine, threads=threads)


@dataclass(frozen=True, kw_only=True)
class NetworkMethod(Method):
    """A method whose network has weights.

    Parameters
    ----------
    jobs : NetworkJobs
    inputs : number of channels of each input of its network, without the thumbnail
    weights_at : text: where the authors' own weights are, if this package reads them; else empty
    """

    jobs: NetworkJobs
    inputs: Mapping[str, int]
    weights_at: str = ""

    def phases(
        self, exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
    ) -> Phases:
        """Return the work of one fusion, phase by phase; raise ValueError without weights."""
        if weights is None:
            raise ValueError(f"{self.title}: weights are missing, expected those of {self.name}")
        return self.jobs(exposures, out, weights, engine=engine, threads=threads)


def as_floats(picture: Pixels) -> NDArray[Any]:
    """Return a picture, or a part of one, as floats in [0, 1]: float64 for float64, else float32.

    Examples
    --------
    >>> as_floats(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """
    part = np.asarray(picture)
    white = WHITE[part.dtype]
    dtype = float_dtype(part.dtype)
    floats: NDArray[Any] = part.astype(dtype)
    return floats if white == 1 else np.divide(floats, dtype.type(white), out=floats)


def as_planes(picture: Pixels) -> NDArray[Any]:
    """Return a picture, or a part of one, as `as_floats` does, but with each channel's values next to each other.

    Examples
    --------
    >>> as_planes(np.zeros((2, 3, 3), np.uint8))[..., 0].flags.c_contiguous
    True
    """
    part = np.asarray(picture)
    if part.ndim == 2:
        return as_floats(part)
    return np.moveaxis(as_floats(np.ascontiguousarray(np.moveaxis(part, -1, 0))), 0, -1)


def to_levels(values: NDArray[Any], dtype: np.dtype[Any]) -> Pixels:
    """Return floats, clipped to [0, 1], as levels of a dtype, rounded to the nearest.

    Examples
    --------
    >>> to_levels(np.array([-0.1, 0.5, 1.5]), np.dtype(np.uint8))
    array([  0, 128, 255], dtype=uint8)
    """
    values = np.clip(values, 0, 1)
    return np.rint(values * WHITE[dtype]).astype(dtype) if dtype.kind == "u" else values.astype(dtype)


def strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the rows [start, stop) of strips of about a quarter of a million pixels.

    Examples
    --------
    >>> list(strips(100, 4000))
    [(0, 65), (65, 100)]
    """
    rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, rows):
        yield start, min(start + rows, height)


def strip_planes(task: Task, planes: int) -> Values:
    """Return the memory of a number of planes of floats, each of the size of one of `strips`."""
    height, width = task.shape[:2]
    pixels = min(max(1, STRIP_PIXELS // width), height) * width
    return ((f"{planes} planes of a strip", pixels * planes * task.number_bytes),)


def times(values: Values, threads: int) -> Values:
    """Return the memory of all threads together if each holds these values."""
    return tuple((name, threads * count) for name, count in values)


def total(values: Values) -> int:
    """Return the sum of the bytes of all values."""
    return sum(count for _, count in values)
