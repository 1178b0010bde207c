"""The median of some numbers, without what NumPy loads and checks for it, which takes far longer for a few numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def median(values: NDArray[Any]) -> Any:
    """Return the median of numbers, at least one and none NaN, as `np.median` does.

    Examples
    --------
    >>> float(median(np.array([3.0, 1.0, 2.0]))), float(median(np.array([4, 1, 2, 3])))
    (2.0, 2.5)
    """
    flat = values.ravel()
    half, odd = divmod(flat.size, 2)
    if odd:
        return np.partition(flat, half)[half]
    return np.partition(flat, (half - 1, half))[half - 1 : half + 1].mean()
