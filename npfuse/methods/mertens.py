"""Mertens 2009: pyramids of whole pictures, since the coarsest level sees all of them; fast in strips.

RGB pictures are blended as they are, grey ones by the measures that a single channel has. Values beyond [0, 1], which
the pyramids' overshoot makes, are clipped. The fast engine takes `npfuse.methods.pyramid_strips`; the definition, and
what that does not take, run the graph as it is.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from npfuse.methods.method import FormulaMethod, Moment, Phases, as_floats, times, to_levels
from npfuse.methods.pyramid_sizes import DEPTHS, LEAST_SIDE, kept_values, strip_values
from npfuse.models.mertens import mertens
from npfuse.run import Engine, run
from npfuse.strips import Pixels


def mertens_phases(exposures: Sequence[Pixels], out: Pixels, *, engine: Engine, threads: int) -> Phases:
    """Return three phases of `npfuse.methods.pyramid_strips`, or one job that runs the graph.

    Notes
    -----
    The graph takes some six float32 pictures for two exposures, and three more for each further one.
    """
    if engine == "fast" and np.dtype(out.dtype) in DEPTHS and min(out.shape[:2]) >= LEAST_SIDE:
        from npfuse.methods.pyramid_strips import strip_phases

        return strip_phases(exposures, out, threads=threads)

    def job() -> None:
        height, width = out.shape[:2]
        shape = 1, height, width, 3 if out.ndim == 3 else 1
        graph = mertens(height, width, exposures=len(exposures), channels=shape[3])
        inputs = {f"exposure{k}": as_floats(picture).reshape(shape) for k, picture in enumerate(exposures, 1)}
        fused = run(graph, inputs, {}, engine=engine)["fused"]
        out[...] = to_levels(fused.reshape(out.shape), np.dtype(out.dtype))

    return [[job]]


def mertens_moments(height: int, width: int, threads: int) -> Iterator[Moment]:
    """Yield the memory of the levels that are kept, and of the strips."""
    kept = kept_values(height, width, 2, 3)
    yield Moment(
        during="strips", written=True, values=kept + times(strip_values(height, width, 2, 3, 1, threads), threads)
    )


MERTENS = FormulaMethod(
    name="mertens",
    title="Mertens 2009",
    graph=mertens,
    around="conversion from and to bytes",
    most_exposures=None,
    moments=mertens_moments,
    jobs=mertens_phases,
)
