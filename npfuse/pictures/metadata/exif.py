"""Reads and changes EXIF: which way up a picture is, and what its file tells about it.

An EXIF block is a TIFF structure without pixels (EXIF 2.32, section 4.5). Blocks of JPEG, PNG and WebP files are
changed in place, so that maker notes, whose offsets are not documented, stay valid. Only blocks that come from or go
into a TIFF are laid out again, by Pillow.
"""

import io
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO

from numpy.typing import NDArray
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from npfuse.pictures.shared_context import SharedContext

EXIF_START = b"Exif\0\0"  # start of the segment in a JPEG; not a part of the block
TIFF_START = b"II*\0\x08\0\0\0"  # little-endian, the first directory follows
BIG_TIFF_START = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"  # the same of a BigTIFF
# Tags of a TIFF that tell about its picture, not about its own layout.
DESCRIPTIVE_TAGS = (
    Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.Copyright,
)  # fmt: skip
# Of a directory and those below it: whether the tag is the height, or the width.
SIZE_TAGS = {
    int(Base.ImageWidth): False, int(Base.ImageLength): True,
    int(Base.ExifImageWidth): False, int(Base.ExifImageHeight): True, 0x1001: False, 0x1002: True,
}  # fmt: skip
# How descriptions begin, or words in them, that tell readers where planes, pages and tiles are: ImageJ, tifffile, OME,
# Aperio, Micro-Manager, ScanImage, NIH Image, GDAL, MetaMorph, FluoView.
STRUCTURE = re.compile(
    r'^\s*(?:ImageJ=|SCIFIO=|\{?"?shape"?\s?[=:]|Aperio |<GDALMetadata|<MetaData|NIHImage|MMSTACK)'
    r'|<OME[ >]|openmicroscopy\.org|"axes"\s?:|SI\.hChannels|\[Version=|<PlaneInfo'
)
QUIET = SharedContext(partial(warnings.catch_warnings, action="ignore"))


def quiet() -> SharedContext:
    """Return the context that keeps Pillow's warnings (large pictures, odd tags) off the user's terminal.

    All threads share it: of two `warnings.catch_warnings` that overlap, the one that leaves last puts back the other's.
    """
    return QUIET


def upright(block: bytes) -> tuple[bytes, int]:
    """Reset the orientation of an EXIF block and unlink its thumbnail, which shows the picture as it was.

    Returns
    -------
    bytes : the block without `EXIF_START`
    int : the orientation it had, 1 to 8; 1 if it says nothing

    Raises
    ------
    ValueError, struct.error : it is no EXIF block, or ends too early
    """
    patched = bytearray(block.removeprefix(EXIF_START))
    endian = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(patched[:4]))
    if endian is None:
        raise ValueError(f"EXIF: begins with {bytes(patched[:4])!r}, expected II*\\0 or MM\\0*")
    (start,) = struct.unpack_from(endian + "I", patched, 4)
    (count,) = struct.unpack_from(endian + "H", patched, start)
    orientation, end = 1, start + 2 + 12 * count
    for entry in range(start + 2, end, 12):
        tag, form = struct.unpack_from(endian + "HH", patched, entry)
        if tag == Base.Orientation and form in (3, 4):  # short as the standard has it, or long
            value = endian + "HI"[form - 3]
            (orientation,) = struct.unpack_from(value, patched, entry + 8)
            struct.pack_into(value, patched, entry + 8, 1)
    if end + 4 <= len(patched):
        cut = _thumbnail_start(patched, endian, end)
        struct.pack_into(endian + "I", patched, end, 0)
        del patched[cut:]
    return bytes(patched), orientation


def _thumbnail_start(block: bytes | bytearray, endian: str, link: int) -> int:
    """Return the place of the thumbnail if it is the end of a block; else the block's length."""
    try:
        (start,) = struct.unpack_from(endian + "I", block, link)
        found = {tag: place for place, tag, _, _ in _entries(block, endian, start)} if start else {}
        if not found.keys() >= {Base.JpegIFOffset, Base.JpegIFByteCount}:
            return len(block)
        first, length = (
            struct.unpack_from(endian + "I", block, found[tag] + 8)[0]
            for tag in (Base.JpegIFOffset, Base.JpegIFByteCount)
        )
    except struct.error:
        return len(block)
    behind = max(start + 2 + 12 * len(found), link) + 4
    return first if first >= behind and first + length >= len(block) - 1 else len(block)


