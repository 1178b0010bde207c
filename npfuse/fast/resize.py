"""Resize, compiled: rows first, then columns, each output a weighted sum over the taps of `npfuse.ops.resize`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.fast.compiled import compiled, contiguous
from npfuse.ops.operator import check_arrays
from npfuse.ops.resize import Method, Resize, resize_taps


def resize(x: NDArray[Any], *, height: int, width: int, method: Method) -> NDArray[Any]:
    """Resample pictures to a given size; see `npfuse.ops.resize`. float32 or float64."""
    check_arrays(Resize(height=height, width=width, method=method), x)
    (x,) = contiguous("resize", x)
    n, _, in_width, channels = x.shape
    tall = np.empty((n, height, in_width, channels), x.dtype)
    positions, weights = resize_taps(x.shape[1], height, method)
    _resize_rows(x, positions, weights.astype(x.dtype), tall)
    out = np.empty((n, height, width, channels), x.dtype)
    positions, weights = resize_taps(in_width, width, method)
    _resize_columns(tall, positions, weights.astype(x.dtype), out)
    return out


@compiled
def _resize_rows(x: Any, positions: Any, weights: Any, out: Any) -> None:
    for n in range(out.shape[0]):
        for h in range(out.shape[1]):
            for w in range(out.shape[2]):
                for c in range(out.shape[3]):
                    total = x[n, positions[h, 0], w, c] * weights[h, 0]
                    for t in range(1, positions.shape[1]):
                        total += x[n, positions[h, t], w, c] * weights[h, t]
                    out[n, h, w, c] = total


@compiled
def _resize_columns(x: Any, positions: Any, weights: Any, out: Any) -> None:
    for n in range(out.shape[0]):
        for h in range(out.shape[1]):
            for w in range(out.shape[2]):
                for c in range(out.shape[3]):
                    total = x[n, h, positions[w, 0], c] * weights[w, 0]
                    for t in range(1, positions.shape[1]):
                        total += x[n, h, positions[w, t], c] * weights[w, t]
                    out[n, h, w, c] = total
