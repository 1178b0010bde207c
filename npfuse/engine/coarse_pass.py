"""GlobalNet in one pass over a strip: rows of pixels in, rows of the coarse picture out, a few rows of each step kept.

The steps are depthwise 3x3 convolutions with stride 2, which halve the pixels of two exposures, then looks
(`npfuse.strip_form.Look`): pointwise layers, each after a dilated depthwise 3x3 convolution or not. A level is what a
step reads, and the last level is the result. Of each level only the rows that a step reads at once are kept, so the
work stays in the caches, whatever the strip's height. When a row of a level arrives, the steps above it go as far as
they can.

Each channel is a plane, so that its columns lie along the vector lanes. A row of a plane has zeros at both ends: "same"
pads an even length that is halved with one zero, at its end, and a look with as many as its dilation. Beyond the ends
of the result, its first and last numbers are repeated instead, as enlarging it needs them (`npfuse.engine.finishing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled, inner
from npfuse.engine.dense_layer import dense_layer, packed
from npfuse.engine.layout import CHANNELS, PAIR_PIXELS, PLANE_END, PLANE_START, RUN, TAPS, plane_width
from npfuse.engine.picture_runs import Exposure, load_row
from npfuse.engine.scratch import Scratch
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

# Columns of the table of levels: place of the first row that is kept, number of rows that are kept, and the level's
# sizes; then what the step above it does: its dilation or HALVES, the places of its depthwise and its pointwise
# weights, whether ReLU follows, and whether what it reads is added to the result.
PLACE, KEPT, HEIGHT, WIDTH, DEPTH, STORED, DILATION, KERNEL, PACKED, RECTIFIED, ADDED = range(11)
HALVES = -1
TERMS = TAPS * TAPS + 1  # of a depthwise step and channel: its bias, then its weights


class CoarseStep(NamedTuple):
    """A step: its dilation or HALVES, weights as they are read, output channels; then RECTIFIED and ADDED."""

    dilation: int
    depthwise: NDArray[Any]
    pointwise: NDArray[Any]
    channels: int
    rectified: bool = False
    added: bool = False


class Room(NamedTuple):
    """Places in the memory of a pass that all steps share: zeros, and a layer's inputs and results at one chunk."""

    zeros: int
    inputs: int
    results: int


def halving_step(kernel: NDArray[Any], bias: NDArray[Any] | None) -> CoarseStep:
    """Return the step of a depthwise convolution (3, 3, C) with stride 2."""
    return CoarseStep(HALVES, _depthwise_weights(kernel, bias), np.zeros(0, kernel.dtype), kernel.shape[2])


def look_step(
    depthwise: tuple[NDArray[Any], NDArray[Any] | None] | None,
    dilation: int,
    kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    *,
    rectified: bool,
    added: bool,
) -> CoarseStep:
    """Return the step of a look.

    Parameters
    ----------
    depthwise : kernel (3, 3, Ci) and bias (Ci,) or None; or None for a look at the pixel alone
    dilation : of the depthwise convolution, 1 to PLANE_START; 0 without one
    kernel, bias : of the pointwise layer, (Ci, Co), and (Co,) or None
    rectified, added : whether ReLU follows, and whether what the look reads is added then
    """
    around = _depthwise_weights(*depthwise) if depthwise else np.zeros(0, kernel.dtype)
    pointwise = packed(kernel, np.zeros(kernel.shape[1], kernel.dtype) if bias is None else bias)
    return CoarseStep(dilation, around, pointwise, kernel.shape[1], rectified, added)


def _depthwise_weights(kernel: NDArray[Any], bias: NDArray[Any] | None) -> NDArray[Any]:
    """Return a kernel (3, 3, C) and its bias, channel by channel: the bias, then 9 weights."""
    first = np.zeros(kernel.shape[2], kernel.dtype) if bias is None else bias
    return np.concatenate([first[np.newaxis], kernel.reshape(TAPS * TAPS, -1)]).T.reshape(-1)


def levels_of(steps: Sequence[tuple[int, int]], height: int, width: int) -> tuple[NDArray[np.int64], Room, int]:
    """Return the sizes and places of a pass over a strip of a size.

    Parameters
    ----------
    steps : dilation or HALVES, and number of output channels, of each step
    height, width : rows and columns of the pixels, multiples of 2 to the number of steps that halve

    Returns
    -------
    ndarray (steps + 1, 11), int64 : the table, without what concerns weights
    Room
    int : numbers in the memory of the pass
    """
    table = np.zeros((len(steps) + 1, 11), np.int64)
    channels, size, deepest, widest = CHANNELS, 0, CHANNELS, 0
    for level, row in enumerate(table):
        dilation, after = steps[level] if level < len(steps) else (0, 0)
        kept = TAPS if dilation == HALVES else 2 * dilation + 1
        row[:DILATION] = size, kept if after else height, height, width, channels, plane_width(width)
        row[DILATION] = dilation
        size += int(row[KEPT]) * channels * plane_width(width)
        deepest, widest = max(deepest, channels), max(widest, channels * plane_width(width))
        if dilation == HALVES:
            height, width = height // 2, width // 2
        channels = after
    chunk = deepest * PAIR_PIXELS
    return table, Room(size, size + widest, size + widest + chunk), size + widest + 2 * chunk


