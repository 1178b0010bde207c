"""DepthwiseConv2DTranspose, compiled: each phase of the stride is a depthwise convolution with some of the taps.

`npfuse.fast.conv2d_transpose` says which; `npfuse.engine.channel_sums` sums them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.engine.channel_sums import NOWHERE, sum_channels
from npfuse.engine.compiled import aligned_empty, bias_or_zeros, contiguous
from npfuse.ops.depthwise_conv2d_transpose import DepthwiseConv2DTranspose
from npfuse.ops.operator import Pair
from npfuse.ops.window import crop_start


def depthwise_conv2d_transpose(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Stamp each channel's kernel; see `npfuse.ops.depthwise_conv2d_transpose`. All arrays of one float dtype."""
    op = DepthwiseConv2DTranspose.of(x, kernel, bias, stride, dilation, padding)
    x, kernel, bias = contiguous("depthwise_conv2d_transpose", x, kernel, bias_or_zeros(bias, x.shape[3], x.dtype))
    out = aligned_empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    crop = crop_start(op, x)
    rows, columns = (
        _inputs(count, kernel.shape[axis], stride[axis], dilation[axis], crop[axis])
        for axis, count in enumerate((out.shape[1], stride[1]))
    )
    sum_channels(x, kernel, bias, rows, columns, 1, out)
    return out


def _inputs(count: int, kernel: int, stride: int, dilation: int, crop: int) -> NDArray[np.int64]:
    """Return which input position each tap meets for the first `count` output positions, (count, kernel)."""
    whole, rest = np.divmod(np.arange(count)[:, np.newaxis] + crop - np.arange(kernel) * dilation, stride)
    return np.where(rest == 0, whole, NOWHERE)
