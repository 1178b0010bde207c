"""Reads pages of a TIFF as pictures, named by a number behind the path: "bracket.tif[1]" is the second page."""

import io
import os
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

from npfuse.pictures.codecs.tiff import STARTS
from npfuse.pictures.metadata.exif import quiet, read_directory
from npfuse.pictures.overlay import Overlay
from npfuse.pictures.picture import RefusedError

PAGE = re.compile(r"(.+)\[(\d{1,6})\]", re.DOTALL)
MOST_PAGES = 10_000  # a directory may lead back to itself


def split_page(path: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], int | None]:
    """Return the path of a file and the number of a page; no number if a file has that very name.

    Examples
    --------
    >>> split_page("no such file.tif[2]")
    ('no such file.tif', 2)
    """
    text = os.fspath(path)
    match = PAGE.fullmatch(text) if isinstance(text, str) else None
    if match is None or os.path.lexists(path):
        return path, None
    return match[1], int(match[2])


def pages_of(path: Path) -> list[Path]:
    """Return the paths of a TIFF's pages, or of another file alone.

    Pages that are marked as smaller copies of another, or as masks, are left out.
    """
    try:
        with open(path, "rb") as stream:
            if stream.read(4) not in STARTS:
                return [path]
            places = [number for number, (_, kind) in enumerate(_directories(stream)) if kind & 5 == 0]
    except Exception:  # reading the picture will say what is wrong
        return [path]
    return [Path(f"{path}[{number}]") for number in places] if len(places) > 1 else [path]


def opened_at_page(stream: BinaryIO, page: int) -> BinaryIO:
    """Return a TIFF that begins with one of its pages.

    Raises
    ------
    RefusedError : the file is no TIFF, or has fewer pages
    """
    stream.seek(0)
    start = stream.read(16)
    if start[:4] not in STARTS:
        raise RefusedError(f"is no TIFF, expected one for its page {page}; leave out [{page}]")
    directories = _directories(stream)
    if page >= len(directories):
        raise RefusedError(f"has {len(directories)} pages, expected more than {page}, the first being 0")
    place = directories[page][0]
    endian = "<" if start[:2] == b"II" else ">"
    head = (
        start[:8] + struct.pack(endian + "Q", place)
        if b"+" in start[2:4]
        else start[:4] + struct.pack(endian + "I", place)
    )
    overlaid: Any = io.BufferedReader(Overlay(stream, head))
    opened: BinaryIO = overlaid
    return opened


def _directories(stream: BinaryIO) -> list[tuple[int, int]]:
    """Return, for every page, the place of its directory and its NewSubfileType."""
    found: list[tuple[int, int]] = []
    with quiet():
        stream.seek(0)
        start = stream.read(16)
        endian = "<" if start[:2] == b"II" else ">"
        place = (
            struct.unpack_from(endian + "Q", start, 8)[0]
            if b"+" in start[2:4]
            else struct.unpack_from(endian + "I", start, 4)[0]
        )
        seen = set()
        while place and place not in seen and len(found) < MOST_PAGES:
            seen.add(place)
            directory = read_directory(stream, place)
            kind = directory.get(254, 0)
            found.append((place, kind if isinstance(kind, int) else 0))
            place = directory.next
    return found
