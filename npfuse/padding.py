"""Lengths and borders of strided, dilated and transposed convolutions, along one axis.

This is the only place that computes "same". It is TensorFlow's: the output has ceil(n / stride) positions, and where
the number of padded positions is odd, the extra one goes after. At stride 2 and a kernel of 3 an even length is padded
(0, 1) and an odd one (1, 1), so the sampling phase moves with the length. A transposed convolution is the adjoint of
the convolution that maps its output length to its input length; its lengths are Keras's. No other padding is known
here.
"""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Padding = Literal["same", "valid"]
PADDINGS: tuple[Padding, ...] = get_args(Padding)

GRID = 8  # pixels: LightFuse's GlobalNet halves the size three times


def on_grid(*sizes: int) -> tuple[int, ...]:
    """Return sizes rounded up to multiples of `GRID`, as pictures are padded for LightFuse and its kin.

    Examples
    --------
    >>> on_grid(16, 17)
    (16, 24)
    """
    return tuple(-(-size // GRID) * GRID for size in sizes)


def extent(kernel: int, dilation: int) -> int:
    """Return how many positions a dilated kernel spans.

    Examples
    --------
    >>> extent(3, 1), extent(3, 4)
    (3, 9)
    """
    return (kernel - 1) * dilation + 1


def conv_length(n: int, kernel: int, stride: int, dilation: int, padding: Padding) -> int:
    """Return the output length of a convolution over `n` positions; 0 where a "valid" kernel does not fit.

    Examples
    --------
    >>> conv_length(7, 3, 2, 1, "same"), conv_length(7, 3, 2, 1, "valid"), conv_length(2, 3, 1, 1, "valid")
    (4, 3, 0)
    """
    if padding == "same":
        return -(-n // stride)
    return max((n - extent(kernel, dilation)) // stride + 1, 0)


def conv_pads(n: int, kernel: int, stride: int, dilation: int, padding: Padding) -> tuple[int, int]:
    """Return how many positions are padded before and after `n` positions.

    Examples
    --------
    >>> conv_pads(8, 3, 2, 1, "same"), conv_pads(7, 3, 2, 1, "same"), conv_pads(7, 3, 2, 1, "valid")
    ((0, 1), (1, 1), (0, 0))
    """
    if padding == "valid":
        return 0, 0
    out = conv_length(n, kernel, stride, dilation, padding)
    total = max((out - 1) * stride + extent(kernel, dilation) - n, 0)
    return total // 2, total - total // 2


def transposed_length(n: int, kernel: int, stride: int, dilation: int, padding: Padding) -> int:
    """Return the output length of a transposed convolution over `n` positions.

    Examples
    --------
    >>> transposed_length(4, 3, 2, 1, "same"), transposed_length(4, 3, 2, 1, "valid")
    (8, 9)
    """
    if padding == "same":
        return n * stride
    return n * stride + max(extent(kernel, dilation) - stride, 0)


def transposed_crop(n: int, kernel: int, stride: int, dilation: int, padding: Padding) -> int:
    """Return how many leading positions of the full transposed result are cut off.

    It is what the adjoint convolution, which reads the output, pads before it.

    Examples
    --------
    >>> transposed_crop(4, 4, 2, 1, "same"), transposed_crop(4, 2, 2, 1, "same")
    (1, 0)
    """
    out = transposed_length(n, kernel, stride, dilation, padding)
    return conv_pads(out, kernel, stride, dilation, padding)[0]


def pad_zeros(x: NDArray[Any], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
    """Surround pictures with zeros.

    Parameters
    ----------
    x : ndarray (N, H, W, C), any dtype, object too
    rows, columns : (before, after)

    Returns
    -------
    ndarray (N, before + H + after, before + W + after, C), dtype of x

    Examples
    --------
    >>> pad_zeros(np.ones((1, 1, 1, 1)), (0, 1), (1, 0))[0, :, :, 0]
    array([[0., 1.],
           [0., 0.]])
    """
    n, height, width, channels = x.shape
    out = np.zeros((n, sum(rows) + height, sum(columns) + width, channels), x.dtype)
    out[:, rows[0] : rows[0] + height, columns[0] : columns[0] + width] = x
    return out
