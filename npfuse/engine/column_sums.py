"""Sums and extremes of the columns of a band of rows of whole numbers, in one pass over it.

The band is read panel by panel, COLUMNS columns each, from top to bottom; a panel's sums and extremes stay in
registers. Bytes are summed in 16 bits, which hold the sum of ROWS of them, and numbers of 16 bits in float32, which is
exact up to 2 ** 24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import compiled
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

COLUMNS = 128  # of a panel
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
        in_bytes = v.bits_of(x) == 8
        count = (2 if in_bytes else 1) * v.width
        lanes = range(0, COLUMNS, count)

        def read(place: Value) -> tuple[Value, Value]:
            """Return values as they are compared, and as they are summed."""
            values = v.load_many(place, count)
            return (values, v.widened(values, 16)) if in_bytes else (v.to_floats(values),) * 2

        start = [read(x + first + lane) for lane in lanes]
        totals = [v.variable(summed) for _, summed in start]
        lows, highs = ([v.variable(value) for value, _ in start] for _ in range(2))
        with v.loop(rows - 1) as h:
            row = x + ((h + 1) * columns + first)
            for lane, total, low, high in zip(lanes, totals, lows, highs, strict=True):
                value, summed = read(row + lane)
                total.set(total.now + summed)
                low.set(v.minimum(value, low.now))
                high.set(v.maximum(value, high.now))
        for values, place in ((totals, sums), (lows, least), (highs, most)):
            for lane, variable in zip(lanes, values, strict=True):
                for part in range(0, count, v.width):
                    some = v.shuffle(variable.now, None, list(range(part, part + v.width)))
                    v.store(v.to_floats(some), place + (first + lane + part))