def coarse_planes(
    pictures: tuple[Exposure, Exposure], height: int, width: int, steps: Sequence[CoarseStep], scratch: Scratch
) -> NDArray[Any]:
    """Map two pictures to [-1, 1] and run the steps.

    Parameters
    ----------
    pictures : two Exposures; beyond their edges, the last pixel is repeated
    height, width : number of rows and columns that are read, multiples of 2 to the number of steps that halve
    steps : at least one, the first of which halve
    scratch : Scratch, which keeps the result until the next call

    Returns
    -------
    ndarray (rows, channels, `plane_width` of the columns), dtype of the steps; its columns begin at PLANE_START
    """
    table, room, size = levels_of([(step.dilation, step.channels) for step in steps], height, width)
    weights: list[NDArray[Any]] = []
    place = 0
    for row, step in zip(table, steps, strict=False):
        row[KERNEL:] = place, place + len(step.depthwise), step.rectified, step.added
        weights += [step.depthwise, step.pointwise]
        place += len(step.depthwise) + len(step.pointwise)
    memory = scratch.array("levels", (size,), steps[0].depthwise.dtype)
    edge = scratch.array("edge", (3 * RUN,), pictures[0].pixels.dtype)
    _run_steps(*pictures, np.concatenate(weights), memory, table, room, edge)
    last = table[-1]
    return memory[last[PLACE] :][: last[HEIGHT] * last[DEPTH] * last[STORED]].reshape(last[HEIGHT], last[DEPTH], -1)


@compiled
def _run_steps(under, over, weights, memory, table, room, edge):
    """Read both pictures row by row, and let the steps follow."""
    first, width, stored = table[0, PLACE] + PLANE_START, table[0, WIDTH], table[0, STORED]
    lowest = np.int64(0)  # a literal would be another type, for which `_arrive` would be compiled again
    for row in range(table[0, HEIGHT]):
        place = first + row % table[0, KEPT] * CHANNELS * stored
        load_row(memory, place, stored, RUN, 0, under.pixels, row, 0, width, under.black, under.scale, edge)
        place += 3 * stored
        load_row(memory, place, stored, RUN, 0, over.pixels, row, 0, width, over.black, over.scale, edge)
        end_rows(memory, place - 3 * stored, table[0, DEPTH], width, stored, lowest > 0)
        _arrive(weights, memory, table, room, lowest, row)
    for level in range(len(table) - 1):  # zeros follow the last row
        for beyond in range(abs(table[level, DILATION])):
            _arrive(weights, memory, table, room, level, table[level, HEIGHT] + beyond)


@inner
def _arrive(weights, memory, table, room, level, row):
    """Compute the rows of the levels above that wait for a row of a level, which has been written or is all zeros."""
    going = True
    while going and level < len(table) - 1:
        dilation = table[level, DILATION]
        if dilation == HALVES:
            going = row >= 2 and row % 2 == 0
            row = row // 2 - 1
        else:
            row -= dilation
            going = row >= 0
        if going:
            _step(weights, memory, table, room, level, row)
            level += 1


@inner
def _step(weights, memory, table, room, level, row):
    """Compute a row of the next level."""
    dilation, height, stored, depth = (table[level, DILATION], table[level, HEIGHT], table[level, STORED],
                                       table[level, DEPTH])  # fmt: skip
    first, last = (2 * row, 2 * row + 2) if dilation == HALVES else (row - dilation, row + dilation)
    middle = (first + last) // 2
    kept, along = table[level, KEPT], depth * stored
    at = table[level, PLACE] + PLANE_START
    a, b = room.zeros + PLANE_START if first < 0 else at + first % kept * along, at + middle % kept * along
    c = room.zeros + PLANE_START if last >= height else at + last % kept * along
    kernel, width, wide = table[level, KERNEL], table[level + 1, WIDTH], table[level + 1, STORED]
    channels = table[level + 1, DEPTH]
    target = table[level + 1, PLACE] + row % table[level + 1, KEPT] * channels * wide + PLANE_START
    if dilation == HALVES:
        halve_rows(memory, a, b, c, stored, weights, kernel, channels, width, target, wide)
    else:
        rectified, added = table[level, RECTIFIED] != 0, table[level, ADDED] != 0
        for along in range(0, width, PAIR_PIXELS):
            look_around(memory, a + along, b + along, c + along, stored, dilation, depth, weights, kernel, room.inputs)
            dense_layer(
                memory, room.inputs, 0, depth, weights, table[level, PACKED], channels, rectified,
                memory, room.results, 0, 1,
            )  # fmt: skip
            own = b + along if added else target + along
            settle(memory, room.results, channels, added, own, stored, target + along, wide)
    end_rows(memory, target, channels, width, wide, level + 2 == len(table))


