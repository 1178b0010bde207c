"""Maps pixels of a picture to channels in [-1, 1], RUN pixels at a time; pixels are bytes, uint16 or floats.

In a picture, the three numbers of a pixel lie side by side; in the arrays of groups, each channel lies by itself. A run
of RUN pixels is loaded at once and split into channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from npfuse.engine import layout
from npfuse.engine.compiled import compiled, inner
from npfuse.engine.layout import BLOCKS, BLOCKS_PER_SIDE, CHANNELS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, RUN
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

run_place = inner(layout.run_place)

ROWS_AHEAD = 4  # that are asked for: a row of a few groups is too short for the processor to foresee the next one


class Exposure(NamedTuple):
    """A picture (H, W, 3); the network reads its level v as (v - black) * scale - 1."""

    pixels: NDArray[Any]
    black: Any
    scale: Any


@vector_function
def load_runs(
    v: Vectors,
    memory: Value,
    place: Value,
    channel_step: Value,
    run_step: Value,
    jump: Value,
    pixels: Value,
    at: Value,
    runs: Value,
    ahead: Value,
    black: Value,
    scale: Value,
) -> None:
    """Map runs of RGB pixels to [-1, 1].

    Parameters
    ----------
    memory, place : array of floats that is written; the RUN numbers of channel c of run k begin at
        place + k * run_step + k // BLOCKS_PER_SIDE * jump + c * channel_step
    pixels, at, runs : array of levels, the first run's place in it, and the number of runs
    ahead : distance of the numbers that will be read soon, and are asked for now
    black, scale : numbers by which a level v becomes (v - black) * scale - 1
    """
    memory, pixels = memory + place, pixels + at
    black, scale = v.broadcast(black), v.broadcast(scale)
    with v.loop(runs) as k:
        run = v.load_many(pixels + k * (3 * RUN), 3 * RUN)
        v.prefetch(pixels + (k * (3 * RUN) + ahead))
        for c in range(3):
            for lane in range(0, RUN, v.width):
                values = v.to_floats(v.shuffle(run, None, [3 * (lane + i) + c for i in range(v.width)]))
                mapped = (values - black) * scale - v.number(1)
                v.store(mapped, memory + (k * run_step + k // BLOCKS_PER_SIDE * jump + channel_step * c + lane))


@compiled
def load_row(memory, place, channel_step, run_step, jump, pixels, row, column, count, black, scale, edge):
    """Map `count` pixels of a row, from a column on, to whole runs; beyond the picture, its last pixel is repeated.

    Parameters
    ----------
    memory, place, channel_step, run_step, jump, black, scale : as for `load_runs`
    pixels : ndarray (H, W, 3)
    row, column, count : first pixel, and number of pixels; the row may lie below the picture, and end right of it
    edge : ndarray (3 * RUN,) of the pixels' dtype, to work in
    """
    height, width, _ = pixels.shape
    row = min(row, height - 1)
    whole = max(min(width - column, count), 0) // RUN
    if whole:
        at, ahead = (row * width + column) * 3, ROWS_AHEAD * width * 3
        load_runs(memory, place, channel_step, run_step, jump, pixels, at, whole, ahead, black, scale)
    for k in range(whole, (count + RUN - 1) // RUN):
        for i in range(RUN):
            for c in range(3):
                edge[3 * i + c] = pixels[row, min(column + k * RUN + i, width - 1), c]
        load_runs(
            memory, place + k * run_step + k // BLOCKS_PER_SIDE * jump, channel_step, 0, 0, edge, 0, 1, 0, black, scale
        )


@compiled
def load_groups(groups, count, height, pixels, row, column, black, scale, first, edge):
    """Map a row of groups of a picture to [-1, 1].

    Parameters
    ----------
    groups : ndarray (G, BLOCKS, ROW_PAIRS, CHANNELS, PAIR_PIXELS), is written
    count, height : number of groups, and of their rows
    pixels, row, column : ndarray (H, W, 3), and the groups' first pixel in it
    black, scale, edge : as for `load_row`
    first : the channel of the exposure's red
    """
    block = ROW_PAIRS * CHANNELS * PAIR_PIXELS
    next_group = (BLOCKS - BLOCKS_PER_SIDE) * block
    for h in range(height):
        place = run_place(0, h, CHANNELS) + first * PAIR_PIXELS
        load_row(
            groups,
            place,
            PAIR_PIXELS,
            block,
            next_group,
            pixels,
            row + h,
            column,
            count * GROUP_SIDE,
            black,
            scale,
            edge,
        )
