"""DepthwiseConv2D, compiled: sums over a window channel by channel (`npfuse.engine.channel_sums`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.engine.channel_sums import sum_channels
from npfuse.engine.compiled import aligned_empty, bias_or_zeros, contiguous
from npfuse.ops.depthwise_conv2d import DepthwiseConv2D
from npfuse.ops.operator import Pair


def depthwise_conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Convolve each channel with its own kernel; see `npfuse.ops.depthwise_conv2d`. All arrays of one float dtype."""
    op = DepthwiseConv2D.of(x, kernel, bias, stride, dilation, padding)
    x, kernel, bias = contiguous("depthwise_conv2d", x, kernel, bias_or_zeros(bias, x.shape[3], x.dtype))
    out = aligned_empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    (top, _), (left, _) = (pad.conv_pads(x.shape[1 + axis], *op.axis_arguments(axis)) for axis in (0, 1))
    rows = np.arange(out.shape[1])[:, np.newaxis] * stride[0] + np.arange(kernel.shape[0]) * dilation[0] - top
    columns = np.arange(kernel.shape[1])[np.newaxis] * dilation[1] - left
    sum_channels(x, kernel, bias, rows, columns, stride[1], out)
    return out
