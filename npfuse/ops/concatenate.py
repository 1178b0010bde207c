"""Concatenate: pictures of one size, side by side along the channels."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class Concatenate(Operator):
    """Inputs (H, W, C1), (H, W, C2), … become (H, W, C1 + C2 + …)."""

    input_count: ClassVar[int | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (H, W, sum of the channels)."""
        self.require_count(*inputs)
        for shape in inputs:
            if shape[:2] != inputs[0][:2]:
                raise self.error("input (H, W)", shape[:2], f"{inputs[0][:2]} as the first", *inputs)
        return *inputs[0][:2], sum(shape[2] for shape in inputs)


def concatenate(*xs: NDArray[Any]) -> NDArray[Any]:
    """Join pictures along the channels.

    Parameters
    ----------
    xs : two or more ndarrays (N, H, W, Ci); float32, float64 or object

    Returns
    -------
    ndarray (N, H, W, C1 + C2 + …)

    Raises
    ------
    ValueError : sizes differ, or fewer than two inputs

    Examples
    --------
    >>> concatenate(np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 2)))
    array([[[[0., 1., 1.]]]])
    """
    check_arrays(Concatenate(), *xs)
    return np.concatenate(xs, axis=3)
