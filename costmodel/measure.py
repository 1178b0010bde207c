"""How long every method of the report really takes here, beside what the roofline predicts: `report --measure`.

Both are for one core: the roofline's peak and bandwidth are measured in a process whose matrix products have one
thread, and the compiled operators of `npfuse.fast` have no other. Measured is the median of a few runs after one that
compiles and warms up, on an example pair that is resampled to the size asked for: the time of LightFuse and ToneFuse
depends on the picture. Weights are the bundled ones where there are some, and random ones elsewhere, whose time is the
same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from costmodel.machine import Machine, predicted_s
from costmodel.published import RUNTIME_RATIOS
from costmodel.report import Subject, machine_notes
from costmodel.tables import Column, Table
from npfuse import Weights, fuse
from npfuse.examples import example_pair
from npfuse.graph import Graph
from npfuse.images import read_picture
from npfuse.methods import METHODS
from npfuse.run import run
from npfuse.weights import bundled_names, load_weights

SCENE = "interior"
RUNS = 5
ENOUGH_S = 12.0  # a method's runs end after this many seconds, at least one timed


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The time of one result on one core, in seconds.

    Parameters
    ----------
    predicted_s : the roofline's lower bound
    measured_s : of the graph alone
    fuse_s : of `npfuse.fuse` with all that the method does around its graph; None where it is no method of npfuse
    runs : how many of the graph's were timed
    """

    predicted_s: float
    measured_s: float
    fuse_s: float | None
    runs: int


def measure(subject: Subject, pair: NDArray[np.uint8], machine: Machine) -> Measurement:
    """Run a network on a pair of pictures, and predict how long it takes.

    Parameters
    ----------
    subject : what to run, and how often for one result
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    machine : whose roofline predicts

    Returns
    -------
    Measurement
    """
    graph = subject.graph
    inputs = inputs_from(graph, pair)
    weights = weights_of(graph)
    times = timed(lambda: run(graph, inputs, weights))
    fuse_s = None
    if method := METHODS.get(graph.name):
        loaded = (
            Weights(model=graph.name, build={}, arrays=weights, normalization="full_range", source="costmodel.measure")
            if method.inputs
            else None
        )
        under, over = (np.ascontiguousarray(part) for part in (pair[:, :, :3], pair[:, :, 3:]))
        fuse_s = median(timed(lambda: fuse(under, over, loaded, method=graph.name, threads=1)))
    return Measurement(
        predicted_s=subject.runs * predicted_s(subject.merged_steps, machine),
        measured_s=subject.runs * median(times),
        fuse_s=fuse_s,
        runs=len(times),
    )


def timed(action: Callable[[], object], runs: int = RUNS, enough_s: float = ENOUGH_S) -> list[float]:
    """Return the times of some runs in seconds, after one that is not timed."""
    action()
    times: list[float] = []
    while len(times) < runs and sum(times) < enough_s:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def example_pixels(height: int, width: int) -> NDArray[np.uint8]:
    """Return an example pair at a size, ndarray (height, width, 6): under- then over-exposed RGB."""
    pictures = [read_picture(path).pixels for path in example_pair(SCENE)]
    sized = [Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC) for pixels in pictures]
    return np.concatenate([np.asarray(picture) for picture in sized], axis=2)


