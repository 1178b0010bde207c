"""fuse(): two exposures in, one picture out. Checks, orders and normalizes the pictures, runs the network, quantizes.

A picture is cut into tiles that are aligned with the network's coarsest grid and surrounded by as much of the picture
as their result depends on, so that memory stays small and the result is that of the whole. Sizes that are no multiple
of 8 are edge-replicated at the bottom and right and cropped afterwards.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.run import Engine, plan, run
from npfuse.thumbnail import thumbnail
from npfuse.weights import Normalization, Weights, load_weights

Order = Literal["auto", "given"]

GRID = 8  # pixels: GlobalNet halves the size three times
TILE_GRID = 64  # pixels: where tiles meet, so that the groups of blocks of `npfuse.fast.pixel_mlp` are whole
TILE_BYTES = 16 << 20  # of the widest value that is kept of a tile
ALL_TILES_BYTES = 128 << 20  # the same, of all tiles that are computed at once
WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.0}

Pixels = NDArray[Any]
Span = tuple[int, int]


def fuse(
    a: Pixels,
    b: Pixels,
    weights: "Weights | str | Path | None" = None,
    *,
    order: Order = "auto",
    threads: int | None = None,
    engine: Engine = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """Fuse two exposures of one scene.

    Parameters
    ----------
    a, b : ndarray (H, W, 3), (H, W) or (N, H, W, 3); uint8, uint16, or float32 or float64 in [0, 1]
        RGB, grey, or a batch of RGB. Any H and W of at least 1, both pictures alike.
    weights : None, str, Path or Weights
        None for the default ones, the name of bundled ones, the path of a weights file, or weights already loaded.
    order : "auto" or "given"
        "auto": of each pair, the picture with the lower mean is the under-exposed one (a, where the means are equal).
        "given": a is.
    threads : int, optional
        How many threads work; None for as many as this process has cores, 1 for none besides the caller's. The result
        does not depend on it.
    engine : "fast" or "definition"
        The compiled functions, or the NumPy definitions.
    progress : callable, optional
        Called in the caller's thread with how many tiles are done and how many there are.

    Returns
    -------
    ndarray, shape and dtype of a
        A grey picture goes through the network as RGB, and the mean of the three channels comes back.

    Raises
    ------
    ValueError : shapes differ or are not as above, an empty array, values that are NaN, infinite or outside [0, 1], or
        an unknown order, engine or weights
    TypeError : dtypes differ or are not as above

    Notes
    -----
    float64 pictures are computed in float64, all others in float32. Source: LightFuse (arXiv 2107.02299); it rounds to
    the nearest level, where the authors' code truncates.

    Examples
    --------
    >>> under, over = np.full((9, 10), 0.1, np.float32), np.full((9, 10), 0.9, np.float32)
    >>> fused = fuse(over, under)  # the order is found out
    >>> fused.shape, fused.dtype, bool(0 <= fused.min() and fused.max() <= 1)
    ((9, 10), dtype('float32'), True)
    """
    a, b = _checked_pair(a, b)
    if order not in get_args(Order):
        raise ValueError(f"fuse: order is {order!r}, expected one of {', '.join(get_args(Order))}")
    if engine not in get_args(Engine):
        raise ValueError(f"fuse: engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")
    thread_count = _thread_count(threads)
    loaded = load_weights(weights)
    graph = loaded.graph(GRID, GRID)
    if not _takes_exposures(graph):
        raise ValueError(f"fuse: weights are for {loaded.model}, expected a network of two RGB exposures")
    out = np.empty_like(a, order="C")
    batch = a.ndim == 4
    jobs = [
        job
        for first, second, result in (zip(a, b, out, strict=True) if batch else [(a, b, out)])
        for job in _tile_jobs(*_ordered(first, second, order), result, loaded, engine, thread_count)
    ]
    for done, _ in enumerate(_run_all(jobs, thread_count), 1):
        if progress:
            progress(done, len(jobs))
    return out


def _takes_exposures(graph: Graph) -> bool:
    """Tell whether a network takes two RGB exposures, perhaps with a thumbnail of them, and returns a picture."""
    (name, shape), *others = graph.inputs
    exposures = name == "exposures" and shape == (GRID, GRID, 6)
    thumbnails = all(name == "thumbnail" and shape[2] == 6 for name, shape in others)
    return exposures and thumbnails and graph.outputs == ("fused",)


def _run_all(jobs: list[Callable[[], None]], threads: int) -> Iterator[None]:
    """Run jobs, yielding after each; after an error, those not yet begun are dropped."""
    if threads == 1 or len(jobs) == 1:
        yield from (job() for job in jobs)
        return
    pool = ThreadPoolExecutor(min(threads, len(jobs)))
    try:
        for future in as_completed([pool.submit(job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def under_exposed_first(a: Pixels, b: Pixels) -> bool:
    """Tell whether a is the under-exposed picture of a pair: the one with the lower mean, or the first where equal.

    Examples
    --------
    >>> under_exposed_first(np.array([[9]]), np.array([[1]]))
    False
    """
    return _mean(a) <= _mean(b)


def _mean(x: Pixels) -> float:
    """Return the mean over all values, exact for integers."""
    if x.dtype.kind == "u":
        return int(x.sum(dtype=np.uint64)) / x.size
    return float(x.mean(dtype=np.float64))


def _ordered(a: Pixels, b: Pixels, order: Order) -> tuple[Pixels, Pixels]:
    return (a, b) if order == "given" or under_exposed_first(a, b) else (b, a)


def _thread_count(threads: int | None) -> int:
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise TypeError(f"fuse: threads is {threads!r}, expected None or an integer of at least 1")
    if threads < 1:
        raise ValueError(f"fuse: threads is {threads}, expected None or an integer of at least 1")
    return int(threads)


def _checked_pair(a: Any, b: Any) -> tuple[Pixels, Pixels]:
    """Return both pictures as arrays, or raise with what is wrong."""
    a, b = np.asarray(a), np.asarray(b)
    known = ", ".join(str(dtype) for dtype in WHITE)
    for name, x in (("a", a), ("b", b)):
        if x.dtype not in WHITE:
            raise TypeError(f"fuse: dtype of {name} is {x.dtype}, expected one of {known}; shape {x.shape}")
        if x.ndim not in (2, 3, 4) or (x.ndim > 2 and x.shape[-1] != 3):
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected (H, W, 3), (H, W) or (N, H, W, 3)")
        if x.size == 0:
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected no empty axis")
    if a.shape != b.shape:
        raise ValueError(f"fuse: shape of b is {b.shape}, expected {a.shape} as a; crop or resize one of the pictures")
    if a.dtype != b.dtype:
        raise TypeError(f"fuse: dtype of b is {b.dtype}, expected {a.dtype} as a; convert one of the pictures")
    for name, x in (("a", a), ("b", b)):
        if x.dtype.kind == "f":
            _check_range(name, x)
    return a, b


def _check_range(name: str, x: Pixels) -> None:
    """Raise ValueError where a value is NaN, infinite or outside [0, 1], with how many and the first position."""
    count, first = 0, None
    for row in range(x.shape[0]):  # by rows, to keep the masks small
        bad = ~((x[row] >= 0) & (x[row] <= 1))  # a NaN compares false
        if bad.any():
            count += int(np.count_nonzero(bad))
            first = first or (row, *(int(i) for i in np.argwhere(bad)[0]))
    if first is not None:
        raise ValueError(
            f"fuse: {count} of {x.size} values of {name} are NaN or outside [0, 1], expected none; "
            f"the first is {x[first]} at {first}; shape {x.shape}"
        )


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
    n : length of the padded picture, a multiple of GRID
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


def _tile_jobs(
    under: Pixels, over: Pixels, out: Pixels, weights: Weights, engine: Engine, threads: int
) -> Iterator[Callable[[], None]]:
    """Yield the work of a pair, tile by tile: each job fills its part of `out`, (H, W, 3) or (H, W)."""
    height, width = (-(-size // GRID) * GRID for size in out.shape[:2])
    whole = weights.graph(height, width)
    side = tile_side(whole, engine, 8 if under.dtype == np.float64 else 4, threads)
    scales = [_scale(picture, weights.normalization) for picture in (under, over)]
    # What the network wants of the whole pictures is made once, so that it is the same for every tile.
    others = {
        name: _thumbnail((under, over), scales, height, width)
        for name, (height, width, _) in whole.inputs
        if name == "thumbnail"
    }
    for row in tiles_along(0, height, side, whole):
        for column in tiles_along(1, width, side, whole):
            yield _tile_job(under, over, scales, others, out, weights, engine, row, column)


def _tile_job(
    under: Pixels,
    over: Pixels,
    scales: list[tuple[float, float]],
    others: dict[str, Pixels],
    out: Pixels,
    weights: Weights,
    engine: Engine,
    row: Tile,
    column: Tile,
) -> Callable[[], None]:
    def job() -> None:
        mapped = [_window(picture, row, column, *scale) for picture, scale in zip((under, over), scales, strict=True)]
        exposures = np.concatenate(mapped, axis=2)[np.newaxis]  # (1, window rows, window columns, 6)
        graph = weights.graph(exposures.shape[1], exposures.shape[2])
        origin = row.window[0], column.window[0]
        arrays = {name: array.astype(exposures.dtype, copy=False) for name, array in weights.arrays.items()}
        fused = run(graph, {"exposures": exposures, **others}, arrays, engine=engine, origin=origin)["fused"][0]
        kept = tuple(
            slice(tile.keep[0] - tile.window[0], min(tile.keep[1], size) - tile.window[0])
            for tile, size in ((row, out.shape[0]), (column, out.shape[1]))
        )
        # Beyond the picture's edge, slices end by themselves.
        place = slice(row.keep[0], row.keep[1]), slice(column.keep[0], column.keep[1])
        out[place] = _quantized(fused[kept], out.ndim == 2, out.dtype)

    return job


def _scale(picture: Pixels, normalization: Normalization) -> tuple[float, float]:
    """Return what maps a picture's values to [-1, 1]: black, and 2 / (white - black).

    A picture of a single value, or of values too close for floats to tell apart, has no range of its own; it is mapped
    by the full one.
    """
    black, white = 0.0, WHITE[picture.dtype]
    if normalization == "min_max":
        least, most = float(picture.min()), float(picture.max())
        if most - least > 2 * float(np.finfo(np.float32).tiny):
            black, white = least, most
    return black, 2 / (white - black)


def _window(picture: Pixels, row: Tile, column: Tile, black: float, scale: float) -> Pixels:
    """Cut a window out of the edge-replicated picture and map it to [-1, 1], (rows, columns, 3)."""
    dtype = np.float64 if picture.dtype == np.float64 else np.float32
    part = picture[row.window[0] : row.window[1], column.window[0] : column.window[1]]
    missing = row.window[1] - row.window[0] - part.shape[0], column.window[1] - column.window[0] - part.shape[1]
    if any(missing):
        part = np.pad(part, [(0, missing[0]), (0, missing[1]), (0, 0)][: part.ndim], mode="edge")
    mapped: Pixels = part.astype(dtype)
    np.subtract(mapped, dtype(black), out=mapped)
    np.multiply(mapped, dtype(scale), out=mapped)
    np.subtract(mapped, dtype(1), out=mapped)
    return np.repeat(mapped[:, :, np.newaxis], 3, axis=2) if mapped.ndim == 2 else mapped


def _thumbnail(pictures: tuple[Pixels, Pixels], scales: list[tuple[float, float]], height: int, width: int) -> Pixels:
    """Average two whole pictures to a few pixels and map them to [-1, 1], (1, height, width, 6)."""
    means = []
    for picture, (black, scale) in zip(pictures, scales, strict=True):
        mapped = (thumbnail(picture, height, width) - black) * scale - 1
        means.append(np.repeat(mapped[:, :, np.newaxis], 3, axis=2) if mapped.ndim == 2 else mapped)
    dtype = np.float64 if pictures[0].dtype == np.float64 else np.float32
    return np.concatenate(means, axis=2)[np.newaxis].astype(dtype)


def _quantized(fused: Pixels, grey: bool, dtype: np.dtype[Any]) -> Pixels:
    """Map the network's [-1, 1] to the levels of a dtype, rounding to the nearest."""
    values = fused.mean(axis=2) if grey else fused
    values = (values + 1) * (WHITE[dtype] / 2)
    return np.rint(values).astype(dtype) if dtype.kind == "u" else values.astype(dtype)
