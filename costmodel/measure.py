"""How long methods really take here, beside their bound and their prediction: for `report --measure`.

All is processor time, which other programs disturb least. Each turn times the benchmarks of `costmodel.calibration` and
every method once, so that rates and methods are measured on the machine as it was meanwhile. The pair is an
example, resampled to the size asked for: the time of LightFuse and ToneFuse depends on the picture. Weights are the
bundled ones where there are some, and random ones elsewhere, whose time is the same.
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

from costmodel.calibration.amounts import Part, graph_parts
from costmodel.calibration.calibration import Calibration, Predicted, Session
from costmodel.calibration.fusions import fusion_parts
from costmodel.calibration.rates import Amounts
from costmodel.calibration.regions import pair_amounts
from costmodel.counts import count
from costmodel.executed import count_executed
from costmodel.execution import StepCost, steps
from costmodel.machine import Machine, predicted_s
from costmodel.report import Subject
from npfuse import Weights, fuse
from npfuse.examples import example_pair
from npfuse.graph import Graph
from npfuse.padding import on_grid
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from npfuse.strip_form import form_or_none
from npfuse.weights.loading import bundled_names, load_weights

SCENE = "interior"
RUNS = 5
ENOUGH_S = 5.0  # a method's runs end after this many seconds, with one at least that counts
SHORT_S = 0.5  # shorter runs have one before them each time that does not count

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A computation that is predicted and measured.

    Parameters
    ----------
    parts : what it does
    ready : returns the action to time; what it makes is not timed
    runs : of the action for one result
    threads : that share the parts
    """

    parts: Sequence[Part]
    ready: Callable[[], Callable[[], object]]
    runs: int = 1
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time of a case.

    Parameters
    ----------
    expected : as the calibration has it
    seconds : median of the processor time
    runs : how many were timed
    """

    expected: Predicted
    seconds: float
    runs: int

    @property
    def error(self) -> float:
        """Expected / measured - 1."""
        return self.expected.seconds / self.seconds - 1


def timed_cases(
    cases: Mapping[str, Case], session: Session, progress: Callable[[str], None]
) -> tuple[Calibration, dict[str, Timing]]:
    """Time cases and the benchmarks of a calibration in turn.

    Parameters
    ----------
    cases : by name
    session : of the calibration, of which each turn is taken
    progress : called with each name before it is run first

    Raises
    ------
    MemoryError : a size does not fit
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(RUNS):
        unfinished = {name: case for name, case in cases.items() if sum(seconds[name]) < ENOUGH_S}
        if unfinished:
            session.turn()
        for name, case in unfinished.items():
            action = case.ready()
            if turn == 0:
                progress(name)
                action()  # compiles, and brings all the memory that later runs use
            seconds[name].append(_warm_s(action))
    calibration = session.calibration()
    found = {}
    for name, case in cases.items():
        expected = calibration.predicted(case.parts, case.threads)
        found[name] = Timing(
            expected=replace(expected, seconds=case.runs * expected.seconds),
            seconds=case.runs * median(seconds[name]),
            runs=len(seconds[name]),
        )
    return calibration, found


def _warm_s(action: Callable[[], object]) -> float:
    """Return the time of a run; of a short one, after another, which brings its values near."""
    seconds = _timed_s(action)
    return _timed_s(action) if seconds < SHORT_S else seconds


def _timed_s(action: Callable[[], object]) -> float:
    """Return the processor time of a run, of all threads together."""
    start = time.process_time()
    action()
    return time.process_time() - start


def graph_case(subject: Subject, pair: NDArray[np.uint8], counts: Amounts | None) -> Case:
    """Return the case of a method's graph alone, run by `npfuse.run`.

    Parameters
    ----------
    subject : the method
    pair : ndarray (H, W, 6): under- then over-exposed RGB
    counts : of the pair, for a network of LightFuse's form
    """
    graph = subject.graph

    def ready() -> Callable[[], object]:
        return partial(run, graph, inputs_from(graph, pair), weights_of(graph))

    return Case(parts=graph_parts(graph, counts), ready=ready, runs=subject.runs)


def fuse_case(model: str, pair: NDArray[np.uint8], counts: Amounts | None, threads: int = 1) -> Case:
    """Return the case of `npfuse.fuse` by a method; parameters as of `graph_case`."""
    height, width, _ = pair.shape
    weights = method_weights(model)
    under, over = pair_of(pair)

    def ready() -> Callable[[], object]:
        return partial(fuse, under, over, weights, method=model, threads=threads)

    parts = fusion_parts(model, weights, height, width, threads=threads, counts=counts)
    return Case(parts=parts, ready=ready, threads=threads)


def counts_of(model: str | None, pair: NDArray[np.uint8]) -> Amounts | None:
    """Return what a pair (H, W, 6) executes of a method's chain; None where all pairs execute the same."""
    weights = method_weights(model) if model else None
    if weights is None or form_or_none(weights.graph(*on_grid(*pair.shape[:2]))) is None:
        return None
    return pair_amounts(*pair_of(pair), weights)


def method_weights(model: str) -> Weights | None:
    """Return the bundled weights of a method; None for a method without."""
    return load_weights(model) if model in bundled_names() else None


def pair_of(pair: NDArray[np.uint8]) -> Pair:
    """Return the two pictures of a pair (H, W, 6)."""
    return np.ascontiguousarray(pair[:, :, :3]), np.ascontiguousarray(pair[:, :, 3:])


def least_s(subject: Subject, pair: NDArray[np.uint8], machine: Machine) -> float:
    """Return the roofline's lower bound of a method's graph in `npfuse.run`, of what is executed for a pair."""
    walk: Sequence[StepCost] = steps(subject.graph, subject.cost, merge=True)
    weights = method_weights(subject.model) if subject.model else None
    if weights and form_or_none(subject.graph):
        walk = executed_steps(walk, *pair_of(pair), weights)
    return subject.runs * predicted_s(walk, machine)


def executed_steps(
    walk: Sequence[StepCost], under: NDArray[np.uint8], over: NDArray[np.uint8], weights: Weights
) -> list[StepCost]:
    """Return steps with the multiply-adds of pointwise chains replaced by those that fusing a pair executes."""
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
