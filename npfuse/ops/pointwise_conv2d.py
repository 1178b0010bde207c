"""PointwiseConv2D: at every pixel, a matrix maps the channels (LightFuse's P_Conv, Fig. 1)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class PointwiseConv2D(Operator):
    """A 1x1 convolution with kernel (Cin, features) and bias (features,)."""

    features: int
    use_bias: bool = True
    kernel_axes: ClassVar[tuple[str, ...]] = ("Cin", "Cout")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (H, W, features)."""
        self.require_count(*inputs)
        if self.features < 1:
            raise self.error("features", self.features, "at least 1", *inputs)
        return *inputs[0][:2], self.features

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `kernel` and, where used, of `bias`."""
        kernel = {"kernel": (inputs[0][2], self.features)}
        return kernel | ({"bias": (self.features,)} if self.use_bias else {})

    @classmethod
    def of(cls, x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None) -> Self:
        """Return the operator that these arrays belong to, after checking them."""
        if kernel.ndim != 2:
            raise ValueError(
                f"PointwiseConv2D: kernel rank is {kernel.ndim}, expected 2 (Cin, Cout); kernel shape {kernel.shape}"
            )
        op = cls(features=kernel.shape[1], use_bias=bias is not None)
        check_arrays(op, x, kernel=kernel, bias=bias)
        return op


def pointwise_conv2d(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> NDArray[Any]:
    """Map the channels of every pixel by a matrix.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin); float32, float64 or object
    kernel : ndarray (Cin, Cout)
    bias : ndarray (Cout,), optional

    Returns
    -------
    ndarray (N, H, W, Cout), dtype of x

    Raises
    ------
    ValueError : a shape does not fit

    Notes
    -----
    Cost: N*H*W*Cin*Cout MACs. Source: LightFuse (arXiv 2107.02299), section on P_Conv, Fig. 1.

    Examples
    --------
    >>> import numpy as np
    >>> pointwise_conv2d(np.array([[[[1.0, 2.0]]]]), np.array([[1.0, 0.0], [10.0, 1.0]]))
    array([[[[21.,  2.]]]])
    """
    PointwiseConv2D.of(x, kernel, bias)
    product: NDArray[Any] = x @ kernel
    return product if bias is None else product + bias
