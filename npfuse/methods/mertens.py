"""Mertens 2009: the graph on whole pictures, since a pyramid's coarsest level sees all of them.

RGB pictures are blended as they are, grey ones by the measures that a single channel has. Values beyond [0, 1], which
the pyramids' overshoot makes, are clipped.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from npfuse.graph_memory import peak
from npfuse.methods.method import FormulaMethod, Moment, Phases, as_floats, to_levels
from npfuse.models.mertens import mertens
from npfuse.run import Engine, run
from npfuse.strips import Pixels

RESULT_PLANES = 18  # of floats: of two pictures 6, and the result with clipping and rounding 12


def mertens_phases(exposures: Sequence[Pixels], out: Pixels, *, engine: Engine, threads: int) -> Phases:
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


def mertens_moments(height: int, width: int, threads: int) -> Iterator[Moment]:
    """Yield the memory of the pyramids, and of rounding the result."""
    yield Moment(during="pyramids", written=False, values=peak(mertens(height, width), merge=True).values)
    yield Moment(during="rounding", written=True, values=(("floats", height * width * RESULT_PLANES * 4),))


MERTENS = FormulaMethod(
    name="mertens",
    title="Mertens 2009",
    graph=mertens,
    around="conversion from and to bytes",
    most_exposures=None,
    moments=mertens_moments,
    jobs=mertens_phases,
)
