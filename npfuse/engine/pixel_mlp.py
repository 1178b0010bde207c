"""A chain of pointwise convolutions with ReLU, evaluated exactly, with little arithmetic for pixels that are alike.

`npfuse.engine.pixel_groups` has the method, and the reason for its exactness. Here, the pixels of pictures of any size
and number of channels are dealt out to groups. Groups and blocks lie on the grid of the whole picture, given the
`origin` of each part, and a group knows nothing of its neighbours. So results do not depend on the cut into parts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine import layout
from npfuse.engine.chains import Layer, chain_of
from npfuse.engine.compiled import compiled, contiguous, inner
from npfuse.engine.layout import BLOCK_SIDE, BLOCKS, CHAIN_GROUPS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS
from npfuse.engine.pixel_groups import empty_counts, evaluate_groups

block_place = inner(layout.block_place)


def pixel_mlp(
    x: NDArray[Any],
    layers: Sequence[Layer],
    *,
    origin: tuple[int, int] = (0, 0),
    counts: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """Apply pointwise convolutions one after another at every pixel.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin), float32 or float64
    layers : sequence of (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows), arrays of the dtype of x
    origin : (row, column) of the first pixel in the whole picture, if x is a part of one; parts that meet on multiples
        of GROUP_SIDE of the picture give the same values as the whole
    counts : array of `npfuse.engine.pixel_groups.empty_counts`, optional, is added to

    Returns
    -------
    ndarray (N, H, W, Cout), dtype of x

    Raises
    ------
    ValueError : no layers, or channels that do not follow from one another
    TypeError : dtypes differ, or are neither float32 nor float64

    Notes
    -----
    Equals `pointwise_conv2d` and `relu` in turn. Cost: N*H*W*sum(Ci*Co) MACs, and the bounds, where nothing can be
    decided; far less if pixels are alike. `bench/engine/bench_pixel_mlp.py` measures both.

    Examples
    --------
    >>> x = np.array([[[[1.0, -2.0]]]])
    >>> pixel_mlp(x, [(np.eye(2), None, True), (np.array([[3.0], [5.0]]), np.array([1.0]), False)])
    array([[[[4.]]]])
    """
    if not layers:
        raise ValueError("pixel_mlp: number of layers is 0, expected at least 1")
    channels = x.shape[3]
    for i, (kernel, bias, _) in enumerate(layers):
        features = kernel.shape[-1]
        if kernel.shape != (channels, features) or (bias is not None and bias.shape != (features,)):
            shapes = f"{kernel.shape} and {None if bias is None else bias.shape}"
            raise ValueError(f"pixel_mlp: layer {i} has kernel and bias {shapes}, expected Cin of {channels}")
        channels = features
    weights = [array for kernel, bias, _ in layers for array in (kernel, bias) if array is not None]
    pixels, *_ = contiguous("pixel_mlp", x, *weights)
    out = np.empty((*x.shape[:3], channels), x.dtype)
    if not out.size:
        return out
    chain = chain_of(layers)
    counts = empty_counts(len(layers)) if counts is None else counts
    shape = (CHAIN_GROUPS, BLOCKS, ROW_PAIRS, pixels.shape[3], PAIR_PIXELS)
    groups, results = np.zeros(shape, x.dtype), np.empty((*shape[:3], channels, PAIR_PIXELS), x.dtype)
    height, width = x.shape[1:3]
    for picture, result in zip(pixels, out, strict=True):
        for top in range(-(origin[0] % GROUP_SIDE), height, GROUP_SIDE):
            for left in range(-(origin[1] % GROUP_SIDE), width, CHAIN_GROUPS * GROUP_SIDE):
                rows, columns = min(GROUP_SIDE, height - top), min(CHAIN_GROUPS * GROUP_SIDE, width - left)
                count = -(-columns // GROUP_SIDE)
                _deal(picture, top, left, rows, count, groups)
                evaluate_groups(groups[:count], rows, columns, chain, results, counts)
                _collect(results, top, left, rows, columns, result)
    return out


@compiled
def _deal(x, top, left, rows, count, groups):
    """Copy pixels into groups; beyond the edges, the nearest pixel is repeated."""
    height, width, channels = x.shape
    for h in range(-(-rows // BLOCK_SIDE) * BLOCK_SIDE):
        row = min(max(top + h, 0), height - 1)
        for w in range(count * GROUP_SIDE):
            column = min(max(left + w, 0), width - 1)
            group, block, row_pair, pixel = block_place(h, w)
            for c in range(channels):
                groups[group, block, row_pair, c, pixel] = x[row, column, c]


@compiled
def _collect(results, top, left, rows, columns, out):
    """Copy the pixels of groups into a picture."""
    for h in range(max(-top, 0), rows):
        for w in range(max(-left, 0), columns):
            group, block, row_pair, pixel = block_place(h, w)
            for c in range(out.shape[2]):
                out[top + h, left + w, c] = results[group, block, row_pair, c, pixel]
