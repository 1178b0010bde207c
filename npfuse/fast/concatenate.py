"""Concatenate, compiled: two pictures at a time, pixel by pixel, vectors of channels.

If the channels do not fill the last vector, it reaches into the numbers behind, which are written afterwards.
"""

from typing import Any

from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.engine.processor import VECTOR_NUMBERS
from npfuse.engine.register_tiles import load_tile, store_tile
from npfuse.ops.concatenate import Concatenate
from npfuse.ops.operator import check_arrays


def concatenate(*xs: NDArray[Any]) -> NDArray[Any]:
    """Join pictures along the channels; see `npfuse.ops.concatenate`. All float32 or all float64."""
    check_arrays(Concatenate(), *xs)
    joined, *others = contiguous("concatenate", *xs)
    for x in others:
        a, b = joined.shape[3], x.shape[3]
        out = aligned_empty((*x.shape[:3], a + b), x.dtype)
        _join(joined.reshape(-1), a, x.reshape(-1), b, out.reshape(-1))
        joined = out
    return joined


@compiled
def _join(a, a_channels, b, b_channels, out):
    step = a_channels + b_channels
    a_reach, b_reach = (
        -(-a_channels // VECTOR_NUMBERS) * VECTOR_NUMBERS,
        -(-b_channels // VECTOR_NUMBERS) * VECTOR_NUMBERS,
    )
    # The last pixels are copied number by number: a vector might reach beyond an array.
    safe = min((len(a) - a_reach) // a_channels, (len(b) - b_reach) // b_channels)
    safe = max(0, min(safe, (len(out) - max(a_reach, a_channels + b_reach)) // step) + 1)
    for p in range(safe):
        for c in range(0, a_channels, VECTOR_NUMBERS):
            store_tile(load_tile(1, 1, a, p * a_channels + c, 0), out, p * step + c, 0)
        for c in range(0, b_channels, VECTOR_NUMBERS):
            store_tile(load_tile(1, 1, b, p * b_channels + c, 0), out, p * step + a_channels + c, 0)
    for p in range(safe, len(out) // step):
        for c in range(a_channels):
            out[p * step + c] = a[p * a_channels + c]
        for c in range(b_channels):
            out[p * step + a_channels + c] = b[p * b_channels + c]
