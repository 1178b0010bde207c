"""Fuses whole pictures on a graphics card: arrays that lie there already, and arrays in memory that it has room for.

CuPy, PyTorch and others say by `__cuda_array_interface__` where on the card an array lies; it is read there, and not
copied. The statistics and thumbnails of whole pictures are computed there, too. If the card's memory is short, the
result is made strip by strip. Other pictures go through `npfuse.card_windows`.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npfuse.padding import GRID, on_grid
from npfuse.strips import TILE_GRID, Pair, Pixels, pair_of, thumbnail_size, tiles_along
from npfuse.survey import Survey
from npfuse.weights.weights import Weights

if TYPE_CHECKING:
    from npfuse.cuda.card import CardArray

ROOM = 0.8  # of the card's free memory that pictures and strips may take

Check = Callable[[str, Any], None]


def is_card_array(x: object) -> bool:
    """Tell whether an object lies on a graphics card; imports no library for cards.

    Examples
    --------
    >>> is_card_array(np.zeros(3))
    False
    """
    return hasattr(x, "__cuda_array_interface__") or hasattr(x, "__cuda_ndarray__")


def card_array(x: Any) -> "CardArray":
    """Return Numba's array for an array of any library on the card; both share their memory."""
    from npfuse.cuda.card import adopted, card_errors, require_card

    require_card()
    with card_errors():
        return adopted(x)


def new_card_array(like: "CardArray") -> "CardArray":
    """Return a new array on the card, of a shape and dtype."""
    from npfuse.cuda.card import empty

    return empty(like.shape, like.dtype)


def given_back(out: "CardArray", like: Any) -> Pixels:
    """Return a result on the card as an array of the library of `like`, in the same memory; else Numba's."""
    library = type(like).__module__.split(".")[0]
    if library == "cupy":
        import cupy

        out = cupy.asarray(out)
    if library == "torch":
        import torch

        out = torch.as_tensor(out, device=like.device)
    fused: Pixels = out
    return fused


def has_room(pictures: Sequence[Any], weights: Weights) -> bool:
    """Tell whether the card has room for pictures, a result, and strips of at least TILE_GRID rows.

    Parameters
    ----------
    pictures : pictures in memory, of one shape and dtype
    weights : Weights of the network

    Raises
    ------
    CardError : there is no card
    """
    from npfuse.card_run import bytes_a_pixel
    from npfuse.cuda.card import free_bytes, require_card

    require_card()
    height, width = pictures[0].shape[-3:-1] if pictures[0].ndim > 2 else pictures[0].shape
    one = height * width * (3 if pictures[0].ndim > 2 else 1) * pictures[0].dtype.itemsize
    strip = bytes_a_pixel(weights.graph(TILE_GRID * GRID, TILE_GRID * GRID)) * 3 * TILE_GRID * (width + TILE_GRID)
    return bool((len(pictures) + 1) * one + strip <= ROOM * free_bytes())


def fuse_whole(
    exposures: Sequence[Any], out: Any, weights: Weights, *, in_order: bool, check: Check | None = None
) -> list[int]:
    """Fuse pictures on the card, or bring them there.

    Parameters
    ----------
    exposures : at least two pictures, (H, W, 3) or (H, W), of one shape and of one dtype of
        `npfuse.strips.CARD_DTYPES`; on the card, or ndarrays
    out : picture of their shape and dtype, is written; on the card, or an ndarray
    weights : Weights of a network of a pair
    in_order : whether the exposures are darkest first; if not, they are put in order of their means. The darkest and
        the brightest are fused
    check : function of a name and an ndarray that raises if floats are NaN or outside [0, 1]; called only if some are

    Returns
    -------
    positions of the exposures, darkest first

    Raises
    ------
    CardError : the card cannot be used, or has too little memory
    """
    from npfuse.cuda.card import as_picture, card_errors, empty, wait

    with card_errors():
        pictures = [as_picture(x) for x in exposures]
        whole = weights.graph(*weights.padded_size(*pictures[0].shape[:2]))
        surveys = [card_survey(picture, *thumbnail_size(whole)) for picture in pictures]
    for k, (picture, found) in enumerate(zip(pictures, surveys, strict=True), 1):
        if check and found.outside:
            check(f"exposure {k}", picture.copy_to_host())
    order = list(range(len(pictures)))
    if not in_order:
        order.sort(key=lambda k: surveys[k].mean)
    dark, bright = order[0], order[-1]
    with card_errors():
        host = isinstance(out, np.ndarray)
        result = empty(pictures[0].shape, pictures[0].dtype) if host else as_picture(out)
        pair = pair_of(pictures[dark], pictures[bright], result, weights, whole, (surveys[dark], surveys[bright]))
        _fuse_strips(pair)
        if host:
            result.copy_to_host(out.reshape(result.shape))
        wait()
    return order


def _fuse_strips(pair: Pair) -> None:
    """Fuse a pair on the card, in as few strips as fit."""
    from npfuse.card_run import bytes_a_pixel, fuse_window, prepare
    from npfuse.cuda.card import free_bytes

    height, width = on_grid(*pair.out.shape[:2])
    whole = pair.weights.graph(*pair.weights.padded_size(*pair.out.shape[:2]))
    network = prepare(whole, pair.others, pair.arrays(), pair.scales, pair.half)
    fitting = int(ROOM * free_bytes() / (bytes_a_pixel(whole) * whole.inputs[0][1][1]))
    rows = height
    if fitting < whole.inputs[0][1][0]:  # a strip's window has up to TILE_GRID rows more above, and below
        rows = max(fitting // TILE_GRID - 2, 1) * TILE_GRID
    (column,) = tiles_along(1, width, width, whole)
    for row in tiles_along(0, height, rows, whole):
        size = row.window[1] - row.window[0], column.window[1] - column.window[0]
        graph = whole if size == whole.inputs[0][1][:2] else pair.weights.graph(*size)
        keep = row.kept(pair.out.shape[0])
        parts = tuple(picture[slice(*row.window)] for picture in (pair.under, pair.over))
        out = pair.out[row.keep[0] : row.keep[0] + keep.stop - keep.start]
        fuse_window(graph, network, parts, (keep.start, column.keep[0] - column.window[0]), out)


def card_survey(picture: "CardArray", height: int, width: int) -> Survey:
    """Survey a whole picture (H, W, C) on the card; values outside [0, 1] are noticed, but not counted and located."""
    from npfuse.cuda.area_kernels import area_of

    found = area_of(picture, height, width)
    rows, columns, channels = picture.shape
    # Every pixel is in the sums height * width times in all.
    total = found.sums.sum(dtype=object) if found.sums.dtype.kind == "i" else float(found.sums.sum())
    cells = found.sums / (rows * columns)
    return Survey(
        mean=total / (rows * columns * channels * height * width),
        least=found.least,
        most=found.most,
        outside=int(found.outside),
        at=None,
        thumbnail=cells if channels > 1 else cells[:, :, 0],
    )
