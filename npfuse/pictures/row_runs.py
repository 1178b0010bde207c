"""Takes arrays a few rows at a time, so that intermediate arrays stay small."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN_BYTES = 1 << 20


def row_runs(samples: NDArray[Any]) -> Iterator[slice]:
    """Yield the rows of an array in runs of about a mebibyte.

    Examples
    --------
    >>> list(row_runs(np.zeros((1200, 1024), np.uint8)))
    [slice(0, 1024, None), slice(1024, 1200, None)]
    """
    step = max(1, RUN_BYTES * len(samples) // max(1, samples.nbytes))
    for first in range(0, len(samples), step):
        yield slice(first, min(first + step, len(samples)))


def by_runs(function: Callable[[NDArray[Any]], NDArray[Any]], samples: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return an array of a dtype: a function, applied to every sample.

    Examples
    --------
    >>> by_runs(np.sqrt, np.array([[4, 9]], np.uint8), np.float32)
    array([[2., 3.]], dtype=float32)
    """
    out = np.empty(samples.shape, dtype)
    for rows in row_runs(samples):
        out[rows] = function(samples[rows])
    return out
