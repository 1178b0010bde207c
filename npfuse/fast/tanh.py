"""Tanh, compiled: see `npfuse.engine.tanh_vectors`."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, contiguous
from npfuse.engine.tanh_vectors import tanh_numbers
from npfuse.ops.operator import check_arrays
from npfuse.ops.tanh import Tanh


def tanh(x: NDArray[Any]) -> NDArray[Any]:
    """Apply the hyperbolic tangent; see `npfuse.ops.tanh`. float32 (to 4 units in the last place) or float64."""
    check_arrays(Tanh(), x)
    (x,) = contiguous("tanh", x)
    out = aligned_empty(x.shape, x.dtype)
    tanh_numbers(x.reshape(-1), out.reshape(-1))
    return out
