"""A chain of pointwise convolutions with ReLU, evaluated block by block: the hidden values never leave the cache.

The pixels of a block lie along the vector lanes, a row a channel; weights are scalars. Four rows of input update four
rows of output at a time, which keeps the multipliers busy rather than the loads. Every pixel's sums are made in the
same order wherever its block begins, so results do not depend on how a picture is cut up.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.fast.compiled import bias_or_zeros, compiled, contiguous

BLOCK = 256  # pixels; a hidden layer of 256 then takes 256 KiB, half of a common second-level cache

Layer = tuple[NDArray[Any], NDArray[Any] | None, bool]


def pixel_mlp(x: NDArray[Any], layers: Sequence[Layer]) -> NDArray[Any]:
    """Apply pointwise convolutions one after another at every pixel.

    Parameters
    ----------
    x : ndarray (N, H, W, Cin), float32 or float64
    layers : (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows), each of the dtype of x

    Returns
    -------
    ndarray (N, H, W, Cout), dtype of x

    Raises
    ------
    ValueError : no layers, or channels that do not follow from one another
    TypeError : dtypes differ, or are neither float32 nor float64

    Notes
    -----
    Equals `pointwise_conv2d` and `relu` in turn. Cost: N*H*W*sum(Ci*Co) MACs.

    Examples
    --------
    >>> x = np.array([[[[1.0, -2.0]]]])
    >>> pixel_mlp(x, [(np.eye(2), None, True), (np.array([[3.0], [5.0]]), np.array([1.0]), False)])
    array([[[[4.]]]])
    """
    if not layers:
        raise ValueError("pixel_mlp: number of layers is 0, expected at least 1")
    widths = [x.shape[3]]
    rectify = np.zeros(len(layers), np.bool_)
    arrays: list[NDArray[Any]] = []
    for i, (kernel, bias, rectified) in enumerate(layers):
        features = kernel.shape[-1]
        if kernel.shape != (widths[-1], features) or (bias is not None and bias.shape != (features,)):
            shapes = f"{kernel.shape} and {None if bias is None else bias.shape}"
            raise ValueError(f"pixel_mlp: layer {i} has kernel and bias {shapes}, expected Cin of {widths[-1]}")
        widths.append(features)
        rectify[i] = rectified
        arrays += contiguous("pixel_mlp", kernel, bias_or_zeros(bias, features, kernel.dtype))
    (pixels, *_) = contiguous("pixel_mlp", x, *arrays)
    out = np.empty((*x.shape[:3], widths[-1]), x.dtype)
    # All weights in one vector, layer by layer, so that one compilation serves every chain.
    packed = np.concatenate([array.reshape(-1) for array in arrays])
    _pixel_mlp(pixels.reshape(-1, widths[0]), packed, np.array(widths), rectify, out.reshape(-1, widths[-1]))
    return out


@compiled
def _pixel_mlp(x: Any, packed: Any, widths: Any, rectify: Any, out: Any) -> None:
    widest = widths.max()
    source = np.empty((widest, BLOCK), x.dtype)
    target = np.empty((widest, BLOCK), x.dtype)
    source[:] = 0
    for start in range(0, x.shape[0], BLOCK):
        count = min(BLOCK, x.shape[0] - start)
        for p in range(count):
            for c in range(widths[0]):
                source[c, p] = x[start + p, c]
        at = 0
        for layer in range(len(rectify)):
            inputs, outputs = widths[layer], widths[layer + 1]
            kernel = packed[at : at + inputs * outputs].reshape(inputs, outputs)
            at += inputs * outputs
            _layer(source, kernel, packed[at : at + outputs], rectify[layer], target)
            at += outputs
            source, target = target, source
        for p in range(count):
            for c in range(widths[-1]):
                out[start + p, c] = source[c, p]


@compiled
def _layer(x: Any, kernel: Any, bias: Any, rectify: Any, out: Any) -> None:
    """Compute one layer of a block: x (>= Ci, BLOCK), kernel (Ci, Co), bias (Co,), out (>= Co, BLOCK)."""
    inputs, outputs = kernel.shape
    for o in range(outputs):
        for p in range(BLOCK):
            out[o, p] = bias[o]
    fours = outputs - outputs % 4
    for o in range(0, fours, 4):
        y0, y1, y2, y3 = out[o], out[o + 1], out[o + 2], out[o + 3]
        for i in range(0, inputs - 3, 4):
            x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
            k00, k01, k02, k03 = kernel[i, o], kernel[i, o + 1], kernel[i, o + 2], kernel[i, o + 3]
            k10, k11, k12, k13 = kernel[i + 1, o], kernel[i + 1, o + 1], kernel[i + 1, o + 2], kernel[i + 1, o + 3]
            k20, k21, k22, k23 = kernel[i + 2, o], kernel[i + 2, o + 1], kernel[i + 2, o + 2], kernel[i + 2, o + 3]
            k30, k31, k32, k33 = kernel[i + 3, o], kernel[i + 3, o + 1], kernel[i + 3, o + 2], kernel[i + 3, o + 3]
            for p in range(BLOCK):
                v0, v1, v2, v3 = x0[p], x1[p], x2[p], x3[p]
                y0[p] = y0[p] + v0 * k00 + v1 * k10 + v2 * k20 + v3 * k30
                y1[p] = y1[p] + v0 * k01 + v1 * k11 + v2 * k21 + v3 * k31
                y2[p] = y2[p] + v0 * k02 + v1 * k12 + v2 * k22 + v3 * k32
                y3[p] = y3[p] + v0 * k03 + v1 * k13 + v2 * k23 + v3 * k33
        for i in range(inputs - inputs % 4, inputs):
            x0 = x[i]
            k00, k01, k02, k03 = kernel[i, o], kernel[i, o + 1], kernel[i, o + 2], kernel[i, o + 3]
            for p in range(BLOCK):
                v0 = x0[p]
                y0[p] += v0 * k00
                y1[p] += v0 * k01
                y2[p] += v0 * k02
                y3[p] += v0 * k03
    for o in range(fours, outputs):
        y0 = out[o]
        for i in range(inputs):
            x0, k00 = x[i], kernel[i, o]
            for p in range(BLOCK):
                y0[p] += x0[p] * k00
    if rectify:
        for o in range(outputs):
            for p in range(BLOCK):
                # Not max(): a NaN must stay one.
                out[o, p] = 0 if out[o, p] < 0 else out[o, p]
