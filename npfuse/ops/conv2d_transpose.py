"""Conv2DTranspose: the adjoint of Conv2D; every input pixel stamps a kernel onto the output."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.ops.operator import Pair
from npfuse.ops.window import Window, stamp


@dataclass(frozen=True, kw_only=True)
class Conv2DTranspose(Window):
    """A transposed convolution with kernel (kH, kW, features, Cin) and bias (features,)."""

    features: int
    transposed: ClassVar[bool] = True
    kernel_axes: ClassVar[tuple[str, ...]] = ("kH", "kW", "Cout", "Cin")


def conv2d_transpose(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Stamp a kernel onto the output for every input pixel: the adjoint of `conv2d`.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin); float32, float64 or object
    kernel : ndarray (kH, kW, Cout, Cin)
    bias : ndarray (Cout,), optional
    stride, dilation : (rows, columns)
    padding : "same" (output H*stride) or "valid"

    Returns
    -------
    ndarray (N, OH, OW, Cout), dtype of x

    Raises
    ------
    ValueError : a shape or an attribute does not fit

    Notes
    -----
    Cost: N*H*W*kH*kW*Cin*Cout MACs: it multiplies at input positions; cropped products are multiplied too.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    >>> conv2d_transpose(x, np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1), stride=(1, 2), padding="valid")[0, 0, :, 0]
    array([ 1.,  2., 13., 20., 30.])
    """
    op = Conv2DTranspose.of(x, kernel, bias, stride, dilation, padding)
    total = stamp(op, x, op.features, lambda i, j: x @ kernel[i, j].T)
    return total if bias is None else total + bias
