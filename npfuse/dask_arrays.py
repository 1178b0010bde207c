"""Fuses dask arrays, chunk by chunk, on any scheduler; the result is that of NumPy arrays, to the byte.

Each chunk is fused with as much of its neighbours as its result depends on; the network's graph says how much. Chunks
meet at multiples of the network's grid and of the fast path's groups. One task per chunk surveys the whole pictures,
which also tells the darker one; the survey is handed to all chunks. Nothing is computed before the result is.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.contract import check_pictures, check_survey
from npfuse.graph import Graph
from npfuse.padding import GRID
from npfuse.run import Engine
from npfuse.strips import TILE_GRID, fuse_pair, thumbnail_size
from npfuse.survey import BAND, Band, Survey, band, put_together
from npfuse.thumbnail import Thumbnail
from npfuse.weights.weights import Weights

Settings = tuple[bool, tuple[Survey, Survey]]


def is_dask(x: Any) -> bool:
    """Tell whether an object is a dask array; does not import dask."""
    return type(x).__module__.split(".")[0] == "dask" and hasattr(x, "chunks")


def fuse_dask(a: Any, b: Any, weights: Weights, *, order: str = "auto", engine: Engine = "fast") -> Any:
    """Return the fusion of two dask arrays as a dask array.

    Parameters
    ----------
    a, b : dask arrays (H, W, 3) or (H, W) of one dtype and of one known shape; uint8, uint16, float32 or float64
    weights : Weights of a network of a pair
    order, engine : as for `npfuse.fuse`

    Returns
    -------
    dask array : shape and dtype of a; its chunks are those of a, moved to multiples of 64

    Raises
    ------
    TypeError, ValueError : a and b are not as above. Values that are NaN or outside [0, 1] raise a ValueError when the
        result is computed

    Examples
    --------
    >>> import dask.array as da
    >>> from npfuse import fuse
    >>> dark, bright = np.full((200, 300, 3), 30, np.uint8), np.full((200, 300, 3), 220, np.uint8)
    >>> fused = fuse(da.from_array(dark, chunks=100), da.from_array(bright, chunks=100))
    >>> bool((fused.compute() == fuse(dark, bright)).all())
    True
    """
    import dask.array as da
    from dask.delayed import delayed

    _check(a, b)
    a = a.rechunk((*_aligned(a), *a.shape[2:]))
    b = b.rechunk(a.chunks)
    size = thumbnail_size(weights.graph(GRID, GRID))
    surveys = [_survey(picture, *size) for picture in (a, b)]
    settings = delayed(_settings)(surveys[0], surveys[1], order, a.shape)
    halo = [halo_along(axis, weights.graph(8 * TILE_GRID, 8 * TILE_GRID)) for axis in (0, 1)]
    # An axis of a single chunk has no neighbours, and may be shorter than a halo.
    depth: dict[int, Any] = {axis: halo[axis] if a.numblocks[axis] > 1 else 0 for axis in (0, 1)}
    if a.ndim == 3:
        depth[2] = 0
    map_overlap: Any = da.map_overlap
    return map_overlap(
        partial(_fuse_chunk, weights=weights, engine=engine),
        a,
        b,
        settings=settings,
        depth=depth,
        boundary="none",
        dtype=a.dtype,
        meta=np.empty((0,) * a.ndim, a.dtype),
    )


def halo_along(axis: int, graph: Graph) -> tuple[int, int]:
    """Return how many pixels before and after a chunk its result depends on, the first rounded up to TILE_GRID.

    Parameters
    ----------
    axis : 0 for rows, 1 for columns
    graph : Graph of a picture of eight times TILE_GRID

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> halo_along(0, lightfuse(512, 512)), halo_along(0, lightfuse(512, 512, decoder="bilinear"))
    ((0, 8), (64, 16))
    """
    (name, _), *_ = graph.inputs
    start, stop = 3 * TILE_GRID, 5 * TILE_GRID
    first, last = graph.input_spans(axis, start, stop)[name]
    return -(-(start - first) // TILE_GRID) * TILE_GRID, -(-(last - stop) // GRID) * GRID


def _check(a: Any, b: Any) -> None:
    for name, x in (("a", a), ("b", b)):
        if not is_dask(x):
            raise TypeError(f"fuse: {name} is {type(x).__name__}, expected a dask array as the other picture")
    check_pictures({"a": a, "b": b}, (3, 2))


def _aligned(x: Any) -> list[tuple[int, ...]]:
    """Return chunks of about the same size that meet at multiples of TILE_GRID; the last is not smaller than that."""
    made = []
    for chunks, n in zip(x.chunks[:2], x.shape[:2], strict=True):
        step = max(TILE_GRID, round(max(chunks) / TILE_GRID) * TILE_GRID)
        edges = list(range(0, max(1, n - TILE_GRID + 1), step))
        made.append(tuple(end - start for start, end in zip(edges, [*edges[1:], n], strict=True)))
    return made


def _survey(x: Any, height: int, width: int) -> Any:
    """Return a delayed Survey of a dask array."""
    from dask.delayed import delayed

    taps = Thumbnail(x.shape, height, width)
    starts = [list(accumulate(chunks[:-1], initial=0)) for chunks in x.chunks[:2]]
    blocks = x.to_delayed().reshape(len(starts[0]), len(starts[1]))
    rows = []
    for row, line in zip(starts[0], blocks, strict=True):
        parts = [delayed(_bands)(block, taps, row, column) for column, block in zip(starts[1], line, strict=True)]
        rows.append(delayed(_beside)(parts))
    return delayed(_below)(rows, taps)


def _bands(block: NDArray[Any], taps: Thumbnail, row: int, column: int) -> list[Band]:
    """Return the statistics of a chunk, band by band; chunks begin where bands do."""
    return [band(taps, block[i : i + BAND], row + i, column) for i in range(0, len(block), BAND)]


def _beside(parts: Sequence[list[Band]]) -> list[Band]:
    """Join the bands of chunks that lie side by side."""
    return [
        Band(
            rows=bands[0].rows,
            sums=np.concatenate([part.sums for part in bands], axis=1),
            least=min(part.least for part in bands),
            most=max(part.most for part in bands),
            outside=sum(part.outside for part in bands),
            at=min((part.at for part in bands if part.at is not None), default=None),
        )
        for bands in zip(*parts, strict=True)
    ]


def _below(rows: Sequence[list[Band]], taps: Thumbnail) -> Survey:
    """Add up all bands; `taps` keeps sums, so a task that is done twice needs its own."""
    own = Thumbnail(taps.shape, taps.height, taps.width)
    return put_together(own, (found for bands in rows for found in bands))


def _settings(a: Survey, b: Survey, order: str, shape: tuple[int, ...]) -> Settings:
    """Return whether the pictures change places, and their surveys, the under-exposed one's first."""
    for name, found in (("a", a), ("b", b)):
        check_survey(name, found, shape)
    swapped = order == "auto" and a.mean > b.mean
    return swapped, (b, a) if swapped else (a, b)


def _fuse_chunk(
    a: NDArray[Any], b: NDArray[Any], *, settings: Settings, weights: Weights, engine: Engine
) -> NDArray[Any]:
    """Fuse a chunk that is surrounded by its halo; what the halo becomes is cut off by the caller."""
    swapped, surveys = settings
    under, over = (b, a) if swapped else (a, b)
    out = np.empty(under.shape, under.dtype)
    for job in fuse_pair(under, over, out, weights, engine=engine, threads=1, surveys=surveys):
        job()
    return out
