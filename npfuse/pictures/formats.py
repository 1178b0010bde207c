"""The picture formats: one record per format, and everything that depends on which formats there are.

To add a format, write its reader (and writer) in a module of its own, describe it here in a `Format`, and put that into
`FORMATS`. `tests/pictures/test_every_format.py` names the pieces that are missing then.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from npfuse.pictures.codecs import tiff
from npfuse.pictures.codecs.arrays import npy_output, open_npy, open_zarr, zarr_output
from npfuse.pictures.codecs.avif import read_avif
from npfuse.pictures.codecs.exr import read_exr, write_exr
from npfuse.pictures.codecs.heif import BRANDS, read_heif
from npfuse.pictures.codecs.pillow_files import read_reduced_jpeg, read_with_pillow, write_jpeg, write_webp
from npfuse.pictures.codecs.png import read_png, write_png
from npfuse.pictures.codecs.ppm import read_ppm, write_ppm
from npfuse.pictures.codecs.raw import read_raw
from npfuse.pictures.codecs.tiff_output import tiff_output, write_tiff
from npfuse.pictures.codecs.tiff_parts import open_tiff
from npfuse.pictures.metadata import iptc
from npfuse.pictures.metadata.exif import EXIF_START
from npfuse.pictures.picture import CheckSize, Decoded, Picture, StoredPicture

ANY_LENGTH = 2**31 - 1
ALL = dict.fromkeys(("exif", "icc_profile", "xmp", "iptc", "resolution"), ANY_LENGTH)
START_BYTES = 32  # of a file; they tell its format
# Formats that are not read, by their first bytes.
OTHER_STARTS = {
    b"GIF8": "a GIF", b"%PDF": "a PDF",
    b"\xff\x0a": "a JPEG XL picture", b"\0\0\0\x0cJXL ": "a JPEG XL picture", b"#?RADIANCE": "a Radiance picture",
}  # fmt: skip


class PartsWriter(Protocol):
    """Makes a file that is filled by `out[rows, columns] = values` and gets its name when the block ends."""

    def __call__(
        self, path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
    ) -> AbstractContextManager[Any]:
        """Return the context; it yields an object with `shape`, `dtype` and `ndim`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Format:
    """A picture format: how its files are recognised, read and written, and what they can hold.

    Parameters
    ----------
    name : name in messages, such as "JPEG"
    suffixes : extensions of file names, in small letters, the usual one first
    starts : first bytes of a file; a question mark stands for any byte
    read : function of a stream and a CheckSize, or None
    read_reduced : function of a stream, a CheckSize and a reduction that reads a smaller copy, which is faster; or None
    write : function of a stream, a Picture that fits the format, a quality (1 to 100) and a list of notes, or None
    open_parts : function of an ExitStack, a path and its name in messages, for reading part by part; or None
    write_parts : PartsWriter, or None
    depths : dtypes of samples that can be written; others are reduced to uint8 where that is one of them
    longest_side : greatest number of rows, and of columns
    lossless : whether written samples come back as they were
    alpha, grey : whether the format has alpha, and grey pictures
    holds : greatest number of bytes of each part of the description, by attribute of `Description`; 0 for other parts
    decoding : most memory that decoding takes beside the picture, as a share of the picture's: for 8 bits, and for more
    encoding : most memory that encoding takes beside the result, as a share of the result's
    extra : name of the extra that is needed, for pip install "npfuse[EXTRA]"; or None
    extra_for : phrase for the files that need the extra, such as "is an OpenEXR file"
    """

    name: str
    suffixes: tuple[str, ...]
    starts: tuple[bytes, ...] = ()
    read: Callable[[BinaryIO, CheckSize], Decoded] | None = None
    read_reduced: Callable[[BinaryIO, CheckSize, int], Decoded] | None = None
    write: Callable[[BinaryIO, Picture, int, list[str]], None] | None = None
    open_parts: Callable[[ExitStack, Path, str], StoredPicture | None] | None = None
    write_parts: PartsWriter | None = None
    depths: tuple[type, ...] = (np.uint8,)
    longest_side: int = ANY_LENGTH
    lossless: bool = True
    alpha: bool = True
    grey: bool = True
    holds: Mapping[str, int] = field(default_factory=dict)
    decoding: tuple[float, float] = (1.34, 1.34)  # Pillow's four bytes for RGB's three
    encoding: float = 1.34
    extra: str | None = None
    extra_for: str = ""

    @property
    def is_array(self) -> bool:
        """Return whether its files are arrays: recognised by their suffix, and read and written part by part only."""
        return self.read is None and self.write is None

    @property
    def called(self) -> str:
        """Return the name with its article: "a JPEG", "an OpenEXR"."""
        return f"{'an' if self.name[0] in 'AEIOU' else 'a'} {self.name}"


