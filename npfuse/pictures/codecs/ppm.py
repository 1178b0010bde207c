"""PPM and PGM files (Netpbm's P2, P3, P5 and P6) of 8 and 16 bits.

A file has a header of "P6", width, height and the value of white, with spaces and comments between. Rows of samples
follow, of one byte each, or of two if white is above 255. Other values of white are scaled to 255 or 65535. Pictures
beyond the first are left out.
"""

import re
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.picture import CheckSize, Decoded, Picture
from npfuse.pictures.row_runs import row_runs

HEAD_BYTES = 1 << 16
GAP = rb"(?:\s|#[^\n\r]*[\n\r])+"
HEADER = re.compile(rb"P([2356])" + 2 * (GAP + rb"(\d{1,9})") + GAP + rb"(\d{1,5})(?:#[^\n\r]*[\n\r]|\s)")


def read_ppm(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read the first picture.

    Raises
    ------
    ValueError : the header is damaged, or samples are missing
    """
    stream.seek(0)
    header = HEADER.match(stream.read(HEAD_BYTES))
    if header is None:
        raise ValueError("its header makes no sense")
    kind, width, height, white = (int(number) for number in header.groups())
    if not (1 <= white <= 65535 and width and height):
        raise ValueError(f"its header says {width}x{height} with white at {white}")
    channels = 3 if kind in (3, 6) else 1
    depth = np.dtype(np.uint8 if white < 256 else np.uint16)
    check_size(height, width, channels * depth.itemsize)
    count = height * width * channels
    stream.seek(header.end())
    if kind in (5, 6):
        content = stream.read(count * depth.itemsize)
        if len(content) < count * depth.itemsize:
            raise ValueError("it ends too early")
        samples = np.frombuffer(content, depth.newbyteorder(">")).astype(depth)
    else:
        samples = _of_text(re.sub(rb"#[^\n\r]*", b"", stream.read(7 * count + HEAD_BYTES)), count).astype(depth)
    if samples.size and int(samples.max()) > white:
        raise ValueError(f"a sample is {samples.max()}, with white at {white}")
    notes: tuple[str, ...] = ()
    full = 255 if white < 256 else 65535
    if white != full:
        samples = np.rint(np.arange(white + 1) * (full / white)).astype(depth)[samples]
        notes = (f"samples of white at {white} scaled to {full}",)
    return Decoded(samples=samples.reshape((height, width, 3) if channels == 3 else (height, width)), notes=notes)


def _of_text(text: bytes, count: int) -> NDArray[np.int64]:
    """Return samples that are written as decimal numbers."""
    words = text.split(maxsplit=count)[:count]
    if len(words) < count or not all(len(word) <= 5 and word.isdigit() for word in words):
        raise ValueError("it has too few numbers, or others than its header says")
    return np.array(words, dtype="S5").astype(np.int64)


def write_ppm(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write binary samples of 8 or 16 bits."""
    height, width = picture.pixels.shape[:2]
    kind, white = "P5" if picture.pixels.ndim == 2 else "P6", np.iinfo(picture.pixels.dtype).max
    stream.write(f"{kind}\n{width} {height}\n{white}\n".encode())
    for rows in row_runs(picture.pixels):
        stream.write(picture.pixels[rows].astype(picture.pixels.dtype.newbyteorder(">")).tobytes())
