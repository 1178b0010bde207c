"""Reads pictures from files, in every format of `npfuse.pictures.formats` that has a reader.

All bits of the samples are kept, and the picture is turned as its EXIF orientation says. Libraries' warnings do not
reach the terminal. Conversions are listed in `Picture.notes`. A file that cannot be read raises a `PictureError` of one
line. Of an animation, only the first frame is read. ICC profiles are kept here; `npfuse/pictures/metadata/profiles.py`
converts them.
"""

import io
import logging
import os
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from npfuse.pictures.codecs.pillow_files import UNLIMITED
from npfuse.pictures.formats import FORMATS, START_BYTES, Format, format_of_start, listed, other_kind
from npfuse.pictures.light import LIGHT_ENCODED, display_profile, encode_samples, is_display_power
from npfuse.pictures.metadata.exif import quiet, resolution_of_block, turned, upright
from npfuse.pictures.metadata.xmp import upright_xmp
from npfuse.pictures.pages import opened_at_page, split_page
from npfuse.pictures.picture import (
    Decoded,
    Picture,
    PictureError,
    RefusedError,
    TooLargeError,
    needs_package,
    one_line,
    profile_fits,
    shown,
)
from npfuse.pictures.writing import check_writable, write_picture

__all__ = ["Picture", "PictureError", "check_writable", "read_picture", "write_picture"]  # for most callers

UNREADABLE: dict[type[Exception], str] = {
    FileNotFoundError: "does not exist; check the name and the folder",
    IsADirectoryError: "is a folder, expected a picture file; name the file in it",
    PermissionError: "must not be read by this user; change its permissions",
}
TURNED_ASIDE = (5, 6, 7, 8)  # EXIF orientations that exchange rows and columns
INVERSE = {6: 8, 8: 6}  # orientations that undo these; all others undo themselves
MAX_BYTES = 3 << 28  # of decoded samples, unless the caller allows more
READ = tuple(format for format in FORMATS if format.read)

# Without a handler, the warnings of these two libraries would be printed on the user's terminal.
for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())


def read_picture(
    path: str | os.PathLike[str],
    *,
    max_bytes: int | None = None,
    orientation: int | None = None,
    reduction: int = 1,
) -> Picture:
    """Read a picture from a file: the first one, or a page of a TIFF by its number, as "a.tif[1]".

    The content of the file decides its format, not its name. Grey stays (H, W), alpha is split off, palettes become RGB
    and 1-bit becomes 8-bit grey. Samples keep their depth: uint8, uint16 or float32. Values of a float TIFF are not
    checked; light in OpenEXR is encoded for display.

    Parameters
    ----------
    path : str or PathLike
    max_bytes : int, optional
        Greatest number of bytes of the decoded samples; None for 768 MiB and at most Pillow's limit of pixels
        (2 * PIL.Image.MAX_IMAGE_PIXELS).
    orientation : int, optional
        EXIF orientation (1 to 8) in place of the file's own.
    reduction : int
        Factor, 1, 2, 4 or 8, by which a JPEG's rows and columns are reduced on reading, by means over blocks. Files of
        other formats are read as they are.

    Returns
    -------
    Picture : its arrays are read-only and C-contiguous

    Raises
    ------
    PictureError : the file cannot be opened, is not a whole picture of a format that is read, declares more than may be
        decoded, or needs an extra that is not installed
    """
    name = shown(path)
    path, page = split_page(path)
    try:
        stream: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed just below; the `try` is for the opening alone)
    except (OSError, ValueError) as error:
        why = UNREADABLE.get(type(error), f"cannot be opened ({one_line(error)}); check the name")
        raise PictureError(f"{name}: {why}") from error
    with stream:
        if not stream.seekable():
            stream = io.BytesIO(stream.read(MAX_BYTES + 1))
        start = stream.read(START_BYTES)
        format = format_of_start(start)
        if format is None or format.read is None:
            known = listed(format.name for format in READ)
            raise PictureError(f"{name}: is {other_kind(start)}, expected a {known}; convert it to one")
        try:
            if page is not None:
                stream = opened_at_page(stream, page)
            if reduction > 1 and format.read_reduced is not None:
                return _picture(format.read_reduced(stream, Limit(max_bytes), reduction), orientation)
            return _picture(format.read(stream, Limit(max_bytes)), orientation)
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise PictureError(f"{name}: {_reason(error, format)}") from error


