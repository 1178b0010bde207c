"""Conv2D: every output channel sums a kernel over all input channels. Cross-correlation, as in every framework."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.ops.operator import Pair
from npfuse.ops.window import Window, taps


@dataclass(frozen=True, kw_only=True)
class Conv2D(Window):
    """A convolution with kernel (kH, kW, Cin, features) and bias (features,)."""

    features: int
    kernel_axes: ClassVar[tuple[str, ...]] = ("kH", "kW", "Cin", "Cout")


def conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Convolve pictures with a kernel over all channels.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin); float32, float64 or object
    kernel : ndarray (kH, kW, Cin, Cout)
    bias : ndarray (Cout,), optional
    stride, dilation : (rows, columns)
    padding : "same" (TensorFlow's) or "valid"

    Returns
    -------
    ndarray (N, OH, OW, Cout), dtype of x

    Raises
    ------
    ValueError : a shape or an attribute does not fit

    Notes
    -----
    Cost: N*OH*OW*kH*kW*Cin*Cout MACs, padded taps included.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> conv2d(x, np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1, 1))[0, 0, :, 0]
    array([100., 210., 321.,  32.])
    """
    op = Conv2D.of(x, kernel, bias, stride, dilation, padding)
    total: NDArray[Any] = sum(tap @ kernel[i, j] for i, j, tap in taps(op, x))
    return total if bias is None else total + bias