def inputs_from(graph: Graph, pair: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
    """Return what fills a graph's inputs from a pair (H, W, 6), sampled at the input's size.

    An input of six channels gets both pictures in [-1, 1]; of smaller ones, each gets its own picture in [0, 1].

    Examples
    --------
    >>> from npfuse.models import deepfuse
    >>> graph = deepfuse(4, 6)
    >>> {name: array.shape for name, array in inputs_from(graph, np.zeros((8, 8, 6), np.uint8)).items()}
    {'under': (1, 4, 6, 1), 'over': (1, 4, 6, 1)}
    """
    arrays = {}
    for i, (name, (height, width, channels)) in enumerate(graph.inputs):
        rows = np.arange(height) * pair.shape[0] // height
        columns = np.arange(width) * pair.shape[1] // width
        part = pair[rows][:, columns].astype(np.float32) / np.float32(255)
        if channels == 6:
            part = 2 * part - 1
        else:
            first = 3 * (i % 2)
            part = part[:, :, first : first + channels]
        arrays[name] = np.ascontiguousarray(part)[np.newaxis]
    return arrays


def weights_of(graph: Graph) -> Mapping[str, NDArray[np.float32]]:
    """Return bundled weights that fit a graph, or random ones: fan-in normal, from a fixed seed."""
    for name in bundled_names():
        arrays = load_weights(name).arrays
        if {key: array.shape for key, array in arrays.items()} == dict(graph.weight_shapes):
            return arrays
    random = np.random.default_rng(0)
    return {
        name: (random.standard_normal(shape) / prod(shape[:-1]) ** 0.5).astype(np.float32)
        for name, shape in graph.weight_shapes.items()
    }


def measured_table(
    subjects: Sequence[Subject],
    machine: Machine,
    pair: NDArray[np.uint8],
    progress: Callable[[str], None] = lambda name: None,
) -> Table:
    """Return the times of methods, the first of which the others are compared with.

    Parameters
    ----------
    subjects : methods
    machine : one core of this one
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    progress : called with each method's name before it runs

    Returns
    -------
    Table
    """
    first = subjects[0].name

    def seconds(key: str, header: str, meaning: str, group: str = "", digits: int = 3) -> Column:
        return Column(key=key, header=header, meaning=meaning, kind="decimal", digits=digits, group=group)

    columns = (
        Column(key="method", header="method", meaning="name of the method"),
        Column(key="grid", header="runs on", meaning="runs of the network, and its width x height"),
        seconds("predicted_s", "predicted", "the roofline's lower bound for one result, in s", "s"),
        seconds("measured_s", "measured", "the graph alone, for one result, in s", "s"),
        seconds("error", "measured / predicted", "how many times longer than the lower bound", digits=2),
        seconds("fuse_s", "npfuse.fuse", "the whole method, for one result, in s"),
        Column(key="runs", header="runs", meaning="how many were timed", kind="integer"),
        seconds("predicted_ratio", "predicted", f"predicted, times {first}'s", f"x {first}", 2),
        seconds("measured_ratio", "measured", f"the graph alone, times {first}'s", f"x {first}", 2),
        seconds("fuse_ratio", "npfuse.fuse", f"the whole method, times {first}'s", f"x {first}", 2),
        Column(
            key="published_ratio",
            header="published",
            meaning=f"times {first}'s running time as the paper prints it",
            kind="general",
            group=f"x {first}",
        ),
    )
    measured = []
    for subject in subjects:
        progress(subject.name)
        measured.append(measure(subject, pair, machine))
    published = {ratio.method: ratio for ratio in RUNTIME_RATIOS}
    rows = tuple(
        (
            subject.name,
            subject.grid,
            time.predicted_s,
            time.measured_s,
            time.measured_s / time.predicted_s,
            time.fuse_s,
            time.runs,
            time.predicted_s / measured[0].predicted_s,
            time.measured_s / measured[0].measured_s,
            time.fuse_s / measured[0].fuse_s if time.fuse_s and measured[0].fuse_s else None,
            published[subject.name].value if subject.name in published else None,
        )
        for subject, time in zip(subjects, measured, strict=True)
    )
    height, width, _ = pair.shape
    notes = (
        f"Measured: on one core, on the example pair {SCENE} resampled to {width}x{height}; medians after one run that "
        "is not timed. npfuse.fuse leaves out of pointwise layers what the picture decides, and so may take less than "
        "the lower bound of all of them.",
        *(f"Published, {ratio.method}: {ratio.where}." for ratio in RUNTIME_RATIOS),
        *machine_notes(machine),
    )
    return Table(name="measured", title="Time, predicted and measured here", columns=columns, rows=rows, notes=notes)
