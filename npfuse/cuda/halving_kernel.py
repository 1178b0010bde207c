"""The first kernel: GlobalNet's three halvings in one go, from the levels of two pictures to an eighth of their size.

Each halving is a depthwise 3x3 convolution with stride 2. "same" pads an even length with a zero behind its end only,
so output i reads 2i, 2i + 1 and 2i + 2; here all lengths are even.

Launch geometry. A block makes a tile of CELLS x CELLS values of the third stage, for one exposure: blockIdx.x and .y
say which tile, and .z which exposure (the exposures' channels never meet). Along each axis, the tile needs
2 CELLS + 1 values of the second stage, and these need 4 CELLS + 3 values of the first. Both stay in shared memory
(18 KiB). The first stage is computed from the pixels wherever it is needed, so at the tiles' edges twice. The threads
of a block go over the values of each stage in turn.
"""

from typing import Any

import numpy as np
from numba import cuda, float32
from numpy.typing import NDArray

from npfuse.cuda.card import SIMULATED, CardArray, empty, stream

CELLS = 2 if SIMULATED else 8
THREADS = 2 if SIMULATED else 256
QUARTERS = 2 * CELLS + 1
HALVES = 2 * QUARTERS + 1
CHANNELS = 6  # of two exposures
STAGES = 3
TAPS = 3
BIAS = TAPS * TAPS  # place of a channel's bias, behind its kernel


@cuda.jit
def halve_pixels(under: Any, over: Any, levels: Any, height: int, width: int, weights: Any, out: Any) -> None:
    """Halve a window of a pair three times.

    Parameters
    ----------
    under, over : (H, W, 3), or (H, W, 1) for grey; up to `height` and `width`, the last pixel is repeated beyond
    levels : (5,), black and scale of each picture come first
    height, width : size of the window, multiples of 8; zeros lie behind it
    weights : (STAGES, 6, 10), for each channel the kernel, row by row, and the bias
    out : (height / 8, width / 8, 6)
    """
    halves = cuda.shared.array((3, HALVES, HALVES), float32)
    quarters = cuda.shared.array((3, QUARTERS, QUARTERS), float32)
    first_row, first_column = cuda.blockIdx.y * CELLS, cuda.blockIdx.x * CELLS
    exposure = cuda.blockIdx.z
    black, scale = levels[2 * exposure], levels[2 * exposure + 1]
    channels = under.shape[2]

    for i in range(cuda.threadIdx.x, 3 * HALVES * HALVES, THREADS):
        c, h, w = i // (HALVES * HALVES), i // HALVES % HALVES, i % HALVES
        row, column = 4 * first_row + h, 4 * first_column + w
        total = float32(0)
        if 2 * row < height and 2 * column < width:
            kernel = weights[0, 3 * exposure + c]
            channel = c if channels == 3 else 0
            total = kernel[BIAS]
            for a in range(TAPS):
                for b in range(TAPS):
                    below, beside = 2 * row + a, 2 * column + b
                    if below < height and beside < width:
                        below, beside = min(below, under.shape[0] - 1), min(beside, under.shape[1] - 1)
                        if exposure == 0:
                            level = float32(under[below, beside, channel])
                        else:
                            level = float32(over[below, beside, channel])
                        total += kernel[a * TAPS + b] * ((level - black) * scale - float32(1))
        halves[c, h, w] = total
    cuda.syncthreads()

    for i in range(cuda.threadIdx.x, 3 * QUARTERS * QUARTERS, THREADS):
        c, h, w = i // (QUARTERS * QUARTERS), i // QUARTERS % QUARTERS, i % QUARTERS
        total = float32(0)
        if 4 * (2 * first_row + h) < height and 4 * (2 * first_column + w) < width:
            kernel = weights[1, 3 * exposure + c]
            total = kernel[BIAS]
            for a in range(TAPS):
                for b in range(TAPS):
                    total += kernel[a * TAPS + b] * halves[c, 2 * h + a, 2 * w + b]
        quarters[c, h, w] = total
    cuda.syncthreads()

    for i in range(cuda.threadIdx.x, 3 * CELLS * CELLS, THREADS):
        c, h, w = i // (CELLS * CELLS), i // CELLS % CELLS, i % CELLS
        if first_row + h < out.shape[0] and first_column + w < out.shape[1]:
            kernel = weights[2, 3 * exposure + c]
            total = kernel[BIAS]
            for a in range(TAPS):
                for b in range(TAPS):
                    total += kernel[a * TAPS + b] * quarters[c, 2 * h + a, 2 * w + b]
            out[first_row + h, first_column + w, 3 * exposure + c] = total


def halving_weights(stages: list[tuple[NDArray[Any], NDArray[Any] | None]]) -> NDArray[np.float32]:
    """Lay out kernels (3, 3, 6) and biases (6,) of the three halvings as the kernel reads them."""
    made = np.zeros((STAGES, CHANNELS, BIAS + 1), np.float32)
    for stage, (kernel, bias) in enumerate(stages):
        made[stage, :, :BIAS] = kernel.reshape(BIAS, -1).T
        if bias is not None:
            made[stage, :, BIAS] = bias
    return made


def launch(rows: int, columns: int) -> tuple[tuple[int, int, int], int]:
    """Return grid and block for `rows` rows and `columns` columns of the third stage."""
    return (-(-columns // CELLS), -(-rows // CELLS), 2), THREADS


def halve_on_card(
    under: CardArray, over: CardArray, levels: CardArray, height: int, width: int, weights: CardArray
) -> CardArray:
    """Run the kernel over a window; return the third stage (height / 8, width / 8, 6)."""
    out = empty((height // 8, width // 8, CHANNELS), np.float32)
    halve_pixels[(*launch(*out.shape[:2]), stream())](under, over, levels, height, width, weights, out)
    return out
