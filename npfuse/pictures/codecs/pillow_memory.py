"""Moves samples between Pillow's images and NumPy's arrays with few new pages of memory.

For a large picture, a system spends more time on new pages of memory than a decoder on samples. NumPy asks for large
pages, of which few are needed; Pillow does not. So the images here lie in memory that NumPy has allocated.
"""

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging

LARGE_BYTES = 1 << 22  # of an array, from which on NumPy asks for large pages
PIXEL_BYTES = {"L": 1, "RGB": 4}  # of images that are loaded here, by their modes


def load_large(image: Image.Image) -> None:
    """Load an opened image whose decoder fills all of it, as JPEG's does; the memory is not cleared before."""
    size = PIXEL_BYTES.get(image.mode, 0)
    if image.height * image.width * size >= LARGE_BYTES:
        # A version of Pillow that works in another way than this takes memory of its own.
        with suppress(AttributeError, TypeError, ValueError):
            memory = np.empty((image.height, image.width, size), np.uint8)
            image.im = _imaging.map_buffer(memory, image.size, "raw", 0, (image.mode, 0, 1))
    image.load()


def image_of(samples: NDArray[np.uint8]) -> Image.Image:
    """Return an image of samples, (H, W) or (H, W, 3); its mode is "L", or "RGBX", which encoders read as RGB.

    Examples
    --------
    >>> image = image_of(np.array([[[1, 2, 3]]], np.uint8))
    >>> image.mode, list(image.tobytes()[:3])
    ('RGBX', [1, 2, 3])
    """
    samples = np.ascontiguousarray(samples)
    if samples.ndim == 2:
        return Image.fromarray(samples)
    height, width, _ = samples.shape
    memory = np.empty((height, width, 4), np.uint8)
    image = Image.frombuffer("RGBX", (width, height), memory, "raw", "RGBX", 0, 1)  # shares the memory
    image.frombytes(samples, "raw", "RGB")
    return image


def samples_of(image: Image.Image) -> NDArray[np.uint8]:
    """Return the samples, (H, W) or (H, W, 3), of a loaded image of mode "L" or "RGB".

    Examples
    --------
    >>> samples_of(Image.new("RGB", (2, 1), (7, 8, 9))).tolist()
    [[[7, 8, 9], [7, 8, 9]]]
    """
    shape = (image.height, image.width) if image.mode == "L" else (image.height, image.width, 3)
    samples = np.empty(shape, np.uint8)
    head = f"P6\n{image.width} {image.height}\n255\n"
    file: Any = _Behind(samples, len(head))
    image.save(file, "PPM")
    return samples


class _Behind:
    """A file that an array holds all but the head of.

    Parameters
    ----------
    samples : ndarray, uint8, in C order; is filled
    head : number of bytes that come before
    """

    def __init__(self, samples: NDArray[np.uint8], head: int) -> None:
        self.bytes, self.at = samples.data.cast("B"), -head

    def write(self, part: bytes) -> int:
        """Take a part of the file."""
        start, self.at = self.at, self.at + len(part)
        if self.at > 0:
            self.bytes[max(start, 0) : self.at] = part[max(-start, 0) :]
        return len(part)

    def flush(self) -> None:
        """Do nothing: all is written."""
