"""Cuts a pair of pictures into strips or square tiles, and runs a network over them one by one.

Networks of LightFuse's form run over strips, each in one pass (`npfuse.engine.strip_pass`). Networks of looks alone
(T_CNN) run over narrow strips, row by row (`npfuse.engine.coarse_pass`). Other networks run over square tiles, operator
by operator. A strip or tile is aligned with the network's coarsest grid, and is read with the
neighbourhood that its result depends on. So memory stays small, and the result equals that of the whole picture.
Sizes that are no multiple of 8 are edge-replicated at the bottom and right (`Weights.padded_size`) and cropped
afterwards.
Pictures are only read as `picture[rows, columns]` and results only written as `out[rows, columns] = values`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.layout import GROUP_SIDE
from npfuse.graph import Graph
from npfuse.padding import GRID, on_grid
from npfuse.run import Engine, plan, run
from npfuse.strip_form import Form, Look, NotLightFuseForm, form_or_none, lone_looks, match_form
from npfuse.survey import Survey, survey
from npfuse.weights.weights import Weights

TILE_GRID = GROUP_SIDE  # pixels: tiles meet at groups, which are evaluated by themselves
TILE_BYTES = 16 << 20  # of a tile's widest value in memory
ALL_TILES_BYTES = 128 << 20  # like TILE_BYTES, but for all tiles in flight together
STRIP_ROWS = 1024  # at most, of a strip that is computed in one pass
STRIP_COLUMNS = 8192  # at most
STRIP_PIXELS = 3 << 20  # at most; few strips, as ToneFuse looks at 64 rows beyond each end of one as well
LOOK_SIDES = (512, 512)  # rows and columns, at most, of a strip that is computed row by row
CARD_DTYPES = ("uint8", "uint16", "float32")
WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0, np.dtype(np.float64): 1.0}

Pixels = NDArray[Any]
Span = tuple[int, int]
Counts = NDArray[np.int64]


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
    """A tile of the padded picture along one axis: positions to keep, and the window that they are computed from."""

    keep: Span
    window: Span

    def kept(self, size: int) -> slice:
        """Return the positions to keep as positions in the window; `size` is the picture's, without padding."""
        return slice(self.keep[0] - self.window[0], min(self.keep[1], size) - self.window[0])


Job = Callable[[Tile, Tile], Counts | None]


def tiles_along(axis: int, n: int, length: int, graph: Graph) -> list[Tile]:
    """Cut an axis into tiles.

    Parameters
    ----------
    axis : 0 for rows, 1 for columns
    n : length of the axis, a multiple of GRID
    length : length of a tile, a multiple of GRID
    graph : Graph of the padded picture

    Returns
    -------
    list of Tile, whose windows begin and end on the grid of the network's samples

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> tiles_along(0, 512, 256, lightfuse(512, 8))[1]
    Tile(keep=(256, 512), window=(256, 512))
    """
    tiles = []
    (name, shape), *_ = graph.inputs
    if n <= length:
        return [Tile(keep=(0, n), window=(0, shape[axis]))]
    for start in range(0, n, length):
        stop = min(start + length, n)
        first, last = graph.input_spans(axis, start, stop)[name]
        window = first // GRID * GRID, -(-last // GRID) * GRID
        tiles.append(Tile(keep=(start, stop), window=window))
    return tiles


