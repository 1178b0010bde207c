"""The memory that one thread holds while it fuses a part of a pair with a network of a pair.

`npfuse.strips` cuts a pair into strips or tiles, and each thread works on one at a time. The sizes are those of
`npfuse.strips` and `npfuse.engine`. The interpreter, libraries, compiled code and weights are not counted.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from npfuse.engine.coarse_pass import HALVES, levels_of
from npfuse.engine.layout import (
    BLOCK_SIDE,
    CHANNELS,
    GROUP_SIDE,
    PAIR_PIXELS,
    STRIP_GROUPS,
    WIDEST_VECTOR,
)
from npfuse.graph import Graph
from npfuse.graph_memory import peak
from npfuse.ops import PointwiseConv2D
from npfuse.padding import on_grid
from npfuse.run import Engine
from npfuse.strip_form import Form, Look, form_or_none, lone_looks
from npfuse.strips import float_dtype, look_sides, strip_sides, tile_side, tiles_along

Values = tuple[tuple[str, int], ...]  # (name, bytes)

# A pixel, channel by channel: eight float32 numbers (levels, sums, table entries, ...) and the frame itself.
MERGED_BYTES = CHANNELS // 2 * (8 * 4 + 4)
CARD_WINDOW = (512, 8192)  # rows and columns that a window on a graphics card keeps: npfuse.card_windows.window_sides
TILES = 3  # along an axis; further ones are no larger


def part_values(
    network: Callable[[int, int], Graph],
    shape: Sequence[int],
    dtype: np.dtype,
    *,
    engine: Engine = "fast",
    threads: int = 1,
    copied: bool = False,
    merged: bool = False,
) -> Values:
    """Return the memory that one thread holds when it fuses a part of a pair.

    Parameters
    ----------
    network : builds the graph for (height, width)
    shape : picture's shape, (H, W) or (H, W, 3)
    dtype : picture's dtype
    engine : engine of the network
    threads : number of threads that work at once; the parts' size depends on it
    copied : whether parts of the pictures are copied, as from pictures that stay in their files
    merged : whether parts are averages of more than two frames (`npfuse.stacks`)

    Returns
    -------
    (name, bytes) of everything in use at the fullest moment

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> values = part_values(lightfuse, (896, 1344, 3), np.dtype(np.uint8))
    >>> [name for name, _ in values]
    ['chain', 'levels', 'groups']
    """
    height, width = on_grid(*shape[:2])
    whole = network(height, width)
    if engine == "cuda":
        return _card_values(whole, shape, dtype, merged)
    form = form_or_none(whole) if engine == "fast" else None
    element = float_dtype(dtype).itemsize
    looks = lone_looks(whole) if engine == "fast" else ()
    if looks:
        sides = look_sides(height, threads)
    else:
        sides = strip_sides(height, width, threads) if form else (tile_side(whole, engine, element, threads),) * 2
    rows, columns = (
        max(tile.window[1] - tile.window[0] for tile in tiles_along(axis, min(n, TILES * side), side, whole))
        for axis, (n, side) in enumerate(zip((height, width), sides, strict=True))
    )
    averages: Values = (("averages of frames", rows * columns * MERGED_BYTES),) if merged else ()
    if form is None and not looks:
        mapped = (("mapped pictures", rows * columns * CHANNELS * element),)
        return averages + mapped + peak(network(rows, columns), merge=engine == "fast", element_bytes=element).values
    copies: Values = ()
    if merged or copied or len(shape) == 2 or columns < width:
        itemsize = max(2, dtype.itemsize) if merged else dtype.itemsize
        copies = (("copies of the pictures", rows * columns * CHANNELS * itemsize),)
    held = _strip_values(whole, form, rows, columns) if form else _look_values(whole, looks, rows, columns)
    return averages + copies + tuple((name, count * element) for name, count in held)


def _card_values(whole: Graph, shape: Sequence[int], dtype: np.dtype, merged: bool) -> Values:
    """Return what a window on a graphics card takes of the computer's memory: parts, and copies that the card reads."""
    height, width, _ = whole.inputs[0][1]
    rows, columns = (
        max(tile.window[1] - tile.window[0] for tile in tiles_along(axis, min(n, TILES * side), side, whole))
        for axis, (n, side) in enumerate(zip((height, width), CARD_WINDOW, strict=True))
    )
    averages: Values = (("averages of frames", rows * columns * MERGED_BYTES),) if merged else ()
    itemsize = max(2, dtype.itemsize) if merged else dtype.itemsize
    one = rows * columns * (shape[2] if len(shape) == 3 else 1) * itemsize
    return (*averages, ("under", one), ("over", one), ("copy of under", one), ("copy of over", one), ("fused", one))


def _strip_values(whole: Graph, form: Form, rows: int, columns: int) -> Iterator[tuple[str, int]]:
    """Yield (name, count of numbers) of the arrays for a strip's coarse picture and its chain."""
    yield "chain", _chain_numbers(whole, form)
    yield "levels", _levels(whole, len(form.halvings), form.looks, rows, columns)
    yield "groups", STRIP_GROUPS * GROUP_SIDE**2 * (CHANNELS + 3)  # pixels and results


def _look_values(whole: Graph, looks: Sequence[Look], rows: int, columns: int) -> Iterator[tuple[str, int]]:
    """Yield (name, count of numbers) of the arrays of a strip that is computed row by row."""
    yield "levels", _levels(whole, 0, looks, rows, columns)
    yield "sums, and their tanh", 2 * rows * columns * 3


def _levels(whole: Graph, halvings: int, looks: Sequence[Look], rows: int, columns: int) -> int:
    """Return how many numbers `npfuse.engine.coarse_pass` works in."""
    steps = [(HALVES, CHANNELS)] * halvings
    steps += [(look.dilation, whole.shapes[look.pointwise.name][2]) for look in looks]
    return levels_of(steps, rows, columns)[2]


def _chain_numbers(whole: Graph, form: Form) -> int:
    """Return, about, how many numbers `npfuse.engine.chains` lays out for a chain: its weights, and room to work in."""
    nodes = [node for node in form.chain if isinstance(node.op, PointwiseConv2D)]
    widths = [whole.input_shapes(nodes[0])[0][2], *(whole.shapes[node.name][2] for node in nodes)]
    padded = [-(-width // WIDEST_VECTOR) * WIDEST_VECTOR for width in widths]
    basis, widest = sum(widths[:-1]), max(padded)
    # Values at a block's pixels; two layers of a row pair, and ranges lane by lane.
    block = BLOCK_SIDE**2 * (basis + widest) + 2 * (PAIR_PIXELS + WIDEST_VECTOR) * widest
    weights = 2 * sum((before + 1) * after for before, after in pairwise(padded))
    coefficients = sum((1 + sum(widths[:i])) * padded[i] for i in range(1, len(widths)))
    panels = (basis + 1) * widest
    return block + weights + coefficients + panels
