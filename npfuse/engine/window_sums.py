"""Sums over a window and all input channels, one for each output channel: the inner loop of dense convolutions.

Output channels lie along the vector lanes, and the sums of a few pixels of a row stay in registers while a loop goes
over the terms of the window. Each term's weights are loaded once for all these pixels, each input value once for all
these channels. Output channels are taken in panels of up to four vectors, whose weights lie side by side. Terms are
taken in chunks whose weights fit into the first-level cache while a whole row uses them. A single output channel would
leave most lanes empty; then, if runs of terms are whole vectors, the terms lie along the lanes.

The input values of a window are given by a list of distances, the same for every pixel, so that strides, dilation and a
transposed convolution's phases cost nothing. Borders must have been padded. The order of additions is the same for
every pixel.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled
from npfuse.engine.layout import PADDED_NUMBERS
from npfuse.engine.processor import VECTOR_NUMBERS, WIDTH_BYTES
from npfuse.engine.register_tiles import add_scaled, add_scaled_lanes, load_tile, store_lane_sums, store_tile

CHUNK = 4096  # weights that a whole row uses before the next ones; in float32, half of a common L1 cache
WIDEST = 4  # vectors of the widest panel


class Terms(NamedTuple):
    """The input values of a window: runs of neighbours, in chunks."""

    distances: NDArray[np.int64]  # per run: term t of all lies distances[run] + t behind the window's start
    begins: NDArray[np.int64]  # per run: the number of its first term; at the end, the number of all terms
    chunks: NDArray[np.int64]  # per chunk: its first run; at the end, the number of all runs; at least one chunk


class Panels(NamedTuple):
    """A kernel cut into panels of output channels."""

    weights: NDArray[Any]  # panel by panel (terms, vectors of the panel, VECTOR_NUMBERS), flat
    bias: NDArray[Any]  # (vectors * VECTOR_NUMBERS,)
    vectors: NDArray[np.int64]  # per panel: 1 to 4 vectors; 0 if terms lie along the lanes
    features: int  # of the output; the rest of the last vector is zeros


class Grid(NamedTuple):
    """Places of a picture's pixels in a flat array: row h and column w at start + h * row + w * column."""

    start: int
    row: int
    column: int


class Frame(NamedTuple):
    """A picture's rows, columns and channels, and the numbers of zeros that it is padded with."""

    height: int
    width: int
    channels: int
    top: int
    left: int
    right: int  # columns to pad there


def terms_of(runs: Iterable[tuple[int, int]], features: int) -> Terms:
    """Cut runs of terms, each given as (distance in the input, number of terms), into chunks.

    The number of output channels, `features`, decides how many terms a chunk has.
    """
    chunk = CHUNK // (VECTOR_NUMBERS * min(-(-features // VECTOR_NUMBERS), WIDEST))
    distances: list[int] = []
    begins: list[int] = []
    chunks, count = [0], 0
    for distance, length in runs:
        end = count + length
        while count < end:
            if count == chunk * len(chunks):
                chunks.append(len(begins))
            distances.append(distance - count)
            begins.append(count)
            last = min(end, chunk * len(chunks))
            distance, count = distance + last - count, last
    return Terms(np.array(distances, np.int64), np.array([*begins, count]), np.array([*chunks, len(begins)]))


