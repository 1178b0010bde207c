"""Runs whole pictures through networks of one fixed size, in overlapping tiles that give exactly the whole's result.

A tile is computed from a window that holds every pixel its result depends on; the graph knows them
(`Graph.input_spans`). All windows along an axis have one length, so that a runtime that compiles for a size compiles
once; those at the borders are moved inwards. Windows begin and end on the network's grid of 8, so that it samples there
as in the whole picture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.padding import GRID

Picture = NDArray[np.uint8]
Others = Mapping[str, NDArray[Any]]
Network = Callable[[Picture, Picture, Others], Picture]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A part of an axis: the span that is kept, and the window that it is computed from, each (start, stop)."""

    keep: tuple[int, int]
    window: tuple[int, int]


def tiles_along(axis: int, graph: Graph, side: int, margin: int = 0) -> list[Tile]:
    """Cut an axis of a graph's picture into tiles.

    Parameters
    ----------
    axis : 0 for rows, 1 for columns
    graph : Graph of the padded picture; its first input is the pair
    side : kept length of a tile, a multiple of 8; that of the last may be shorter
    margin : margin of the weights, which is cut off

    Returns
    -------
    list of Tile : their windows all have the same length

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> for tile in tiles_along(0, lightfuse(40, 8), 16):
    ...     print(tile.keep, tile.window)
    (0, 16) (0, 24)
    (16, 32) (16, 40)
    (32, 40) (16, 40)
    """
    (name, shape), *_ = graph.inputs
    n = shape[axis]
    kept = n - margin
    keeps = [(start, min(start + side, kept)) for start in range(0, kept, side)]
    needs = []
    for keep in keeps:
        first, last = graph.input_spans(axis, *keep)[name]
        needs.append((first // GRID * GRID, -(-last // GRID) * GRID))
    length = max(last - first for first, last in needs)
    starts = [min(first, n - length) for first, _ in needs]
    return [Tile(keep=keep, window=(start, start + length)) for keep, start in zip(keeps, starts, strict=True)]


def window_shape(graph: Graph, side: int | None, margin: int = 0) -> tuple[int, int]:
    """Return the (height, width) of every window that `fuse_in_tiles` runs; None for the side means the whole."""
    (_, (height, width, _)), *_ = graph.inputs
    if side is None:
        return height, width
    rows, columns = (tiles_along(axis, graph, side, margin)[0].window for axis in (0, 1))
    return rows[1] - rows[0], columns[1] - columns[0]


def padded(picture: Picture, graph: Graph) -> Picture:
    """Repeat the last row and column of a picture (H, W, 3) until it has the size of a graph's."""
    (_, shape), *_ = graph.inputs
    missing = [(0, wanted - size) for wanted, size in zip(shape[:2], picture.shape[:2], strict=True)]
    return np.pad(picture, [*missing, (0, 0)], mode="edge") if any(after for _, after in missing) else picture


def fuse_in_tiles(
    network: Network,
    under: Picture,
    over: Picture,
    others: Others,
    graph: Graph,
    side: int | None,
    margin: int = 0,
) -> Picture:
    """Fuse a pair by a network of the windows' size.

    Parameters
    ----------
    network : function of a window of each picture, contiguous uint8 (h, w, 3), and of `others`; returns that window of
        the result
    under, over : ndarray (H, W, 3), uint8, of any size
    others : the network's other inputs, made from the whole pictures
    graph : Graph of the padded picture
    side : side of a tile, or None for the whole at once
    margin : margin of the weights

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    height, width = under.shape[:2]
    under, over = padded(under, graph), padded(over, graph)
    if side is None:
        return network(under, over, others)[:height, :width]
    fused = np.empty_like(under)
    for row in tiles_along(0, graph, side, margin):
        for column in tiles_along(1, graph, side, margin):
            window = slice(*row.window), slice(*column.window)
            part = network(np.ascontiguousarray(under[window]), np.ascontiguousarray(over[window]), others)
            kept = tuple(slice(tile.keep[0] - tile.window[0], tile.keep[1] - tile.window[0]) for tile in (row, column))
            fused[slice(*row.keep), slice(*column.keep)] = part[kept]
    return fused[:height, :width]
