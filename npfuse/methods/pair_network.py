"""ToneFuse, LightFuse and T_CNN: networks that turn a pair of RGB exposures into a picture, part by part."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npfuse.methods.method import BuildGraph, Moment, NetworkMethod, Phases, times
from npfuse.models.lightfuse import lightfuse
from npfuse.models.t_cnn import t_cnn
from npfuse.models.tonefuse import tonefuse
from npfuse.padding import on_grid
from npfuse.run import Engine
from npfuse.strip_memory import part_values
from npfuse.strips import Pixels, fuse_pair
from npfuse.weights.weights import Weights


def pair_phases(exposures: Sequence[Pixels], out: Pixels, weights: Weights, *, engine: Engine, threads: int) -> Phases:
    """Return one phase, a job a part; see `npfuse.strips`."""
    under, over = exposures
    return [list(fuse_pair(under, over, out, weights, engine=engine, threads=threads))]


def pair_moments(graph: BuildGraph) -> Callable[[int, int, int], Iterator[Moment]]:
    """Return the moments of a network of a pair."""

    def moments(height: int, width: int, threads: int) -> Iterator[Moment]:
        part = part_values(graph, (height, width, 3), np.dtype(np.uint8), threads=threads)
        kept = tuple((f"{name}, kept", count) for name, count in part if name == "chain")  # threads work in copies
        yield Moment(during="parts", written=True, values=kept + times(part, threads))

    return moments


TONEFUSE = NetworkMethod(
    name="tonefuse",
    title="ToneFuse",
    graph=tonefuse,
    grid=on_grid,
    around="the thumbnail of both pictures (one addition a value), and rounding",
    most_exposures=2,
    moments=pair_moments(tonefuse),
    jobs=pair_phases,
    inputs={"exposures": 6},
    parts=True,
)

LIGHTFUSE = NetworkMethod(
    name="lightfuse",
    title="LightFuse",
    graph=lightfuse,
    grid=on_grid,
    around="minimum and maximum of each picture, and rounding",
    most_exposures=2,
    moments=pair_moments(lightfuse),
    jobs=pair_phases,
    inputs={"exposures": 6},
    parts=True,
)

T_CNN = NetworkMethod(
    name="t_cnn",
    title="T_CNN",
    graph=t_cnn,
    around="minimum and maximum of each picture, and rounding",
    most_exposures=2,
    moments=pair_moments(t_cnn),
    jobs=pair_phases,
    inputs={"exposures": 6},
    parts=True,
)
