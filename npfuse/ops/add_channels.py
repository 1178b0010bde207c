"""AddChannels: one number per channel added to a whole picture (ToneFuse's thumbnail sets DetailNet's first bias)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Pair, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class AddChannels(Operator):
    """The sum of a picture and a picture of one pixel: a bias that is computed, not stored."""

    input_count: ClassVar[int | None] = 2

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the picture."""
        self.require_count(*inputs)
        x, v = inputs
        if v != (1, 1, x[2]):
            raise self.error("second input shape", v, f"{(1, 1, x[2])}, one number per channel of the first", *inputs)
        return x

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the same positions of the picture, and the one position of the numbers."""
        return (0, 1) if n == 1 else (start, stop)


def add_channels(x: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    """Add one number per channel to every pixel.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object
    v : ndarray (N, 1, 1, C)

    Returns
    -------
    ndarray (N, H, W, C)

    Raises
    ------
    ValueError : batches or channels differ, or v has more than one pixel

    Notes
    -----
    Cost: N*H*W*C additions.

    Examples
    --------
    >>> import numpy as np
    >>> add_channels(np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]]), np.array([[[[10.0, 20.0]]]]))[0, :, 0]
    array([[11., 22.],
           [13., 24.]])
    """
    check_arrays(AddChannels(), x, v)
    total: NDArray[Any] = x + v
    return total
