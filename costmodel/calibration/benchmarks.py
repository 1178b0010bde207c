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
from PIL import Image

from costmodel.calibration.amounts import CHAIN, REGIONS, Part, far, step_amounts, step_kind
from costmodel.calibration.fusions import FUSION, GRAPH, LOOKS, coarse_work, fusion_parts, look_amounts, strip_amounts
from costmodel.calibration.operators import operator_graph, operators
from costmodel.calibration.rates import Amounts
from costmodel.calibration.regions import pair_amounts, region_amounts
from costmodel.calibration.threads import Together, jobs_of_two
from costmodel.calibration.work_benchmarks import array_work, pyramid_work
from costmodel.executed import executed_of
from npfuse import Weights, fuse
from npfuse.engine.pixel_groups import empty_counts
from npfuse.engine.pixel_mlp import pixel_mlp
from npfuse.examples import example_pair
from npfuse.graph import Graph
from npfuse.models import build
from npfuse.ops import PointwiseConv2D
from npfuse.padding import on_grid
from npfuse.pictures.reading import read_picture
from npfuse.run import plan, run
from npfuse.strip_form import form_or_none
from npfuse.strips import fuse_pair

POOL = 18 << 20  # random numbers that inputs are parts of
PICTURES = (  # examples, but for the one that methods are measured on; rows, columns, and levels of noise
    ("city", 320, 352, 0.0),
    ("sunset", 500, 1250, 0.0),
    ("studio", 250, 330, 2.0),
    ("courtyard", 400, 300, 6.0),
    ("forest", 130, 210, 20.0),
    ("sunrise", 72, 96, 0.0),
)
LOOKED_AT = (("city", 40, 400, 0.0), ("sunset", 110, 300, 0.0), ("forest", 24, 64, 0.0))
SMALL = (("city", 40, 56, 0.0), ("sunset", 120, 90, 0.0))
SOURCE = "costmodel.calibration"  # of weights

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


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
    pool = _pool()
    found = []
    for op, shapes in operators():
        found.append(graph_benchmark(operator_graph(op, shapes), pool))
        if isinstance(op, PointwiseConv2D):
            found.append(graph_benchmark(operator_graph(op, shapes, rectified=True), pool))
    for kind, amounts, values, action in (*array_work(pool), *pyramid_work(pool)):
        found.append(Benchmark(kind=kind, amounts=amounts, action=action, values=values))
    found += _graphs()
    return [*found, *_looks(), *_strips(), *_chains(), *_fusions()]


def together() -> list[Together]:
    """Return the pairs of jobs that tell what two threads take."""
    networks = [*pair_networks()][1::3]
    return [Together(jobs) for jobs in jobs_of_two(_pool(), networks, [natural_pair(*each) for each in PICTURES[:3]])]


def _pool() -> NDArray[np.float32]:
    return np.random.default_rng(0).random(POOL, np.float32)


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


def natural_pair(scene: str, height: int, width: int, noise: float) -> Pair:
    """Return an example pair at another size with so many levels of noise, two ndarrays (H, W, 3)."""
    random = np.random.default_rng(1)
    found = []
    for path in example_pair(scene):
        sized = Image.fromarray(read_picture(path).pixels).resize((width, height), Image.Resampling.BICUBIC)
        levels = np.asarray(sized) + random.standard_normal((height, width, 3)) * noise
        found.append(np.clip(levels, 0, 255).astype(np.uint8))
    return found[0], found[1]


def _chains() -> Iterator[Benchmark]:
    """Yield chains of pointwise layers on pictures of more and less noise."""
    random = np.random.default_rng(2)
    pairs = [natural_pair(*picture) for picture in PICTURES]
    for widths in ((6, 20, 4), (6, 48, 24, 3), (6, 190, 44, 3), (6, 72, 3)):
        layers = []
        for i, (a, b) in enumerate(pairwise(widths)):
            kernel = (random.standard_normal((a, b)) / a**0.5).astype(np.float32)
            layers.append((kernel, random.standard_normal(b).astype(np.float32), i < len(widths) - 2))
        for pair in pairs:
            x = np.concatenate(pair, axis=2)[np.newaxis].astype(np.float32) / 127.5 - 1
            counts = empty_counts(len(layers))
            pixel_mlp(x, layers, counts=counts)
            pixels, macs = x.shape[1] * x.shape[2], sum(a * b for a, b in pairwise(widths))
            done = executed_of(counts, [str(i) for i in range(len(layers))], pixels)
            moved = float(pixels * (widths[0] + widths[-1]))
            yield Benchmark(
                kind=CHAIN,
                amounts={"call": 1.0, "moved": moved, "far": far(moved)},
                action=partial(pixel_mlp, x, layers),
                less=(Part(name=CHAIN, kind=REGIONS, amounts=region_amounts(done, macs)),),
            )


