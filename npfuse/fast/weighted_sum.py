"""WeightedSum, compiled: one pass for each picture and its weight map."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled, contiguous
from npfuse.ops.operator import check_arrays
from npfuse.ops.weighted_sum import WeightedSum


def weighted_sum(*xs: NDArray[Any]) -> NDArray[Any]:
    """Add up pictures times their weight maps; see `npfuse.ops.weighted_sum`. All float32 or all float64."""
    check_arrays(WeightedSum(), *xs)
    xs = contiguous("weighted_sum", *xs)
    out = np.zeros_like(xs[0])
    channels = out.shape[3]
    for x, weight_map in zip(xs[::2], xs[1::2], strict=True):
        _add_weighted(x.reshape(-1, channels), weight_map.reshape(-1), out.reshape(-1, channels))
    return out


@compiled
def _add_weighted(x, weight_map, out):
    for p in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[p, c] += x[p, c] * weight_map[p]
