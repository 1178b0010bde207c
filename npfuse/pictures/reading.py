"""Pictures from and to files: JPEG, PNG, WebP, TIFF and OpenEXR; HEIC and camera raw files are only read.

What is read is what the file holds: all of its bits, turned the way its EXIF orientation says, and no warning on
the user's terminal; whatever had to be converted is told in `Picture.notes`, and every file that cannot be read or
written is one `PictureError` of one line. An output is either whole or untouched. Pillow does the 8-bit work; what it
cannot do losslessly has modules of its own (`npfuse/pictures/png.py`, `tiff.py`, `exr.py`, `heif.py`, `raw.py`).
Left out: animations beyond their first frame, and XMP. Profiles are carried here and converted in
`npfuse/pictures/profiles.py`.
"""

import io
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from npfuse.pictures.exif import quiet, turned, upright
from npfuse.pictures.exr import RefusedExrError, inspect_exr, read_exr
from npfuse.pictures.heif import BRANDS, read_heif
from npfuse.pictures.picture import Picture, PictureError, one_line, profile_fits, shown
from npfuse.pictures.png import read_deep_png
from npfuse.pictures.profiles import SRGB
from npfuse.pictures.raw import read_raw
from npfuse.pictures.tiff import CameraRawError, RefusedTiffError, inspect_tiff, read_deep_tiff
from npfuse.pictures.writing import check_writable, write_picture

__all__ = ["Picture", "PictureError", "check_writable", "read_picture", "write_picture"]

KIND_OF_START = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"FUJIFILM": "camera raw file", b"IIRO": "camera raw file", b"IIU\0": "camera raw file",
}  # fmt: skip
OTHER_STARTS = {
    b"GIF8": "a GIF", b"BM": "a BMP", b"%PDF": "a PDF",
    b"\xff\x0a": "a JPEG XL picture", b"\0\0\0\x0cJXL ": "a JPEG XL picture", b"#?RADIANCE": "a Radiance picture",
}  # fmt: skip
UNREADABLE: dict[type[Exception], str] = {
    FileNotFoundError: "does not exist; check the name and the folder",
    IsADirectoryError: "is a folder, expected a picture file; name the file in it",
    PermissionError: "must not be read by this user; change its permissions",
}
# What Pillow's modes of 8 bits and less become.
MODES = {
    "1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA",
    "P": "RGB", "PA": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB",
}  # fmt: skip
MAX_BYTES = 3 << 28  # of decoded samples, unless the caller allows more
# The packages that some kinds take: the extra that brings each, and what it is needed for.
EXTRAS = {
    "tifffile": ("tiff", "has more than 8 bits"), "imagecodecs": ("tiff", "has more than 8 bits"),
    "OpenEXR": ("exr", "is an OpenEXR picture"), "pillow_heif": ("heif", "is a HEIC picture"),
    "rawpy": ("raw", "is a camera raw file"),
}  # fmt: skip
KNOWN = "a JPEG, PNG, WebP, TIFF, OpenEXR, HEIC or camera raw picture"

# Without a handler of their own, these two libraries' warnings would be printed on the user's terminal.
for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())


class TooLargeError(ValueError):
    """A file that declares more than may be decoded; the message says how much."""


def read_picture(path: str | os.PathLike[str], *, max_bytes: int | None = None) -> Picture:
    """Read the first picture of a JPEG, PNG, WebP, TIFF, OpenEXR, HEIC or camera raw file.

    The format is told by the content, not by the name. Grey stays (H, W), alpha is split off, palettes become RGB and
    1-bit becomes 8-bit grey. Samples keep their depth: uint8, uint16, or float32 for a float TIFF, whose values are
    not looked at, and for OpenEXR, whose light is encoded for display.

    Parameters
    ----------
    path : str or PathLike
    max_bytes : int, optional
        How many bytes the decoded samples may take; None for 768 MiB and at most Pillow's limit of pixels
        (2 * PIL.Image.MAX_IMAGE_PIXELS).

    Returns
    -------
    Picture, whose arrays are read-only and C-contiguous

    Raises
    ------
    PictureError : the file cannot be opened, is no whole picture of these formats, declares more than may be decoded,
        or needs an extra: `tiff`, `exr`, `heif` or `raw`
    """
    name = shown(path)
    try:
        stream: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed just below; the `try` is for the opening alone)
    except (OSError, ValueError) as error:
        why = UNREADABLE.get(type(error), f"cannot be opened ({one_line(error)}); check the name")
        raise PictureError(f"{name}: {why}") from error
    with stream:
        if not stream.seekable():
            stream = io.BytesIO(stream.read(MAX_BYTES + 1))
        start = stream.read(32)
        kind = _kind_of(start)
        if kind is None:
            raise PictureError(f"{name}: is {_what_else(start)}, expected {KNOWN}; convert it to one")
        try:
            return _read(stream, kind, start, _Limit(max_bytes))
        except (RefusedTiffError, RefusedExrError) as error:
            raise PictureError(f"{name}: {error}") from error
        except ImportError as error:
            extra, what = EXTRAS.get(error.name or "", ("tiff", "has more than 8 bits"))
            raise PictureError(
                f'{name}: {what}, which needs the package {error.name}; install it with: pip install "npfuse[{extra}]"'
            ) from error
        except (Image.DecompressionBombError, TooLargeError) as error:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
            told = str(error) if isinstance(error, TooLargeError) else f"more pixels than the limit of {limit} million"
            raise PictureError(f"{name}: declares {told}, expected fewer; use a smaller picture") from error
        except MemoryError as error:
            raise PictureError(f"{name}: does not fit into the free memory; use a smaller picture") from error
        except Exception as error:  # decoders raise almost anything on damaged bytes
            why = "its header makes no sense" if isinstance(error, UnidentifiedImageError) else one_line(error)
            raise PictureError(
                f"{name}: is a damaged or unusual {kind} ({why}), expected a whole picture; copy or export it anew"
            ) from error


