"""The second kernel: from the levels of two pictures to those of the result, with no array of their size in between.

Each thread maps PIXELS pixels to [-1, 1], evaluates DetailNet for them, adds GlobalNet's coarse picture, enlarged, and
writes the tanh of the sum as levels.

DetailNet has two hidden layers here (`npfuse.cuda.chain_layers` brings others to that). Its second hidden layer is
taken OUTPUTS units at a time: a thread keeps OUTPUTS sums for each of its pixels in registers. For each unit of the
first layer it computes the unit (6 multiply-adds per pixel), uses it for all those sums (OUTPUTS multiply-adds per
pixel), and forgets it. After the last unit, the sums are rectified and go into the three sums of the last layer. A
second hidden layer wider than OUTPUTS is computed in parts, and the first layer is computed again for each part:
LightFuse's 6-256-64-3, in two parts, takes 19,648 multiply-adds per pixel instead of 18,112.

Launch geometry. A block is COLUMNS x ROWS threads; a warp is a row of 32 pixels, so that its loads lie side by side. A
thread's pixels lie below each other, so a block makes a tile of COLUMNS columns and ROWS * PIXELS rows, and the grid
has one block per tile. Pixels beyond the picture are computed from its nearest pixel and not written.

Weights. All threads of a block read the same weights at the same time. UNITS units of the first layer, with their
weights in OUTPUTS sums, lie in shared memory at a time, behind the biases of those sums and the last layer's weights.
A load of four numbers feeds 4 * PIXELS multiply-adds of every thread.

Why 4 pixels and 32 sums: a multiprocessor does the multiply-adds of 4 warps in a cycle, and takes about 4 cycles to
bring 16 bytes to each thread of a warp. So a unit takes 152 / 4 = 38 cycles of arithmetic, and its 10 loads take 40
cycles; the two overlap. More pixels or sums would not fit into the 255 registers that a thread may have: 128 sums, 24
inputs, 12 results. `python -m bench.ptx` prints the registers that are used.
"""

import math
from typing import Any

from numba import cuda, float32

from npfuse.cuda.card import SIMULATED, CardArray, stream

# Simulated threads are Python threads, which are slow: the simulator gets smaller blocks, and fewer sums per thread.
COLUMNS, ROWS = (2, 2) if SIMULATED else (32, 4)
PIXELS = 3 if SIMULATED else 4
OUTPUTS = 4 if SIMULATED else 32
UNITS = 8 if SIMULATED else 32

CHANNELS = 6  # of two exposures
RECORD = 8 + OUTPUTS  # a unit of the first layer: 6 weights, the bias, an unused number, its weights in OUTPUTS sums
HEAD = 4 * OUTPUTS  # of a part of the second layer: the biases, then three weights of the last layer for each
TAIL = 4  # at the very start: the last layer's 3 biases, and the least value of its results
BLOCK = COLUMNS * ROWS
SHARED = HEAD + UNITS * RECORD
NOTHING = float32(0)
BYTES_OF_VECTOR = 16  # shared memory is read four numbers at a time if it begins at a multiple of this

if SIMULATED:  # the simulator does not know alignment

    def _shared() -> Any:
        return cuda.shared.array(SHARED, float32)

else:

    @cuda.jit(device=True, inline=True)
    def _shared() -> Any:
        return cuda.shared.array(SHARED, float32, BYTES_OF_VECTOR)


@cuda.jit(device=True, inline=True)
def _add_to_results(results: Any, channel: int, sums: Any, shared: Any) -> None:
    """Add a part of the second layer to one of the last layer's sums; a function, so that its loops are unrolled."""
    for o in range(OUTPUTS):
        for p in range(PIXELS):
            results[p, channel] += shared[OUTPUTS * (1 + channel) + o] * max(sums[o, p], NOTHING)


