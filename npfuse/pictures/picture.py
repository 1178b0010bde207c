"""A picture in memory: its pixels and what travels with them; and the one error of pictures, said in one line."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class PictureError(ValueError):
    """A picture that cannot be read or written, said in one line: the file, what it is, and what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """The pixels of a picture file and what travels with them.

    Parameters
    ----------
    pixels : ndarray (H, W, 3) or (H, W), uint8, uint16 or float32
        Orientation already applied. Read-only if it comes from `read_picture`.
    alpha : ndarray (H, W), dtype of pixels, or None
        Not multiplied into the pixels.
    exif : bytes or None
        EXIF block: a TIFF structure, without the six bytes "Exif" and two zeros before it. From `read_picture`: its
        Orientation is 1, because it was applied, and its thumbnail is unlinked, because it shows the old picture.
    icc_profile : bytes or None
    notes : tuple of str
        Conversions made on reading.

    Raises
    ------
    TypeError : a dtype other than those above, or alpha and pixels differ in it
    ValueError : a shape other than those above, or no pixels at all
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise TypeError(
                f"picture: pixels are {self.pixels.dtype}, expected uint8, uint16 or float32; shape {shape}"
            )
        if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)) or 0 in shape:
            raise ValueError(
                f"picture: shape of the pixels is {shape}, expected (H, W, 3) or (H, W), H and W at least 1"
            )
        if self.alpha is None:
            return
        if self.alpha.dtype != self.pixels.dtype:
            raise TypeError(f"picture: alpha is {self.alpha.dtype}, expected {self.pixels.dtype}, that of the pixels")
        if self.alpha.shape != shape[:2]:
            raise ValueError(f"picture: shape of alpha is {self.alpha.shape}, expected {shape[:2]}, that of the pixels")


def profile_fits(icc_profile: bytes, pixels: Any) -> bool:
    """Tell whether an ICC profile describes such pixels: bytes 16 to 19 name its colour space."""
    return icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it goes into a message of one line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def one_line(error: BaseException | str, most: int = 120) -> str:
    """Return what a library's error says, or a text, in one line that is not too long."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text[:most] or type(error).__name__
