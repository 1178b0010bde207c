"""DepthwiseConv2D: each channel is convolved with its own kernel (LightFuse's D_Conv, Fig. 1)."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.ops.operator import Pair
from npfuse.ops.window import Window, taps


@dataclass(frozen=True, kw_only=True)
class DepthwiseConv2D(Window):
    """A convolution channel by channel, with kernel (kH, kW, C) and bias (C,)."""


def depthwise_conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Convolve each channel with its own kernel.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    kernel : ndarray (kH, kW, C)
    bias : ndarray (C,), optional
    stride, dilation : (rows, columns)
    padding : "same" (TensorFlow's) or "valid"

    Returns
    -------
    ndarray (N, OH, OW, C), dtype of x

    Raises
    ------
    ValueError : a shape or an attribute does not fit

    Notes
    -----
    Cost: N*OH*OW*kH*kW*C MACs, padded taps included. Source: LightFuse (arXiv 2107.02299), section on D_Conv, Fig. 1.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(8.0).reshape(1, 1, 4, 2)
    >>> depthwise_conv2d(x, np.array([[[1.0, 2.0]]]), stride=(1, 2))[0, 0]
    array([[ 0.,  2.],
           [ 4., 10.]])
    """
    op = DepthwiseConv2D.of(x, kernel, bias, stride, dilation, padding)
    total: NDArray[Any] = sum(tap * kernel[i, j] for i, j, tap in taps(op, x))
    return total if bias is None else total + bias
