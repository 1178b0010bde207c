"""Add: the sum of two or more pictures of one shape (LightFuse adds DetailNet and GlobalNet)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class Add(Operator):
    """The elementwise sum of inputs of equal shape; nothing is broadcast."""

    input_count: ClassVar[int | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that all inputs share."""
        self.require_count(*inputs)
        for shape in inputs:
            if shape != inputs[0]:
                raise self.error("input shape", shape, f"{inputs[0]} as the first", *inputs)
        return inputs[0]


def add(*xs: NDArray[Any]) -> NDArray[Any]:
    """Add pictures, from left to right.

    Parameters
    ----------
    xs : two or more ndarrays (N, H, W, C); float32, float64 or object

    Returns
    -------
    ndarray (N, H, W, C)

    Raises
    ------
    ValueError : shapes differ, or fewer than two inputs

    Examples
    --------
    >>> import numpy as np
    >>> add(np.ones((1, 1, 1, 2)), np.full((1, 1, 1, 2), 2.0))
    array([[[[3., 3.]]]])
    """
    check_arrays(Add(), *xs)
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total
