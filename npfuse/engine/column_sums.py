"""Sums and extremes of the columns of a band of rows of whole numbers, in one pass over it.

The band is read panel by panel, COLUMNS columns each, from top to bottom; a panel's sums and extremes stay in
registers. float32 is exact here: the sum of up to ROWS numbers of 16 bits is below 2 ** 24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

COLUMNS = 64  # of a panel
ROWS = 256


def column_sums(part: NDArray[Any]) -> tuple[NDArray[np.float32], float, float]:
    """Sum a band's columns.

    Parameters
    ----------
    part : ndarray (rows, columns), uint8 or uint16, in C order, of 1 to ROWS rows

    Returns
    -------
    ndarray (columns,), float32 : exact sums
    float, float : the least and the greatest value of all

    Examples
    --------
    >>> column_sums(np.array([[1, 2], [3, 65535]], np.uint16))
    (array([4.0000e+00, 6.5537e+04], dtype=float32), 1.0, 65535.0)
    """
    rows, columns = part.shape
    if columns < COLUMNS:
        return part.sum(axis=0, dtype=np.float32), float(part.min()), float(part.max())
    sums, extremes = np.empty(columns, np.float32), np.empty((2, columns), np.float32)
    _walk(np.require(part, requirements=["C", "W"]).reshape(-1), rows, columns, sums, extremes[0], extremes[1])
    return sums, float(extremes[0].min()), float(extremes[1].max())


@compiled
def _walk(x, rows, columns, sums, least, most):
    """Sum all panels; the last one begins early enough to be whole."""
    _walk_panels(sums, least, most, x, rows, columns, columns // COLUMNS, 0)
    _walk_panels(sums, least, most, x, rows, columns, 1, columns - COLUMNS)


@vector_function
def _walk_panels(
    v: Vectors, sums: Value, least: Value, most: Value, x: Value, rows: Value, columns: Value, panels: Value, at: Value
) -> None:
    """Sum panels from top to bottom, beginning with column `at`."""
    with v.loop(panels) as panel:
        first = at + panel * COLUMNS
        lanes = range(0, COLUMNS, v.width)
        start = [v.to_floats(v.load_many(x + first + lane, v.width)) for lane in lanes]
        totals, lows, highs = ([v.variable(value) for value in start] for _ in range(3))
        with v.loop(rows - 1) as h:
            row = x + ((h + 1) * columns + first)
            for lane, total, low, high in zip(lanes, totals, lows, highs, strict=True):
                value = v.to_floats(v.load_many(row + lane, v.width))
                total.set(total.now + value)
                low.set(v.minimum(value, low.now))
                high.set(v.maximum(value, high.now))
        for values, place in ((totals, sums), (lows, least), (highs, most)):
            for lane, variable in zip(lanes, values, strict=True):
                v.store(variable.now, place + (first + lane))
