"""Divide: the quotient of two pictures of one shape (a weight map over the sum of all of them)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class Divide(Operator):
    """The elementwise quotient of two inputs of equal shape; nothing is broadcast."""

    input_count: ClassVar[int | None] = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that both inputs share."""
        self.require_count(*inputs)
        if inputs[1] != inputs[0]:
            raise self.error("second input shape", inputs[1], f"{inputs[0]} as the first", *inputs)
        return inputs[0]


def divide(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Divide a picture by another; x / 0 is infinite and 0 / 0 NaN, without a warning.

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
    >>> divide(np.array([[[[3.0, 1.0]]]]), np.array([[[[2.0, 4.0]]]]))
    array([[[[1.5 , 0.25]]]])
    """
    check_arrays(Divide(), a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient: NDArray[Any] = a / b
    return quotient