@vector_function
def end_rows(
    v: Vectors, memory: Value, place: Value, channels: Value, width: Value, stored: Value, repeated: Value
) -> None:
    """Write what lies beyond both ends of a row of planes: zeros behind it, or its first and last number repeated."""
    with v.loop(channels) as channel:
        start = place + channel * stored
        with v.when(repeated):
            v.store_scalar(v.load_scalar(memory + start), memory + (start - 1))
        last = v.broadcast(v.load_scalar(memory + (start + width - 1)))
        value = v.select(repeated, last, v.number(0))
        for lane in range(0, PLANE_END, v.width):  # fewer than 2 PLANE_END numbers
            v.store(value, memory + (start + width + lane))
            v.store(value, memory + (start + stored - (PLANE_START + PLANE_END) + lane))


@vector_function
def halve_rows(
    v: Vectors, memory: Value, a: Value, b: Value, c: Value, stored: Value, weights: Value, kernel: Value,
    channels: Value, count: Value, out: Value, out_stored: Value,
) -> None:  # fmt: skip
    """Convolve three rows of planes, which begin at a, b and c, to `count` outputs, rounded up to whole vectors."""
    even, odd = ([2 * i + k for i in range(v.width)] for k in (0, 1))
    behind = [*range(1, v.width + 1)]
    with v.loop(channels) as channel:
        terms = weights + (kernel + channel * TERMS)
        taps = [v.broadcast(v.load_scalar(terms + i)) for i in range(TERMS)]
        rows = [memory + (row + channel * stored) for row in (a, b, c)]
        target = memory + (out + channel * out_stored)
        heads = [v.variable(v.shuffle(v.load(row), v.load(row + v.width), even)) for row in rows]
        with v.loop((count + (v.width - 1)) // v.width) as chunk:
            o = chunk * v.width
            total = taps[0]
            for i, (row, head) in enumerate(zip(rows, heads, strict=True)):
                here = row + o * 2
                first = head.now
                total = total + taps[1 + TAPS * i] * first
                total = total + taps[2 + TAPS * i] * v.shuffle(v.load(here), v.load(here + v.width), odd)
                head.set(v.shuffle(v.load(here + 2 * v.width), v.load(here + 3 * v.width), even))
                total = total + taps[3 + TAPS * i] * v.shuffle(first, head.now, behind)
            v.store(total, target + o)


@vector_function
def look_around(
    v: Vectors, memory: Value, a: Value, b: Value, c: Value, stored: Value, dilation: Value, channels: Value,
    weights: Value, kernel: Value, out: Value,
) -> None:  # fmt: skip
    """Convolve a chunk of three rows of planes, which begin at a, b and c; copy the middle one if the dilation is 0."""
    out = memory + out
    none, dilated = v.index(0), v.index(0) < dilation
    around, alone = v.select(dilated, channels, none), v.select(dilated, none, channels)
    with v.loop(alone) as channel:
        for lane in range(0, PAIR_PIXELS, v.width):
            v.store(v.load(memory + (b + (channel * stored + lane))), out + (channel * PAIR_PIXELS + lane))
    with v.loop(around) as channel:
        terms = weights + (kernel + channel * TERMS)
        taps = [v.broadcast(v.load_scalar(terms + i)) for i in range(TERMS)]
        for lane in range(0, PAIR_PIXELS, v.width):
            total = taps[0]
            for i, row in enumerate((a, b, c)):
                place = row + (channel * stored + lane)
                for j, column in enumerate((place - dilation, place, place + dilation)):
                    total = total + taps[1 + TAPS * i + j] * v.load(memory + column)
            v.store(total, out + (channel * PAIR_PIXELS + lane))


@vector_function
def settle(
    v: Vectors, memory: Value, results: Value, channels: Value, added: Value, own: Value, own_stored: Value,
    out: Value, out_stored: Value,
) -> None:  # fmt: skip
    """Write a chunk's results to planes; what lies at `own` is added to them before, or only read."""
    with v.loop(channels) as channel:
        for lane in range(0, PAIR_PIXELS, v.width):
            value = v.load(memory + (results + (channel * PAIR_PIXELS + lane)))
            total = value + v.load(memory + (own + (channel * own_stored + lane)))
            v.store(v.select(added, total, value), memory + (out + (channel * out_stored + lane)))
