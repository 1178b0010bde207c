"""Add, compiled."""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.add import Add
from npfuse.ops.operator import check_arrays


def add(*xs: NDArray[Any]) -> NDArray[Any]:
    """Add pictures, from left to right; see `npfuse.ops.add`. All float32 or all float64."""
    check_arrays(Add(), *xs)
    first, *others = contiguous("add", *xs)
    out = aligned_empty(first.shape, first.dtype)
    _add(first.reshape(-1), others[0].reshape(-1), out.reshape(-1))
    for x in others[1:]:
        _add(out.reshape(-1), x.reshape(-1), out.reshape(-1))
    return out


@compiled
def _add(a, b, out):
    for i in range(len(out)):
        out[i] = a[i] + b[i]
