"""Checks the pictures that are fused, once, in one place: their dtypes and shapes, and values in [0, 1]."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npfuse.strips import WHITE, Pixels
from npfuse.survey import Survey

SHAPES = {2: "(H, W)", 3: "(H, W, 3)", 4: "(N, H, W, 3)"}


def check_pictures(named: Mapping[str, Any], ranks: Sequence[int]) -> None:
    """Raise an error if pictures cannot be fused together, by their dtypes and shapes alone.

    Parameters
    ----------
    named : pictures by their names in messages, arrays of any kind
    ranks : numbers of axes that are taken, of 2, 3 and 4

    Raises
    ------
    TypeError : a dtype is not uint8, uint16, float32 or float64, or dtypes differ
    ValueError : there are fewer than two pictures, or a shape is not taken, empty or unknown, or shapes differ

    Examples
    --------
    >>> check_pictures({"a": np.zeros((4, 5)), "b": np.zeros((4, 6))}, (2, 3))
    Traceback (most recent call last):
    ValueError: fuse: shape of b is (4, 6), expected (4, 5) as a; crop or resize one of the pictures
    """
    if len(named) < 2:
        raise ValueError(f"fuse: number of exposures is {len(named)}, expected at least 2")
    known = ", ".join(str(dtype) for dtype in WHITE)
    shapes = [SHAPES[rank] for rank in ranks]
    taken = f"{', '.join(shapes[:-1])} or {shapes[-1]}"
    for name, x in named.items():
        if x.dtype not in WHITE:
            raise TypeError(f"fuse: dtype of {name} is {x.dtype}, expected one of {known}; shape {x.shape}")
        if x.ndim not in ranks or (x.ndim > 2 and x.shape[x.ndim - 1] != 3):
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected {taken}")
        if not all(n > 0 for n in x.shape):  # dask's unknown lengths are NaN
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected lengths of 1 or more")
    (first, a), *others = named.items()
    for name, x in others:
        if x.shape != a.shape:
            hint = "crop or resize one of the pictures"
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected {a.shape} as {first}; {hint}")
        if x.dtype != a.dtype:
            hint = "convert one of the pictures"
            raise TypeError(f"fuse: dtype of {name} is {x.dtype}, expected {a.dtype} as {first}; {hint}")


def check_range(name: str, x: Pixels, *, hint: str = "") -> None:
    """Raise ValueError for floats that are NaN, infinite or outside [0, 1], with their number and the first.

    Parameters
    ----------
    name : picture's name in the message
    x : float32 or float64, at least one axis
    hint : remedy, the end of the message

    Examples
    --------
    >>> check_range("a", np.array([0.5, 2]))
    Traceback (most recent call last):
    ValueError: fuse: 1 of 2 values of a are NaN or outside [0, 1], expected none; the first is 2.0 at (1,); shape (2,)
    """
    count, first = 0, None
    for row in range(x.shape[0]):  # by rows, to keep the masks small
        bad = ~((x[row] >= 0) & (x[row] <= 1))  # a NaN compares false
        if bad.any():
            count += int(np.count_nonzero(bad))
            first = first or (row, *(int(i) for i in np.argwhere(bad)[0]))
    if first is not None:
        raise _out_of_range(name, count, f"{x[first]} at {first}", x.shape, hint)


def check_survey(name: str, found: Survey, shape: tuple[int, ...], *, hint: str = "") -> None:
    """Raise ValueError for a surveyed picture of floats with values that are NaN or outside [0, 1].

    Parameters
    ----------
    name : picture's name in the message
    found : Survey of the picture
    shape : picture's shape
    hint : remedy, the end of the message
    """
    if found.outside:
        raise _out_of_range(name, found.outside, f"at {found.at}", shape, hint)


def _out_of_range(name: str, count: int, first: str, shape: tuple[int, ...], hint: str) -> ValueError:
    size = int(np.prod(shape, dtype=object))
    return ValueError(
        f"fuse: {count} of {size} values of {name} are NaN or outside [0, 1], expected none; "
        f"the first is {first}; shape {tuple(shape)}{hint and '; '}{hint}"
    )
