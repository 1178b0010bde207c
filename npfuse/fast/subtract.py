"""Subtract, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled, contiguous
from npfuse.ops.operator import check_arrays
from npfuse.ops.subtract import Subtract


def subtract(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Subtract a picture from another; see `npfuse.ops.subtract`. Both float32 or both float64."""
    check_arrays(Subtract(), a, b)
    a, b = contiguous("subtract", a, b)
    out = np.empty_like(a)
    _subtract(a.reshape(-1), b.reshape(-1), out.reshape(-1))
    return out


@compiled
def _subtract(a, b, out):
    for i in range(len(out)):
        out[i] = a[i] - b[i]
