"""DepthwiseConv2DTranspose, compiled: every input pixel adds its stamp, channel by channel, where it is kept."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous
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
    out = np.empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    out[...] = bias
    _depthwise_conv2d_transpose(x, kernel, stride, dilation, crop_start(op, x), out)
    return out


@compiled
def _depthwise_conv2d_transpose(x: Any, kernel: Any, stride: Any, dilation: Any, crop: Any, out: Any) -> None:
    batch, height, width, channels = out.shape
    for n in range(batch):
        for h in range(x.shape[1]):
            for i in range(kernel.shape[0]):
                oh = h * stride[0] + i * dilation[0] - crop[0]
                if 0 <= oh < height:
                    for w in range(x.shape[2]):
                        for j in range(kernel.shape[1]):
                            ow = w * stride[1] + j * dilation[1] - crop[1]
                            if 0 <= ow < width:
                                for c in range(channels):
                                    out[n, oh, ow, c] += x[n, h, w, c] * kernel[i, j, c]
