"""Sums and extremes of the columns of a band of rows of whole numbers, in one pass over it.

The band is read panel by panel, COLUMNS columns each, from top to bottom; a panel's sums and extremes stay in
registers. Bytes are summed in 16 bits, which hold the sum of ROWS of them, and numbers of 16 bits in float32, which is
exact up to 2 ** 24.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import CACHE_LINE, compiled
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

COLUMNS = 128  # of a panel
ROWS = 256
ROWS_AHEAD = 6  # that are asked for: of each, a panel reads too little for the processor to foresee it


def column_sums(part: NDArray[Any], runs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.float32], float, float]:
    """Sum a band's columns over runs of its rows.

    Parameters
    ----------
    part : ndarray (rows, columns), uint8 or uint16, in C order
    runs : at least one (first row, one past the last), each of 1 to ROWS rows

    Returns
    -------
    ndarray (runs, columns), float32 : exact sums
    float, float : the least and the greatest value of all

    Examples
    --------
    >>> column_sums(np.array([[1, 2], [3, 65535]], np.uint16), [(0, 2)])
    (array([[4.0000e+00, 6.5537e+04]], dtype=float32), 1.0, 65535.0)
    """
    columns = part.shape[1]
    if columns < COLUMNS:
        sums = np.stack([part[first:last].sum(axis=0, dtype=np.float32) for first, last in runs])
        seen = [part[first:last] for first, last in runs]
        return sums, float(min(x.min() for x in seen)), float(max(x.max() for x in seen))
    sums = np.empty((len(runs), columns), np.float32)
    least, most = np.empty_like(sums), np.empty_like(sums)
    flat = np.ascontiguousarray(part).reshape(-1)
    _walk(flat, np.array(runs, np.int64), columns, sums.reshape(-1), least.reshape(-1), most.reshape(-1))
    return sums, float(least.min()), float(most.max())


@compiled
def _walk(x, runs, columns, sums, least, most):
    """Sum all panels of each run; the last one begins early enough to be whole."""
    for i in range(len(runs)):
        first, rows, out = runs[i, 0] * columns, runs[i, 1] - runs[i, 0], i * columns
        _walk_panels(sums, least, most, x, first, rows, columns, columns // COLUMNS, out)
        last = columns - COLUMNS
        _walk_panels(sums, least, most, x, first + last, rows, columns, 1, out + last)


@vector_function
def _walk_panels(
    v: Vectors, sums: Value, least: Value, most: Value, x: Value, at: Value, rows: Value, columns: Value,
    panels: Value, out: Value,
) -> None:  # fmt: skip
    """Sum panels from top to bottom: their first rows begin at `at`, and what is written at `out`."""
    with v.loop(panels) as panel:
        first, target = at + panel * COLUMNS, out + panel * COLUMNS
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
            for lane in range(0, COLUMNS, CACHE_LINE // (1 if in_bytes else 2)):
                v.prefetch(row + (columns * ROWS_AHEAD + lane))
            for lane, total, low, high in zip(lanes, totals, lows, highs, strict=True):
                value, summed = read(row + lane)
                total.set(total.now + summed)
                low.set(v.minimum(value, low.now))
                high.set(v.maximum(value, high.now))
        for values, place in ((totals, sums), (lows, least), (highs, most)):
            for lane, variable in zip(lanes, values, strict=True):
                for part in range(0, count, v.width):
                    some = v.shuffle(variable.now, None, list(range(part, part + v.width)))
                    v.store(v.to_floats(some), place + (target + lane + part))
