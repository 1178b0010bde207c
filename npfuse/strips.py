"""Cuts a pair of pictures into parts and runs a network over them, part by part.

A part is a tile that is aligned with the network's coarsest grid and surrounded by as much of the picture as its result
depends on, so that memory stays small and the result is that of the whole. Networks of LightFuse's form run over strips
of the picture in one pass (`npfuse.engine.strip_pass`), others operator by operator over squares. Sizes that are no
multiple of 8 are edge-replicated at the bottom and right (`Weights.padded_size`) and cropped afterwards.
Pictures are only read as `picture[rows, columns]` and results only written as `out[rows, columns] = values`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.padding import GRID, on_grid
from npfuse.run import Engine, plan, run
from npfuse.strip_form import Form, recognized
from npfuse.survey import Survey, survey
from npfuse.weights.weights import Weights

TILE_GRID = 64  # pixels: where tiles meet, so that the groups of blocks of `npfuse.engine.pixel_mlp` are whole
TILE_BYTES = 16 << 20  # of the widest value that is kept of a tile
STRIP_ROWS = 512  # of a strip that is computed in one pass, at most
STRIP_COLUMNS = 8192
STRIP_PIXELS = 768 << 10  # at most: what is read twice should still be in a cache
ALL_TILES_BYTES = 128 << 20  # the same, of all tiles that are computed at once
WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.0}

Pixels = NDArray[Any]
Span = tuple[int, int]


def float_dtype(dtype: "np.dtype[Any]") -> "np.dtype[Any]":
    """Return the dtype that pictures of a dtype are computed in: float64 for float64, else float32.

    Examples
    --------
    >>> float_dtype(np.dtype(np.uint16)), float_dtype(np.dtype(np.float64))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A part of the padded picture, along one axis: what is kept, and the window that it is computed from."""

    keep: Span
    window: Span


def tiles_along(axis: int, n: int, length: int, graph: Graph) -> list[Tile]:
    """Cut an axis into tiles.

    Parameters
    ----------
    axis : 0 for rows, 1 for columns
    n : length of what is kept, a multiple of GRID
    length : of a tile, a multiple of GRID
    graph : of the padded picture; it knows what a result depends on

    Returns
    -------
    list of Tile, whose windows begin and end on the grid: there, the network samples as in the whole picture

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> tiles_along(0, 512, 256, lightfuse(512, 8))[1]
    Tile(keep=(256, 512), window=(256, 512))
    """
    tiles = []
    (name, _), *_ = graph.inputs
    for start in range(0, n, length):
        stop = min(start + length, n)
        first, last = graph.input_spans(axis, start, stop)[name]
        window = first // GRID * GRID, -(-last // GRID) * GRID
        tiles.append(Tile(keep=(start, stop), window=window))
    return tiles


def tile_side(graph: Graph, engine: Engine, itemsize: int = 4, threads: int = 1) -> int:
    """Return the side of a tile, a multiple of TILE_GRID, for which no value that is kept takes more than TILE_BYTES.

    Parameters
    ----------
    graph : Graph
    engine : "fast" or "definition"
    itemsize : bytes a number
    threads : how many tiles are computed at once

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> tile_side(lightfuse(8, 8), "fast"), tile_side(lightfuse(8, 8), "definition")
    (832, 128)
    """
    kept = [step[-1].name for step in plan(graph, merge=engine == "fast")]
    widest = max(graph.shapes[name][2] for name in (*kept, *dict(graph.inputs)))
    pixels = min(TILE_BYTES, ALL_TILES_BYTES // threads) // (itemsize * widest)
    return max(TILE_GRID, isqrt(pixels) // TILE_GRID * TILE_GRID)


def fuse_pair(
    under: Any,
    over: Any,
    out: Any,
    weights: Weights,
    *,
    engine: Engine,
    threads: int,
    surveys: tuple[Survey, Survey] | None = None,
    counts: NDArray[np.int64] | None = None,
) -> Iterator[Callable[[], None]]:
    """Yield the work of a pair, tile by tile: each job fills its part of `out`, (H, W, 3) or (H, W).

    What the network wants of the whole pictures is in their surveys, of `thumbnail_size`; made here unless given, if it
    wants anything.
    What a pass executes is added to `counts`, see `costmodel.executed`.
    """
    height, width = on_grid(*out.shape[:2])
    whole = weights.graph(*weights.padded_size(*out.shape[:2]))
    size, own_range = thumbnail_size(whole), weights.normalization == "min_max"
    if surveys is None and (own_range or size != (1, 1)):
        surveys = survey(under, *size, threads), survey(over, *size, threads)
    scales = [_scale(found if own_range else None, under.dtype) for found in surveys or (None, None)]
    others = {name: _thumbnail(surveys, scales, under.dtype) for name, _ in whole.inputs[1:] if surveys}
    pair = _Pair(under=under, over=over, out=out, weights=weights, scales=scales, others=others)
    job, sides = _tile_job_of(pair, engine), (tile_side(whole, engine, pair.dtype.itemsize, threads),) * 2
    form = recognized(whole) if engine == "fast" else None
    if form is not None:
        job, sides = _strip_job_of(pair, form, counts), strip_sides(height, width, threads)
    for row in tiles_along(0, height, sides[0], whole):
        for column in tiles_along(1, width, sides[1], whole):
            yield partial(job, row, column)


def strip_sides(height: int, width: int, threads: int) -> tuple[int, int]:
    """Return the rows and columns of a strip, multiples of TILE_GRID.

    Strips of a small picture are as large as gives each thread one: each takes Python a fraction of a millisecond, and
    while it works no other thread can.

    Examples
    --------
    >>> strip_sides(4000, 6000, 2), strip_sides(896, 1344, 2)
    ((128, 8192), (448, 8192))
    """
    rows = min(STRIP_ROWS, STRIP_PIXELS // min(width, STRIP_COLUMNS), -(-height // threads) + TILE_GRID - 1)
    return max(rows // TILE_GRID * TILE_GRID, TILE_GRID), STRIP_COLUMNS


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    """A pair of pictures, where its result goes, and what the network wants to know of the whole of it."""

    under: Any
    over: Any
    out: Any
    weights: Weights
    scales: list[tuple[float, float]]
    others: dict[str, Pixels]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What is computed in."""
        return float_dtype(self.under.dtype)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights, to compute with."""
        return {name: array.astype(self.dtype, copy=False) for name, array in self.weights.arrays.items()}


def thumbnail_size(graph: Graph) -> tuple[int, int]:
    """Return the rows and columns of the thumbnail that a network wants; (1, 1) where it wants none."""
    height, width, _ = dict(graph.inputs).get("thumbnail", (1, 1, 0))
    return height, width


def _strip_job_of(pair: _Pair, form: Form, counts: NDArray[np.int64] | None) -> Callable[[Tile, Tile], None]:
    """Return what fuses a strip in one pass."""
    from npfuse.strip_run import fuse_window, prepare

    prepared = prepare(form, pair.others, pair.arrays())
    counts = np.zeros((len(prepared.chain.table), 5), np.int64) if counts is None else counts
    half = WHITE[pair.under.dtype] / 2

    @cache
    def part(height: int, width: int) -> "tuple[Graph, Form]":
        graph = pair.weights.graph(height, width)
        found = recognized(graph)
        assert found is not None
        return graph, found

    def job(row: Tile, column: Tile) -> None:
        graph, form = part(row.window[1] - row.window[0], column.window[1] - column.window[0])
        parts = [_part(picture, row.window, column.window) for picture in (pair.under, pair.over)]
        spans = zip((row, column), pair.out.shape, strict=False)
        keep = [slice(t.keep[0] - t.window[0], min(t.keep[1], size) - t.window[0]) for t, size in spans]
        place = row.keep[0], column.keep[0]
        own = np.zeros_like(counts)  # for threads not to count in one place
        kept = keep[0], keep[1]
        fuse_window(graph, form, prepared, (parts[0], parts[1]), pair.scales, half, kept, pair.out, place, own)
        np.add(counts, own, out=counts)

    return job


def _part(picture: Pixels, rows: Span, columns: Span) -> Pixels:
    """Return a part of a picture, as far as it goes, as RGB in C order."""
    part = np.asarray(picture[rows[0] : rows[1], columns[0] : columns[1]])
    rgb = np.repeat(part[:, :, np.newaxis], 3, axis=2) if part.ndim == 2 else part
    return np.require(rgb, requirements=["C", "W"])


def _tile_job_of(pair: _Pair, engine: Engine) -> Callable[[Tile, Tile], None]:
    """Return what fuses a tile operator by operator."""
    arrays, out = pair.arrays(), pair.out

    def job(row: Tile, column: Tile) -> None:
        pictures = zip((pair.under, pair.over), pair.scales, strict=True)
        mapped = [_window(picture, row, column, *scale) for picture, scale in pictures]
        exposures = np.concatenate(mapped, axis=2)[np.newaxis]  # (1, window rows, window columns, 6)
        graph = pair.weights.graph(exposures.shape[1], exposures.shape[2])
        origin = row.window[0], column.window[0]
        inputs = {"exposures": exposures, **pair.others}
        fused = run(graph, inputs, arrays, engine=engine, origin=origin)["fused"][0]
        kept = tuple(
            slice(tile.keep[0] - tile.window[0], min(tile.keep[1], size) - tile.window[0])
            for tile, size in ((row, out.shape[0]), (column, out.shape[1]))
        )
        # Beyond the picture's edge, slices end by themselves.
        place = slice(row.keep[0], row.keep[1]), slice(column.keep[0], column.keep[1])
        out[place] = _quantized(fused[kept], out.ndim == 2, out.dtype)

    return job


def _scale(found: Survey | None, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return what maps a picture's values to [-1, 1]: black, and 2 / (white - black).

    Both are the picture's own where its survey is given. A picture of a single value, or of values too close for floats
    to tell apart, has no range of its own; it is mapped by the full one.
    """
    black, white = 0.0, WHITE[dtype]
    if found is not None and found.most - found.least > 2 * float(np.finfo(np.float32).tiny):
        black, white = found.least, found.most
    return black, 2 / (white - black)


