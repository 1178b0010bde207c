"""Mertens 2009: the graph on whole pictures, since a pyramid's coarsest level sees all of them.

RGB pictures are blended as they are, grey ones by the measures that a single channel has. Values beyond [0, 1], which
the pyramids' overshoot makes, are clipped.
"""

from collections.abc import Sequence

import numpy as np

from npfuse.methods.method import Phases, as_floats, to_levels
from npfuse.models.mertens import mertens
from npfuse.run import Engine, run
from npfuse.strips import Pixels
from npfuse.weights.weights import Weights


def mertens_phases(
    exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
) -> Phases:
    """Return one job.

    Notes
    -----
    Memory beside the pictures: some six float32 pictures for two exposures, and three more for each further one.
    """

    def job() -> None:
        height, width = out.shape[:2]
        shape = 1, height, width, 3 if out.ndim == 3 else 1
        graph = mertens(height, width, exposures=len(exposures), channels=shape[3])
        inputs = {f"exposure{k}": as_floats(picture).reshape(shape) for k, picture in enumerate(exposures, 1)}
        fused = run(graph, inputs, {}, engine=engine)["fused"]
        out[...] = to_levels(fused.reshape(out.shape), np.dtype(out.dtype))

    return [[job]]
