"""Maps pixels of a picture to channels in [-1, 1] and back, RUN pixels at a time; pixels are bytes, uint16 or floats.

In a picture, the three numbers of a pixel lie side by side; in the arrays of groups, each channel lies by itself. A run
of RUN pixels is loaded at once and split into channels. Results are interleaved in registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from npfuse.engine import layout
from npfuse.engine.compiled import compiled, inner
from npfuse.engine.layout import BLOCKS, BLOCKS_PER_SIDE, CHANNELS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, RUN
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

run_place = inner(layout.run_place)


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
    black: Value,
    scale: Value,
) -> None:
    """Map runs of RGB pixels to [-1, 1].

    Parameters
    ----------
    memory, place : array of floats that is written; the RUN numbers of channel c of run k begin at
        place + k * run_step + k // BLOCKS_PER_SIDE * jump + c * channel_step
    pixels, at, runs : array of levels, the first run's place in it, and the number of runs
    black, scale : numbers by which a level v becomes (v - black) * scale - 1
    """
    memory, pixels = memory + place, pixels + at
    black, scale = v.broadcast(black), v.broadcast(scale)
    with v.loop(runs) as k:
        run = v.load_many(pixels + k * (3 * RUN), 3 * RUN)
        for c in range(3):
            for lane in range(0, RUN, v.width):
                values = v.to_floats(v.shuffle(run, None, [3 * (lane + i) + c for i in range(v.width)]))
                mapped = (values - black) * scale - v.number(1)
                v.store(mapped, memory + (k * run_step + k // BLOCKS_PER_SIDE * jump + channel_step * c + lane))


@vector_function
def store_runs(
    v: Vectors, memory: Value, place: Value, run_step: Value, runs: Value, half: Value, pixels: Value, at: Value
) -> None:
    """Map runs of three channels, PAIR_PIXELS numbers apart, from [-1, 1] to levels: (v + 1) * half, rounded."""
    memory, pixels, half = memory + place, pixels + at, v.broadcast(half)
    with v.loop(runs) as k:
        channels = []
        for c in range(3):
            parts = [
                v.convert_to((v.load(memory + (k * run_step + c * PAIR_PIXELS + lane)) + v.number(1)) * half, pixels)
                for lane in range(0, RUN, v.width)
            ]
            channels.append(_joined(v, parts))
        red, green, blue = channels
        both = v.shuffle(red, green, list(range(2 * RUN)))
        blue = v.shuffle(blue, None, [i % RUN for i in range(2 * RUN)])
        v.store(v.shuffle(both, blue, [c * RUN + i for i in range(RUN) for c in range(3)]), pixels + k * (3 * RUN))


@vector_function
def store_grey_runs(
    v: Vectors, memory: Value, place: Value, run_step: Value, runs: Value, half: Value, pixels: Value, at: Value
) -> None:
    """Map the means of three channels, PAIR_PIXELS numbers apart, from [-1, 1] to levels: (v + 1) * half, rounded."""
    memory, pixels, half = memory + place, pixels + at, v.broadcast(half)
    with v.loop(runs) as k:
        for lane in range(0, RUN, v.width):
            red, green, blue = (v.load(memory + (k * run_step + c * PAIR_PIXELS + lane)) for c in range(3))
            mean = (red + green + blue) / v.number(3)
            v.store(v.convert_to((mean + v.number(1)) * half, pixels), pixels + (k * RUN + lane))


def _joined(v: Vectors, parts: list[Value]) -> Value:
    """Join several vectors to one."""
    while len(parts) > 1:
        count = 2 * parts[0].value.type.count
        parts = [v.shuffle(a, b, list(range(count))) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


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
        load_runs(memory, place, channel_step, run_step, jump, pixels, (row * width + column) * 3, whole, black, scale)
    for k in range(whole, (count + RUN - 1) // RUN):
        for i in range(RUN):
            for c in range(3):
                edge[3 * i + c] = pixels[row, min(column + k * RUN + i, width - 1), c]
        load_runs(
            memory, place + k * run_step + k // BLOCKS_PER_SIDE * jump, channel_step, 0, 0, edge, 0, 1, black, scale
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


@compiled
def store_groups(results, height, width, half, pixels, row, column, edge):
    """Map a row of groups from [-1, 1] to a picture's levels.

    Parameters
    ----------
    results : ndarray (G, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS)
    height, width : number of pixels to store, along each axis
    half : half of the level of white
    pixels, row, column : ndarray (H, W, 3), or (H, W, 1) for the mean of the channels, and the first pixel's position
    edge : ndarray (3 * RUN,) of the pixels' dtype, to work in
    """
    block = ROW_PAIRS * 3 * PAIR_PIXELS
    _, stored, channels = pixels.shape
    for left in range(0, width, GROUP_SIDE):
        count = min(GROUP_SIDE, width - left)
        whole, rest = count // RUN, count % RUN
        for h in range(height):
            place = run_place(left // GROUP_SIDE, h, 3)
            at = ((row + h) * stored + column + left) * channels
            if channels == 3:
                store_runs(results, place, block, whole, half, pixels, at)
            else:
                store_grey_runs(results, place, block, whole, half, pixels, at)
            if rest:
                if channels == 3:
                    store_runs(results, place + whole * block, block, 1, half, edge, 0)
                else:
                    store_grey_runs(results, place + whole * block, block, 1, half, edge, 0)
                for i in range(rest):
                    for c in range(channels):
                        pixels[row + h, column + left + whole * RUN + i, c] = edge[channels * i + c]
