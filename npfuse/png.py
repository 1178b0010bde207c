"""PNG files of 16-bit colour (W3C, third edition), which Pillow makes 8-bit colour of and does not write."""

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import putchunk

from npfuse.tiff import DEFLATE_LEVEL, strips


def read_deep_png(stream: BinaryIO) -> NDArray[Any]:
    """Read samples (H, W, 2 to 4), the last of 2 or 4 being alpha; ImportError without imagecodecs."""
    import imagecodecs

    stream.seek(0)
    return np.atleast_3d(imagecodecs.png_decode(stream.read()))


def write_deep_png(stream: BinaryIO, samples: NDArray[Any], exif: bytes | None, icc_profile: bytes | None) -> None:
    """Write uint16 samples (H, W) or (H, W, 2 to 4), every row filtered by Sub."""
    rows, columns = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    stream.write(b"\x89PNG\r\n\x1a\n")
    putchunk(stream, b"IHDR", struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0))
    if icc_profile:
        putchunk(stream, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile))
    if exif:
        putchunk(stream, b"eXIf", exif)
    compressor = zlib.compressobj(DEFLATE_LEVEL)
    for strip in strips(samples):
        plain = strip.astype(">u2", order="C").view(np.uint8).reshape(len(strip), -1)  # (rows, bytes)
        filtered = np.ones((len(strip), 1 + plain.shape[1]), np.uint8)  # each row begins with 1, which is Sub:
        filtered[:, 1:] = plain
        filtered[:, 1 + 2 * channels :] -= plain[:, : -2 * channels]  # less the byte a pixel before it, modulo 256
        putchunk(stream, b"IDAT", compressor.compress(filtered.tobytes()))
    putchunk(stream, b"IDAT", compressor.flush())
    putchunk(stream, b"IEND", b"")
