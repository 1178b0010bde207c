"""How long networks really take here, beside their bound and their prediction: for `report --measure`.

All is of one core and in processor time, which other programs disturb least: the roofline's peak and bandwidth, the
rates of `costmodel.calibration`, and what is measured: medians of a few runs, all networks in turn, after one that
compiles. The pair is an example, resampled to the size asked for: the time of LightFuse and ToneFuse depends on the
picture. Weights are the bundled ones where there are some, and random ones elsewhere, whose time is the same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from costmodel.calibration.benchmarks import fuse_amounts, pace_s
from costmodel.calibration.calibration import Calibration, Predicted
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
ENOUGH_S = 12.0  # a method's runs end after this many seconds, with one at least that counts
EXECUTED = ("bounding", "folding", "evaluation")  # multiply-adds that are counted while a chain runs


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The time of one result on one core, in seconds; None for `npfuse.fuse` where it is not run or not predicted.

    Parameters
    ----------
    least_s : the roofline's lower bound of the graph alone in `npfuse.run`, of what is executed for this pair
    expected : the time of the graph as the calibration has it
    measured_s : of the graph alone
    expected_fuse : the time of `npfuse.fuse` as the calibration has it
    fuse_s : of `npfuse.fuse` with all that the method does around its graph
    runs : how many of each were timed
    """

    least_s: float
    expected: Predicted
    measured_s: float
    expected_fuse: Predicted | None
    fuse_s: float | None
    runs: int


def measure(
    subjects: Sequence[Subject],
    pair: NDArray[np.uint8],
    machine: Machine,
    calibration: Calibration,
    progress: Callable[[str], None],
) -> list[Measurement]:
    """Run networks on a pair of pictures, in turn, and predict how long each takes.

    A fixed step is timed between them: predictions are for the speed that the machine had meanwhile.

    Parameters
    ----------
    subjects : what to run, and how often for one result
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    machine : whose roofline bounds
    calibration : rates that predict
    progress : called with each subject's name before it is run first

    Returns
    -------
    list of Measurement

    Raises
    ------
    MemoryError : a size does not fit
    """
    under, over = (np.ascontiguousarray(part) for part in (pair[:, :, :3], pair[:, :, 3:]))
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in subjects]
    paces = [pace_s()]
    for turn in range(RUNS + 1):
        for subject, (alone, whole) in zip(subjects, times, strict=True):
            if len(alone) > 1 and sum(alone) + sum(whole) > ENOUGH_S:
                continue
            if turn == 0:
                progress(subject.name)
            inputs, weights = inputs_from(subject.graph, pair), weights_of(subject.graph)
            alone.append(_timed_s(partial(run, subject.graph, inputs, weights)))
            if subject.model is not None:
                loaded = weights_for(subject.model)
                whole.append(_timed_s(partial(fuse, under, over, loaded, method=subject.model, threads=1)))
            paces.append(pace_s())
    pace = median(paces) / calibration.pace_s
    return [
        _measurement(subject, under, over, machine, calibration, pace, alone, whole)
        for subject, (alone, whole) in zip(subjects, times, strict=True)
    ]


def _timed_s(action: Callable[[], object]) -> float:
    """Return the processor time of a run."""
    start = time.process_time()
    action()
    return time.process_time() - start


def _measurement(
    subject: Subject,
    under: NDArray[np.uint8],
    over: NDArray[np.uint8],
    machine: Machine,
    calibration: Calibration,
    pace: float,
    alone: list[float],
    whole: list[float],
) -> Measurement:
    """Return what was measured, without the first run, which compiles, and what is predicted."""
    graph, runs = subject.graph, subject.runs
    walk: Sequence[StepCost] = steps(graph, subject.cost, merge=True)
    chain, expected_fuse = None, None
    if subject.model is not None and form_or_none(graph):
        loaded = weights_for(subject.model)
        assert loaded is not None
        walk = executed_steps(walk, under, over, loaded)
        done = fuse_amounts(under, over, loaded)
        pixels, (_, exposures) = done["pixels"], graph.inputs[0]
        read, written = pixels * exposures[2], pixels * graph.shapes[graph.outputs[0]][2]
        chain = {"call": 1.0, "read": read, "written": written, **{name: done[name] for name in EXECUTED}}
        fused = calibration.fuse_s(graph, done)
        expected_fuse = replace(fused, seconds=fused.seconds * pace)
    expected = calibration.graph_s(graph, chain)
    return Measurement(
        least_s=runs * predicted_s(walk, machine),
        expected=replace(expected, seconds=runs * expected.seconds * pace),
        measured_s=runs * median(alone[1:] or alone),
        expected_fuse=expected_fuse,
        fuse_s=median(whole[1:] or whole) if whole else None,
        runs=len(alone[1:] or alone),
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
