"""What the operators compute in integers, one per file; most definitions of `npfuse.ops` hold for integers as they are.

Every function takes and returns int64 or object arrays (of Python integers) and neither rounds nor saturates, but for
`resize`, which says how. Shapes and names are those of `npfuse.ops`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from npfuse.integer.ops.pointwise_conv2d import pointwise_conv2d
from npfuse.integer.ops.resize import resize
from npfuse.integer.ops.tanh import tanh
from npfuse.ops import (
    DEFINITIONS,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)

INTEGER: Mapping[type[Operator], Callable[..., NDArray[Any]]] = {
    **{op: DEFINITIONS[op] for op in (Add, AddChannels, Conv2DTranspose, DepthwiseConv2D, DepthwiseConv2DTranspose)},
    ReLU: DEFINITIONS[ReLU],
    PointwiseConv2D: pointwise_conv2d,
    Resize: resize,
    Tanh: tanh,
}

__all__ = ["INTEGER", "pointwise_conv2d", "resize", "tanh"]
