"""The operators that `costmodel calibrate` measures, each on a few shapes, none of which a method has.

Some are of a few hundred values, for what a call takes; some do not fit a cache.
"""

from collections.abc import Iterator

from npfuse.graph import Graph, GraphBuilder
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

LARGE = 6 << 20  # values


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
        (200, 220, 48, 1, 3),
        (10, 12, 20, 20, 3),
        (300, 350, 24, 60, 3),
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
        (8, 12, 20, 1),
        (500, 620, 4, 2),
        (220, 260, 120, 1),
        (160, 180, 250, 1),
        (320, 340, 72, 1),
    ):
        yield DepthwiseConv2D(kernel_size=(3, 3), stride=(stride, stride)), ((height, width, channels),)
        if stride == 1 and height * width * channels < LARGE:
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
        (9, 8, 20, 12),
        (190, 210, 10, 180),
        (200, 180, 190, 40),
        (1000, 1100, 5, 7),
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
        (6, 8, 4),
        (30, 22, 1),
        (26, 40, 3),
        (1500, 1600, 3),
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
