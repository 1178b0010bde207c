"""The operators of a graph on arrays on the card, for the layers at an eighth of the size and for whole small networks.

Names, arguments and results are those of `npfuse.ops`. Arrays are float32 and lie on the card, in C order; weights may
lie in the computer's memory. The kernels are as plain as the definitions: each thread computes numbers of the result
one by one, in steps of the grid. The pixels, which take the time, go through `npfuse.cuda.fusing_kernel`; so these
functions are short and share a file. `CARD` maps operators to their functions; operators that no network of a pair uses
are missing.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import cuda, float32
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.cuda.card import CardArray, count_of, empty, grid_for, to_card
from npfuse.ops import (
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Function,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)
from npfuse.ops.operator import Pair
from npfuse.ops.resize import Resampling, resize_taps
from npfuse.ops.window import Window, crop_start


@cuda.jit
def _relu(x: Any, out: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = max(x[i], float32(0))


def relu(x: CardArray) -> CardArray:
    """Replace negative numbers by 0."""
    out = empty(x.shape, np.float32)
    _relu[grid_for(count_of(x))](_flat(x), _flat(out))
    return out


@cuda.jit
def _tanh(x: Any, out: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = math.tanh(x[i])


def tanh(x: CardArray) -> CardArray:
    """Take hyperbolic tangents."""
    out = empty(x.shape, np.float32)
    _tanh[grid_for(count_of(x))](_flat(x), _flat(out))
    return out


@cuda.jit
def _add(x: Any, y: Any, out: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = x[i] + y[i % y.size]


def add(x: CardArray, *others: CardArray) -> CardArray:
    """Add up arrays of one shape."""
    total = x
    for other in others:
        total = _sum(total, other)
    return total


def add_channels(x: CardArray, v: CardArray) -> CardArray:
    """Add one number per channel to every pixel of a picture; a batch of one."""
    return _sum(x, v)


def _sum(x: CardArray, y: CardArray) -> CardArray:
    out = empty(x.shape, np.float32)
    _add[grid_for(count_of(x))](_flat(x), _flat(y), _flat(out))
    return out


@cuda.jit
def _pointwise_conv2d(x: Any, kernel: Any, bias: Any, biased: bool, out: Any) -> None:
    pixels, features = out.shape
    for i in range(cuda.grid(1), pixels * features, cuda.gridsize(1)):
        pixel, o = i // features, i % features
        total = bias[o] if biased else float32(0)
        for c in range(x.shape[1]):
            total += x[pixel, c] * kernel[c, o]
        out[pixel, o] = total


def pointwise_conv2d(x: CardArray, kernel: CardArray, bias: CardArray | None = None) -> CardArray:
    """Map the channels of every pixel by a matrix."""
    features = kernel.shape[1]
    out = empty((*x.shape[:3], features), np.float32)
    pixels = count_of(x) // x.shape[3]
    rows = x.reshape(pixels, x.shape[3])
    _pointwise_conv2d[grid_for(count_of(out))](rows, _on_card(kernel), *_bias(bias, x), out.reshape(pixels, features))
    return out


@cuda.jit(device=True, inline=True)
def _place(i: Any, shape: Any) -> Any:
    """Return picture, row, column and channel of the i-th number of an array (N, H, W, C)."""
    _, height, width, channels = shape
    return i // (channels * width * height), i // (channels * width) % height, i // channels % width, i % channels


@cuda.jit(device=True, inline=True)
def _stamped_by(position: Any, step: Any, size: Any) -> Any:
    """Return the input position `position / step`, or -1 if that is not a whole number in [0, size)."""
    return position // step if position % step == 0 and 0 <= position // step < size else -1


@cuda.jit
def _depthwise_conv2d(
    x: Any, kernel: Any, bias: Any, biased: bool, strides: Pair, dilations: Pair, pads: Pair, out: Any
) -> None:
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        n, h, w, c = _place(i, out.shape)
        total = bias[c] if biased else float32(0)
        for a in range(kernel.shape[0]):
            row = h * strides[0] + a * dilations[0] - pads[0]
            if 0 <= row < x.shape[1]:
                for b in range(kernel.shape[1]):
                    column = w * strides[1] + b * dilations[1] - pads[1]
                    if 0 <= column < x.shape[2]:
                        total += x[n, row, column, c] * kernel[a, b, c]
        out[n, h, w, c] = total


def depthwise_conv2d(
    x: CardArray,
    kernel: CardArray,
    bias: CardArray | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> CardArray:
    """Convolve each channel with its own kernel."""
    op = DepthwiseConv2D(kernel_size=kernel.shape[:2], stride=stride, dilation=dilation, padding=padding)
    top, left = (pad.conv_pads(x.shape[1 + axis], *op.axis_arguments(axis))[0] for axis in (0, 1))
    return _window(_depthwise_conv2d, op, x, kernel, bias, (top, left))


@cuda.jit
def _depthwise_conv2d_transpose(
    x: Any, kernel: Any, bias: Any, biased: bool, strides: Pair, dilations: Pair, crops: Pair, out: Any
) -> None:
    """Sum, for each number of the result, the taps that meet it: those whose input position is whole."""
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        n, h, w, c = _place(i, out.shape)
        total = bias[c] if biased else float32(0)
        for a in range(kernel.shape[0]):
            row = _stamped_by(h + crops[0] - a * dilations[0], strides[0], x.shape[1])
            if row >= 0:
                for b in range(kernel.shape[1]):
                    column = _stamped_by(w + crops[1] - b * dilations[1], strides[1], x.shape[2])
                    if column >= 0:
                        total += x[n, row, column, c] * kernel[a, b, c]
        out[n, h, w, c] = total


def depthwise_conv2d_transpose(
    x: CardArray,
    kernel: CardArray,
    bias: CardArray | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> CardArray:
    """Stamp each channel's kernel onto the result for every input pixel."""
    op = DepthwiseConv2DTranspose(kernel_size=kernel.shape[:2], stride=stride, dilation=dilation, padding=padding)
    return _window(_depthwise_conv2d_transpose, op, x, kernel, bias, crop_start(op, x))


