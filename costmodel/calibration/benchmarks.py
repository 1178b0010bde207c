"""The measurements of `costmodel calibrate`: operators, chains, pair networks and array work, none of a method's shape.

Each runs as `npfuse.run` and `npfuse.fuse` run it, on one thread. Inputs are parts of one array of random numbers, so
that little memory is held.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.amounts import CHAIN, Part, step_amounts, step_kind
from costmodel.calibration.fusions import EXECUTED, GRAPH, STRIPS, PairCounts, fusion_parts
from costmodel.calibration.operators import operator_graph, operators
from costmodel.calibration.rates import Amounts
from costmodel.calibration.work_benchmarks import array_work, pyramid_work
from npfuse import Weights, fuse
from npfuse.engine.pixel_groups import BOUNDING, EVALUATION, FOLDING, empty_counts
from npfuse.engine.pixel_mlp import pixel_mlp
from npfuse.graph import Graph
from npfuse.models import build
from npfuse.ops import PointwiseConv2D
from npfuse.run import plan, run
from npfuse.strip_form import form_or_none

POOL = 18 << 20  # random numbers that inputs are parts of
NOISE = (0, 3, 12, 50)  # levels, of pictures


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """An action to time, and what it does.

    Parameters
    ----------
    kind, amounts : of the action
    action : without arguments
    values : numbers that it reads and writes, where those of the last run must not lie in a near cache
    less : parts that the action does besides, whose predicted time is taken off
    """

    kind: str
    amounts: Amounts
    action: Callable[[], object]
    values: int = 0
    less: tuple[Part, ...] = ()


def benchmarks() -> list[Benchmark]:
    """Return all of them, in the order in which they are fitted: what `less` is predicted by comes before."""
    pool = np.random.default_rng(0).random(POOL, np.float32)
    found = []
    for op, shapes in operators():
        found.append(graph_benchmark(operator_graph(op, shapes), pool))
        if isinstance(op, PointwiseConv2D):
            found.append(graph_benchmark(operator_graph(op, shapes, rectified=True), pool))
    found += _chains()
    for kind, amounts, values, action in (*array_work(pool), *pyramid_work(pool)):
        found.append(Benchmark(kind=kind, amounts=amounts, action=action, values=values))
    found += _graphs()
    return [*found, *_fusions()]


def graph_benchmark(graph: Graph, pool: NDArray[np.float32]) -> Benchmark:
    """Return the benchmark of a graph of one step, whose inputs and weights are parts of a pool of numbers."""
    inputs, at = {}, 0
    for name, shape in graph.inputs:
        at = at if at + prod(shape) <= len(pool) else 0
        inputs[name] = pool[at : at + prod(shape)].reshape(1, *shape)
        at += prod(shape)
    weights = {
        name: pool[: prod(shape)].reshape(shape) - np.float32(0.5) for name, shape in graph.weight_shapes.items()
    }
    (step,) = plan(graph, merge=True)
    action = partial(run, graph, inputs, weights)
    amounts = step_amounts(graph, step)
    values = int(amounts["moved"])
    return Benchmark(kind=step_kind(step), amounts=amounts, action=action, values=values)


def pair_pictures(height: int, width: int, noise: float) -> NDArray[np.uint8]:
    """Return two smooth pictures with so many levels of noise, ndarray (2, H, W, 3)."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:height, :width][:, :, :, np.newaxis]
    phases = random.random((2, 1, 1, 3)) * 6
    waves = 1 + np.sin(rows / 90 + phases) * np.cos(columns / 130 + phases)
    levels = waves * np.array([50, 100]).reshape(2, 1, 1, 1) + random.standard_normal((2, height, width, 3)) * noise
    pictures: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return pictures


def _chains() -> Iterator[Benchmark]:
    """Yield chains of pointwise layers on pictures of more and less noise."""
    random = np.random.default_rng(2)
    for widths in ((6, 20, 4), (6, 48, 24, 3), (6, 190, 44, 3), (6, 72, 3)):
        layers = []
        for i, (a, b) in enumerate(pairwise(widths)):
            kernel = (random.standard_normal((a, b)) / a**0.5).astype(np.float32)
            layers.append((kernel, random.standard_normal(b).astype(np.float32), i < len(widths) - 2))
        for noise, (height, width) in zip(NOISE, ((192, 256), (400, 500), (320, 384), (100, 130)), strict=True):
            under, over = pair_pictures(height, width, noise)
            x = np.concatenate([under, over], axis=2)[np.newaxis].astype(np.float32) / 127.5 - 1
            counts = empty_counts(len(layers))
            pixel_mlp(x, layers, counts=counts)
            places = zip(EXECUTED, (BOUNDING, FOLDING, EVALUATION), strict=True)
            amounts = {
                "call": 1.0,
                "moved": float(height * width * (widths[0] + widths[-1])),
                **{name: float(counts[:, place].sum()) for name, place in places},
            }
            yield Benchmark(kind=CHAIN, amounts=amounts, action=partial(pixel_mlp, x, layers))


def pair_networks() -> Iterator[Weights]:
    """Yield networks of LightFuse's form and of none of the methods' widths, with random weights."""
    random = np.random.default_rng(3)
    for model, arguments in (
        ("lightfuse", {"hidden": (24,)}),
        ("lightfuse", {"hidden": (48, 20)}),
        ("lightfuse", {"hidden": (100, 36)}),
        ("lightfuse", {"hidden": (210, 50)}),
        ("tonefuse", {"hidden": (60, 24), "coarse": 20, "dilations": (2,), "tones": 8}),
        ("tonefuse", {"hidden": (20,), "coarse": 10, "dilations": (1, 3), "tones": 5}),
    ):
        shapes = build(model, 64, 64, **arguments).weight_shapes
        arrays = {
            name: (random.standard_normal(shape) / max(prod(shape[:-1]), 1) ** 0.5).astype(np.float32)
            for name, shape in shapes.items()
        }
        yield Weights(
            model=model, build=arguments, arrays=arrays, normalization="full_range", source="costmodel.calibration"
        )


def _graphs() -> Iterator[Benchmark]:
    """Yield the building of graphs, and the search for LightFuse's form in them."""
    for weights in pair_networks():
        nodes = len(weights.graph(64, 64).nodes)

        def build_and_match(weights: Weights = weights) -> None:
            form_or_none(weights.graph(200, 240))

        yield Benchmark(kind=GRAPH, amounts={"call": 1.0, "nodes": float(nodes)}, action=build_and_match)


def _fusions() -> Iterator[Benchmark]:
    """Yield the fusion of pictures of more and less noise by small networks."""
    for weights in pair_networks():
        for noise, (height, width) in zip(NOISE, ((320, 352), (640, 832), (448, 512), (136, 200)), strict=True):
            under, over = pair_pictures(height, width, noise)
            counts = PairCounts.of(under, over, weights)
            parts = fusion_parts(weights.model, weights, height, width, counts=counts)
            (own,) = (part for part in parts if part.name == STRIPS)
            yield Benchmark(
                kind=own.kind,
                amounts=own.amounts,
                action=partial(fuse, under, over, weights, method=weights.model, threads=1),
                less=tuple(part for part in parts if part.name != STRIPS),
            )
