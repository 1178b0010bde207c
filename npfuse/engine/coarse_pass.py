"""Depthwise 3x3 convolutions with stride 2, one after another, of the pixels of two exposures: GlobalNet's way down.

Each channel is a plane, so that its columns lie along the vector lanes. The first stage reads the pictures themselves,
row by row, and keeps three rows at a time. All lengths here are even, and "same" pads an even length with one zero, at
its end. So each row is stored with zeros behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled, inner
from npfuse.engine.layout import CHANNELS, RUN, TAPS, plane_width
from npfuse.engine.picture_runs import load_row
from npfuse.engine.scratch import Scratch
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors


def halve(
    pictures: tuple[NDArray[Any], NDArray[Any]],
    scales: list[tuple[float, float]],
    height: int,
    width: int,
    stages: list[NDArray[Any]],
    scratch: Scratch,
) -> NDArray[Any]:
    """Map two pictures to [-1, 1] and halve them, stage by stage.

    Parameters
    ----------
    pictures : two ndarrays (H, W, 3) in C order; beyond their edges, the last pixel is repeated
    scales : (black, scale) of each picture, see `npfuse.engine.picture_runs`
    height, width : number of rows and columns that are read, multiples of 2 ** number of stages
    stages : `stage_weights` of each stage, at least one, of the dtype to compute in
    scratch : Scratch

    Returns
    -------
    ndarray (height / 2 ** stages, width / 2 ** stages, CHANNELS), dtype of the stages
    """
    dtype = stages[0].dtype
    rows = scratch.array("rows", (TAPS, CHANNELS, plane_width(width)), dtype)
    height, width = height // 2, width // 2
    planes = scratch.array("planes", (height, CHANNELS, plane_width(width)), dtype)
    edge = scratch.array("edge", (3 * RUN,), pictures[0].dtype)
    (black, scale), (other_black, other_scale) = ((dtype.type(a), dtype.type(b)) for a, b in scales)
    _halve_pictures(*pictures, black, scale, other_black, other_scale, edge, rows, stages[0], width, planes)
    for stage, weight in enumerate(stages[1:], 2):
        height, width = height // 2, width // 2
        halved = scratch.array(f"planes{stage}", (height, CHANNELS, plane_width(width)), dtype)
        last = scratch.array(f"last{stage}", (TAPS, planes.shape[2]), dtype)
        _halve_planes(planes, weight, width, halved, last)
        planes = halved
    return np.ascontiguousarray(planes[:, :, :width].transpose(0, 2, 1))


def stage_weights(kernel: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """Return a stage's kernel (3, 3, CHANNELS) and bias (CHANNELS,) as (CHANNELS, 10): each bias, then 9 weights."""
    return np.concatenate([bias[np.newaxis], kernel.reshape(TAPS * TAPS, -1)]).T.copy()


@compiled
def _halve_pictures(under, over, black, scale, other_black, other_scale, edge, rows, weights, width, out):
    stored, height = rows.shape[2], out.shape[0]
    for h in range(height):
        for tap in range(0 if h == 0 else 1, TAPS):
            row = 2 * h + tap
            place = row % TAPS * CHANNELS * stored
            if row < 2 * height:
                load_row(rows, place, stored, RUN, 0, under, row, 0, 2 * width, black, scale, edge)
                place += 3 * stored
                load_row(rows, place, stored, RUN, 0, over, row, 0, 2 * width, other_black, other_scale, edge)
                for c in range(CHANNELS):
                    for i in range(2 * width, stored):
                        rows[row % TAPS, c, i] = 0
            else:
                for c in range(CHANNELS):
                    for i in range(stored):
                        rows[row % TAPS, c, i] = 0
        for c in range(CHANNELS):
            a, b, d = ((2 * h % TAPS * CHANNELS + c) * stored, ((2 * h + 1) % TAPS * CHANNELS + c) * stored,
                       ((2 * h + 2) % TAPS * CHANNELS + c) * stored)  # fmt: skip
            _halve_row(rows, a, b, d, weights, c * (TAPS * TAPS + 1), width, out, (h * CHANNELS + c) * out.shape[2])
            _clear(out, h, c, width)


@compiled
def _halve_planes(planes, weights, width, out, last):
    """Halve planes; `last` (TAPS, numbers of a row) is filled with the last two rows, and zeros below them."""
    stored = planes.shape[2]
    for h in range(out.shape[0]):
        for c in range(CHANNELS):
            row, step = (2 * h * CHANNELS + c) * stored, CHANNELS * stored
            at, target = c * (TAPS * TAPS + 1), (h * CHANNELS + c) * out.shape[2]
            if 2 * h + 2 < planes.shape[0]:
                _halve_row(planes, row, row + step, row + 2 * step, weights, at, width, out, target)
            else:
                for i in range(stored):
                    last[0, i], last[1, i] = planes[2 * h, c, i], planes[2 * h + 1, c, i]
                    last[2, i] = 0
                _halve_row(last, 0, stored, 2 * stored, weights, at, width, out, target)
            _clear(out, h, c, width)


@inner
def _clear(out, h, c, width):
    """Write zeros behind a row of a plane."""
    for i in range(width, out.shape[2]):
        out[h, c, i] = 0


@vector_function
def _halve_row(
    v: Vectors,
    x: Value,
    a: Value,
    b: Value,
    c: Value,
    weights: Value,
    at: Value,
    count: Value,
    out: Value,
    place: Value,
) -> None:
    """Convolve three rows of a plane, which begin at a, b and c, to `count` outputs, rounded up to whole vectors."""
    weights, out = weights + at, out + place
    kernel = [v.broadcast(v.load_scalar(weights + i)) for i in range(TAPS * TAPS + 1)]
    even, odd = ([2 * i + k for i in range(v.width)] for k in (0, 1))
    with v.loop((count + (v.width - 1)) // v.width) as chunk:
        o = chunk * v.width
        total = kernel[0]
        for i, row in enumerate((a, b, c)):
            first = x + (row + o * 2)
            here, there = v.load(first), v.load(first + v.width)
            total = total + kernel[1 + TAPS * i] * v.shuffle(here, there, even)
            total = total + kernel[2 + TAPS * i] * v.shuffle(here, there, odd)
            here, there = v.load(first + 2), v.load(first + (v.width + 2))
            total = total + kernel[3 + TAPS * i] * v.shuffle(here, there, even)
        v.store(total, out + o)
