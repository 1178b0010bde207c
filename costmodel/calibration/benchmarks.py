"""The measurements of `costmodel calibrate`: operators, chains and small pair networks, none of a method's shape.

Each is run as `npfuse.run` and `npfuse.fuse` run it, on one thread, and its time is the processor time of the thread,
the median of a few runs: on a machine that others use too, it is steadier than the clock on the wall.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from math import prod
from statistics import median

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.amounts import CHAIN, FRESH, FUSE, step_amounts, step_kind
from costmodel.calibration.rates import Amounts, Sample
from costmodel.executed import count_executed
from npfuse import Weights, fuse
from npfuse.engine.pixel_groups import BOUNDING, EVALUATION, FOLDING, empty_counts
from npfuse.engine.pixel_mlp import pixel_mlp
from npfuse.graph import Graph, GraphBuilder
from npfuse.models import build
from npfuse.ops import (
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Divide,
    ExposureQuality,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Shape,
    Subtract,
    Tanh,
    WeightedSum,
)
from npfuse.run import plan, run

RUNS = 5


def timed_s(action: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median processor time of this thread in seconds, after one run that is not timed."""
    action()
    times = []
    for _ in range(runs):
        start = time.thread_time()
        action()
        times.append(time.thread_time() - start)
    return median(times)


