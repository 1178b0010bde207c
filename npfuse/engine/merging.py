"""Adds a frame of a bracket, mapped to another frame's exposure, to a weighted average; compiled.

`npfuse.stacks` makes the tables and says what they mean. Rows are worked on as they lie in memory, channel beside
channel, so that the compiler can vectorise the loops. A result does not depend on how a picture is cut into parts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled

REACH = 2  # pixels each way of the window in which two frames are compared


def add_mapped(
    base: NDArray[np.float32],
    frame: NDArray[Any],
    table: NDArray[np.float32],
    total: NDArray[np.float32],
    weight: NDArray[np.float32],
) -> None:
    """Add a mapped frame to a weighted sum, with less weight where its surroundings differ from the base's.

    A frame's weight is multiplied by 1 / (1 + r**4). For each channel, take the absolute mean of the difference over
    5x5 pixels (fewer at the border), divided by its limit; r is the largest of these ratios.

    Parameters
    ----------
    base : ndarray (H, W, C), float32, levels of the frame whose exposure is wanted
    frame : ndarray (H, W, C), uint8 or uint16, the frame to be added
    table : ndarray (C, N, 3), float32; for each of the frame's N values: its level in the base's exposure, its weight,
        and one over the limit of its mean difference
    total, weight : ndarray (H, W, C), float32, in C order, sums of weighted levels and of weights; both are added to
    """
    height, width, channels = base.shape
    mapped = np.empty((height, 3, width * channels), np.float32)  # levels, weights, and one over limits
    difference = np.empty((height, width * channels), np.float32)
    _look_up(base, frame, table, mapped, difference)
    columns = np.minimum(np.arange(width) + REACH + 1, width) - np.maximum(np.arange(width) - REACH, 0)
    shares = np.repeat(np.float32(1) / columns.astype(np.float32), channels)
    sums = np.zeros((width + 2 * REACH) * channels, np.float32)
    ratios = np.empty(width * channels, np.float32)
    size = height, width * channels
    _add(channels, mapped, difference, shares, sums, ratios, total.reshape(size), weight.reshape(size))


@compiled
def _look_up(base: Any, frame: Any, table: Any, mapped: Any, difference: Any) -> None:
    """Write each value's mapped level, weight and limit, and the difference of that level from the base's."""
    height, width, channels = base.shape
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                value, i = frame[y, x, c], x * channels + c
                level = table[c, value, 0]
                mapped[y, 0, i] = level
                mapped[y, 1, i] = table[c, value, 1]
                mapped[y, 2, i] = table[c, value, 2]
                difference[y, i] = level - base[y, x, c]


@compiled
def _add(
    channels: Any, mapped: Any, difference: Any, shares: Any, sums: Any, ratios: Any, total: Any, weight: Any
) -> None:
    """Add the mapped frame, with less weight where the mean difference in a window goes beyond its limit."""
    height, count = difference.shape
    one, before = np.float32(1), REACH * channels
    for y in range(height):
        first, last = max(0, y - REACH), min(height, y + REACH + 1)
        inside = sums[before : before + count]
        inside[:] = difference[first]
        for row in range(first + 1, last):
            for i in range(count):
                inside[i] += difference[row, i]
        share = one / np.float32(last - first)
        for i in range(count):
            around = sums[i]
            for step in range(1, 2 * REACH + 1):
                around += sums[i + step * channels]
            ratios[i] = abs(around) * (share * shares[i] * mapped[y, 2, i])
        for x in range(count // channels):
            worst = ratios[x * channels]
            for c in range(1, channels):
                worst = max(worst, ratios[x * channels + c])
            square = worst * worst
            kept = one / (one + square * square)
            for c in range(channels):
                ratios[x * channels + c] = kept
        for i in range(count):
            own = mapped[y, 1, i] * ratios[i]
            total[y, i] += own * mapped[y, 0, i]
            weight[y, i] += own
