"""Proves ranges of values from the integer weights, channel by channel, without any picture.

The interval of a value is a pair of arrays: its least and its greatest number in each channel. The interval of a sum is
exact: its end is reached by the input that is greatest where the kernel is positive, and least where it is negative.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops import AddChannels, Conv2DTranspose, DepthwiseConv2D, Operator, PointwiseConv2D
from npfuse.ops.window import Window

Whole = NDArray[np.int64]
Interval = tuple[Whole, Whole]


def constant(low: int, high: int, channels: int) -> Interval:
    """Return the interval of a value whose channels all have the same range."""
    return np.full(channels, low, np.int64), np.full(channels, high, np.int64)


def sums(op: Operator, x: Interval, kernel: Whole, bias: Whole | None) -> tuple[Interval, Whole]:
    """Return the interval of an operator's sums, and a bound of every partial sum in any order.

    Parameters
    ----------
    op : PointwiseConv2D, DepthwiseConv2D or Conv2DTranspose
    x : interval of the input
    kernel, bias : integers, of the operator's shapes

    Returns
    -------
    interval : pair of ndarray (Cout,)
    bound : ndarray (Cout,), the sum of the magnitudes of all terms

    Examples
    --------
    >>> (low, high), bound = sums(PointwiseConv2D(features=1), constant(0, 10, 2), np.array([[3], [-2]]), np.array([5]))
    >>> low, high, bound
    (array([-15]), array([35]), array([55]))
    """
    low, high = x
    if _reads_zeros(op):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)
    ends = [
        _greatest_sum(op, positive * _shaped(op, high) + negative * _shaped(op, low)),
        -_greatest_sum(op, -positive * _shaped(op, low) - negative * _shaped(op, high)),
        _greatest_sum(op, np.abs(kernel) * _shaped(op, np.maximum(np.abs(low), np.abs(high)))),
    ]
    most, least, bound = ends
    if bias is not None:
        most, least, bound = most + bias, least + bias, bound + np.abs(bias)
    return (least, most), bound


def _shaped(op: Operator, x: Whole) -> Whole:
    """Return numbers, one per channel of the input, in a shape that multiplies a kernel."""
    return x[:, np.newaxis] if isinstance(op, PointwiseConv2D) else x


def _greatest_sum(op: Operator, products: Any) -> Any:
    """Add up a kernel's products; for a transposed convolution, those of the position where most of them meet."""
    if isinstance(op, PointwiseConv2D):
        return products.sum(axis=0)
    if isinstance(op, DepthwiseConv2D):
        return products.sum(axis=(0, 1))
    assert isinstance(op, Conv2DTranspose)
    strides, taps = op.stride, products.sum(axis=3)  # (kH, kW, Cout)
    phases = [
        np.maximum(taps[i :: strides[0], j :: strides[1]], 0).sum(axis=(0, 1))
        for i in range(strides[0])
        for j in range(strides[1])
    ]
    return np.max(phases, axis=0)


def _reads_zeros(op: Operator) -> bool:
    """Tell whether an operator may read zeros beyond the border, or fewer taps there."""
    return isinstance(op, Window) and (op.transposed or op.padding == "same")


def added(op: Operator, intervals: Sequence[Interval]) -> tuple[Interval, Whole]:
    """Return the interval of a sum of values, and a bound of its partial sums."""
    assert len(intervals) > 1 or isinstance(op, AddChannels)
    low, high = (np.sum([interval[end] for interval in intervals], axis=0) for end in (0, 1))
    return (low, high), np.sum([magnitude(interval) for interval in intervals], axis=0)


def magnitude(interval: Interval) -> Any:
    """Return the greatest magnitude in an interval, channel by channel."""
    return np.maximum(np.abs(interval[0]), np.abs(interval[1]))
