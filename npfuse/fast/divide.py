"""Divide, compiled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled, contiguous
from npfuse.ops.divide import Divide
from npfuse.ops.operator import check_arrays


def divide(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Divide a picture by another; see `npfuse.ops.divide`. Both float32 or both float64."""
    check_arrays(Divide(), a, b)
    a, b = contiguous("divide", a, b)
    out = np.empty_like(a)
    _divide(a.reshape(-1), b.reshape(-1), out.reshape(-1))
    return out


@compiled
def _divide(a, b, out):
    for i in range(len(out)):
        out[i] = a[i] / b[i]
