"""Reads EXIF of camera raw files, whose layouts differ: TIFF with other first bytes, a JPEG inside (RAF), boxes (CR3).

Maker notes are left out: their offsets would be wrong in another file, and they are long.
"""

import io
import struct
from typing import Any, BinaryIO

from PIL import Image
from PIL.ExifTags import IFD, Base

from npfuse.pictures.metadata.exif import (
    DESCRIPTIVE_TAGS,
    TIFF_START,
    directory_bytes,
    quiet,
    read_directory,
    telling_tags,
)
from npfuse.pictures.overlay import Overlay

TIFF_LIKE = {b"II*\0": b"II*\0", b"MM\0*": b"MM\0*", b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"IIU\0": b"II*\0"}
BOXES = (b"CMT1", b"CMT2", b"CMT4")  # of a CR3: the first directory, EXIF and GPS, each a TIFF structure
HEAD_BYTES = 1 << 20  # of a CR3, within which its boxes are
# Tags of the EXIF directory that TIFF/EP and DNG allow in the first one.
EXPOSURE_TAGS = (
    Base.ExposureTime, Base.FNumber, Base.ExposureProgram, Base.ISOSpeedRatings, Base.DateTimeOriginal,
    Base.ExposureBiasValue, Base.MeteringMode, Base.Flash, Base.FocalLength, Base.LensMake, Base.LensModel,
)  # fmt: skip


def raw_exif(stream: BinaryIO, developer: Any) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the EXIF block of a raw file, without maker notes, and notes.

    Parameters
    ----------
    stream : binary file
    developer : rawpy.RawPy, opened; gives exposure, date and lens if the file's layout is not known
    """
    try:
        with quiet():
            tags = raw_tags(stream)
            below = tags.setdefault(int(IFD.Exif), {})
            below.pop(int(Base.MakerNote), None)
            if Base.ExposureTime not in below:
                _add_from_libraw(tags, below, developer)
            if not below:
                del tags[int(IFD.Exif)]
            return (TIFF_START + directory_bytes(tags) if tags else None), ()
    except Exception:  # Pillow raises almost anything on damaged tags
        return None, ("EXIF dropped: it is broken",)


def raw_tags(stream: BinaryIO) -> dict[int, Any]:
    """Return descriptive tags and the EXIF and GPS directories, as far as the layout is known."""
    stream.seek(0)
    start = stream.read(8)
    if start[:4] in TIFF_LIKE:
        file: Any = io.BufferedReader(Overlay(stream, TIFF_LIKE[start[:4]]))
        try:
            tags = telling_tags(file)
            directory = read_directory(file)
        finally:
            file.detach()  # else it closes the stream
        moved = {int(tag): directory[tag] for tag in EXPOSURE_TAGS if tag in directory}
        return tags | {int(IFD.Exif): moved | tags.get(IFD.Exif, {})}
    if start == b"FUJIFILM":
        stream.seek(84)
        place, length = struct.unpack(">II", stream.read(8))
        stream.seek(place)
        with Image.open(io.BytesIO(stream.read(min(length, HEAD_BYTES))), formats=["JPEG"]) as image:
            block = image.info.get("exif", b"")
        return telling_tags(io.BytesIO(block.removeprefix(b"Exif\0\0"))) if block else {}
    return _tags_of_boxes(stream)


def _tags_of_boxes(stream: BinaryIO) -> dict[int, Any]:
    """Return the tags of a CR3's boxes; an empty dict for a file without them."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    found: dict[bytes, dict[int, Any]] = {}
    for name in BOXES:
        place = head.find(name)
        if place >= 4:
            (length,) = struct.unpack_from(">I", head, place - 4)
            box = io.BytesIO(head[place + 4 : place - 4 + length])
            group = {b"CMT2": int(IFD.Exif), b"CMT4": int(IFD.GPSInfo)}.get(name)
            box.seek(4)
            first = struct.unpack("<I", box.read(4))[0] if head[place + 4 : place + 6] == b"II" else None
            found[name] = dict(read_directory(box, first, group))
    tags = {int(tag): found[b"CMT1"][tag] for tag in DESCRIPTIVE_TAGS if tag in found.get(b"CMT1", {})}
    for name, group in ((b"CMT2", IFD.Exif), (b"CMT4", IFD.GPSInfo)):
        if found.get(name):
            tags[int(group)] = found[name]
    return tags


def _add_from_libraw(tags: dict[int, Any], below: dict[int, Any], developer: Any) -> None:
    """Add exposure, date and lens, as far as LibRaw has read them."""
    shot, lens = getattr(developer, "other", None), getattr(developer, "lens", None)
    if shot is not None:
        for tag, value in (
            (Base.ExposureTime, shot.shutter_speed),
            (Base.FNumber, shot.aperture),
            (Base.ISOSpeedRatings, round(shot.iso_speed)),
            (Base.FocalLength, shot.focal_length),
        ):
            if value > 0:
                below[int(tag)] = value
        if shot.timestamp.year > 1970:
            below[int(Base.DateTimeOriginal)] = shot.timestamp.strftime("%Y:%m:%d %H:%M:%S")
        if shot.artist:
            tags[int(Base.Artist)] = shot.artist
    if lens is not None and lens.model:
        below[int(Base.LensModel)] = lens.model
