"""DeepFuse: the network fuses luma, tile by tile; chroma is an average that favours colour.

Luma and chroma are BT.601 in studio swing. The network's output has no scale of its own: over the whole picture, its
least value becomes 0 and its greatest 255, rounded. Those levels are stretched so that a hundredth of the pixels
saturates at either end, and become 16 to 235. Chroma is averaged with the weights |C - 128|. Luma and chroma are
rounded to bytes, as in the authors' scripts. The authors round the network's input to bytes, too; that is left out.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.color import STUDIO, luma_of, to_rgb, to_ycbcr
from npfuse.graph import Graph
from npfuse.graph_memory import peak
from npfuse.methods.method import (
    Moment,
    NetworkMethod,
    Phases,
    Task,
    as_floats,
    strip_planes,
    strips,
    times,
    to_levels,
)
from npfuse.models.deepfuse import deepfuse
from npfuse.run import Engine, run
from npfuse.strips import Pixels, float_dtype, tile_side
from npfuse.weights.weights import Weights

LEVELS = 255
SATURATED = 0.01  # share of the pixels at either end that the stretch saturates: the default of Matlab's stretchlim
COLOUR_PLANES = 28  # of floats: two pictures 6, the result's YCbCr 3, luma 2, chroma 8, and RGB with rounding 9
GREY_PLANES = 8  # of floats: levels and luma 5, and rounding 3
TILES = 3  # whose memory is looked at, along an axis; further tiles are no larger


def deepfuse_phases(
    exposures: Sequence[Pixels], out: Pixels, weights: Weights, *, engine: Engine, threads: int
) -> Phases:
    """Return three phases: the network's luma, tile by tile; its range; then colour, strip by strip.

    Notes
    -----
    Source: https://github.com/KRamPrabhakar/DeepFuse, Gen_Input.m, getres.py and Gen_Result.m, commit 2a776ba.
    """
    height, width = out.shape[:2]
    fused = np.empty((height, width), float_dtype(out.dtype))
    whole = weights.graph(height, width)
    side = tile_side(whole, engine, fused.itemsize, threads)
    arrays = {name: array.astype(fused.dtype, copy=False) for name, array in weights.arrays.items()}

    ends: dict[str, tuple[Any, Any]] = {}

    def network(rows: tuple[int, int], columns: tuple[int, int]) -> None:
        # The part of the picture that the tile depends on, cut off at the border, where the network pads with zeros.
        (top, bottom), (left, right) = (
            whole.input_spans(axis, *span)["under"] for axis, span in enumerate((rows, columns))
        )
        lumas = []
        for picture in exposures:
            part = as_floats(picture[top:bottom, left:right])
            luma = luma_of(part, STUDIO) if part.ndim == 3 else part * STUDIO.luma_range + STUDIO.black
            lumas.append(luma.astype(fused.dtype, copy=False)[np.newaxis, :, :, np.newaxis])
        graph = weights.graph(bottom - top, right - left)
        inputs = dict(zip(("under", "over"), lumas, strict=True))
        result = run(graph, inputs, arrays, engine=engine)["fused"][0, :, :, 0]
        kept = result[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]
        fused[rows[0] : rows[1], columns[0] : columns[1]] = kept

    def levels(start: int, stop: int) -> NDArray[Any]:
        least, most = ends["network"]
        part = fused[start:stop]
        scaled = (part - least) / (most - least) if most > least else np.zeros_like(part)
        rounded: NDArray[Any] = np.rint(scaled * LEVELS)
        return rounded

    def ranges() -> None:
        ends["network"] = fused.min(), fused.max()
        counts = np.zeros(LEVELS + 1, np.intp)
        for start, stop in strips(height, width):
            counts += np.bincount(levels(start, stop).astype(np.uint8).ravel(), minlength=LEVELS + 1)
        ends["stretch"] = stretch_limits(counts)

    def colour(start: int, stop: int) -> None:
        low, high = ends["stretch"]
        luma = (np.clip(levels(start, stop), low, high) - low) / fused.dtype.type(high - low)  # in [0, 1]
        if out.ndim == 2:
            out[start:stop] = to_levels(luma, out.dtype)
            return
        ycbcr = np.empty((stop - start, width, 3), fused.dtype)
        ycbcr[..., 0] = luma * STUDIO.luma_range + STUDIO.black
        pair = [_bytes(to_ycbcr(as_floats(picture[start:stop]), STUDIO)) for picture in exposures]
        for channel in (1, 2):
            weight_maps = [np.abs(x[..., channel] - x.dtype.type(STUDIO.neutral)) for x in pair]
            total = weight_maps[0] + weight_maps[1]
            weighted = sum(x[..., channel] * w for x, w in zip(pair, weight_maps, strict=True))
            neutral = np.full_like(total, STUDIO.neutral)
            ycbcr[..., channel] = np.divide(weighted, total, out=neutral, where=total > 0)
        out[start:stop] = to_levels(to_rgb(_bytes(ycbcr), STUDIO), out.dtype)

    tiles = [
        ((top, min(top + side, height)), (left, min(left + side, width)))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
    return [
        [partial(network, rows, columns) for rows, columns in tiles],
        [ranges],
        [partial(colour, start, stop) for start, stop in strips(height, width)],
    ]


def stretch_limits(counts: NDArray[np.intp]) -> tuple[int, int]:
    """Return the levels that become black and white, so that a hundredth of the pixels saturates at either end.

    Parameters
    ----------
    counts : ndarray (256,), number of pixels of each level

    Returns
    -------
    low : the first level up to which more than 1 % of the pixels lie
    high : the first level up to which at least 99 % of the pixels lie; if both are one level, they become 0 and 255

    Notes
    -----
    Source: Matlab's stretchlim(I, [0.01 0.99]) with its histogram of 256 bins, which imadjust(I) calls.

    Examples
    --------
    >>> stretch_limits(np.full(256, 100)), stretch_limits(np.eye(256, dtype=int)[7])
    ((2, 253), (0, 255))
    """
    share = np.cumsum(counts) / np.sum(counts)
    low, high = int(np.argmax(share > SATURATED)), int(np.argmax(share >= 1 - SATURATED))
    return (low, high) if low != high else (0, LEVELS)


def _bytes(x: NDArray[Any]) -> NDArray[Any]:
    """Round values in [0, 1] to multiples of 1/255, halves up, as Matlab's uint8 does."""
    rounded: NDArray[Any] = np.floor(x * x.dtype.type(LEVELS) + x.dtype.type(0.5))
    rounded /= x.dtype.type(LEVELS)
    return rounded


