"""Tanh in integers: the least number of each level, found by halving; it also maps [-1, 1] to levels and rounds.

The numbers are data: whoever ports the network copies them and evaluates no tanh. The result is that of the exact tanh
of every number of 16 bits, rounded to the nearest level.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.integer.format import BEFORE_TANH, LEVELS


def tanh_levels() -> NDArray[np.int16]:
    """Return the least number x of each level k from 1 on: (tanh(x / 4096) + 1) * 127.5 is at least k - 1/2 from there.

    Returns
    -------
    ndarray (255,), int16, rising

    Notes
    -----
    By the logarithm that is the inverse of tanh: x / 4096 is at least log((2k - 1) / (511 - 2k)) / 2.

    Examples
    --------
    >>> levels = tanh_levels()
    >>> levels[0], levels[127], levels[128], levels[254]
    (np.int16(-12764), np.int16(0), np.int16(33), np.int16(12765))
    """
    odd = 2 * np.arange(1, LEVELS.high + 1) - 1
    return np.ceil(np.log(odd / (2 * LEVELS.high - odd)) / (2 * BEFORE_TANH.common_scale)).astype(np.int16)


def tanh(x: NDArray[Any], levels: NDArray[np.int16]) -> NDArray[Any]:
    """Return how many levels begin at or below each number.

    Parameters
    ----------
    x : ndarray (N, H, W, C), int64 or object, within 16 bits
    levels : ndarray (255,), of `tanh_levels`

    Returns
    -------
    ndarray (N, H, W, C), of the same dtype, 0 to 255

    Examples
    --------
    >>> tanh(np.array([-32768, -1, 0, 32767]), tanh_levels())
    array([  0, 127, 128, 255])
    """
    every = np.searchsorted(levels, np.arange(-(1 << 15), 1 << 15), side="right")  # one of 16 bits each
    found: NDArray[Any] = every[x.astype(np.intp) + (1 << 15)].astype(x.dtype)
    return found
