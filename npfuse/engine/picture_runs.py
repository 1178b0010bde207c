"""Pixels of a picture to channels in [-1, 1] and back: RUN pixels at a time, of bytes, 16 bits or floats.

In a picture, the three numbers of a pixel lie side by side; the networks want each channel for itself. A run of RUN
pixels is loaded at once and dealt out, and what comes back is interleaved in registers.
"""

from typing import Any

from npfuse.engine.compiled import compiled, inner
from npfuse.engine.dense_layer import LANES
from npfuse.engine.layout import CHANNELS
from npfuse.engine.pixel_groups import GROUP_SIDE, LEAF_SIDE, LEAVES, TILE_ROWS
from npfuse.engine.region_bounds import TILES
from npfuse.engine.vectors import Value, Vectors, vector_function

RUN = LEAF_SIDE


@vector_function()
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
    memory, place : array of floats that is written, channel c of run k in RUN numbers from
        place + k * run_step + k // LEAVES * jump + c * channel_step on
    pixels, at, runs : array of numbers, where the first run begins in it, and how many there are
    black, scale : what is taken off, and what the rest is multiplied by; then 1 is taken off
    """
    memory, pixels = memory + place, pixels + at
    black, scale = v.spread(black), v.spread(scale)
    with v.loop(runs) as k:
        run = v.load_many(pixels + k * (3 * RUN), 3 * RUN)
        for c in range(3):
            for lane in range(0, RUN, v.width):
                values = v.reals(v.shuffle(run, None, [3 * (lane + i) + c for i in range(v.width)]))
                mapped = (values - black) * scale - v.number(1)
                v.store(mapped, memory + (k * run_step + k // LEAVES * jump + channel_step * c + lane))


@vector_function()
def store_runs(
    v: Vectors, memory: Value, place: Value, run_step: Value, runs: Value, half: Value, pixels: Value, at: Value
) -> None:
    """Map runs of three channels, LANES numbers apart, from [-1, 1] to levels: (v + 1) * half, rounded."""
    memory, pixels, half = memory + place, pixels + at, v.spread(half)
    with v.loop(runs) as k:
        channels = []
        for c in range(3):
            parts = [
                v.like((v.load(memory + (k * run_step + c * LANES + lane)) + v.number(1)) * half, pixels)
                for lane in range(0, RUN, v.width)
            ]
            channels.append(_joined(v, parts))
        red, green, blue = channels
        both = v.shuffle(red, green, list(range(2 * RUN)))
        blue = v.shuffle(blue, None, [i % RUN for i in range(2 * RUN)])
        v.store(v.shuffle(both, blue, [c * RUN + i for i in range(RUN) for c in range(3)]), pixels + k * (3 * RUN))


@vector_function()
def store_grey_runs(
    v: Vectors, memory: Value, place: Value, run_step: Value, runs: Value, half: Value, pixels: Value, at: Value
) -> None:
    """Map the means of three channels likewise."""
    memory, pixels, half = memory + place, pixels + at, v.spread(half)
    with v.loop(runs) as k:
        for lane in range(0, RUN, v.width):
            red, green, blue = (v.load(memory + (k * run_step + c * LANES + lane)) for c in range(3))
            mean = (red + green + blue) / v.number(3)
            v.store(v.like((mean + v.number(1)) * half, pixels), pixels + (k * RUN + lane))


def _joined(v: Vectors, parts: list[Value]) -> Value:
    """Return one vector of several."""
    while len(parts) > 1:
        count = 2 * parts[0].value.type.count
        parts = [v.shuffle(a, b, list(range(count))) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


@compiled
def load_row(
    memory: Any, place: Any, channel_step: Any, run_step: Any, jump: Any, pixels: Any, row: Any, column: Any,
    count: Any, black: Any, scale: Any, edge: Any,
) -> None:  # fmt: skip
    """Map `count` pixels of a row, from a column on, to whole runs; beyond the picture its last pixel is repeated.

    Parameters
    ----------
    memory, place, channel_step, run_step, jump, black, scale : as for `load_runs`
    pixels : ndarray (H, W, 3)
    row, column, count : the row may lie below the picture; columns may end right of it
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
        load_runs(memory, place + k * run_step + k // LEAVES * jump, channel_step, 0, 0, edge, 0, 1, black, scale)


@inner
def row_place(group: Any, h: Any, channels: Any) -> Any:
    """Return where the first run of row h of a group begins in groups (G, leaves, TILES, channels, LANES)."""
    tile = (group * LEAVES * LEAVES + h // LEAF_SIDE * LEAVES) * TILES + h % LEAF_SIDE // TILE_ROWS
    return tile * channels * LANES + h % TILE_ROWS * RUN


@compiled
def load_groups(
    groups: Any, count: Any, height: Any, pixels: Any, row: Any, column: Any, black: Any, scale: Any, first: Any,
    edge: Any,
) -> None:  # fmt: skip
    """Map a row of groups of a picture.

    Parameters
    ----------
    groups : ndarray (G, leaves, TILES, CHANNELS, LANES), is written
    count, height : how many groups, and how many of their rows
    pixels, row, column : ndarray (H, W, 3), and where the groups begin in it
    black, scale, edge : as for `load_row`
    first : the channel of the exposure's red
    """
    leaf = TILES * CHANNELS * LANES
    next_group = LEAVES * (LEAVES - 1) * leaf
    for h in range(height):
        place = row_place(0, h, CHANNELS) + first * LANES
        load_row(
            groups, place, LANES, leaf, next_group, pixels, row + h, column, count * GROUP_SIDE, black, scale, edge
        )


@compiled
def store_groups(
    results: Any, height: Any, width: Any, half: Any, pixels: Any, row: Any, column: Any, edge: Any
) -> None:
    """Map a row of groups in [-1, 1] to pixels.

    Parameters
    ----------
    results : ndarray (G, leaves, TILES, 3, LANES)
    height, width : in pixels, of what is stored
    half : half of the level of white
    pixels, row, column : ndarray (H, W, 3), or (H, W, 1) for the mean of the channels, and where the first pixel goes
    edge : ndarray (3 * RUN,) of the pixels' dtype, to work in
    """
    leaf = TILES * 3 * LANES
    _, stored, channels = pixels.shape
    for left in range(0, width, GROUP_SIDE):
        count = min(GROUP_SIDE, width - left)
        whole, rest = count // RUN, count % RUN
        for h in range(height):
            place = row_place(left // GROUP_SIDE, h, 3)
            at = ((row + h) * stored + column + left) * channels
            if channels == 3:
                store_runs(results, place, leaf, whole, half, pixels, at)
            else:
                store_grey_runs(results, place, leaf, whole, half, pixels, at)
            if rest:
                if channels == 3:
                    store_runs(results, place + whole * leaf, leaf, 1, half, edge, 0)
                else:
                    store_grey_runs(results, place + whole * leaf, leaf, 1, half, edge, 0)
                for i in range(rest):
                    for c in range(channels):
                        pixels[row + h, column + left + whole * RUN + i, c] = edge[channels * i + c]
