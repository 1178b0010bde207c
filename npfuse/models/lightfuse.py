"""LightFuse (arXiv 2107.02299): DetailNet works along the channels, GlobalNet along the space; tanh of their sum."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import (
    BOX,
    Add,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)
from npfuse.padding import GRID

Decoder = Literal["nearest", "bilinear", "transposed"]


def lightfuse(height: int, width: int, *, hidden: Sequence[int] = (256, 64), decoder: Decoder = "nearest") -> Graph:
    """Build LightFuse for one picture size.

    Parameters
    ----------
    height, width : size of the pictures, multiples of 8
    hidden : widths of DetailNet's hidden layers; the authors publish (256, 64) and (32, 32)
    decoder : "nearest", the paper's, three transposed convolutions with a fixed 2x2 box; "bilinear", x8 in one step,
        its borders replicated; "transposed", three transposed convolutions with learned 4x4 kernels

    Returns
    -------
    Graph with input "exposures" (H, W, 6), in [-1, 1], under-exposed RGB then over-exposed RGB; output
    "fused" (H, W, 3), in [-1, 1]

    Raises
    ------
    ValueError : a size that is no positive multiple of 8, a width below 1, or an unknown decoder

    Notes
    -----
    18,630 parameters with the default widths (Table III), 1,574 with (32, 32) (the authors' published weights).

    Examples
    --------
    >>> lightfuse(8, 8).parameter_count, lightfuse(8, 8, hidden=(32, 32)).parameter_count
    (18630, 1574)
    """
    if min(height, width) < GRID or height % GRID or width % GRID:
        raise ValueError(f"lightfuse: size is {height}x{width}, expected positive multiples of 8, height x width")
    if decoder not in get_args(Decoder):
        raise ValueError(f"lightfuse: decoder is {decoder!r}, expected one of {', '.join(get_args(Decoder))}")
    b = GraphBuilder("lightfuse")
    exposures = b.input("exposures", (height, width, 6))

    detail = exposures
    for i, features in enumerate((*hidden, 3), 1):
        detail = b.add(f"detail{i}", PointwiseConv2D(features=features), detail)
        detail = b.add(f"detail{i}_relu", ReLU(), detail)

    halving = DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2))
    coarse = b.add("global1", halving, exposures)
    coarse = b.add("global2", halving, coarse)
    coarse = b.add("global3_depthwise", replace(halving, use_bias=False), coarse)
    coarse = b.add("global3_pointwise", PointwiseConv2D(features=3), coarse)
    if decoder == "bilinear":
        coarse = b.add("up", Resize(height=height, width=width, method="bilinear"), coarse)
    for i in (1, 2, 3):
        if decoder == "nearest":
            box = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)
            coarse = b.add(f"up{i}", box, coarse)
        elif decoder == "transposed":
            coarse = b.add(f"up{i}", Conv2DTranspose(features=3, kernel_size=(4, 4), stride=(2, 2)), coarse)

    total = b.add("sum", Add(), detail, coarse)
    return b.build(b.add("fused", Tanh(), total))