class _Limit:
    """How much may be decoded, checked against what a header declares before anything large is allocated."""

    def __init__(self, max_bytes: int | None) -> None:
        self.max_bytes = MAX_BYTES if max_bytes is None else max_bytes
        self.max_pixels = None
        if max_bytes is None and Image.MAX_IMAGE_PIXELS is not None:
            self.max_pixels = 2 * Image.MAX_IMAGE_PIXELS

    def __call__(self, height: int, width: int, pixel_bytes: int) -> None:
        """Raise TooLargeError for a picture beyond the limit."""
        if self.max_pixels is not None and height * width > self.max_pixels:
            raise TooLargeError(f"more pixels than the limit of {self.max_pixels // 1_000_000} million")
        size = height * width * pixel_bytes
        if size > self.max_bytes:
            raise TooLargeError(f"{size >> 20:,} MiB of samples, more than the limit of {self.max_bytes >> 20:,} MiB")


def _kind_of(start: bytes) -> str | None:
    """Tell the format by the first bytes of a file, or None if it is none of ours."""
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP"
    if start[4:8] == b"ftyp":
        return "HEIC" if start[8:12] in BRANDS else "camera raw file" if start[8:12] == b"crx " else None
    return next((kind for magic, kind in KIND_OF_START.items() if start.startswith(magic)), None)


def _what_else(start: bytes) -> str:
    """Name what a file is that is not one of our formats, as far as its first bytes tell."""
    if not start:
        return "empty"
    if start[4:8] == b"ftyp":
        return "an AVIF or video file"
    return next((what for magic, what in OTHER_STARTS.items() if start.startswith(magic)), "not a picture known here")


def _read(stream: BinaryIO, kind: str, start: bytes, limit: _Limit) -> Picture:
    """Read a file of a known format; errors are those of the decoders."""
    notes: list[str] = []
    alpha: NDArray[Any] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    orientation = 1
    if kind == "OpenEXR":
        height, width, channels = inspect_exr(stream)
        limit(height, width, 4 * channels)
        pixels, alpha = read_exr(stream, notes)
    elif kind == "HEIC":
        samples, block, icc_profile = read_heif(stream, notes, limit)
        pixels, alpha = _split_alpha(samples) if samples.ndim == 3 else (samples, None)
        exif = _upright(block, notes)[0]  # the library has turned the picture
    elif kind == "camera raw file":
        pixels, icc_profile = _developed(stream, limit, notes), SRGB
    elif kind == "TIFF":
        try:
            deep, exif = inspect_tiff(stream, notes, limit)
        except CameraRawError as refusal:
            try:
                pixels, icc_profile = _developed(stream, limit, notes), SRGB
            except TooLargeError:
                raise
            except ImportError as error:
                raise CameraRawError(
                    "is a camera raw file or begins with a thumbnail; a raw file needs the package rawpy, installed"
                    ' with: pip install "npfuse[raw]"; another is to be exported as a 16-bit TIFF'
                ) from error
            except Exception as error:
                raise refusal from error
        else:
            stream.seek(0)
            if deep:
                pixels, alpha, orientation, icc_profile = read_deep_tiff(stream, notes)
            else:
                pixels, alpha, orientation, icc_profile = _read_shallow_tiff(stream, limit, notes)
    else:
        pixels, alpha, block, icc_profile = _read_with_pillow(stream, kind, start, limit, notes)
        exif, orientation = _upright(block, notes)
    if icc_profile and not profile_fits(icc_profile, pixels):
        notes.append("ICC profile dropped: it is not one for such pixels")
        icc_profile = None
    return Picture(
        pixels=_frozen(turned(pixels, orientation)),
        alpha=None if alpha is None else _frozen(turned(alpha, orientation)),
        exif=exif,
        icc_profile=icc_profile or None,
        notes=tuple(notes),
    )


