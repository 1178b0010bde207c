"""Pictures in memory, in a file, or just decoded, each with its description; and errors of one line."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

CheckSize: TypeAlias = Callable[[int, int, int], None]
"""Called with height, width and bytes per pixel before anything is decoded; raises an error for too large a picture."""


class PictureError(ValueError):
    """A picture cannot be read or written; the message says, in one line, which file, why, and what to do."""


class RefusedError(ValueError):
    """A file is of a kind that is not read; the message says why and what to do, without the file's name."""


class TooLargeError(ValueError):
    """A file declares more samples than may be decoded; the message says how many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """Everything in a picture file besides the pixels.

    Parameters
    ----------
    exif : bytes or None
        EXIF block: a TIFF structure, without the six bytes "Exif" and two zeros before it. From `read_picture`: its
        Orientation is 1, because it was applied, and its thumbnail is unlinked, because it shows the old picture.
    icc_profile, xmp : bytes or None
        From `read_picture`: the XMP packet's orientation is 1, and it has no thumbnails.
    iptc : bytes or None
        IPTC-IIM block, without the image resource around it.
    resolution : (float, float) or None
        Rows and columns of pixels per inch.
    orientation : int
        EXIF orientation (1 to 8) that was applied on reading.
    white_level : int or None
        Value of white that the file names, for 16-bit samples of fewer bits.
    notes : tuple of str
        Conversions made on reading.
    """

    exif: bytes | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resolution: tuple[float, float] | None = None
    orientation: int = 1
    white_level: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded(Description):
    """The result of every format's reader.

    Parameters
    ----------
    samples : ndarray (H, W) or (H, W, 1 to 4), uint8, uint16 or float32
        Grey or RGB; the last of 2 or 4 channels is alpha, which is not multiplied into the colours.
    exif : bytes or None
        EXIF block as in the file, with or without "Exif" and two zeros before it.
    turn : int or None
        EXIF orientation still to be applied; None for that of the EXIF block. `orientation` is the one that the decoder
        has applied.
    power : float or None
        Power of light that the samples are, as PNG's gAMA says; None if the profile, or sRGB, describes them.
    """

    samples: NDArray[Any]
    turn: int | None = None
    power: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture(Description):
    """A picture in memory: its pixels and their description.

    Parameters
    ----------
    pixels : ndarray (H, W, 3) or (H, W), uint8, uint16 or float32
        Orientation already applied. Read-only if it comes from `read_picture`.
    alpha : ndarray (H, W), dtype of pixels, or None
        Not multiplied into the pixels.

    Raises
    ------
    TypeError : a dtype other than those above, or alpha and pixels differ in it
    ValueError : a shape other than those above, or no pixels at all
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None

    @property
    def samples(self) -> NDArray[Any]:
        """Return pixels and alpha in one array: (H, W) or (H, W, 2 to 4)."""
        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])

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


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredPicture(Description):
    """A picture in a file, read part by part.

    Parameters
    ----------
    pixels : object with `shape` (H, W, 3) or (H, W), `dtype` and `ndim`, whose `pixels[rows, columns]` is an ndarray
    alpha : such an object of `shape` (H, W), or None
    """

    pixels: Any
    alpha: Any = None

    @property
    def nbytes(self) -> int:
        """Return the bytes that the pixels and the alpha would take in memory."""
        shape, size = self.pixels.shape, np.dtype(self.pixels.dtype).itemsize
        channels = (shape[2] if len(shape) == 3 else 1) + (self.alpha is not None)
        return int(shape[0]) * int(shape[1]) * int(channels) * int(size)


def profile_fits(icc_profile: bytes, pixels: Any) -> bool:
    """Tell whether an ICC profile is for pixels of this kind; its bytes 16 to 19 name its colour space."""
    return icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def needs_package(package: str | None, extra: str) -> str:
    """Return the end of a message about a missing package.

    Examples
    --------
    >>> needs_package("rawpy", "raw")
    'needs the package rawpy; install it with: pip install "npfuse[raw]"'
    """
    return f'needs the package {package}; install it with: pip install "npfuse[{extra}]"'


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it goes into a message of one line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def one_line(error: BaseException | str, most: int = 120) -> str:
    """Return the message of a library's error, or a text, in one line of at most `most` characters."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text[:most] or type(error).__name__