JPEG = Format(
    name="JPEG",
    suffixes=(".jpg", ".jpeg"),
    starts=(b"\xff\xd8\xff",),
    read=partial(read_with_pillow, kind="JPEG"),
    read_reduced=read_reduced_jpeg,
    write=write_jpeg,
    longest_side=65500,  # of libjpeg
    lossless=False,
    alpha=False,
    holds=ALL | {"exif": 65533 - len(EXIF_START), "xmp": 65504, "iptc": iptc.JPEG_BYTES},  # one segment each
)
PNG = Format(
    name="PNG",
    suffixes=(".png",),
    starts=(b"\x89PNG\r\n\x1a\n",),
    read=read_png,
    write=write_png,
    depths=(np.uint8, np.uint16),
    holds={part: most for part, most in ALL.items() if part != "iptc"},
    decoding=(1.34, 0.7),
)
WEBP = Format(
    name="WebP",
    suffixes=(".webp",),
    starts=(b"RIFF????WEBP",),
    read=partial(read_with_pillow, kind="WEBP"),
    write=write_webp,
    longest_side=16383,
    lossless=False,
    grey=False,
    holds={part: most for part, most in ALL.items() if part not in ("iptc", "resolution")},
    decoding=(4.5, 4.5),
    encoding=3.5,
)
TIFF = Format(
    name="TIFF",
    suffixes=(".tif", ".tiff"),
    starts=tiff.STARTS,
    read=tiff.read_tiff,
    write=write_tiff,
    open_parts=open_tiff,
    write_parts=tiff_output,
    depths=(np.uint8, np.uint16, np.float32),
    longest_side=2**32 - 1,
    holds=ALL,
    extra="tiff",
    extra_for="has more than 8 bits",
    decoding=(1.34, 0.1),
    encoding=0.1,
)
EXR = Format(
    name="OpenEXR",
    suffixes=(".exr",),
    starts=(b"\x76\x2f\x31\x01",),
    read=read_exr,
    write=write_exr,
    depths=(np.float32,),
    longest_side=2**24,
    extra="exr",
    extra_for="is an OpenEXR file",
    decoding=(1.1, 1.1),
    encoding=1.1,
)
HEIC = Format(
    name="HEIC",
    suffixes=(".heic", ".heif"),
    starts=tuple(b"????ftyp" + brand for brand in BRANDS),
    read=read_heif,
    extra="heif",
    extra_for="is a HEIC picture",
    decoding=(0.75, 0.75),
)
RAW = Format(
    name="camera raw file",
    suffixes=(".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".raf", ".rw2", ".pef"),
    starts=(b"FUJIFILM", b"IIRO", b"IIU\0", b"????ftypcrx "),  # others begin as a TIFF does
    read=read_raw,
    extra="raw",
    extra_for="is a camera raw file",
    decoding=(2.5, 2.5),
)
NPY = Format(
    name="NumPy array",
    suffixes=(".npy",),
    open_parts=open_npy,
    write_parts=npy_output,
    depths=(np.uint8, np.uint16, np.float32, np.float64),
    alpha=False,
    decoding=(0.0, 0.0),
    encoding=0.0,
)
ZARR = Format(
    name="Zarr array",
    suffixes=(".zarr",),
    open_parts=open_zarr,
    write_parts=zarr_output,
    depths=(np.uint8, np.uint16, np.float32, np.float64),
    alpha=False,
    extra="zarr",
    extra_for="is a Zarr array",
    decoding=(0.0, 0.0),
    encoding=0.0,
)
PPM = Format(
    name="PPM",
    suffixes=(".ppm", ".pgm", ".pnm"),
    starts=(b"P2", b"P3", b"P5", b"P6"),
    read=read_ppm,
    write=write_ppm,
    depths=(np.uint8, np.uint16),
    alpha=False,
    decoding=(1.0, 1.0),
    encoding=0.1,
)
BMP = Format(
    name="BMP",
    suffixes=(".bmp",),
    starts=(b"BM????\0\0\0\0",),
    read=partial(read_with_pillow, kind="BMP"),
)
AVIF = Format(
    name="AVIF",
    suffixes=(".avif",),
    starts=(b"????ftypavif",),
    read=read_avif,
    extra="tiff",
    extra_for="has more than 8 bits",
    decoding=(2.0, 2.0),
)
FORMATS = (JPEG, PNG, WEBP, TIFF, PPM, BMP, AVIF, EXR, HEIC, RAW, NPY, ZARR)


def suffixes(formats: Iterable[Format]) -> tuple[str, ...]:
    """Return the suffixes of some formats, in their order.

    Examples
    --------
    >>> suffixes([JPEG, EXR])
    ('.jpg', '.jpeg', '.exr')
    """
    return tuple(suffix for format in formats for suffix in format.suffixes)


PICTURE_SUFFIXES = suffixes(format for format in FORMATS if format.read)
WRITTEN_PICTURES = tuple(format for format in FORMATS if format.write)
WRITTEN = tuple(format for format in FORMATS if format.write or format.write_parts)
WRITTEN_BY_PARTS = tuple(format for format in FORMATS if format.write_parts)


def format_of_suffix(suffix: str, formats: Iterable[Format] = FORMATS) -> Format | None:
    """Return the format of a suffix, in small or capital letters, or None.

    Examples
    --------
    >>> format_of_suffix(".TIF").name
    'TIFF'
    """
    return next((format for format in formats if suffix.lower() in format.suffixes), None)


def format_of_start(start: bytes) -> Format | None:
    """Return the format of a file's first bytes, or None.

    Examples
    --------
    >>> format_of_start(b"RIFF" + bytes(4) + b"WEBPVP8 ").name
    'WebP'
    """
    return next((format for format in FORMATS for given in format.starts if _begins(start, given)), None)


def other_kind(start: bytes) -> str:
    """Return a phrase for a file of a format that is not read, as far as its first bytes tell."""
    if not start:
        return "empty"
    if start[4:8] == b"ftyp":
        return "a video or an unknown kind of HEIF file"
    return next((name for given, name in OTHER_STARTS.items() if start.startswith(given)), "not a picture known here")


def listed(words: Iterable[str], link: str = "or") -> str:
    """Return words as an enumeration.

    Examples
    --------
    >>> listed(["JPEG", "PNG", "TIFF"])
    'JPEG, PNG or TIFF'
    """
    *first, last = words
    return f"{', '.join(first)} {link} {last}" if first else last


def lossless_for(dtype: Any, side: int = 0) -> str:
    """Return the usual suffixes of the lossless formats that hold such samples and so long a side, for messages.

    Examples
    --------
    >>> lossless_for(np.uint16)
    '.png or .tif or .ppm'
    """
    fit = [format for format in WRITTEN_PICTURES if format.lossless and dtype in format.depths]
    return " or ".join(format.suffixes[0] for format in fit if side <= format.longest_side)


def _begins(start: bytes, given: bytes) -> bool:
    """Return whether a file begins with the given bytes, a question mark being any byte."""
    return len(start) >= len(given) and all(b in (a, ord("?")) for a, b in zip(start, given, strict=False))
