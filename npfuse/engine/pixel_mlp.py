"""A chain of pointwise convolutions with ReLU, evaluated exactly, with little arithmetic where pixels are alike.

How, and why that is exact, is in `npfuse.engine.pixel_groups`; here pictures of any size and number of channels are
dealt out to its groups. Groups and leaves lie on a grid that does not depend on how a picture is cut up, if only the
`origin` of each part is given; a group knows nothing of its neighbours. So neither do results depend on it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import Layer, chain_of
from npfuse.engine.compiled import compiled, contiguous
from npfuse.engine.dense_layer import LANES
from npfuse.engine.pixel_groups import GROUP_SIDE, LEAF_SIDE, LEAVES, TILE_ROWS, evaluate_groups
from npfuse.engine.region_bounds import TILES

PIECE = 8  # groups that are dealt out and evaluated at a time


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
    layers : (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows), each of the dtype of x
    origin : (row, column) of the first pixel in the picture that x is a part of; where parts meet on multiples of
        GROUP_SIDE of the picture, its pixels get the same values in every part
    counts : ndarray (number of layers + 1, 5) of int64, optional, is added to: what was executed, as
        `npfuse.engine.pixel_groups.evaluate_groups` counts it

    Returns
    -------
    ndarray (N, H, W, Cout), dtype of x

    Raises
    ------
    ValueError : no layers, or channels that do not follow from one another
    TypeError : dtypes differ, or are neither float32 nor float64

    Notes
    -----
    Equals `pointwise_conv2d` and `relu` in turn. Cost: N*H*W*sum(Ci*Co) MACs and the bounds where
    nothing can be decided, far less where pixels are alike; `bench/engine/bench_pixel_mlp.py` measures both.

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
    if counts is None:
        counts = np.zeros((len(layers) + 1, 5), np.int64)
    shape = (PIECE, LEAVES * LEAVES, TILES, pixels.shape[3], LANES)
    groups, results = np.zeros(shape, x.dtype), np.empty((*shape[:3], channels, LANES), x.dtype)
    height, width = x.shape[1:3]
    for picture, result in zip(pixels, out, strict=True):
        for top in range(-(origin[0] % GROUP_SIDE), height, GROUP_SIDE):
            for left in range(-(origin[1] % GROUP_SIDE), width, PIECE * GROUP_SIDE):
                rows, columns = min(GROUP_SIDE, height - top), min(PIECE * GROUP_SIDE, width - left)
                count = -(-columns // GROUP_SIDE)
                _deal(picture, top, left, rows, count, groups)
                evaluate_groups(groups[:count], rows, columns, *chain, results, counts)
                _collect(results, top, left, rows, columns, result)
    return out


@compiled
def _deal(x: Any, top: Any, left: Any, rows: Any, count: Any, groups: Any) -> None:
    """Copy pixels into groups; beyond the edges, the nearest pixel is repeated."""
    height, width, channels = x.shape
    for h in range(-(-rows // LEAF_SIDE) * LEAF_SIDE):
        row = min(max(top + h, 0), height - 1)
        for w in range(count * GROUP_SIDE):
            column = min(max(left + w, 0), width - 1)
            leaf = h // LEAF_SIDE * LEAVES + w % GROUP_SIDE // LEAF_SIDE
            lane = h % TILE_ROWS * LEAF_SIDE + w % LEAF_SIDE
            for c in range(channels):
                groups[w // GROUP_SIDE, leaf, h % LEAF_SIDE // TILE_ROWS, c, lane] = x[row, column, c]


@compiled
def _collect(results: Any, top: Any, left: Any, rows: Any, columns: Any, out: Any) -> None:
    """Copy what groups hold of a picture into it."""
    for h in range(max(-top, 0), rows):
        for w in range(max(-left, 0), columns):
            leaf = h // LEAF_SIDE * LEAVES + w % GROUP_SIDE // LEAF_SIDE
            lane = h % TILE_ROWS * LEAF_SIDE + w % LEAF_SIDE
            for c in range(out.shape[2]):
                out[top + h, left + w, c] = results[w // GROUP_SIDE, leaf, h % LEAF_SIDE // TILE_ROWS, c, lane]
