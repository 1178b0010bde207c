"""Connected parts of a mask, as `scipy.ndimage.label` finds them: loading that package takes longer than a whole check.

Each row's pixels make runs. Runs of neighbouring rows that share a column are joined: both get the lower number of the
two, until nothing changes.
"""

import numpy as np
from numpy.typing import NDArray


def labelled(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], int]:
    """Number the parts of a mask whose pixels are connected by their sides.

    Parameters
    ----------
    mask : (H, W)

    Returns
    -------
    (H, W), from 1 on, by the first pixel row by row; 0 outside
    int : number of parts

    Examples
    --------
    >>> labelled(np.array([[1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 1, 0]], bool))
    (array([[1, 0, 1],
           [1, 1, 1],
           [0, 0, 0],
           [0, 2, 0]]), 2)
    """
    stride = mask.shape[1] + 1  # a column that is not in the mask ends each row
    flat = np.pad(mask, [(0, 0), (0, 1)]).ravel().view(np.int8)
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=0))
    starts, stops = ends[::2], ends[1::2]
    first, last = np.searchsorted(stops, starts + stride, "right"), np.searchsorted(starts, stops + stride, "left")
    counts = last - first  # of the runs below that share a column
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(len(above)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    part = _joined(len(starts), above, below)
    number = np.cumsum(part == np.arange(len(part)))
    labels = np.zeros(mask.shape, np.intp)
    labels[mask] = np.repeat(number[part], stops - starts)
    return labels, int(number[-1]) if len(number) else 0


def _joined(count: int, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each of `count` things the lowest one that it is connected with, by pairs of neighbours."""
    part = np.arange(count)
    while True:
        low = np.minimum(part[one], part[other])
        joined = part.copy()
        np.minimum.at(joined, part[one], low)
        np.minimum.at(joined, part[other], low)
        joined = joined[joined]
        if (joined == part).all():
            return part
        part = joined
