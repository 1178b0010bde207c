"""Convolutions and transposed convolutions by index: which output, input and tap positions meet along an axis.

Written from TensorFlow's description of its padding ("Notes on padding", tf.nn) and from the adjoint, with nothing of
`npfuse.padding`. Works with any numbers, `fractions.Fraction` too.
"""

import numpy as np


def same_before(n: int, extent: int, stride: int) -> int:
    """Return what TensorFlow's "SAME" pads before n positions, by the two cases of its documentation."""
    total = max(extent - stride, 0) if n % stride == 0 else max(extent - n % stride, 0)
    return total // 2


def convolution_meetings(n, k, stride, dilation, padding):
    """Return the output length, and (output, input, tap) positions wherever a tap meets the input."""
    extent = (k - 1) * dilation + 1
    before = same_before(n, extent, stride) if padding == "same" else 0
    # "same": as many outputs as strides begin inside the input; "valid": as many as keep the kernel inside.
    starts = [start for start in range(0, n, stride) if padding == "same" or start + extent <= n]
    meetings = []
    for output, start in enumerate(starts):
        for tap in range(k):
            position = start - before + tap * dilation
            if 0 <= position < n:
                meetings.append((output, position, tap))
    return len(starts), meetings


def transposed_meetings(n, k, stride, dilation, padding):
    """Return the output length, and (output, input, tap) positions wherever a stamp is kept; lengths as in Keras."""
    extent = (k - 1) * dilation + 1
    out = n * stride if padding == "same" else n * stride + max(extent - stride, 0)
    crop = same_before(out, extent, stride) if padding == "same" else 0
    meetings = []
    for position in range(n):
        for tap in range(k):
            output = position * stride + tap * dilation - crop
            if 0 <= output < out:
                meetings.append((output, position, tap))
    return out, meetings


def window(x, kernel, bias, *, transposed, multiply, features, stride, dilation, padding):
    """Compute a convolution, or a transposed one, meeting by meeting.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin)
    kernel : ndarray (kH, kW, ...)
    bias : ndarray (features,) or None
    transposed : bool
    multiply : takes a pixel of every picture (N, Cin) and a tap (...), returns the products (N, features)
    features : number of output channels
    stride, dilation, padding : as in npfuse

    Returns
    -------
    ndarray (N, OH, OW, features), dtype of x
    """
    meetings = transposed_meetings if transposed else convolution_meetings
    (height, rows), (width, columns) = (
        meetings(x.shape[1 + axis], kernel.shape[axis], stride[axis], dilation[axis], padding) for axis in (0, 1)
    )
    out = np.zeros((x.shape[0], height, width, features), x.dtype)
    for oh, h, i in rows:
        for ow, w, j in columns:
            out[:, oh, ow] += multiply(x[:, h, w], kernel[i, j])
    return out if bias is None else out + bias


def over_channels(pixel, tap):
    """Multiply (N, Cin) by a tap (Cin, Cout)."""
    return (pixel[:, :, np.newaxis] * tap).sum(axis=1)


def over_swapped_channels(pixel, tap):
    """Multiply (N, Cin) by a tap (Cout, Cin)."""
    return (pixel[:, np.newaxis, :] * tap).sum(axis=2)


def channel_by_channel(pixel, tap):
    """Multiply (N, C) by a tap (C,)."""
    return pixel * tap