@cuda.jit
def _conv2d_transpose(
    x: Any, kernel: Any, bias: Any, biased: bool, strides: Pair, dilations: Pair, crops: Pair, out: Any
) -> None:
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        n, h, w, o = _place(i, out.shape)
        total = bias[o] if biased else float32(0)
        for a in range(kernel.shape[0]):
            row = _stamped_by(h + crops[0] - a * dilations[0], strides[0], x.shape[1])
            if row >= 0:
                for b in range(kernel.shape[1]):
                    column = _stamped_by(w + crops[1] - b * dilations[1], strides[1], x.shape[2])
                    if column >= 0:
                        for c in range(x.shape[3]):
                            total += x[n, row, column, c] * kernel[a, b, o, c]
        out[n, h, w, o] = total


def conv2d_transpose(
    x: CardArray,
    kernel: CardArray,
    bias: CardArray | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> CardArray:
    """Stamp a kernel onto the result for every input pixel."""
    op = Conv2DTranspose(
        features=kernel.shape[2], kernel_size=kernel.shape[:2], stride=stride, dilation=dilation, padding=padding
    )
    return _window(_conv2d_transpose, op, x, kernel, bias, crop_start(op, x))


@cuda.jit
def _resize(x: Any, rows: Any, row_weights: Any, columns: Any, column_weights: Any, out: Any) -> None:
    for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        n, h, w, c = _place(i, out.shape)
        total = float32(0)
        for a in range(rows.shape[1]):
            along = float32(0)
            for b in range(columns.shape[1]):
                along += x[n, rows[h, a], columns[w, b], c] * column_weights[w, b]
            total += along * row_weights[h, a]
        out[n, h, w, c] = total


def resize(x: CardArray, *, height: int, width: int, method: Resampling) -> CardArray:
    """Resample pictures to a given size."""
    out = empty((x.shape[0], height, width, x.shape[3]), np.float32)
    taps = []
    for n, size in ((x.shape[1], height), (x.shape[2], width)):
        positions, weights = resize_taps(n, size, method)
        taps += [to_card(positions.astype(np.int64)), to_card(weights.astype(np.float32))]
    _resize[grid_for(count_of(out))](x, *taps, out)
    return out


def _window(
    function: Any, op: Window, x: CardArray, kernel: CardArray, bias: CardArray | None, first: Pair
) -> CardArray:
    """Run one of the CUDA kernels that have a sliding window, which begins `first` positions before the picture."""
    out = empty((x.shape[0], *op.output_shape(x.shape[1:])), np.float32)
    function[grid_for(count_of(out))](x, _on_card(kernel), *_bias(bias, x), op.stride, op.dilation, first, out)
    return out


def _flat(x: CardArray) -> CardArray:
    return x.reshape(count_of(x))


def _on_card(x: CardArray | NDArray[Any]) -> CardArray:
    return to_card(x) if isinstance(x, np.ndarray) else x


def _bias(bias: CardArray | NDArray[Any] | None, x: CardArray) -> tuple[CardArray, bool]:
    """Return a bias and whether there is one; if not, another array of its type takes its place."""
    return (_flat(x), False) if bias is None else (_on_card(bias), True)


CARD: Mapping[type[Operator], Function] = {
    Add: add,
    AddChannels: add_channels,
    Conv2DTranspose: conv2d_transpose,
    DepthwiseConv2D: depthwise_conv2d,
    DepthwiseConv2DTranspose: depthwise_conv2d_transpose,
    PointwiseConv2D: pointwise_conv2d,
    ReLU: relu,
    Resize: resize,
    Tanh: tanh,
}
