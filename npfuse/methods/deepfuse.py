"""DeepFuse: the network fuses luma, tile by tile; chroma is an average that favours colour.

Luma and chroma are BT.601 in studio swing. The network's output has no scale of its own: over the whole picture its
least value becomes 0 and its greatest 255, rounded, and that becomes 16 to 235. Chroma is averaged with the weights
|C - 128|. Left out of the authors' scripts: rounding the inputs to bytes, and Matlab's imadjust, which clips another
hundredth of the result at either end.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from npfuse.color import STUDIO, luma_of, to_rgb, to_ycbcr
from npfuse.methods.method import Phases, as_floats, strips, to_levels
from npfuse.run import Engine, run
from npfuse.strips import Pixels, tile_side
from npfuse.weights.weights import Weights

LEVELS = 255


def deepfuse_phases(
    exposures: Sequence[Pixels], out: Pixels, weights: Weights | None, *, engine: Engine, threads: int
) -> Phases:
    """Return two phases: the network's luma, tile by tile; then, when its range is known, colour, strip by strip.

    Notes
    -----
    Source: https://github.com/KRamPrabhakar/DeepFuse, Gen_Input.m, getres.py and Gen_Result.m, commit 2a776ba.
    """
    assert weights is not None
    height, width = out.shape[:2]
    fused = np.empty((height, width), np.float64 if out.dtype == np.float64 else np.float32)
    whole = weights.graph(height, width)
    side = tile_side(whole, engine, fused.itemsize, threads)
    arrays = {name: array.astype(fused.dtype, copy=False) for name, array in weights.arrays.items()}

    def network(rows: tuple[int, int], columns: tuple[int, int]) -> None:
        # What the tile depends on, cut off at the picture's border, where the network pads with zeros.
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

    def colour(start: int, stop: int) -> None:
        least, most = fused.min(), fused.max()
        stretched = (fused[start:stop] - least) / (most - least) if most > least else np.zeros_like(fused[start:stop])
        luma = np.rint(stretched * LEVELS) / LEVELS  # in [0, 1]
        if out.ndim == 2:
            out[start:stop] = to_levels(luma, out.dtype)
            return
        ycbcr = np.empty((stop - start, width, 3), fused.dtype)
        ycbcr[..., 0] = luma * STUDIO.luma_range + STUDIO.black
        pair = [to_ycbcr(as_floats(picture[start:stop]), STUDIO) for picture in exposures]
        for channel in (1, 2):
            weight_maps = [np.abs(x[..., channel] - x.dtype.type(STUDIO.neutral)) for x in pair]
            total = weight_maps[0] + weight_maps[1]
            weighted = sum(x[..., channel] * w for x, w in zip(pair, weight_maps, strict=True))
            neutral = np.full_like(total, STUDIO.neutral)
            ycbcr[..., channel] = np.divide(weighted, total, out=neutral, where=total > 0)
        out[start:stop] = to_levels(to_rgb(ycbcr, STUDIO), out.dtype)

    tiles = [
        ((top, min(top + side, height)), (left, min(left + side, width)))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
    return [
        [partial(network, rows, columns) for rows, columns in tiles],
        [partial(colour, start, stop) for start, stop in strips(height, width)],
    ]
