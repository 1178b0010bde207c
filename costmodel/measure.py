"""How long a network of the report really takes here, beside what the roofline predicts: for `report --measure`.

Both are for one core: the roofline's peak and bandwidth are measured in a process whose matrix products have one
thread, and the compiled operators of `npfuse.fast` have no other. Measured is the median of a few runs after one that
compiles and warms up, on an example pair that is resampled to the size asked for: the time of LightFuse and ToneFuse
depends on the picture. Weights are the bundled ones where there are some, and random ones elsewhere, whose time is the
same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from costmodel.counts import count
from costmodel.executed import count_executed
from costmodel.execution import StepCost, steps
from costmodel.machine import Machine, predicted_s
from costmodel.report import Subject
from npfuse import Weights, fuse
from npfuse.examples import example_pair
from npfuse.graph import Graph
from npfuse.models import build
from npfuse.padding import GRID, on_grid
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from npfuse.strip_form import form_or_none
from npfuse.weights.loading import bundled_names, load_weights

SCENE = "interior"
RUNS = 5
ENOUGH_S = 12.0  # a method's runs end after this many seconds, at least one timed


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The time of one result on one core, in seconds; None for `npfuse.fuse` where it does not run the network.

    Parameters
    ----------
    predicted_s, measured_s : the roofline's lower bound, and the time, of the graph alone in `npfuse.run`
    predicted_fuse_s : the same bound of the graph as `npfuse.fuse` executes it: of a chain of pointwise layers, the
        multiply-adds that are executed for this pair
    fuse_s : of `npfuse.fuse` with all that the method does around its graph
    runs : how many of the graph's were timed
    """

    predicted_s: float
    measured_s: float
    predicted_fuse_s: float | None
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
    predicted_fuse_s = fuse_s = None
    if subject.model is not None:
        method, loaded = subject.model, weights_for(subject.model)
        under, over = (np.ascontiguousarray(part) for part in (pair[:, :, :3], pair[:, :, 3:]))
        fuse_s = median(timed(lambda: fuse(under, over, loaded, method=method, threads=1)))
        walk = executed_steps(subject.fused_steps, under, over, loaded) if form_or_none(graph) else subject.fused_steps
        predicted_fuse_s = subject.runs * predicted_s(walk, machine)
    merged = steps(graph, subject.cost, merge=True)
    return Measurement(
        predicted_s=subject.runs * predicted_s(merged, machine),
        measured_s=subject.runs * median(times),
        predicted_fuse_s=predicted_fuse_s,
        fuse_s=fuse_s,
        runs=len(times),
    )


def executed_steps(
    walk: Sequence[StepCost], under: NDArray[np.uint8], over: NDArray[np.uint8], weights: Weights | None
) -> list[StepCost]:
    """Return steps with the multiply-adds of pointwise chains replaced by those that fusing a pair executes."""
    assert weights is not None
    done = {layer.name: layer.macs for layer in count_executed(under, over, weights).layers}
    layers = {layer.name: layer for layer in count(weights.graph(*on_grid(*under.shape[:2]))).layers}
    result = []
    for step in walk:
        names = [node.name for node in step.nodes if node.name in done]
        fewer = sum(layers[name].work.macs - done[name] for name in names)
        work = replace(step.work, convolution_macs=step.work.convolution_macs - fewer)
        result.append(replace(step, work=work))
    return result


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


def weights_for(model: str) -> Weights | None:
    """Return weights with which `npfuse.fuse` runs a model; None for a method without."""
    graph = build(model, GRID, GRID)
    if not graph.weight_shapes:
        return None
    arrays = weights_of(graph)
    return Weights(model=model, build={}, arrays=arrays, normalization="full_range", source="costmodel.measure")


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
