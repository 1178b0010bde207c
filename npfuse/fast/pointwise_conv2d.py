"""PointwiseConv2D, compiled: a chain of pointwise convolutions with one member."""

from typing import Any

from numpy.typing import NDArray

from npfuse.fast.pixel_mlp import pixel_mlp
from npfuse.ops.pointwise_conv2d import PointwiseConv2D


def pointwise_conv2d(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> NDArray[Any]:
    """Map the channels of every pixel by a matrix; see `npfuse.ops.pointwise_conv2d`. All arrays of one float dtype."""
    PointwiseConv2D.of(x, kernel, bias)
    return pixel_mlp(x, [(kernel, bias, False)])
