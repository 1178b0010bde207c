"""ToneFuse, LightFuse and T_CNN: networks that turn a pair of RGB exposures into a picture, part by part.

Of more than two exposures, they see the darkest and the brightest, each averaged with all others (`npfuse.stacks`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from npfuse.contract import check_pictures, check_survey
from npfuse.methods.method import BuildGraph, Moment, NetworkMethod, Phases, Task, times
from npfuse.models.lightfuse import lightfuse
from npfuse.models.t_cnn import t_cnn
from npfuse.models.tonefuse import tonefuse
from npfuse.padding import GRID, on_grid
from npfuse.run import Engine
from npfuse.stacks import SAMPLES, RoundedOutput, merge_bracket, rescaled
from npfuse.strip_memory import part_values
from npfuse.strips import Pixels, fuse_pair, thumbnail_size
from npfuse.survey import Survey, survey
from npfuse.weights.weights import Weights


def pair_phases(exposures: Sequence[Pixels], out: Pixels, weights: Weights, *, engine: Engine, threads: int) -> Phases:
    """Return one phase with one job per part; see `npfuse.strips`."""
    return [list(fuse_bracket(exposures, out, weights, engine=engine, threads=threads))]


def fuse_bracket(
    frames: Sequence[Any],
    out: Any,
    weights: Weights,
    *,
    engine: Engine,
    threads: int,
    surveys: tuple[Survey, Survey] | None = None,
) -> Iterator[Callable[[], None]]:
    """Yield the work of a pair or a bracket, part by part: each job fills its part of `out`.

    Parameters
    ----------
    frames : two pictures or more, of one shape and dtype, darkest first; ndarrays, or objects whose
        `picture[rows, columns]` is one
    out : picture of the same shape and dtype; takes `out[rows, columns] = values`
    weights, engine, threads : as for `npfuse.strips.fuse_pair`
    surveys : Surveys of the first and the last frame, with the network's thumbnail; if None, they are made here when
        the network needs them
    """
    under, over = frames[0], frames[-1]
    if len(frames) > 2:
        size = thumbnail_size(weights.graph(GRID, GRID))
        surveys = surveys or (survey(under, *size, threads), survey(over, *size, threads))
        merged = merge_bracket(frames)
        surveys = rescaled(surveys[0], under.dtype, merged.dtype), rescaled(surveys[1], over.dtype, merged.dtype)
        under, over, out = merged.under, merged.over, out if out.dtype == merged.dtype else RoundedOutput(out)
    yield from fuse_pair(under, over, out, weights, engine=engine, threads=threads, surveys=surveys)


def tone_surveys(pair: Sequence[Any], weights: Weights, dtype: "np.dtype[Any]") -> tuple[Survey, Survey]:
    """Return the surveys of a pair that sets the tone of others, darkest first.

    Parameters
    ----------
    pair : two pictures (H, W, 3) or (H, W) of any size, uint8, uint16, float32 or float64, in any order
    weights : Weights of the network
    dtype : dtype of the pictures that get the tone

    Raises
    ------
    ValueError, TypeError : the pictures cannot be fused, or the network sees neither a thumbnail nor the range of whole
        pictures
    """
    named = {f"tone[{k}]": np.asarray(picture) for k, picture in enumerate(pair)}
    check_pictures(named, (3, 2))
    size = thumbnail_size(weights.graph(GRID, GRID))
    if size == (1, 1) and weights.normalization != "min_max":
        raise ValueError(f"fuse: tone is given, but {weights.label} sees no whole pictures; leave it out")
    found = []
    for name, picture in named.items():
        surveyed = survey(picture, *size)
        check_survey(name, surveyed, picture.shape)
        found.append(rescaled(surveyed, picture.dtype, dtype))
    under, over = sorted(found, key=lambda surveyed: surveyed.mean)
    return under, over


def pair_moments(task: Task) -> Iterator[Moment]:
    """Yield the memory of the parts, and of the samples that a bracket's curves are fitted to."""
    merged = task.exposures > 2
    part = part_values(
        task.graph,
        task.shape,
        task.dtype,
        engine=task.engine,
        threads=task.threads,
        copied=task.stored,
        merged=merged,
    )
    if merged:
        samples = task.exposures * SAMPLES * task.channels * np.dtype(np.float32).itemsize
        yield Moment(during="curves", written=True, values=(("samples", samples),))
    kept = tuple((f"{name}, kept", count) for name, count in part if name == "chain")  # each thread works in a copy
    yield Moment(during="parts", written=True, values=kept + times(part, task.threads))


def _pair_network(name: str, title: str, graph: BuildGraph, **rest: Any) -> NetworkMethod:
    """Return the record of a network that sees a pair of RGB exposures."""
    return NetworkMethod(
        name=name,
        title=title,
        graph=graph,
        most_exposures=None,
        moments=pair_moments,
        jobs=pair_phases,
        inputs={"exposures": 6},
        parts=True,
        **rest,
    )


RANGES = "minimum and maximum of each picture, and rounding"
TONEFUSE = _pair_network(
    "tonefuse",
    "ToneFuse",
    tonefuse,
    grid=on_grid,
    around="the thumbnail of both pictures (one addition per value), and rounding",
    needs_numba=False,
)
LIGHTFUSE = _pair_network("lightfuse", "LightFuse", lightfuse, grid=on_grid, around=RANGES, needs_numba=False)
T_CNN = _pair_network("t_cnn", "T_CNN", t_cnn, around=RANGES)