def upright_jpeg_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return the height and width of a JPEG, turned upright, from its head; None for other files and damaged ones."""
    if not os.path.isfile(path):  # a pipe is read only once
        return None
    try:
        with quiet(), UNLIMITED, Image.open(path, formats=["JPEG"]) as image:
            turned_aside = image.getexif().get(Base.Orientation, 1) in TURNED_ASIDE
            return (image.width, image.height) if turned_aside else (image.height, image.width)
    except Exception:  # reading the picture will say what is wrong
        return None


class Limit:
    """The most that may be decoded; the header is checked before anything large is allocated.

    Parameters
    ----------
    max_bytes : greatest number of bytes of decoded samples, as for `read_picture`
    """

    def __init__(self, max_bytes: int | None) -> None:
        self.max_bytes = MAX_BYTES if max_bytes is None else max_bytes
        with UNLIMITED as limit:  # Pillow's own limit is lifted while another thread opens a file
            self.max_pixels = 2 * limit if max_bytes is None and limit is not None else None

    def __call__(self, height: int, width: int, pixel_bytes: int) -> None:
        """Raise TooLargeError for a picture beyond the limit."""
        if self.max_pixels is not None and height * width > self.max_pixels:
            raise TooLargeError(f"more pixels than the limit of {self.max_pixels // 1_000_000} million")
        size = height * width * pixel_bytes
        if size > self.max_bytes:
            raise TooLargeError(f"{size >> 20:,} MiB of samples, more than the limit of {self.max_bytes >> 20:,} MiB")


def _reason(error: Exception, format: Format) -> str:
    """Return the reason why a file cannot be read, as the part of a message behind the file's name."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, ImportError):
        return f"{format.extra_for}, which {needs_package(error.name, format.extra or '')}"
    if isinstance(error, TooLargeError):
        return f"declares {error}, expected fewer; use a smaller picture, or allow more with --max-memory"
    if isinstance(error, MemoryError):
        return "does not fit into the free memory; use a smaller picture"
    why = "its header makes no sense" if isinstance(error, UnidentifiedImageError) else one_line(error)
    return f"is a damaged or unusual {format.name} ({why}), expected a whole picture; copy or export it anew"


def _picture(decoded: Decoded, orientation: int | None) -> Picture:
    """Return a decoded picture turned upright, by another orientation if given, with alpha apart from the colours."""
    notes = list(decoded.notes)
    exif, flag = _upright(decoded.exif, notes)
    flag = flag if decoded.turn is None else decoded.turn
    samples, applied = decoded.samples, decoded.orientation if flag == 1 else flag
    if orientation is not None:
        samples = turned(samples, INVERSE.get(decoded.orientation, decoded.orientation))
        flag = applied = orientation
    samples = turned(samples, flag)
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    pixels = samples if samples.ndim == 2 else samples[..., 0] if channels < 3 else samples[..., :3]
    icc_profile = decoded.icc_profile or None
    if icc_profile and not profile_fits(icc_profile, pixels):
        notes.append("ICC profile dropped: it is not one for such pixels")
        icc_profile = None
    display = display_profile(icc_profile) if icc_profile else None
    if display:
        pixels, icc_profile = encode_samples(pixels), display
        notes.append(LIGHT_ENCODED)
    elif decoded.power and not icc_profile and not is_display_power(decoded.power):
        pixels = encode_samples(pixels, decoded.power)
        notes.append(f"samples of gamma {decoded.power:.3g} encoded with sRGB's curve")
    return Picture(
        pixels=_frozen(pixels),
        alpha=_frozen(samples[..., -1]) if channels in (2, 4) else None,
        exif=exif,
        icc_profile=icc_profile,
        xmp=upright_xmp(decoded.xmp) if decoded.xmp else None,
        iptc=decoded.iptc,
        resolution=decoded.resolution or (resolution_of_block(exif) if exif else None),
        orientation=applied if 1 <= applied <= 8 else 1,
        white_level=decoded.white_level,
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


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array C-contiguous, in native byte order and read-only."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array