def pair_networks() -> Iterator[Weights]:
    """Yield networks of LightFuse's form and of none of the methods' widths, with random weights."""
    random = np.random.default_rng(3)
    for model, arguments, bias in (
        ("lightfuse", {"hidden": (24,)}, 1.0),
        ("lightfuse", {"hidden": (48, 20)}, 0.3),
        ("lightfuse", {"hidden": (100, 36)}, 1.0),
        ("lightfuse", {"hidden": (130, 60)}, 0.3),
        ("lightfuse", {"hidden": (210, 50)}, 1.0),
        ("lightfuse", {"hidden": (250, 24)}, 0.6),
        ("tonefuse", {"hidden": (60, 24), "coarse": 44, "dilations": (2, 1), "tones": 8}, 1.0),
        ("tonefuse", {"hidden": (20,), "coarse": 24, "dilations": (1, 3, 2), "tones": 5}, 0.3),
    ):
        shapes = build(model, 64, 64, **arguments).weight_shapes
        arrays = {
            name: random.standard_normal(shape) * (bias if len(shape) == 1 else prod(shape[:-1]) ** -0.5)
            for name, shape in shapes.items()
        }
        yield Weights(
            model=model,
            build=arguments,
            arrays={name: array.astype(np.float32) for name, array in arrays.items()},
            normalization="full_range",
            source=SOURCE,
        )


def _graphs() -> Iterator[Benchmark]:
    """Yield the building of graphs, and the search for LightFuse's form in them."""
    for weights in pair_networks():
        nodes = len(weights.graph(64, 64).nodes)

        def build_and_match(weights: Weights = weights) -> None:
            form_or_none(weights.graph(200, 240))

        yield Benchmark(kind=GRAPH, amounts={"call": 1.0, "nodes": float(nodes)}, action=build_and_match)


def _looks() -> Iterator[Benchmark]:
    """Yield the fusion of strips by networks of looks alone, of other widths than T_CNN's."""
    random = np.random.default_rng(4)
    for hidden in ((24,), (40, 20), (120, 30), (90, 150), (200, 40)):
        shapes = build("t_cnn", 64, 64, hidden=hidden).weight_shapes
        arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        weights = Weights(
            model="t_cnn", build={"hidden": hidden}, arrays=arrays, normalization="full_range", source=SOURCE
        )
        for scene, height, width, noise in LOOKED_AT:
            under, over = natural_pair(scene, height, width, noise)
            (job,) = fuse_pair(under, over, np.empty_like(under), weights, engine="fast", threads=1)
            rows, columns = on_grid(height, width)
            size = rows, columns
            yield Benchmark(kind=LOOKS, amounts=look_amounts(weights, {size: 1}), action=job)


def _strips() -> Iterator[Benchmark]:
    """Yield the fusion of strips of more and less noise by small networks."""
    for weights in pair_networks():
        for picture in PICTURES:
            under, over = natural_pair(*picture)
            (job,) = fuse_pair(under, over, np.empty_like(under), weights, engine="fast", threads=1)
            height, width = under.shape[:2]
            coarse, steps = coarse_work(weights.graph, height, width, 1)
            amounts = strip_amounts(1, height * width, coarse, pair_amounts(under, over, weights))
            yield Benchmark(kind=REGIONS, amounts=amounts, action=job, less=tuple(steps))


def _fusions() -> Iterator[Benchmark]:
    """Yield the whole fusion of small pictures, for what it takes besides its strips."""
    for weights in pair_networks():
        for picture in SMALL:
            under, over = natural_pair(*picture)
            parts = fusion_parts(weights.model, weights, *under.shape[:2], counts=pair_amounts(under, over, weights))
            (own,) = (part for part in parts if part.kind == FUSION)
            yield Benchmark(
                kind=own.kind,
                amounts=own.amounts,
                action=partial(fuse, under, over, weights, method=weights.model, threads=1),
                less=tuple(part for part in parts if part.kind != FUSION),
            )
