"""DepthwiseConv2D, compiled: for every output pixel, each tap scales the channels of one padded input pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous
from npfuse.ops.depthwise_conv2d import DepthwiseConv2D
from npfuse.ops.operator import Pair
from npfuse.ops.window import padded_input


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
    out = np.empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    _depthwise_conv2d(padded_input(op, x), kernel, bias, stride, dilation, out)
    return out


@compiled
def _depthwise_conv2d(x: Any, kernel: Any, bias: Any, stride: Any, dilation: Any, out: Any) -> None:
    batch, height, width, channels = out.shape
    for n in range(batch):
        for oh in range(height):
            for ow in range(width):
                total = out[n, oh, ow]
                for c in range(channels):
                    total[c] = bias[c]
                for i in range(kernel.shape[0]):
                    row = x[n, oh * stride[0] + i * dilation[0]]
                    for j in range(kernel.shape[1]):
                        pixel = row[ow * stride[1] + j * dilation[1]]
                        for c in range(channels):
                            total[c] += pixel[c] * kernel[i, j, c]
