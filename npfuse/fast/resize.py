"""Resize, compiled: columns first, then rows, each output a weighted sum over the taps of `npfuse.ops.resize`.

Channels lie along the vector lanes while columns are resampled. If they do not fill the last vector, it reaches into
the next pixel, which is written afterwards. A row of the result is a sum of rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.engine.processor import VECTOR_NUMBERS
from npfuse.engine.register_tiles import add_scaled, load_tile, store_tile
from npfuse.ops.operator import check_arrays
from npfuse.ops.resize import Resampling, Resize, resize_taps


def resize(x: NDArray[Any], *, height: int, width: int, method: Resampling) -> NDArray[Any]:
    """Resample pictures to a given size; see `npfuse.ops.resize`. float32 or float64."""
    check_arrays(Resize(height=height, width=width, method=method), x)
    (x,) = contiguous("resize", x)
    n, in_height, in_width, channels = x.shape
    wide = aligned_empty((n, in_height, width, channels), x.dtype)
    positions, weights = resize_taps(in_width, width, method)
    _resize_columns(
        x.reshape(-1),
        n * in_height,
        in_width * channels,
        channels,
        positions,
        weights.astype(x.dtype).reshape(-1),
        wide.reshape(-1),
        np.zeros(VECTOR_NUMBERS, x.dtype),
    )
    out = aligned_empty((n, height, width, channels), x.dtype)
    positions, weights = resize_taps(in_height, height, method)
    along = width * channels
    _resize_rows(wide.reshape(n, in_height, along), positions, weights.astype(x.dtype), out.reshape(n, height, along))
    return out


@compiled
def _resize_columns(x, rows, x_row, channels, positions, scales, out, zeros):
    width, taps = positions.shape
    for h in range(rows):
        at = h * width * channels
        if (h + 1) * x_row + VECTOR_NUMBERS <= len(x) and at + width * channels + VECTOR_NUMBERS <= len(out):
            for w in range(width):
                for c in range(0, channels, VECTOR_NUMBERS):
                    one = load_tile(1, 1, zeros, 0, 0)
                    for t in range(taps):
                        one = add_scaled(one, scales, w * taps + t, 0, x, h * x_row + positions[w, t] * channels + c)
                    store_tile(one, out, at + w * channels + c, 0)
        else:  # here a vector might reach beyond the array
            for w in range(width):
                for c in range(channels):
                    total = zeros[0]
                    for t in range(taps):
                        total += x[h * x_row + positions[w, t] * channels + c] * scales[w * taps + t]
                    out[at + w * channels + c] = total


@compiled
def _resize_rows(x, positions, weights, out):
    for n in range(out.shape[0]):
        for h in range(out.shape[1]):
            row = out[n, h]
            for t in range(positions.shape[1]):
                values, weight = x[n, positions[h, t]], weights[h, t]
                if t == 0:
                    for q in range(len(row)):
                        row[q] = values[q] * weight
                else:
                    for q in range(len(row)):
                        row[q] += values[q] * weight