def tile_side(graph: Graph, engine: Engine, itemsize: int = 4, threads: int = 1) -> int:
    """Return the side of a tile, a multiple of TILE_GRID, for which no value in memory takes more than TILE_BYTES.

    Parameters
    ----------
    graph : Graph
    engine : "fast", "definition" or "cuda"
    itemsize : bytes a number
    threads : tiles that are computed at once

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
) -> Iterator[Callable[[], Any]]:
    """Yield the work of a pair, one strip or tile at a time: each job fills its part of `out`.

    Parameters
    ----------
    under, over : pictures (H, W, 3) or (H, W)
    out : picture of their shape and dtype, is written
    weights : Weights
    engine : "fast", "definition" or "cuda"
    threads : jobs that will run at once, for the size of tiles
    surveys : statistics and thumbnails (`thumbnail_size`) of the whole pictures. Computed here if None and the network
        needs them

    Yields
    ------
    jobs, to be called once each, in any order; a job of one pass returns counts of its arithmetic
        (`npfuse.engine.pixel_groups.empty_counts`)
    """
    height, width = on_grid(*out.shape[:2])
    whole = weights.graph(*weights.padded_size(*out.shape[:2]))
    size, own_range = thumbnail_size(whole), weights.normalization == "min_max"
    if surveys is None and (own_range or size != (1, 1)):
        surveys = survey(under, *size, threads), survey(over, *size, threads)
    pair = pair_of(under, over, out, weights, whole, surveys)
    form = form_or_none(whole) if engine == "fast" else None
    looks = lone_looks(whole) if engine == "fast" else ()
    if engine == "cuda":
        job, sides = _card_job_of(pair, whole)
    elif looks:
        job, sides = _look_job_of(pair, looks), look_sides(height, threads)
    elif form is None:
        job, sides = _tile_job_of(pair, engine), (tile_side(whole, engine, pair.dtype.itemsize, threads),) * 2
    else:
        job, sides = _strip_job_of(pair, form), strip_sides(height, width, threads)
    for row in tiles_along(0, height, sides[0], whole):
        for column in tiles_along(1, width, sides[1], whole):
            yield partial(job, row, column)


def pair_of(
    under: Any, over: Any, out: Any, weights: Weights, whole: Graph, surveys: tuple[Survey, Survey] | None
) -> "Pair":
    """Return a pair with the network's inputs besides the pixels.

    Parameters
    ----------
    under, over, out : the pictures, and the result's; of these, only shape and dtype are read
    weights, whole : Weights of the network, and its Graph for the padded pictures
    surveys : Surveys of the pictures, with a thumbnail of `thumbnail_size`; None if the network needs none
    """
    own_range = weights.normalization == "min_max"
    scales = [_scale(found if own_range else None, under.dtype) for found in surveys or (None, None)]
    others = {name: _thumbnail(surveys, scales, under.dtype) for name, _ in whole.inputs[1:] if surveys}
    return Pair(under=under, over=over, out=out, weights=weights, scales=scales, others=others)


def evaluation(graph: Graph, engine: Engine) -> str:
    """Return how `fuse_pair` evaluates a network: "one pass", "row by row", or "operator by operator: " and the reason.

    Examples
    --------
    >>> from npfuse.models import lightfuse, t_cnn
    >>> evaluation(lightfuse(8, 8), "fast"), evaluation(t_cnn(8, 8), "fast")
    ('one pass', 'row by row')
    """
    if engine == "cuda":
        return "on a graphics card"
    if engine == "definition":
        return "operator by operator: engine definition"
    if lone_looks(graph):
        return "row by row"
    try:
        match_form(graph)
    except NotLightFuseForm as reason:
        return f"operator by operator: {reason}"
    return "one pass"


def network_inputs(under: Pixels, over: Pixels, weights: Weights) -> dict[str, Pixels]:
    """Return a network's inputs for a whole pair: mapped to [-1, 1], edge-replicated to `Weights.padded_size`.

    Parameters
    ----------
    under, over : ndarray (H, W, 3) or (H, W), alike, of a dtype that `npfuse.fuse` takes
    weights : Weights of LightFuse, ToneFuse or T_CNN

    Returns
    -------
    dict of ndarray (1, H, W, C) by input name, float32, or float64 for float64

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> under, over = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    >>> inputs = network_inputs(under, over, load_weights("tonefuse"))
    >>> inputs["exposures"].shape, inputs["exposures"][0, -1, -1].tolist(), inputs["thumbnail"].shape
    ((1, 24, 24, 6), [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0], (1, 16, 24, 6))
    """
    height, width = weights.padded_size(*under.shape[:2])
    graph = weights.graph(height, width)
    surveys = survey(under, *thumbnail_size(graph)), survey(over, *thumbnail_size(graph))
    own_range = weights.normalization == "min_max"
    scales = [_scale(found if own_range else None, under.dtype) for found in surveys]
    row, column = (Tile(keep=(0, size), window=(0, size)) for size in (height, width))
    parts = [_window(picture, row, column, *scale) for picture, scale in zip((under, over), scales, strict=True)]
    others = {name: _thumbnail(surveys, scales, under.dtype) for name, _ in graph.inputs[1:]}
    return {"exposures": np.concatenate(parts, axis=2)[np.newaxis], **others}


def strip_sides(height: int, width: int, threads: int) -> tuple[int, int]:
    """Return the rows and columns of a strip, multiples of TILE_GRID.

    A small picture has one strip per thread: each strip takes Python a fraction of a millisecond, in which no other
    thread can run Python.

    Examples
    --------
    >>> strip_sides(4000, 6000, 2), strip_sides(896, 1344, 2)
    ((512, 8192), (448, 8192))
    """
    most = min(STRIP_ROWS, STRIP_PIXELS // min(width, STRIP_COLUMNS))
    return _strip_rows(most, height, threads), STRIP_COLUMNS


def look_sides(height: int, threads: int) -> tuple[int, int]:
    """Return the rows and columns of a strip that is computed row by row, multiples of TILE_GRID.

    Examples
    --------
    >>> look_sides(4000, 2), look_sides(448, 2)
    ((512, 512), (256, 512))
    """
    return _strip_rows(LOOK_SIDES[0], height, threads), LOOK_SIDES[1]


def _strip_rows(most: int, height: int, threads: int) -> int:
    """Return a multiple of TILE_GRID: at most `most` rows, and hardly more than a thread's share of the height."""
    rows = min(most, -(-height // threads) + TILE_GRID - 1)
    return max(rows // TILE_GRID * TILE_GRID, TILE_GRID)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """A pair of pictures, its result, and the network's inputs besides the pixels."""

    under: Any
    over: Any
    out: Any
    weights: Weights
    scales: list[tuple[float, float]]
    others: dict[str, Pixels]

    @property
    def half(self) -> float:
        """Half of the level of white."""
        return WHITE[self.under.dtype] / 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype to compute in."""
        return float_dtype(self.under.dtype)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights in the dtype to compute in."""
        return {name: array.astype(self.dtype, copy=False) for name, array in self.weights.arrays.items()}


def thumbnail_size(graph: Graph) -> tuple[int, int]:
    """Return the rows and columns of the thumbnail that a network reads; (1, 1) if it reads none."""
    height, width, _ = dict(graph.inputs).get("thumbnail", (1, 1, 0))
    return height, width


def _strip_job_of(pair: Pair, form: Form) -> Job:
    """Return the function that fuses a strip in one pass."""
    from npfuse.strip_run import fuse_window, prepare

    form_of = cache(lambda height, width: match_form(pair.weights.graph(height, width)))
    prepared = prepare(form, form_of, pair.others, pair.arrays())

    def job(row: Tile, column: Tile) -> Counts:
        under, over = (_part(picture, row.window, column.window) for picture in (pair.under, pair.over))
        size = row.window[1] - row.window[0], column.window[1] - column.window[0]
        kept = row.kept(pair.out.shape[0]), column.kept(pair.out.shape[1])
        place = row.keep[0], column.keep[0]
        return fuse_window(prepared, size, (under, over), pair.scales, pair.half, kept, pair.out, place)

    return job


def _look_job_of(pair: Pair, looks: tuple[Look, ...]) -> Job:
    """Return the function that fuses a strip row by row."""
    from npfuse.engine.coarse_pass import coarse_planes
    from npfuse.engine.layout import PLANE_START
    from npfuse.engine.scratch import Spare
    from npfuse.fast.tanh import tanh
    from npfuse.strip_run import exposures_of, look_steps

    steps, out = look_steps(looks, pair.arrays()), pair.out
    spare = Spare()

    def job(row: Tile, column: Tile) -> None:
        under, over = (_part(picture, row.window, column.window) for picture in (pair.under, pair.over))
        size = row.window[1] - row.window[0], column.window[1] - column.window[0]
        rows, columns = row.kept(out.shape[0]), column.kept(out.shape[1])
        place = slice(row.keep[0], row.keep[1]), slice(column.keep[0], column.keep[1])
        with spare.one() as scratch:
            planes = coarse_planes(exposures_of((under, over), pair.scales, pair.dtype), *size, steps, scratch)
            kept = planes[rows, :, PLANE_START + columns.start : PLANE_START + columns.stop].transpose(0, 2, 1)
            out[place] = _quantized(tanh(kept[np.newaxis])[0], out.ndim == 2, out.dtype)

    return job


def require_card_dtype(dtype: np.dtype[Any]) -> None:
    """Raise TypeError for pictures of a dtype that graphics cards do not compute."""
    if str(dtype) not in CARD_DTYPES:
        raise TypeError(
            f"fuse: dtype is {dtype}, expected one of {', '.join(CARD_DTYPES)} for the engine cuda, which computes in"
            ' float32; convert the pictures, or use the engine "fast"'
        )


def _card_job_of(pair: Pair, whole: Graph) -> tuple[Job, Span]:
    """Return the function that fuses a window on a graphics card, and the rows and columns that a window keeps."""
    from npfuse.card_run import prepare
    from npfuse.card_windows import CardWindows, window_sides

    require_card_dtype(pair.under.dtype)
    sides = window_sides(whole, pair.under.dtype)
    windows = CardWindows(prepare(whole, pair.others, pair.arrays(), pair.scales, pair.half))
    graph_of = cache(pair.weights.graph)

    def job(row: Tile, column: Tile) -> None:
        graph = graph_of(row.window[1] - row.window[0], column.window[1] - column.window[0])
        under, over = (picture[slice(*row.window), slice(*column.window)] for picture in (pair.under, pair.over))
        kept = row.kept(pair.out.shape[0]), column.kept(pair.out.shape[1])
        place = slice(row.keep[0], row.keep[1]), slice(column.keep[0], column.keep[1])
        with windows.fused(graph, (under, over), kept) as values:
            pair.out[place] = values

    return job, sides


def _part(picture: Pixels, rows: Span, columns: Span) -> Pixels:
    """Return a part of a picture, up to its edges, as RGB in C order."""
    part = np.asarray(picture[rows[0] : rows[1], columns[0] : columns[1]])
    return np.ascontiguousarray(_as_rgb(part))


def _as_rgb(picture: Pixels) -> Pixels:
    """Return a grey picture (H, W) as RGB (H, W, 3), others as they are."""
    return np.repeat(picture[:, :, np.newaxis], 3, axis=2) if picture.ndim == 2 else picture


def _tile_job_of(pair: Pair, engine: Engine) -> Job:
    """Return the function that fuses a tile operator by operator."""
    arrays, out = pair.arrays(), pair.out

    def job(row: Tile, column: Tile) -> None:
        pictures = zip((pair.under, pair.over), pair.scales, strict=True)
        mapped = [_window(picture, row, column, *scale) for picture, scale in pictures]
        exposures = np.concatenate(mapped, axis=2)[np.newaxis]  # (1, window rows, window columns, 6)
        graph = pair.weights.graph(exposures.shape[1], exposures.shape[2])
        origin = row.window[0], column.window[0]
        inputs = {"exposures": exposures, **pair.others}
        fused = run(graph, inputs, arrays, engine=engine, origin=origin)["fused"][0]
        kept = row.kept(out.shape[0]), column.kept(out.shape[1])
        # Beyond the picture's edge, slices end by themselves.
        place = slice(row.keep[0], row.keep[1]), slice(column.keep[0], column.keep[1])
        out[place] = _quantized(fused[kept], out.ndim == 2, out.dtype)

    return job


def _scale(found: Survey | None, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return black and 2 / (white - black), which map a picture's values to [-1, 1].

    Black and white are the picture's own if its survey is given. A picture of a single value, or of values too close
    for floats to tell apart, has no range of its own; it is mapped by the full one.
    """
    black, white = 0.0, WHITE[dtype]
    if found is not None and found.most - found.least > 2 * float(np.finfo(np.float32).tiny):
        black, white = found.least, found.most
    return black, 2 / (white - black)


def _window(picture: Pixels, row: Tile, column: Tile, black: float, scale: float) -> Pixels:
    """Cut a window out of the edge-replicated picture and map it to [-1, 1], (rows, columns, 3)."""
    dtype = float_dtype(picture.dtype).type
    part = np.asarray(picture[row.window[0] : row.window[1], column.window[0] : column.window[1]])
    missing = row.window[1] - row.window[0] - part.shape[0], column.window[1] - column.window[0] - part.shape[1]
    if any(missing):
        part = np.pad(part, [(0, missing[0]), (0, missing[1]), (0, 0)][: part.ndim], mode="edge")
    mapped: Pixels = part.astype(dtype)
    np.subtract(mapped, dtype(black), out=mapped)
    np.multiply(mapped, dtype(scale), out=mapped)
    np.subtract(mapped, dtype(1), out=mapped)
    return _as_rgb(mapped)


def _thumbnail(surveys: tuple[Survey, Survey], scales: list[tuple[float, float]], dtype: np.dtype[Any]) -> Pixels:
    """Map the thumbnails of two whole pictures to [-1, 1], (1, height, width, 6)."""
    means = [
        _as_rgb((found.thumbnail - black) * scale - 1) for found, (black, scale) in zip(surveys, scales, strict=True)
    ]
    return np.concatenate(means, axis=2)[np.newaxis].astype(float_dtype(dtype))


def _quantized(fused: Pixels, grey: bool, dtype: np.dtype[Any]) -> Pixels:
    """Map the network's [-1, 1] to the levels of a dtype, rounding to the nearest."""
    values = fused.mean(axis=2) if grey else fused
    values = (values + 1) * (WHITE[dtype] / 2)
    return np.rint(values).astype(dtype) if dtype.kind == "u" else values.astype(dtype)
