"""One pointwise layer of a block of pixels: the inner loop of everything that `npfuse.fast.pixel_mlp` evaluates.

The pixels lie along the vector lanes, a row a channel; weights are scalars. Four rows of input update four rows of
output at a time, which keeps the multipliers busy rather than the loads. Every pixel's sum is made in the same order
wherever it lies in a block: bias, then the inputs from first to last.
"""

from typing import Any

from npfuse.fast.compiled import compiled

SIDE = 16
BLOCK = SIDE * SIDE  # pixels; a hidden layer of 256 then takes 256 KiB, half of a common second-level cache


@compiled
def dense_layer(x: Any, inputs: Any, kernel: Any, bias: Any, rectify: Any, out: Any) -> None:
    """Compute a layer.

    Parameters
    ----------
    x : ndarray (>= inputs, BLOCK)
    inputs : how many rows of x there are to read
    kernel : ndarray (>= inputs, Co)
    bias : ndarray (>= Co,)
    rectify : whether ReLU follows; a NaN stays one
    out : ndarray (>= Co, BLOCK), is written
    """
    outputs = kernel.shape[1]
    for o in range(0, outputs - outputs % 4, 4):
        _four_outputs(x, inputs, kernel, bias, o, out)
    for o in range(outputs - outputs % 4, outputs):
        y0, b0 = out[o], bias[o]
        for p in range(BLOCK):
            y0[p] = b0
        for i in range(inputs):
            x0, k00 = x[i], kernel[i, o]
            for p in range(BLOCK):
                y0[p] += x0[p] * k00
    if rectify:
        for o in range(outputs):
            y0 = out[o]
            for p in range(BLOCK):
                y0[p] = 0 if y0[p] < 0 else y0[p]  # not max(): a NaN must stay one


@compiled
def _four_outputs(x: Any, inputs: Any, kernel: Any, bias: Any, o: Any, out: Any) -> None:
    """Compute rows o to o + 3."""
    y0, y1, y2, y3 = out[o], out[o + 1], out[o + 2], out[o + 3]
    b0, b1, b2, b3 = bias[o], bias[o + 1], bias[o + 2], bias[o + 3]
    if inputs < 2:
        for p in range(BLOCK):
            y0[p], y1[p], y2[p], y3[p] = b0, b1, b2, b3
    else:
        x0, x1 = x[0], x[1]
        k00, k01, k02, k03 = kernel[0, o], kernel[0, o + 1], kernel[0, o + 2], kernel[0, o + 3]
        k10, k11, k12, k13 = kernel[1, o], kernel[1, o + 1], kernel[1, o + 2], kernel[1, o + 3]
        for p in range(BLOCK):
            v0, v1 = x0[p], x1[p]
            y0[p] = b0 + v0 * k00 + v1 * k10
            y1[p] = b1 + v0 * k01 + v1 * k11
            y2[p] = b2 + v0 * k02 + v1 * k12
            y3[p] = b3 + v0 * k03 + v1 * k13
    first = 2 if inputs >= 2 else 0
    fours = first + (inputs - first) // 4 * 4
    for i in range(first, fours, 4):
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
    for i in range(fours, inputs):
        x0 = x[i]
        k00, k01, k02, k03 = kernel[i, o], kernel[i, o + 1], kernel[i, o + 2], kernel[i, o + 3]
        for p in range(BLOCK):
            v0 = x0[p]
            y0[p] += v0 * k00
            y1[p] += v0 * k01
            y2[p] += v0 * k02
            y3[p] += v0 * k03
