"""Parts and channels of a picture that stays where it is: views with `view[rows, columns]` for an ndarray."""

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


class Clipped:
    """A picture of floats with values beyond 0 and 1 as 0 and 1."""

    def __init__(self, picture: Any) -> None:
        self.picture = picture
        self.shape, self.dtype, self.ndim = picture.shape, picture.dtype, picture.ndim

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        part: NDArray[Any] = np.clip(self.picture[place], 0, 1)
        return part


class Part:
    """A part of a picture as a picture of its own.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    place : rows and columns
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