def operators() -> Iterator[tuple[Operator, tuple[Shape, ...]]]:
    """Yield operators, and the shapes of inputs to measure each on."""
    for height, width, channels, features, kernel in (
        (180, 150, 10, 20, 3),
        (90, 200, 40, 40, 3),
        (60, 70, 48, 96, 5),
        (300, 250, 3, 16, 5),
        (260, 260, 18, 1, 3),
        (120, 140, 20, 12, 9),
        (40, 50, 80, 30, 3),
        (700, 800, 4, 8, 3),
    ):
        yield Conv2D(features=features, kernel_size=(kernel, kernel)), ((height, width, channels),)
        if kernel < 9:
            up = Conv2DTranspose(features=features, kernel_size=(kernel, kernel), stride=(2, 2))
            yield up, ((height // 2, width // 2, channels),)
    for height, width, channels, stride in (
        (150, 160, 20, 1),
        (300, 310, 8, 1),
        (80, 90, 100, 1),
        (400, 380, 5, 2),
        (600, 700, 12, 1),
        (200, 100, 48, 2),
    ):
        yield DepthwiseConv2D(kernel_size=(3, 3), stride=(stride, stride)), ((height, width, channels),)
        if stride == 1:
            yield DepthwiseConv2D(kernel_size=(5, 5)), ((height, width, channels),)
        yield DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2)), ((height // 2, width // 2, channels),)
    for height, width, channels, features in (
        (200, 200, 10, 20),
        (150, 140, 100, 48),
        (100, 90, 40, 160),
        (500, 400, 12, 5),
        (300, 500, 4, 40),
        (700, 600, 16, 16),
        (60, 60, 200, 90),
    ):
        yield PointwiseConv2D(features=features), ((height, width, channels),)
    for height, width, channels in (
        (100, 120, 10),
        (300, 200, 20),
        (500, 500, 3),
        (900, 1000, 5),
        (200, 300, 90),
        (60, 50, 1),
        (400, 300, 1),
        (800, 600, 1),
    ):
        shape = (height, width, channels)
        yield from ((op, (shape,)) for op in (ReLU(), LeakyReLU(slope=0.1), Tanh(), AdaptiveNorm()))
        yield from ((op, (shape, shape)) for op in (Add(), Subtract(), Divide(), Concatenate()))
        yield AddChannels(), (shape, (1, 1, channels))
        yield WeightedSum(), (shape, (height, width, 1)) * 2
        yield ExposureQuality(), ((height, width, 3),)
        half = (height // 2, width // 2, channels)
        yield Resize(height=2 * height // 3, width=width, method="nearest"), (shape,)
        yield Resize(height=2 * height, width=2 * width, method="nearest"), (half,)
        yield Resize(height=2 * height // 3, width=width, method="bilinear"), (shape,)
        yield Resize(height=2 * height, width=2 * width, method="bilinear"), (half,)
        yield Resize(height=height // 3, width=width // 4, method="antialiased"), (shape,)
        yield Resize(height=height // 3, width=width // 4, method="area"), (shape,)
        yield Resize(height=height // 2, width=width // 2, method="pyramid_down"), (shape,)
        yield Resize(height=height, width=width, method="pyramid_up"), (half,)


def operator_graph(op: Operator, shapes: tuple[Shape, ...], *, rectified: bool = False) -> Graph:
    """Return a graph of one operator, with a ReLU after it where asked for."""
    builder = GraphBuilder(op.kind)
    value = builder.add("op", op, *(builder.input(f"x{i}", shape) for i, shape in enumerate(shapes)))
    return builder.build(builder.add("relu", ReLU(), value) if rectified else value)


def pace_s() -> float:
    """Return the time of one fixed step, by which rates are brought up to date when the machine's speed has changed."""
    op = Conv2D(features=40, kernel_size=(3, 3))
    return graph_sample(operator_graph(op, ((90, 200, 40),))).seconds


def fresh_samples() -> Iterator[Sample]:
    """Fill large arrays, new ones and ones that are there: what it takes more is the pages' price."""
    for numbers in (12 << 20, 20 << 20):
        kept = np.zeros(numbers, np.float32)
        again = timed_s(partial(kept.fill, 1))
        fresh = timed_s(partial(np.full, numbers, 1, np.float32))
        yield Sample(kind=FRESH, amounts={"bytes": 4.0 * numbers}, seconds=max(fresh - again, fresh / 100))


def graph_sample(graph: Graph) -> Sample:
    """Run a graph of one step, and return its sample."""
    random = np.random.default_rng(0)
    inputs = {name: random.random((1, *shape), np.float32) for name, shape in graph.inputs}
    weights = {name: random.random(shape, np.float32) - 0.5 for name, shape in graph.weight_shapes.items()}
    (step,) = plan(graph, merge=True)
    seconds = timed_s(lambda: run(graph, inputs, weights))
    return Sample(kind=step_kind(step), amounts=step_amounts(graph, step), seconds=seconds)


def pair_pictures(height: int, width: int, noise: float) -> NDArray[np.uint8]:
    """Return two smooth pictures with so many levels of noise, ndarray (2, H, W, 3)."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:height, :width][:, :, :, np.newaxis]
    phases = random.random((2, 1, 1, 3)) * 6
    waves = 1 + np.sin(rows / 90 + phases) * np.cos(columns / 130 + phases)
    levels = waves * np.array([50, 100]).reshape(2, 1, 1, 1) + random.standard_normal((2, height, width, 3)) * noise
    pictures: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return pictures


def chain_amounts(pixels: int, channels: int, outputs: int, counts: NDArray[np.int64]) -> Amounts:
    """Return what a chain does, from the counts of its blocks."""
    return {
        "call": 1.0,
        "read": float(pixels * channels),
        "written": float(pixels * outputs),
        "bounding": float(counts[:, BOUNDING].sum()),
        "folding": float(counts[:, FOLDING].sum()),
        "evaluation": float(counts[:, EVALUATION].sum()),
    }


def chain_samples() -> Iterator[Sample]:
    """Run chains of pointwise layers on pictures of more and less noise."""
    random = np.random.default_rng(2)
    for widths in ((6, 20, 4), (6, 48, 24, 3), (6, 100, 40, 3)):
        layers = []
        for i, (a, b) in enumerate(pairwise(widths)):
            kernel = (random.standard_normal((a, b)) / a**0.5).astype(np.float32)
            layers.append((kernel, random.standard_normal(b).astype(np.float32), i < len(widths) - 2))
        for (height, width), noise in (((192, 256), 0), ((192, 256), 3), ((320, 384), 15), ((100, 130), 60)):
            under, over = pair_pictures(height, width, noise)
            x = np.concatenate([under, over], axis=2)[np.newaxis].astype(np.float32) / 127.5 - 1
            counts = empty_counts(len(layers))
            pixel_mlp(x, layers, counts=counts)
            seconds = timed_s(partial(pixel_mlp, x, layers))
            amounts = chain_amounts(height * width, widths[0], widths[-1], counts)
            yield Sample(kind=CHAIN, amounts=amounts, seconds=seconds)


def pair_networks() -> Iterator[Weights]:
    """Yield networks of LightFuse's form and of none of the methods' widths, with random weights."""
    random = np.random.default_rng(3)
    for model, arguments in (
        ("lightfuse", {"hidden": (24,)}),
        ("lightfuse", {"hidden": (48, 20)}),
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


def fuse_amounts(under: NDArray[np.uint8], over: NDArray[np.uint8], weights: Weights) -> Amounts:
    """Return what fusing a pair of pictures does outside of its coarse steps."""
    done = count_executed(under, over, weights)
    pixels = float(under.shape[0] * under.shape[1])
    told = len(weights.graph(64, 64).inputs) > 1
    return {
        "call": 1.0,
        "pixels": pixels,
        "thumbnail": pixels if told else 0.0,
        "bounding": float(sum(layer.bounding_macs for layer in done.layers)),
        "folding": float(sum(layer.folding_macs for layer in done.layers)),
        "evaluation": float(sum(layer.evaluation_macs for layer in done.layers)),
    }


def fuse_samples(coarse_s: Callable[[Graph], float]) -> Iterator[Sample]:
    """Fuse pictures of more and less noise by small networks.

    Parameters
    ----------
    coarse_s : predicts the time of the coarse steps of a graph, which is taken off
    """
    for weights in pair_networks():
        for (height, width), noise in (((192, 320), 0), ((640, 832), 3), ((448, 512), 12), ((136, 200), 40)):
            under, over = pair_pictures(height, width, noise)
            seconds = timed_s(partial(fuse, under, over, weights, method=weights.model, threads=1))
            own = seconds - coarse_s(weights.graph(-(-height // 8) * 8, -(-width // 8) * 8))
            amounts = fuse_amounts(under, over, weights)
            yield Sample(kind=FUSE, amounts=amounts, seconds=max(own, seconds / 10))
