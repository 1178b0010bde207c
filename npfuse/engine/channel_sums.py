"""Sums over a window, channel by channel: the inner loop of depthwise convolutions, transposed ones too.

Channels lie along the vector lanes, and the sums of a few pixels of a row stay in registers while a loop goes over the
taps. If the channels do not fill the last vector, it reaches into the next pixel. Pixels are written in their order in
memory, so the next pixel's own sums overwrite that. Two kinds of pixels are summed number by number: those whose window
reaches beyond the picture (the taps outside are left out), and the very last pixels, whose vectors would reach beyond
the array. The order of additions is the same for every pixel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled
from npfuse.engine.processor import VECTOR_NUMBERS
from npfuse.engine.register_tiles import add_scaled_lanes, load_tile, store_tile

PIXELS = 8
NOWHERE = -(2**40)  # the input position of a tap that meets none


def sum_channels(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    step: int,
    out: NDArray[Any],
) -> None:
    """Sum the windows of pictures.

    Parameters
    ----------
    x : ndarray (N, H, W, C), float32 or float64
    kernel : ndarray (kH, kW, C), dtype of x
    bias : ndarray (C,), dtype of x
    rows : ndarray (OH, kH), the input row under each tap for each output row; a row outside of the picture adds nothing
    columns : ndarray (phases, kW), the input column under each tap for the first output columns, or NOWHERE
    step : number of input columns per `phases` output columns
    out : ndarray (N, OH, OW, C), dtype of x, is written
    """
    slack = np.zeros(VECTOR_NUMBERS, x.dtype)
    weights = np.concatenate([kernel.reshape(-1), slack])
    wide_bias = np.concatenate([bias, slack])
    lists = np.empty((3, kernel.shape[0] * kernel.shape[1]), np.int64)
    # A single phase is written to its place; several phases are written side by side, then interleaved.
    phases, along = len(columns), -(-out.shape[2] // len(columns)) * x.shape[3] + VECTOR_NUMBERS
    dealt = np.empty((phases if phases > 1 else 0) * along, x.dtype)
    for picture, result in zip(x, out, strict=True):
        _sum_channels(
            picture.reshape(-1), x.shape[1:], weights, wide_bias, rows, columns, step, result.reshape(-1),
            out.shape[1:3], lists, dealt, along,
        )  # fmt: skip


@compiled
def _sum_channels(values, shape, kernel, bias, rows, columns, step, results, out_shape, lists, dealt, along):
    in_height, in_width, channels = shape
    height, width = out_shape
    phases, kernel_columns = columns.shape
    places, weights, positions = lists[0], lists[1], lists[2]
    for h in range(height):
        for phase in range(phases):
            count = 0
            for i in range(rows.shape[1]):
                for j in range(kernel_columns):
                    if 0 <= rows[h, i] < in_height and columns[phase, j] != NOWHERE:
                        places[count] = (rows[h, i] * in_width + columns[phase, j]) * channels
                        weights[count] = (i * kernel_columns + j) * channels
                        positions[count] = columns[phase, j]
                        count += 1
            pixels = -((phase - width) // phases)
            target, at = (dealt, phase * along) if phases > 1 else (results, h * width * channels)
            _row(
                values, kernel, bias, places[:count], weights, positions, (in_width, channels, step), target, at, pixels
            )
        if phases > 1:
            _interleave(dealt, phases, along, channels, results, h * width * channels, width)


@compiled
def _row(x, kernel, bias, places, weights, positions, sizes, out, at, pixels):
    """Sum the windows of a row; for the first pixel, tap t reads places[t], which lies in column positions[t]."""
    in_width, channels, step = sizes
    taps = len(places)
    first, last, farthest = 0, pixels, 0  # the pixels that are summed by vectors
    beyond = -(-channels // VECTOR_NUMBERS) * VECTOR_NUMBERS  # numbers that a pixel's vectors cover
    for t in range(taps):
        first = max(first, -(positions[t] // step))
        last = min(last, (in_width - 1 - positions[t]) // step + 1)
        farthest = max(farthest, places[t])
    last = min(last, (len(x) - beyond - farthest) // (step * channels) + 1, (len(out) - beyond - at) // channels + 1)
    first, last = (first, last) if first < last else (pixels, pixels)
    tiled = last - (last - first) % PIXELS
    for w in range(first, tiled, PIXELS):
        for c in range(
            beyond - VECTOR_NUMBERS, -1, -VECTOR_NUMBERS
        ):  # the last vector comes first: it may reach into the next pixel
            tile = load_tile(PIXELS, 1, bias, c, 0)
            here = w * step * channels + c
            for t in range(taps):
                tile = add_scaled_lanes(tile, x, here + places[t], step * channels, kernel, weights[t] + c)
            store_tile(tile, out, at + w * channels + c, channels)
    for w in range(tiled, last):
        for c in range(beyond - VECTOR_NUMBERS, -1, -VECTOR_NUMBERS):
            one = load_tile(1, 1, bias, c, 0)
            here = w * step * channels + c
            for t in range(taps):
                one = add_scaled_lanes(one, x, here + places[t], 0, kernel, weights[t] + c)
            store_tile(one, out, at + w * channels + c, 0)
    for begin, end in ((0, first), (last, pixels)):
        for w in range(begin, end):
            _pixel(x, kernel, bias, places, weights, positions, sizes, out, at, w)


@compiled
def _pixel(x, kernel, bias, places, weights, positions, sizes, out, at, w):
    """Sum one window number by number."""
    in_width, channels, step = sizes
    for c in range(channels):
        total = bias[c]
        for t in range(len(places)):
            if 0 <= positions[t] + w * step < in_width:
                total += x[places[t] + w * step * channels + c] * kernel[weights[t] + c]
        out[at + w * channels + c] = total


@compiled
def _interleave(dealt, phases, along, channels, out, at, width):
    """Write the pixels of several rows in turn."""
    vectors = -(-channels // VECTOR_NUMBERS)
    safe = (len(out) - at - (phases - 1) * channels - vectors * VECTOR_NUMBERS) // (phases * channels) + 1
    safe = max(0, min(width // phases, safe))
    for w in range(safe):
        target = at + w * phases * channels
        for phase in range(phases):
            source = phase * along + w * channels
            for v in range(vectors):
                tile = load_tile(1, 1, dealt, source + v * VECTOR_NUMBERS, 0)
                store_tile(tile, out, target + phase * channels + v * VECTOR_NUMBERS, 0)
    for w in range(safe * phases, width):
        source = w % phases * along + w // phases * channels
        for c in range(channels):
            out[at + w * channels + c] = dealt[source + c]
