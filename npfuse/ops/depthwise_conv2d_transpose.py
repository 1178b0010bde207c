"""DepthwiseConv2DTranspose: the adjoint of DepthwiseConv2D, with learned kernels or one fixed kernel for all channels.

The decoder of LightFuse has no parameters: nearest-neighbour x2 is this operator with a 2x2 box at stride 2, and
bilinear x2, away from the border, the same with a 4x4 tent.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.ops.operator import Pair, Shape
from npfuse.ops.window import Window, stamp

Rows = tuple[tuple[float, ...], ...]

BOX: Rows = ((1.0, 1.0), (1.0, 1.0))
TENT: Rows = tuple(tuple(a * b for b in (0.25, 0.75, 0.75, 0.25)) for a in (0.25, 0.75, 0.75, 0.25))


@dataclass(frozen=True, kw_only=True)
class DepthwiseConv2DTranspose(Window):
    """A transposed convolution channel by channel, with kernel (kH, kW, C) and bias (C,).

    Parameters
    ----------
    fixed : rows of kernel_size numbers, or None
        The kernel of every channel, part of the operator: no parameters. None: the kernel is learned.
    """

    fixed: Rows | None = None
    transposed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the attributes."""
        super().__post_init__()
        if self.fixed is not None and np.shape(self.fixed) != self.kernel_size:
            raise self.error("fixed kernel shape", np.shape(self.fixed), f"kernel_size {self.kernel_size}")

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `kernel`, where learned, and of `bias`, where used."""
        shapes = super().weight_shapes(*inputs)
        return shapes if self.fixed is None else {name: shapes[name] for name in shapes if name != "kernel"}

    def constants(self, *inputs: Shape) -> dict[str, NDArray[Any]]:
        """Return the fixed kernel, the same for every channel."""
        if self.fixed is None:
            return {}
        rows = np.array(self.fixed)[:, :, np.newaxis]
        return {"kernel": np.broadcast_to(rows, (*self.kernel_size, inputs[0][2]))}


def depthwise_conv2d_transpose(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Stamp each channel's kernel onto the output for every input pixel: the adjoint of `depthwise_conv2d`.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    kernel : ndarray (kH, kW, C)
    bias : ndarray (C,), optional
    stride, dilation : (rows, columns)
    padding : "same" (output H*stride) or "valid"

    Returns
    -------
    ndarray (N, OH, OW, C), dtype of x

    Raises
    ------
    ValueError : a shape or an attribute does not fit

    Notes
    -----
    Cost: N*H*W*kH*kW*C MACs: it multiplies at input positions; cropped products are multiplied too.

    Examples
    --------
    >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> depthwise_conv2d_transpose(x, np.ones((2, 2, 1)), stride=(2, 2))[0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    op = DepthwiseConv2DTranspose.of(x, kernel, bias, stride, dilation, padding)
    total = stamp(op, x, x.shape[3], lambda i, j: x * kernel[i, j])
    return total if bias is None else total + bias
