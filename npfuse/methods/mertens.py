"""Mertens 2009: blending in pyramids of whole pictures, since every pixel of the coarsest level sees much of them.

RGB pictures are blended as they are; grey ones are weighed by the measures that a single channel has. Overshoot of the
pyramids makes values outside of [0, 1]; they are clipped. The fast engine works in strips
(`npfuse.methods.pyramid_strips`). The definition runs the graph as it is; so does the fast engine for pictures that the
strips do not take.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from npfuse.graph_memory import peak
from npfuse.methods.method import FormulaMethod, Moment, Phases, Task, as_floats, times, to_levels
from npfuse.methods.pyramid_sizes import DEPTHS, LEAST_SIDE, kept_values, strip_values
from npfuse.models.mertens import mertens
from npfuse.run import Engine, run
from npfuse.strips import Pixels

ROUNDED = 4  # arrays of floats of the picture's size: the result, and three in clipping and rounding


def mertens_phases(exposures: Sequence[Pixels], out: Pixels, *, engine: Engine, threads: int) -> Phases:
    """Return three phases of `npfuse.methods.pyramid_strips`, or one job that runs the graph."""
    if _in_strips(out.shape, np.dtype(out.dtype), engine):
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


def _in_strips(shape: Sequence[int], dtype: np.dtype[Any], engine: Engine) -> bool:
    """Tell whether pictures are fused in strips."""
    return engine == "fast" and dtype in DEPTHS and min(shape[:2]) >= LEAST_SIDE


def mertens_moments(task: Task) -> Iterator[Moment]:
    """Yield the memory of the strips and of the levels that are kept, or of the graph's values."""
    if _in_strips(task.shape, task.dtype, task.engine):
        kept = kept_values(task.shape, task.exposures)
        strips = times(strip_values(task.shape, task.dtype, task.exposures, task.threads), task.threads)
        yield Moment(during="strips", written=True, values=kept + strips)
        return
    graph = mertens(*task.shape[:2], exposures=task.exposures, channels=task.channels)
    values = peak(graph, merge=task.engine == "fast", element_bytes=task.number_bytes).values
    yield Moment(during="pyramids", written=False, values=values)
    floats = prod(task.shape) * task.number_bytes
    yield Moment(during="rounding", written=True, values=(("floats", floats * (task.exposures + ROUNDED)),))


MERTENS = FormulaMethod(
    name="mertens",
    title="Mertens 2009",
    graph=mertens,
    around="conversion from and to bytes",
    most_exposures=None,
    needs_numba=False,
    moments=mertens_moments,
    jobs=mertens_phases,
)
