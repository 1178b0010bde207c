"""Views of parts and channels of a picture that may stay in its file; `view[rows, columns]` returns an ndarray."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Channels:
    """Some channels of a picture: a slice, or one of them alone.

    Parameters
    ----------
    picture : (H, W, C)
    channels : slice, or int for (H, W)
    """

    def __init__(self, picture: Any, channels: slice | int) -> None:
        self.picture, self.channels = picture, channels
        self.dtype = picture.dtype
        kept = () if isinstance(channels, int) else (len(range(*channels.indices(picture.shape[2]))),)
        self.shape = (*picture.shape[:2], *kept)
        self.ndim = len(self.shape)

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        part: NDArray[Any] = self.picture[place][..., self.channels]
        return part


class Mapped:
    """A picture whose samples are changed one by one.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    function : function that takes a part, an ndarray, and returns one of the same shape and dtype
    """

    def __init__(self, picture: Any, function: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.picture, self.function = picture, function
        self.shape, self.dtype, self.ndim = picture.shape, picture.dtype, picture.ndim

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        return self.function(self.picture[place])


def clipped(picture: Any) -> Mapped:
    """Return a picture of floats with values beyond 0 and 1 as 0 and 1."""
    return Mapped(picture, lambda part: np.clip(part, 0, 1))


class Part:
    """A part of a picture as a picture of its own.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    place : slices of rows and columns
    """

    def __init__(self, picture: Any, place: tuple[slice, slice]) -> None:
        self.picture, self.place = picture, place
        self.dtype, self.ndim = picture.dtype, picture.ndim
        self.shape = (*(part.stop - part.start for part in place), *picture.shape[2:])

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        moved = []
        for outer, inner, n in zip(self.place, place, self.shape, strict=False):
            first, last, _ = inner.indices(n)
            moved.append(slice(outer.start + first, outer.start + last))
        part: NDArray[Any] = self.picture[moved[0], moved[1]]
        return part
