"""Conv2D, compiled: for every output pixel, each padded input value scales a row of output channels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous
from npfuse.ops.conv2d import Conv2D
from npfuse.ops.operator import Pair
from npfuse.ops.window import padded_input


def conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Convolve pictures with a kernel over all channels; see `npfuse.ops.conv2d`. All arrays float32 or all float64."""
    op = Conv2D.of(x, kernel, bias, stride, dilation, padding)
    x, kernel, bias = contiguous("conv2d", x, kernel, bias_or_zeros(bias, op.features, x.dtype))
    out = np.empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    _conv2d(padded_input(op, x), kernel, bias, stride, dilation, out)
    return out


@compiled
def _conv2d(x: Any, kernel: Any, bias: Any, stride: Any, dilation: Any, out: Any) -> None:
    batch, height, width, features = out.shape
    for n in range(batch):
        for oh in range(height):
            for ow in range(width):
                total = out[n, oh, ow]
                for co in range(features):
                    total[co] = bias[co]
                for i in range(kernel.shape[0]):
                    for j in range(kernel.shape[1]):
                        pixel = x[n, oh * stride[0] + i * dilation[0], ow * stride[1] + j * dilation[1]]
                        for ci in range(kernel.shape[2]):
                            weights = kernel[i, j, ci]
                            value = pixel[ci]
                            for co in range(features):
                                total[co] += value * weights[co]
