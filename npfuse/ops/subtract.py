"""Subtract: the difference of two pictures of one shape (a level of a Laplacian pyramid)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class Subtract(Operator):
    """The elementwise difference of two inputs of equal shape; nothing is broadcast."""

    input_count: ClassVar[int | None] = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that both inputs share."""
        self.require_count(*inputs)
        if inputs[1] != inputs[0]:
            raise self.error("second input shape", inputs[1], f"{inputs[0]} as the first", *inputs)
        return inputs[0]


def subtract(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Subtract a picture from another.

    Parameters
    ----------
    a, b : ndarray (N, H, W, C); float32, float64 or object

    Returns
    -------
    ndarray (N, H, W, C)

    Raises
    ------
    ValueError : shapes differ

    Examples
    --------
    >>> import numpy as np
    >>> subtract(np.array([[[[3.0, 1.0]]]]), np.array([[[[1.0, 2.0]]]]))
    array([[[[ 2., -1.]]]])
    """
    check_arrays(Subtract(), a, b)
    difference: NDArray[Any] = a - b
    return difference