def panels_of(kernel: NDArray[Any], bias: NDArray[Any], terms: Terms) -> Panels:
    """Cut a kernel (terms, Cout) and its bias (Cout,) into panels."""
    count, features = kernel.shape
    lanes = -(-features // VECTOR_NUMBERS) * VECTOR_NUMBERS
    full = lanes // VECTOR_NUMBERS
    vectors, left = [], full
    while left:
        vectors.append(3 if left == WIDEST + 1 else min(left, WIDEST))
        left -= vectors[-1]
    weights, wide_bias = aligned_empty((count * lanes,), kernel.dtype), np.zeros(lanes, bias.dtype)
    weights[:] = 0
    wide_bias[:features] = bias
    if features == 1 and not (terms.begins % VECTOR_NUMBERS).any():
        return Panels(kernel.reshape(-1), wide_bias, np.zeros(1, np.int64), 1)
    first = 0
    for vector_count in vectors:
        last = first + vector_count * VECTOR_NUMBERS
        panel = weights[count * first : count * last].reshape(count, last - first)
        panel[:, : features - first] = kernel[:, first:last]
        first = last
    return Panels(weights, wide_bias, np.array(vectors), features)


def space_for(panels: Panels, width: int, dtype: Any) -> NDArray[Any]:
    """Return an array for `sum_windows` to work in: a row of sums if the last vector is not full, else nothing."""
    lanes = len(panels.bias)
    return np.empty(0 if panels.features == lanes or panels.vectors[0] == 0 else width * lanes, dtype)


@compiled
def sum_windows(x, read, terms, panels, out, write, height, width, space):
    """Write out[write(h, w) + co] = bias[co] + sum over t of x[read(h, w) + distance of t] * kernel[t, co].

    Parameters
    ----------
    x, out : ndarrays (numbers,) of one dtype
    read, write : Grid of the windows in x, and Grid of the pixels in out; not checked
    terms : Terms of each window, in the order in which they are added
    panels : Panels of the kernel
    height, width : number of output pixels along each axis
    space : array of `space_for`, is written
    """
    lanes = len(panels.bias)
    # If the last vector is not full, a row is summed beside the result, and its features are copied.
    whole = len(space) == 0
    sums = out if whole else space
    step = write.column if whole else lanes
    for h in range(height):
        x_at, out_at = read.start + h * read.row, write.start + h * write.row
        at = out_at if whole else 0
        for chunk in range(len(terms.chunks) - 1):  # outside, so that the panels find its input values in a cache
            first = 0
            for vectors in panels.vectors:
                weights = panels.weights[first * terms.begins[-1] :]
                bias = panels.bias[first:]
                if vectors == 1:
                    _row_of_one(x, x_at, read.column, terms, chunk, weights, bias, sums, at + first, step, width)
                elif vectors == 2:
                    _row_of_two(x, x_at, read.column, terms, chunk, weights, bias, sums, at + first, step, width)
                elif vectors == 3:
                    _row_of_three(x, x_at, read.column, terms, chunk, weights, bias, sums, at + first, step, width)
                elif vectors == 4:
                    _row_of_four(x, x_at, read.column, terms, chunk, weights, bias, sums, at + first, step, width)
                elif chunk == 0:
                    _row_of_products(x, x_at, read.column, terms, weights, bias, sums, at, step, width)
                first += vectors * VECTOR_NUMBERS
        if not whole:
            _copy(sums, lanes, out, out_at, write.column, panels.features, width)


@compiled
def _copy(sums, lanes, out, at, step, features, width):
    """Copy the features of a row of sums to the result.

    Pixels that lie side by side are copied by vectors. The last vector of a pixel reaches into the next one, which is
    copied later and overwrites that.
    """
    vectors = width - (lanes + features - 1) // features if step == features else 0
    for w in range(vectors):
        for c in range(0, lanes, VECTOR_NUMBERS):
            store_tile(load_tile(1, 1, sums, w * lanes + c, 0), out, at + w * step + c, 0)
    for w in range(max(vectors, 0), width):
        for c in range(features):
            out[at + w * step + c] = sums[w * lanes + c]


@compiled
def sum_padded_windows(x, frame, read, terms, panels, out, write, height, width, space):
    """Pad a picture, strip by strip, and sum its windows; `read` and `terms` refer to padded rows."""
    along = frame.width * frame.channels
    before, after = frame.left * frame.channels, frame.right * frame.channels
    padded_along = before + along + after
    step = read.row // padded_along  # rows of the picture
    reach = 1  # rows of a window
    for run in range(len(terms.distances)):
        reach = max(reach, (terms.distances[run] + terms.begins[run]) // padded_along + 1)
    # At least as many rows as a window has, so that no row is copied more than about twice.
    rows = min(height, max(-(-reach // step), PADDED_NUMBERS // (padded_along * step)))
    strip = np.zeros(((rows - 1) * step + reach) * padded_along, x.dtype)
    for first in range(0, height, rows):
        count = min(rows, height - first)
        for r in range((count - 1) * step + reach):
            h = first * step + r - frame.top
            inside = 0 <= h < frame.height
            at = r * padded_along + before
            for q in range(along):
                strip[at + q] = x[h * along + q] if inside else 0
        target = Grid(write.start + first * write.row, write.row, write.column)
        sum_windows(strip, read, terms, panels, out, target, count, width, space)


def _row(pixels: int, vectors: int) -> Callable[..., None]:
    """Return the function that sums a row for one panel, with tiles of these numbers of pixels and vectors."""
    panel = vectors * VECTOR_NUMBERS

    @compiled
    def row(x, x_at, x_step, terms, chunk, weights, bias, out, at, step, width):
        """Add a chunk of the terms to the sums so far; the first chunk begins with the bias."""
        sums, sums_at, sums_step = (out, at, step) if chunk else (bias, 0, 0)
        runs = range(terms.chunks[chunk], terms.chunks[chunk + 1])
        tiled = width - width % pixels
        for w in range(0, tiled, pixels):
            tile = load_tile(pixels, vectors, sums, sums_at + w * sums_step, sums_step)
            for run in runs:
                values_at = x_at + w * x_step + terms.distances[run]
                for t in range(terms.begins[run], terms.begins[run + 1]):
                    tile = add_scaled(tile, x, values_at + t, x_step, weights, t * panel)
            store_tile(tile, out, at + w * step, step)
        for w in range(tiled, width):
            one = load_tile(1, vectors, sums, sums_at + w * sums_step, 0)
            for run in runs:
                values_at = x_at + w * x_step + terms.distances[run]
                for t in range(terms.begins[run], terms.begins[run + 1]):
                    one = add_scaled(one, x, values_at + t, 0, weights, t * panel)
            store_tile(one, out, at + w * step, 0)

    return row


# As many sums as hide the multiplier's latency, with their operands in the 16 registers of AVX2, or the 32 of AVX-512.
PIXELS = (16, 12, 8, 6) if WIDTH_BYTES == 64 else (8, 6, 4, 3)
_row_of_one, _row_of_two, _row_of_three, _row_of_four = (_row(pixels, v) for v, pixels in enumerate(PIXELS, 1))


@compiled
def _row_of_products(x, x_at, x_step, terms, weights, bias, out, at, step, width):
    """Sum a row for one output channel: the terms lane by lane, beginning with the bias; then the lanes."""
    tiled = width - width % 8
    for w in range(0, tiled, 8):
        tile = load_tile(8, 1, bias, 0, 0)
        for run in range(len(terms.distances)):
            values_at = x_at + w * x_step + terms.distances[run]
            for t in range(terms.begins[run], terms.begins[run + 1], VECTOR_NUMBERS):
                tile = add_scaled_lanes(tile, x, values_at + t, x_step, weights, t)
        store_lane_sums(tile, out, at + w * step, step)
    for w in range(tiled, width):
        one = load_tile(1, 1, bias, 0, 0)
        for run in range(len(terms.distances)):
            values_at = x_at + w * x_step + terms.distances[run]
            for t in range(terms.begins[run], terms.begins[run + 1], VECTOR_NUMBERS):
                one = add_scaled_lanes(one, x, values_at + t, 0, weights, t)
        store_lane_sums(one, out, at + w * step, 0)