@cuda.jit
def fuse_pixels(
    under: Any, over: Any, levels: Any, first_row: int, first_column: int, rows: int, columns: int, weights: Any,
    parts: int, steps: int, coarse: Any, cell: int, nearest: Any, shares: Any, rounded: bool, out: Any,
) -> None:  # fmt: skip
    """Fuse a window of a pair.

    Parameters
    ----------
    under, over : (H, W, 3), or (H, W, 1) for grey; beyond their edges the last pixel is repeated
    levels : (5,), black and scale of each picture, and half of the level of white
    first_row, first_column, rows, columns : part of the window that is written to `out`
    weights, parts, steps : weights and their numbers of parts and steps, from `npfuse.cuda.chain_layers.packed`
    coarse : (CH, CW, 3), to be enlarged `cell` times
    nearest, shares : (cell,) and (cell, 2), for each pixel of a cell along an axis, which is made of two cells: the
        offset of the first of these (-1 or 0), and the share of each
    rounded : whether levels are whole numbers
    out : (rows, columns, 3), or (rows, columns, 1) for the mean of the three
    """
    shared = _shared()
    thread = cuda.threadIdx.y * COLUMNS + cuda.threadIdx.x
    column = cuda.blockIdx.x * COLUMNS + cuda.threadIdx.x
    top = (cuda.blockIdx.y * ROWS + cuda.threadIdx.y) * PIXELS
    inputs = cuda.local.array((PIXELS, CHANNELS), float32)
    results = cuda.local.array((PIXELS, 3), float32)
    sums = cuda.local.array((OUTPUTS, PIXELS), float32)
    units = cuda.local.array(PIXELS, float32)

    height, width, channels = under.shape
    for p in range(PIXELS):
        row = max(min(first_row + top + p, height - 1), 0)
        place = max(min(first_column + column, width - 1), 0)
        for c in range(3):
            channel = c if channels == 3 else 0
            inputs[p, c] = (float32(under[row, place, channel]) - levels[0]) * levels[1] - float32(1)
            inputs[p, 3 + c] = (float32(over[row, place, channel]) - levels[2]) * levels[3] - float32(1)
            results[p, c] = weights[c]

    at = TAIL
    for _ in range(parts):
        cuda.syncthreads()  # all threads have read what is overwritten now
        for i in range(thread, HEAD, BLOCK):
            shared[i] = weights[at + i]
        at += HEAD
        cuda.syncthreads()
        for o in range(OUTPUTS):
            for p in range(PIXELS):
                sums[o, p] = shared[o]
        for _ in range(steps):
            cuda.syncthreads()
            for i in range(thread, UNITS * RECORD, BLOCK):
                shared[HEAD + i] = weights[at + i]
            at += UNITS * RECORD
            cuda.syncthreads()
            for unit in range(UNITS):
                record = HEAD + unit * RECORD
                for p in range(PIXELS):
                    units[p] = shared[record + CHANNELS]
                for c in range(CHANNELS):
                    for p in range(PIXELS):
                        units[p] += shared[record + c] * inputs[p, c]
                for p in range(PIXELS):
                    units[p] = max(units[p], NOTHING)
                for o in range(OUTPUTS):
                    for p in range(PIXELS):
                        sums[o, p] += shared[record + 8 + o] * units[p]
        _add_to_results(results, 0, sums, shared)
        _add_to_results(results, 1, sums, shared)
        _add_to_results(results, 2, sums, shared)

    if column >= columns:
        return
    coarse_height, coarse_width, _ = coarse.shape
    across = (first_column + column) % cell
    left = (first_column + column) // cell + nearest[across]
    right = max(min(left + 1, coarse_width - 1), 0)
    left = max(min(left, coarse_width - 1), 0)
    for p in range(PIXELS):
        row = top + p
        if row < rows:
            down = (first_row + row) % cell
            above = (first_row + row) // cell + nearest[down]
            below = max(min(above + 1, coarse_height - 1), 0)
            above = max(min(above, coarse_height - 1), 0)
            mean = NOTHING
            for c in range(3):
                upper = coarse[above, left, c] * shares[across, 0] + coarse[above, right, c] * shares[across, 1]
                lower = coarse[below, left, c] * shares[across, 0] + coarse[below, right, c] * shares[across, 1]
                total = max(results[p, c], weights[3]) + (upper * shares[down, 0] + lower * shares[down, 1])
                fused = math.tanh(total)
                mean += fused
                if out.shape[2] == 3:
                    level = (fused + float32(1)) * levels[4]
                    out[row, column, c] = round(level) if rounded else level
            if out.shape[2] == 1:
                level = (mean / float32(3) + float32(1)) * levels[4]
                out[row, column, 0] = round(level) if rounded else level


def launch(rows: int, columns: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return grid and block for a window of `rows` rows and `columns` columns.

    Examples
    --------
    >>> grid, block = launch(896, 1344)
    >>> grid[0] * block[0] >= 1344, grid[1] * block[1] * PIXELS >= 896
    (True, True)
    """
    return (-(-columns // COLUMNS), -(-rows // (ROWS * PIXELS))), (COLUMNS, ROWS)


def fuse_on_card(
    under: CardArray,
    over: CardArray,
    levels: CardArray,
    place: tuple[int, int],
    chain: tuple[CardArray, int, int],
    coarse: CardArray,
    cells: tuple[int, CardArray, CardArray],
    out: CardArray,
) -> None:
    """Run the kernel over a part of a window; the arguments are those of `fuse_pixels`, in its order."""
    rows, columns, _ = out.shape
    weights, parts, steps = chain
    rounded = out.dtype.kind == "u"
    fuse_pixels[(*launch(rows, columns), stream())](
        under, over, levels, *place, rows, columns, weights, parts, steps, coarse, *cells, rounded, out
    )
