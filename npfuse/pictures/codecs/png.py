"""PNG files (W3C, third edition): 8 bits by Pillow, 16-bit colour with Pillow's help.

Pillow reduces 16-bit colour to 8 bits, and cannot write it. But its decoder undoes compression, filters and interlacing
of such files. Here it decodes each byte of a sample in turn: read as big-endian, it returns the high bytes; read as
little-endian, the low ones.
"""

import struct
import sys
import zlib
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile, PngInfo, putchunk

from npfuse.pictures.codecs.pillow_files import (
    decoded,
    description,
    first_of_several,
    opened_by_pillow,
    save_with_pillow,
    strips,
    whole_samples,
)
from npfuse.pictures.codecs.tiff_output import DEFLATE_LEVEL
from npfuse.pictures.picture import CheckSize, Decoded, Picture
from npfuse.pictures.row_runs import row_runs

# Pillow's raw modes, and which byte of a stored sample each returns; 0 is the high one.
DEEP_RGB = {"RGB;16B": 0, "RGB;16L": 1}
DEEP_RGBA = {"RGBA;16B": 0, "RGBA;16L": 1}
XMP_START = b"XML:com.adobe.xmp" + bytes(5)  # of an iTXt chunk: not compressed, of no language


def read_png(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read a PNG of any depth."""
    stream.seek(24)
    depth, colour_type = stream.read(2)  # 0 is grey
    with opened_by_pillow(stream, "PNG", check_size) as image:
        # The profile and the sRGB chunk take precedence over gAMA (W3C, 11.3.2).
        power = None if {"icc_profile", "srgb"} & image.info.keys() else image.info.get("gamma")
        if depth < 16 or colour_type == 0:
            return replace(decoded(image), power=power)
        check_size(image.height, image.width, 2 * len(image.getbands()))
        samples, notes = _deep_samples(stream), first_of_several(image)
        return Decoded(samples=samples, power=power, notes=notes, **description(image))


def _deep_samples(stream: BinaryIO) -> NDArray[Any]:
    """Read 16-bit samples (H, W, 2 to 4), the last of 2 or 4 being alpha, of a colour or a grey and alpha PNG."""
    stream.seek(0)
    with _opened(stream) as image:
        raw_mode, transparent = image.tile[0].args, image.info.get("transparency")
        width, height = image.size
    if raw_mode == "LA;16B":  # four bytes per pixel, as RGBA has them
        return whole_samples(_decoded(stream, "RGBA", "RGBA"), "RGBA").view(">u2").astype(np.uint16)
    mode, halves = ("RGB", DEEP_RGB) if raw_mode == "RGB;16B" else ("RGBA", DEEP_RGBA)
    if raw_mode not in halves:
        raise ValueError(f"16-bit PNG decoded as {raw_mode}, expected 16-bit colour")
    samples = np.empty((height, width, len(mode)), np.uint16)
    for raw, byte in halves.items():
        place = byte if sys.byteorder == "big" else 1 - byte
        _fill(samples.view(np.uint8).reshape(*samples.shape, 2)[..., place], stream, mode, raw)
    if mode == "RGB" and isinstance(transparent, tuple):
        opaque = (samples != np.array(transparent, np.uint16)).any(axis=2)
        return np.dstack([samples, np.where(opaque, np.uint16(65535), np.uint16(0))])
    return samples


def _opened(stream: BinaryIO) -> PngImageFile:
    stream.seek(0)
    return PngImageFile(stream)


def _fill(out: NDArray[Any], stream: BinaryIO, mode: str, raw_mode: str) -> None:
    """Write the samples of `_decoded`, (H, W, channels of mode)."""
    for rows, part in strips(_decoded(stream, mode, raw_mode), mode):
        out[rows] = part


def _decoded(stream: BinaryIO, mode: str, raw_mode: str) -> PngImageFile:
    """Decode a file as if its pixels were stored in a raw mode of Pillow's."""
    image = _opened(stream)
    image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
    image._mode = mode
    image.info.pop("transparency", None)
    image.load()
    return image


def write_png(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write a PNG of 8 or 16 bits; rows of 16 bits are filtered by Sub."""
    if picture.pixels.dtype == np.uint8:
        options: dict[str, Any] = {"dpi": picture.resolution[::-1]} if picture.resolution else {}
        if picture.xmp:
            options["pnginfo"] = PngInfo()
            options["pnginfo"].add(b"iTXt", XMP_START + picture.xmp)
        save_with_pillow(stream, picture, "PNG", **options)
        return
    samples = picture.samples
    rows, columns = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    stream.write(b"\x89PNG\r\n\x1a\n")
    putchunk(stream, b"IHDR", struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0))
    if picture.icc_profile:
        putchunk(stream, b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc_profile))
    if picture.exif:
        putchunk(stream, b"eXIf", picture.exif)
    if picture.xmp:
        putchunk(stream, b"iTXt", XMP_START + picture.xmp)
    if picture.resolution:
        rows, columns = (min(2**31 - 1, max(1, round(n / 0.0254))) for n in picture.resolution)  # a metre
        putchunk(stream, b"pHYs", struct.pack(">IIB", columns, rows, 1))
    compressor = zlib.compressobj(DEFLATE_LEVEL)
    for rows in row_runs(samples):
        strip = samples[rows]
        plain = strip.astype(">u2", order="C").view(np.uint8).reshape(len(strip), -1)  # (rows, bytes)
        filtered = np.ones((len(strip), 1 + plain.shape[1]), np.uint8)  # each row begins with 1, for the filter Sub:
        filtered[:, 1:] = plain
        filtered[:, 1 + 2 * channels :] -= plain[:, : -2 * channels]  # minus the byte one pixel before, modulo 256
        putchunk(stream, b"IDAT", compressor.compress(filtered.tobytes()))
    putchunk(stream, b"IDAT", compressor.flush())
    putchunk(stream, b"IEND", b"")