def _entries(block: bytes | bytearray, endian: str, start: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield place, tag, type and count of a directory's entries; raise struct.error if it ends too early."""
    (count,) = struct.unpack_from(endian + "H", block, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, form, number = struct.unpack_from(endian + "HHI", block, place)
        yield place, tag, form, number


def resized(block: bytes, height: int, width: int) -> bytes:
    """Set the sizes of the picture in a block that names them; a damaged block stays as it is.

    Parameters
    ----------
    block : EXIF block, without `EXIF_START`
    height, width : size of the result, pixels
    """
    patched = bytearray(block)
    endian = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(patched[:4]))
    if endian is None:
        return block
    try:
        (start,) = struct.unpack_from(endian + "I", patched, 4)
        for directory in _with_those_below(patched, endian, start):
            for place, tag, form, number in list(_entries(patched, endian, directory)):
                if tag in SIZE_TAGS and form in (3, 4) and number == 1:
                    size = height if SIZE_TAGS[tag] else width
                    struct.pack_into(endian + "HII", patched, place + 2, 4, 1, size)  # a long
    except struct.error:
        return block
    return bytes(patched)


def _with_those_below(block: bytes | bytearray, endian: str, start: int) -> list[int]:
    """Return the places of a directory, of its EXIF directory, and of the interoperability directory of that."""
    places = [start]
    for pointer in (IFD.Exif, IFD.Interop):
        below = [place for place, tag, _, _ in _entries(block, endian, places[-1]) if tag == pointer]
        if not below:
            break
        places.append(struct.unpack_from(endian + "I", block, below[0] + 8)[0])
    return places


def resolution_of(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Return the resolution, rows and columns of pixels per inch, from the tags of a directory, or None."""
    try:
        columns, rows = float(tags[Base.XResolution]), float(tags[Base.YResolution])
        unit = {2: 1.0, 3: 2.54}[tags.get(Base.ResolutionUnit, 2)]  # an inch, a centimetre
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (rows * unit, columns * unit) if 0 < rows < 1e6 and 0 < columns < 1e6 else None


def resolution_of_block(block: bytes) -> tuple[float, float] | None:
    """Return the resolution, rows and columns of pixels per inch, from an EXIF block, or None."""
    try:
        with quiet():
            return resolution_of(read_directory(io.BytesIO(block)))
    except Exception:  # Pillow raises almost anything on damaged tags
        return None


def describes_structure(text: Any) -> bool:
    """Return whether a TIFF's description is of its file's structure (ImageJ, OME, tifffile, ...), not of the picture.

    Examples
    --------
    >>> describes_structure("ImageJ=1.11a"), describes_structure("The old harbour, at dusk")
    (True, False)
    """
    text = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    return bool(STRUCTURE.search(text[:4000]))


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn stored rows and columns into the shown ones (EXIF 2.32, tag 274); unknown orientations do nothing."""
    if orientation in (5, 6, 7, 8):  # stored rows are shown as columns
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def read_directory(stream: BinaryIO, offset: int | None = None, group: int | None = None) -> ImageFileDirectory_v2:
    """Read a directory of a TIFF, BigTIFF or EXIF block: the first, or one that stands at an offset."""
    stream.seek(0)
    start = header = stream.read(8)
    if start[2:4] in (b"+\0", b"\0+"):  # BigTIFF: Pillow recognises the little-endian header only
        header = b"II+\0" + start[4:] + stream.read(8)
    directory = ImageFileDirectory_v2(header, prefix=start[:2], group=group)
    stream.seek(directory.next if offset is None else offset)
    directory.load(stream)
    return directory


def telling_tags(stream: BinaryIO) -> dict[int, Any]:
    """Take the descriptive tags and the EXIF and GPS directories; Pillow raises almost anything on damaged ones.

    A description of the file's structure is left out.
    """
    directory = read_directory(stream)
    tags: dict[int, Any] = {tag: directory[tag] for tag in DESCRIPTIVE_TAGS if tag in directory}
    if describes_structure(tags.get(Base.ImageDescription, "")):
        del tags[Base.ImageDescription]
    for group in (IFD.Exif, IFD.GPSInfo):
        if group in directory:
            below = dict(read_directory(stream, directory[group], group))
            below.pop(IFD.Interop, None)  # an offset
            if below:
                tags[group] = below
    return tags


def directory_bytes(
    tags: dict[int, Any], start: bytes = TIFF_START, types: Mapping[int, int] = MappingProxyType({})
) -> bytes:
    """Lay out a directory, with those below it, to stand behind `start`; strips are counted from its end.

    Parameters
    ----------
    tags : values by number
    start : TIFF_START or BIG_TIFF_START
    types : types of values that are not to be stored as short as they fit, by number
    """
    directory = ImageFileDirectory_v2(start)
    for tag, value in tags.items():
        directory[tag] = value
    for tag, kind in types.items():
        directory.tagtype[tag] = kind
    return directory.tobytes(len(start))
