"""DepthwiseConv2D, compiled: row by row, each tap scales a run of the padded input that lies side by side in memory.

At a stride above 1 an input row is first dealt out to so many rows, in which what one tap reads lies side by side; at
stride 1 it does already. A run is scaled PIXELS pixels at a time by the tap's weights, repeated so often: loops long
enough to be vectorised, however few the channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous
from npfuse.ops.depthwise_conv2d import DepthwiseConv2D
from npfuse.ops.operator import Pair
from npfuse.ops.window import padded_input

PIXELS = 16


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
    kernel_rows, kernel_columns, _ = kernel.shape
    run = PIXELS * channels
    weights = np.empty((kernel_rows, kernel_columns, run), x.dtype)
    biases = np.empty(run, x.dtype)
    for q in range(run):
        biases[q] = bias[q % channels]
        for i in range(kernel_rows):
            for j in range(kernel_columns):
                weights[i, j, q] = kernel[i, j, q % channels]
    dealt = np.empty((kernel_rows, stride[1], -(-x.shape[2] // stride[1]) * channels), x.dtype)
    for n in range(batch):
        for oh in range(height):
            for i in range(kernel_rows):
                _deal(x[n, oh * stride[0] + i * dilation[0]], dealt[i])
            total = out[n, oh].reshape(-1)
            for start in range(0, width * channels, run):
                count = min(run, width * channels - start)
                sums = total[start : start + count]
                for q in range(count):
                    sums[q] = biases[q]
                for i in range(kernel_rows):
                    for j in range(kernel_columns):
                        column = j * dilation[1]
                        first = column // stride[1] * channels + start
                        values = dealt[i, column % stride[1], first : first + count]
                        scale = weights[i, j]
                        for q in range(count):
                            sums[q] += values[q] * scale[q]


@compiled
def _deal(row: Any, dealt: Any) -> None:
    """Deal the pixels of a row (W, C) out to the rows (stride, W / stride * C), in turn."""
    stride, channels = dealt.shape[0], row.shape[1]
    for w in range(row.shape[0]):
        target, at = dealt[w % stride], w // stride * channels
        for c in range(channels):
            target[at + c] = row[w, c]
