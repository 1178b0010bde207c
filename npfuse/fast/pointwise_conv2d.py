"""PointwiseConv2D, compiled: sums over the channels of one pixel (`npfuse.engine.window_sums`)."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, bias_or_zeros, contiguous
from npfuse.engine.window_sums import Grid, panels_of, space_for, sum_windows, terms_of
from npfuse.ops.pointwise_conv2d import PointwiseConv2D


def pointwise_conv2d(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> NDArray[Any]:
    """Map the channels of every pixel by a matrix; see `npfuse.ops.pointwise_conv2d`. All arrays of one float dtype."""
    op = PointwiseConv2D.of(x, kernel, bias)
    x, kernel, bias = contiguous("pointwise_conv2d", x, kernel, bias_or_zeros(bias, op.features, x.dtype))
    n, height, width, channels = x.shape
    out = aligned_empty((n, height, width, op.features), x.dtype)
    terms = terms_of([(0, channels)], op.features)
    read, write = Grid(0, width * channels, channels), Grid(0, width * op.features, op.features)
    panels = panels_of(kernel, bias, terms)
    space = space_for(panels, width, x.dtype)
    sum_windows(x.reshape(-1), read, terms, panels, out.reshape(-1), write, n * height, width, space)
    return out
