"""LightFuse, T_CNN and ToneFuse: networks of a pair of RGB exposures that return a picture, run tile by tile."""

from collections.abc import Sequence

from npfuse.methods.method import Phases
from npfuse.run import Engine
from npfuse.strips import Pixels, fuse_pair
from npfuse.weights.weights import Weights


def pair_phases(
    exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
) -> Phases:
    """Return one phase, a job a tile; see `npfuse.strips`."""
    under, over = exposures
    assert weights is not None
    return [list(fuse_pair(under, over, out, weights, engine=engine, threads=threads))]
