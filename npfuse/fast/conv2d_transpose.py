"""Conv2DTranspose, compiled: output pixels of one phase of the stride are convolutions with some of the taps.

From every tap k, output position o gets input position (o + crop - k * dilation) / stride, if that is a whole number.
Which taps these are depends only on the phase of o, which is o modulo the stride. For the next o of the same phase, the
input positions are the next ones. So `npfuse.engine.window_sums` sums each phase of rows and columns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.engine.compiled import aligned_empty, bias_or_zeros, contiguous
from npfuse.engine.window_sums import Grid, panels_of, space_for, sum_windows, terms_of
from npfuse.ops.conv2d_transpose import Conv2DTranspose
from npfuse.ops.operator import Pair
from npfuse.ops.window import crop_start


def conv2d_transpose(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Stamp a kernel for every input pixel; see `npfuse.ops.conv2d_transpose`. All arrays of one float dtype."""
    op = Conv2DTranspose.of(x, kernel, bias, stride, dilation, padding)
    x, kernel, bias = contiguous(
        "conv2d_transpose", x, kernel.swapaxes(2, 3), bias_or_zeros(bias, op.features, x.dtype)
    )
    out = aligned_empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    _, height, width, features = out.shape
    _, in_height, in_width, channels = x.shape
    crop = crop_start(op, x)
    tap_rows = [phase_taps(phase, kernel.shape[0], stride[0], dilation[0], crop[0]) for phase in range(stride[0])]
    tap_columns = [phase_taps(phase, kernel.shape[1], stride[1], dilation[1], crop[1]) for phase in range(stride[1])]
    top, bottom = _reach(tap_rows, in_height, height, stride[0])
    left, right = _reach(tap_columns, in_width, width, stride[1])
    padded = pad.pad_zeros(x, (top, bottom), (left, right))
    along = padded.shape[2]
    for a, (i, h) in enumerate(tap_rows):
        for b, (j, w) in enumerate(tap_columns):
            starts = ((h[:, np.newaxis] + top) * along + w + left).reshape(-1) * channels
            terms = terms_of(((int(start), channels) for start in starts), features)
            panels = panels_of(kernel[np.ix_(i, j)].reshape(-1, features), bias, terms)
            read = Grid(0, along * channels, channels)
            write = Grid((a * width + b) * features, stride[0] * width * features, stride[1] * features)
            rows, columns = -((a - height) // stride[0]), -((b - width) // stride[1])
            space = space_for(panels, columns, x.dtype)
            for picture, result in zip(padded, out, strict=True):
                sum_windows(picture.reshape(-1), read, terms, panels, result.reshape(-1), write, rows, columns, space)
    return out


def phase_taps(phase: int, kernel: int, stride: int, dilation: int, crop: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the taps and the inputs that the output positions of a phase are made of, along one axis.

    Returns
    -------
    taps : ndarray of intp, the taps that meet this phase
    inputs : ndarray of intp, the input position that each tap multiplies for output position `phase`; may be negative

    Examples
    --------
    >>> phase_taps(1, kernel=4, stride=2, dilation=1, crop=1)  # position 1: input 1 by tap 0 and input 0 by tap 2
    (array([0, 2]), array([1, 0]))
    """
    taps = np.arange(kernel)
    inputs, rest = np.divmod(phase + crop - taps * dilation, stride)
    return taps[rest == 0], inputs[rest == 0]


def _reach(phases: list[tuple[NDArray[Any], NDArray[Any]]], n: int, out: int, stride: int) -> Pair:
    """Return how many positions before and after n input positions the taps of all phases read."""
    before = after = 0
    for phase, (_, inputs) in enumerate(phases):
        count = -((phase - out) // stride)  # output positions of this phase
        if len(inputs) and count:
            before = max(before, -int(inputs.min()))
            after = max(after, int(inputs.max()) + count - n)
    return before, after
