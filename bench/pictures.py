"""Makes the pairs that are measured: photographs brought to a size, the same with noise, and random bytes.

A photograph is cropped to 3:2 around its middle and made smaller (Pillow's Lanczos filter). A photograph that is too
small is repeated, mirrored, instead of enlarged: an enlarged picture is smoother than any photograph of its size, and
npfuse is fastest with smooth pictures.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.tiling import GRID
from npfuse.pictures.reading import read_picture

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

ASPECT = 3 / 2


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of a pair: a photograph, with noise of `sigma` levels of 255, or, without one, random bytes."""

    photograph: "Photograph | None"
    sigma: float = 0.0

    @property
    def label(self) -> str:
        """Return the name in tables."""
        if self.photograph is None:
            return "random bytes"
        return f"{self.photograph.name} + noise {self.sigma:g}" if self.sigma else self.photograph.name


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """The two files of a pair, and what it is called."""

    under: Path
    over: Path

    @property
    def name(self) -> str:
        """Return the folder's name and the common beginning of the files' names, without digits."""
        stems = self.under.stem, self.over.stem
        common = (
            "".join(a if a == b else "\0" for a, b in zip(*stems, strict=False)).split("\0")[0].rstrip("_- 0123456789")
        )
        return "/".join(part for part in (self.under.resolve().parent.name, common) if part)


def size_of(megapixels: float) -> tuple[int, int]:
    """Return the (height, width) of a 3:2 picture of about `megapixels` million pixels, multiples of 8.

    Examples
    --------
    >>> size_of(1.2), size_of(24)
    ((896, 1344), (4000, 6000))
    """
    height = (megapixels * 1e6 / ASPECT) ** 0.5
    return max(GRID, round(height / GRID) * GRID), max(GRID, round(height * ASPECT / GRID) * GRID)


def pair_of(content: Content, height: int, width: int, seed: int = 0) -> Pair:
    """Make a pair of one size.

    Parameters
    ----------
    content : Content
    height, width : size of the pictures
    seed : seed of noise and random bytes

    Returns
    -------
    under, over : ndarray (height, width, 3), uint8
    """
    rng = np.random.default_rng(seed)
    if content.photograph is None:
        under, over = rng.integers(0, 256, (2, height, width, 3), np.uint8)
        return under, over
    files = content.photograph.under, content.photograph.over
    under, over = (noisy(fitted(read_rgb(file), height, width), content.sigma, rng) for file in files)
    return under, over


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit colour picture; ValueError for any other."""
    pixels = read_picture(path).pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise ValueError(f"{path}: pixels are {pixels.dtype} {pixels.shape}, expected 8-bit colour (H, W, 3)")
    return np.asarray(pixels)


def repeats(shape: tuple[int, ...], height: int, width: int) -> tuple[int, int]:
    """Return how many times a picture must be put below and beside itself to cover a size."""
    return -(-height // shape[0]), -(-width // shape[1])


def fitted(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring a picture to a size: repeated and mirrored if too small, cropped around its middle, made smaller."""
    rows, columns = repeats(picture.shape, height, width)
    if rows > 1 or columns > 1:
        beyond = [(0, (rows - 1) * picture.shape[0]), (0, (columns - 1) * picture.shape[1]), (0, 0)]
        return np.pad(picture, beyond, mode="symmetric")[:height, :width].copy()
    scale = min(picture.shape[0] / height, picture.shape[1] / width)
    # Rounding may make a side a little longer than the picture's.
    rows_kept, columns_kept = min(height * scale, picture.shape[0]), min(width * scale, picture.shape[1])
    top, left = (picture.shape[0] - rows_kept) / 2, (picture.shape[1] - columns_kept) / 2
    box = (left, top, left + columns_kept, top + rows_kept)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, box=box))


def noisy(picture: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add normal noise of `sigma` levels, round and clip, some rows at a time."""
    if not sigma:
        return picture
    result = np.empty_like(picture)
    for row in range(0, len(picture), 64):
        part = picture[row : row + 64]
        noise = rng.standard_normal(part.shape, np.float32) * np.float32(sigma)
        result[row : row + 64] = np.clip(np.rint(part + noise), 0, 255)
    return result
