"""WeightedSum: pictures times their weight maps, added up (how Mertens 2009 blends each level of its pyramid)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class WeightedSum(Operator):
    """Inputs x1, w1, x2, w2, … become x1 * w1 + x2 * w2 + …; a weight map's one channel counts for all of a picture."""

    input_count: ClassVar[int | None] = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the pictures."""
        self.require_count(*inputs)
        if len(inputs) % 2:
            raise self.error(
                "number of inputs", len(inputs), "an even one: pictures, each with its weight map", *inputs
            )
        height, width, channels = inputs[0]
        for i, shape in enumerate(inputs):
            expected = (height, width, 1 if i % 2 else channels)
            if shape != expected:
                thing = "weight map" if i % 2 else "picture"
                raise self.error(f"shape of {thing} {i // 2 + 1}", shape, str(expected), *inputs)
        return inputs[0]


def weighted_sum(*xs: NDArray[Any]) -> NDArray[Any]:
    """Add up pictures times their weight maps, from left to right.

    Parameters
    ----------
    xs : picture, weight map, picture, weight map, …
        ndarrays (N, H, W, C) and (N, H, W, 1); float32, float64 or object.

    Returns
    -------
    ndarray (N, H, W, C)

    Raises
    ------
    ValueError : shapes do not fit, or the number of inputs is odd or 0

    Notes
    -----
    Cost: a multiplication for each value of each picture, and one addition fewer for each value.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[[1.0, 2.0]]]]), np.array([[[[10.0]]]])
    >>> weighted_sum(x, w, x, w / 10)
    array([[[[11., 22.]]]])
    """
    check_arrays(WeightedSum(), *xs)
    total: Any = 0
    for x, weight_map in zip(xs[::2], xs[1::2], strict=True):
        total = total + x * weight_map
    result: NDArray[Any] = total
    return result