def _window(picture: Pixels, row: Tile, column: Tile, black: float, scale: float) -> Pixels:
    """Cut a window out of the edge-replicated picture and map it to [-1, 1], (rows, columns, 3)."""
    dtype = float_dtype(picture.dtype)
    part = np.asarray(picture[row.window[0] : row.window[1], column.window[0] : column.window[1]])
    missing = row.window[1] - row.window[0] - part.shape[0], column.window[1] - column.window[0] - part.shape[1]
    if any(missing):
        part = np.pad(part, [(0, missing[0]), (0, missing[1]), (0, 0)][: part.ndim], mode="edge")
    mapped: Pixels = part.astype(dtype)
    np.subtract(mapped, dtype.type(black), out=mapped)
    np.multiply(mapped, dtype.type(scale), out=mapped)
    np.subtract(mapped, dtype.type(1), out=mapped)
    return np.repeat(mapped[:, :, np.newaxis], 3, axis=2) if mapped.ndim == 2 else mapped


def _thumbnail(surveys: tuple[Survey, Survey], scales: list[tuple[float, float]], dtype: np.dtype[Any]) -> Pixels:
    """Map the thumbnails of two whole pictures to [-1, 1], (1, height, width, 6)."""
    means = []
    for found, (black, scale) in zip(surveys, scales, strict=True):
        mapped = (found.thumbnail - black) * scale - 1
        means.append(np.repeat(mapped[:, :, np.newaxis], 3, axis=2) if mapped.ndim == 2 else mapped)
    return np.concatenate(means, axis=2)[np.newaxis].astype(float_dtype(dtype))


def _quantized(fused: Pixels, grey: bool, dtype: np.dtype[Any]) -> Pixels:
    """Map the network's [-1, 1] to the levels of a dtype, rounding to the nearest."""
    values = fused.mean(axis=2) if grey else fused
    values = (values + 1) * (WHITE[dtype] / 2)
    return np.rint(values).astype(dtype) if dtype.kind == "u" else values.astype(dtype)
