"""What a method is, and what the methods share: pictures to floats and back, and cutting rows into strips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from npfuse.run import Engine
from npfuse.strips import WHITE, Pixels
from npfuse.weights.weights import Weights

Job = Callable[[], None]
Phases = list[list[Job]]

STRIP_PIXELS = 1 << 19  # of a strip that is worked on at once, in each thread


class MakePhases(Protocol):
    """Return the work of one fusion: jobs that fill `out` with the fusion of exposures, darkest first."""

    def __call__(
        self, exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
    ) -> Phases:
        """Make the jobs, phase by phase."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to fuse exposures.

    Parameters
    ----------
    name : as options take it; also the model of its weights
    title : as the papers have it
    phases : makes the jobs
    inputs : channels of each input of its network, but for a thumbnail; none for a method without weights
    most_exposures : 2 for the networks of a pair; None where any number goes
    where : where the authors' own weights are, if this package knows how to read them
    """

    name: str
    title: str
    phases: MakePhases
    inputs: Mapping[str, int]
    most_exposures: int | None
    where: str = ""


def as_floats(picture: Pixels) -> NDArray[Any]:
    """Return (part of) a picture as floats in [0, 1]: float64 for float64, else float32.

    Examples
    --------
    >>> as_floats(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """
    part = np.asarray(picture)
    white = WHITE[part.dtype]
    dtype = np.float64 if part.dtype == np.float64 else np.float32
    floats: NDArray[Any] = part.astype(dtype)
    return floats if white == 1 else np.divide(floats, dtype(white), out=floats)


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
    """Yield the rows [start, stop) of strips of some half a million pixels.

    Examples
    --------
    >>> list(strips(300, 4000))
    [(0, 131), (131, 262), (262, 300)]
    """
    rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, rows):
        yield start, min(start + rows, height)