def _upright(block: bytes | None, notes: list[str]) -> tuple[bytes | None, int]:
    """Return an EXIF block whose orientation is reset, and the orientation it had."""
    if not block:
        return None, 1
    try:
        return upright(block)
    except (ValueError, struct.error):
        notes.append("EXIF dropped: it is broken")
        return None, 1


def _developed(stream: BinaryIO, limit: _Limit, notes: list[str]) -> NDArray[Any]:
    pixels = read_raw(stream, limit)
    notes.append("camera raw file developed to 16-bit sRGB, without automatic brightness")
    return pixels


@contextmanager
def _opened(stream: BinaryIO, kind: str, limit: _Limit) -> Iterator[Image.Image]:
    """Open a file with Pillow and check its size."""
    with quiet(), _unlimited(limit.max_pixels is None), Image.open(stream, formats=[kind.upper()]) as image:
        limit(image.height, image.width, 2 if image.mode.startswith("I") else len(image.getbands()))
        yield image


@contextmanager
def _unlimited(lift: bool) -> Iterator[None]:
    """Lift Pillow's own limit where the caller gave another one; call it inside `quiet`, which lets one thread in."""
    limit = Image.MAX_IMAGE_PIXELS
    if lift:
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        if lift:
            Image.MAX_IMAGE_PIXELS = limit


def _read_shallow_tiff(
    stream: BinaryIO, limit: _Limit, notes: list[str]
) -> tuple[NDArray[Any], NDArray[Any] | None, int, bytes | None]:
    """Read a TIFF of up to 8 bits: pixels, alpha, orientation and ICC profile."""
    with _opened(stream, "TIFF", limit) as image:
        pixels, alpha = _decode(image, notes)
        # Pillow turns a TIFF while loading it, and then no longer has the tag.
        return pixels, alpha, image.getexif().get(Base.Orientation, 1), image.info.get("icc_profile")


def _read_with_pillow(
    stream: BinaryIO, kind: str, start: bytes, limit: _Limit, notes: list[str]
) -> tuple[NDArray[Any], NDArray[Any] | None, bytes | None, bytes | None]:
    """Read a JPEG, PNG or WebP: pixels, alpha, EXIF block and ICC profile."""
    stream.seek(0)
    with _opened(stream, kind, limit) as image:
        if getattr(image, "is_animated", False):
            notes.append("several frames: the first is used")
        if kind == "PNG" and start[24] == 16 and start[25] != 0:  # bit depth and colour type; 0 is grey
            limit(image.height, image.width, 2 * len(image.getbands()))
            pixels, alpha = _split_alpha(read_deep_png(stream))
        else:
            pixels, alpha = _decode(image, notes)
        return pixels, alpha, image.info.get("exif"), image.info.get("icc_profile")


def _decode(image: Image.Image, notes: list[str]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Take pixels and alpha from an opened Pillow image, converting what is neither grey nor RGB."""
    image.load()
    if image.mode in ("I;16", "I;16B", "I"):  # a 16-bit grey PNG; "I" in older versions of Pillow
        grey = np.asarray(image).astype(np.uint16, copy=False)
        transparent = image.info.get("transparency")
        return grey, None if transparent is None else np.where(grey == transparent, 0, 65535).astype(np.uint16)
    if image.mode not in MODES:
        raise ValueError(f"colours of the kind {image.mode} are not supported")
    mode = MODES[image.mode]
    if mode == "RGB" != image.mode:
        notes.append(f"{'palette' if image.mode in ('P', 'PA') else image.mode} converted to RGB")
    if image.has_transparency_data and not mode.endswith("A"):
        mode += "A"
    if image.mode == "1":
        image = image.convert("L")  # 0 and 255, which a transparent colour is compared with
    samples = np.asarray(image.convert(mode))
    return _split_alpha(samples) if samples.ndim == 3 else (samples, None)


def _split_alpha(samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Split (H, W, 1 to 4) into grey (H, W) or RGB (H, W, 3), and alpha (H, W)."""
    channels = samples.shape[2]
    pixels = samples[..., 0] if channels < 3 else samples[..., :3]
    return pixels, samples[..., -1] if channels in (2, 4) else None


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array C-contiguous, in native byte order and read-only."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array
