"""Tanh in integers: a table of 4,096 bytes, which also maps [-1, 1] to levels and rounds.

The table is data: whoever ports the network copies it and evaluates no tanh.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.integer.format import BEFORE_TANH

CELL_BITS = 4  # 16 neighbouring numbers share an entry
ENTRIES = 1 << (16 - CELL_BITS)


def tanh_table() -> NDArray[np.uint8]:
    """Return the level of each cell of 16 numbers: rint((tanh(c / 4096) + 1) * 127.5), c the middle of the cell.

    Returns
    -------
    ndarray (4096,), uint8; entry i is for the numbers 16 * (i - 2048) to 16 * (i - 2048) + 15

    Examples
    --------
    >>> table = tanh_table()
    >>> table[0], table[2047], table[2048], table[4095]
    (np.uint8(0), np.uint8(127), np.uint8(128), np.uint8(255))
    """
    first = (np.arange(ENTRIES) - ENTRIES // 2) << CELL_BITS
    middle = first + ((1 << CELL_BITS) - 1) / 2
    table: NDArray[np.uint8] = np.rint((np.tanh(middle * BEFORE_TANH.scale) + 1) * 127.5).astype(np.uint8)
    return table


def tanh(x: NDArray[Any], table: NDArray[np.uint8]) -> NDArray[Any]:
    """Look up the levels of sums.

    Parameters
    ----------
    x : ndarray (N, H, W, C), int64 or object, within 16 bits
    table : ndarray (4096,), of `tanh_table`

    Returns
    -------
    ndarray (N, H, W, C), of the same dtype, 0 to 255

    Examples
    --------
    >>> tanh(np.array([-32768, 0, 32767]), tanh_table())
    array([  0, 128, 255])
    """
    cells = (x >> CELL_BITS) + ENTRIES // 2
    levels: NDArray[Any] = table[cells.astype(np.intp)].astype(x.dtype)
    return levels