def deepfuse_moments(task: Task) -> Iterator[Moment]:
    """Yield the memory of the network's tiles, and of the colour conversion."""
    height, width = task.shape[:2]
    whole = task.graph(height, width)
    side = tile_side(whole, task.engine, task.number_bytes, task.threads)
    luma = (("luma", height * width * task.number_bytes),)
    rows, columns = (max(b - a for a, b in _windows(whole, axis, n, side)) for axis, n in enumerate((height, width)))
    colours = (("colours of a tile", rows * columns * task.channels * task.number_bytes),)
    graph = task.graph(rows, columns)
    tile = peak(graph, merge=task.engine == "fast", element_bytes=task.number_bytes).values
    yield Moment(during="tiles", written=False, values=luma + times(colours + tile, task.threads))
    colour = times(strip_planes(task, COLOUR_PLANES if task.channels == 3 else GREY_PLANES), task.threads)
    yield Moment(during="colour", written=True, values=luma + colour)


def _windows(whole: Graph, axis: int, n: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield the span that each tile along an axis depends on."""
    for start in range(0, min(n, TILES * side), side):
        yield whole.input_spans(axis, start, min(start + side, n))["under"]


DEEPFUSE = NetworkMethod(
    name="deepfuse",
    title="DeepFuse",
    graph=deepfuse,
    around="colour conversion, the stretch of luma, and the weighted average of the chroma",
    most_exposures=2,
    moments=deepfuse_moments,
    jobs=deepfuse_phases,
    inputs={"under": 1, "over": 1},
    weights_at="the authors' DF_model_Epoch99.npz is at https://github.com/KRamPrabhakar/DeepFuse",
)
