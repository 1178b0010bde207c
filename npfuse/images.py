"""Pictures from and to files: JPEG, PNG, WebP and TIFF, with 8 or 16 bits (TIFF: float32 too).

What is read is what the file holds: all of its bits, turned the way its EXIF orientation says, and no warning on
the user's terminal; whatever had to be converted is told in `Picture.notes`, and every file that cannot be read or
written is one `PictureError` of one line. A picture is written under a temporary name beside its final one and moved
there when it is complete, so that an output is either whole or untouched. Pillow does the 8-bit work. Its 16-bit
colour is 8-bit colour without a word, so 16-bit colour PNG and 16-bit or float TIFF are recognised by their own
headers and read with the packages of the extra `tiff` (tifffile and imagecodecs); writing needs no extra.
Left out: camera raw files, colour management (a profile is carried, never applied), animations beyond their first
frame, and XMP.
"""

import contextlib
import errno
import importlib
import io
import logging
import os
import secrets
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

__all__ = ["Picture", "PictureError", "check_writable", "read_picture", "write_picture"]

_TYPE_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
_LONGEST_SIDE = {"JPEG": 65500, "WebP": 16383, "PNG": 2**31 - 1, "TIFF": 2**32 - 1}  # of the library or format
_EXIF_START = b"Exif\0\0"
_JPEG_EXIF_BYTES = 65533 - len(_EXIF_START)  # one APP1 segment
_STRIP_BYTES = 1 << 20  # of pixels compressed at once
_DEFLATE_LEVEL = 4  # on 8-bit differences 4 times as fast as the usual 6, and 9 % longer

# TIFF and EXIF tags, by their names in the standards.
_NEW_SUBFILE_TYPE, _IMAGE_WIDTH, _IMAGE_LENGTH, _BITS_PER_SAMPLE, _COMPRESSION = 254, 256, 257, 258, 259
_PHOTOMETRIC, _STRIP_OFFSETS, _ORIENTATION, _SAMPLES_PER_PIXEL, _ROWS_PER_STRIP = 262, 273, 274, 277, 278
_STRIP_BYTE_COUNTS, _PLANAR_CONFIGURATION, _PREDICTOR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 279, 284, 317, 338, 339
_TILE_WIDTH, _TILE_LENGTH, _ICC_PROFILE, _DNG_VERSION = 322, 323, 34675, 50706
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD = 34665, 34853, 40965
# ImageDescription, Make, Model, Software, DateTime, Artist, Copyright: what a TIFF says about the picture and not about
# its own layout.
_DESCRIPTIVE_TAGS = (270, 271, 272, 305, 306, 315, 33432)

# Without a handler of their own, these two libraries' warnings would be printed on the user's terminal.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


class PictureError(ValueError):
    """A picture that cannot be read or written, said in one line: the file, what it is, and what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """The pixels of a picture file and what travels with them.

    Parameters
    ----------
    pixels : ndarray (H, W, 3) or (H, W), uint8, uint16 or float32
        Orientation already applied. Read-only if it comes from `read_picture`.
    alpha : ndarray (H, W), dtype of pixels, or None
        Not multiplied into the pixels.
    exif : bytes or None
        EXIF block: a TIFF structure, without the six bytes "Exif" and two zeros before it. From `read_picture`: its
        Orientation is 1, because it was applied, and its thumbnail is unlinked, because it shows the old picture.
    icc_profile : bytes or None
    notes : tuple of str
        Conversions made on reading.

    Raises
    ------
    TypeError : a dtype other than those above, or alpha and pixels differ in it
    ValueError : a shape other than those above, or no pixels at all
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise TypeError(
                f"picture: pixels are {self.pixels.dtype}, expected uint8, uint16 or float32; shape {shape}"
            )
        if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)) or 0 in shape:
            raise ValueError(
                f"picture: shape of the pixels is {shape}, expected (H, W, 3) or (H, W), H and W at least 1"
            )
        if self.alpha is None:
            return
        if self.alpha.dtype != self.pixels.dtype:
            raise TypeError(f"picture: alpha is {self.alpha.dtype}, expected {self.pixels.dtype}, that of the pixels")
        if self.alpha.shape != shape[:2]:
            raise ValueError(f"picture: shape of alpha is {self.alpha.shape}, expected {shape[:2]}, that of the pixels")


# ---------------------------------------------------------------------------------------------------------- reading


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read the first picture of a JPEG, PNG, WebP or TIFF file.

    The format is told by the content, not by the name. Grey stays (H, W), alpha is split off, palettes become RGB and
    1-bit becomes 8-bit grey. Samples keep their depth: uint8, uint16, or float32 for a float TIFF, whose values are
    not looked at.

    Parameters
    ----------
    path : str or PathLike
        The file to read.

    Returns
    -------
    Picture
        Its arrays are read-only and C-contiguous.

    Raises
    ------
    PictureError : the file cannot be opened, is no whole picture of these formats, is larger than Pillow's limit
        against decompression bombs (2 * PIL.Image.MAX_IMAGE_PIXELS), or needs the extra `tiff`
    """
    name = _shown(path)
    try:
        stream: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed just below; the `try` is for the opening alone)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name}: {_why_unreadable(error)}") from error
    with stream:
        try:
            if not stream.seekable():
                stream = io.BytesIO(stream.read())
            start = stream.read(32)
            stream.seek(0)
            kind = _kind_of(start)
            if kind is None:
                raise PictureError(
                    f"{name}: is {_what_else(start)}, expected a JPEG, PNG, WebP or TIFF picture; convert it to one"
                )
            with _no_warnings():
                return _read_tiff(stream, name) if kind == "TIFF" else _read_common(stream, name, kind, start)
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise PictureError(f"{name}: {_too_large()}") from error
        except MemoryError as error:
            raise PictureError(f"{name}: does not fit into the free memory; use a smaller picture") from error
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise PictureError(
                f"{name}: is a damaged or unusual {kind} ({_one_line(error)}), expected a whole picture; copy or"
                " export it anew"
            ) from error


def _why_unreadable(error: Exception) -> str:
    """Say why a file could not be opened, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "does not exist; check the name and the folder"
    if isinstance(error, IsADirectoryError):
        return "is a folder, expected a picture file; name the file in it"
    if isinstance(error, PermissionError):
        return "must not be read by this user; change its permissions"
    return f"cannot be opened ({_one_line(error)}); check the name"


def _kind_of(start: bytes) -> str | None:
    """Tell the format by the first bytes of a file, or None if it is none of ours."""
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    return None


def _what_else(start: bytes) -> str:
    """Name what a file is that is not one of our formats, as far as its first bytes tell."""
    if not start:
        return "empty"
    if start[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    others = (
        (b"GIF8", "a GIF"), (b"BM", "a BMP"), (b"%PDF", "a PDF"), (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
        (b"\xff\x0a", "a JPEG XL picture"), (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
        (b"#?RADIANCE", "a Radiance picture"),
        (b"FUJIFILM", "a camera raw file"), (b"IIRO", "a camera raw file"), (b"IIU\0", "a camera raw file"),
    )  # fmt: skip
    return next((what for magic, what in others if start.startswith(magic)), "not a picture known here")


def _read_common(stream: BinaryIO, name: str, kind: str, start: bytes) -> Picture:
    """Read a JPEG, PNG or WebP file."""
    notes: list[str] = []
    with Image.open(stream, formats=[kind.upper()]) as image:
        if getattr(image, "is_animated", False):
            notes.append("several frames: the first is used")
        if kind == "PNG" and start[24] == 16 and start[25] != 0:  # bit depth and colour type; 0 is grey
            codecs = _from_extra("imagecodecs", name, "a 16-bit colour PNG")
            stream.seek(0)
            samples = np.atleast_3d(codecs.png_decode(stream.read()))  # (H, W, 2), (H, W, 3) or (H, W, 4)
            pixels, alpha = _split_alpha(samples)
        else:
            pixels, alpha = _decode(image, notes)
        block, icc_profile = image.info.get("exif"), image.info.get("icc_profile")
    exif, orientation = None, 1
    if block:
        try:
            exif, orientation = _upright(block)
        except (ValueError, struct.error):
            notes.append("EXIF dropped: it is broken")
    return _picture(pixels, alpha, orientation, exif, icc_profile, notes)


def _read_tiff(stream: BinaryIO, name: str) -> Picture:
    """Read a TIFF file: up to 8 bits with Pillow, 16 bits and floats with tifffile."""
    directory = _read_directory(stream)
    start = (stream.seek(0), stream.read(10))[1]
    rows, columns = directory.first(_IMAGE_LENGTH, 0), directory.first(_IMAGE_WIDTH, 0)
    if rows < 1 or columns < 1:
        raise PictureError(f"{name}: is a TIFF of {rows} rows by {columns} columns, expected 1 or more; export it anew")
    tile = directory.first(_TILE_LENGTH, 1) * directory.first(_TILE_WIDTH, 1)
    if Image.MAX_IMAGE_PIXELS is not None and max(rows * columns, tile) > 2 * Image.MAX_IMAGE_PIXELS:
        raise PictureError(f"{name}: {_too_large()}")
    # In camera raw files the first directory is a thumbnail or the bare sensor.
    if start[8:10] == b"CR" or _DNG_VERSION in directory.entries or directory.first(_NEW_SUBFILE_TYPE, 0) & 1:
        raise PictureError(f"{name}: is a camera raw file or begins with a thumbnail; export it as a 16-bit TIFF")
    channels = directory.first(_SAMPLES_PER_PIXEL, 1)
    bits, formats = directory.every(_BITS_PER_SAMPLE, 1), directory.every(_SAMPLE_FORMAT, 1)
    depth, numbers = bits[0], formats[0]
    wide = (numbers == 1 and depth == 16) or (numbers == 3 and depth in (16, 32, 64))
    narrow = numbers in (1, 4) and depth <= 8
    if len(set(bits)) > 1 or len(set(formats)) > 1 or channels > 8 or not (wide or narrow):
        kinds = {1: "unsigned", 2: "signed", 3: "float"}
        raise PictureError(
            f"{name}: is a TIFF of {channels} channels of {depth} bits ({kinds.get(numbers, 'unknown')}), expected up"
            " to 8 channels of 1 to 8 or 16 bits (unsigned) or floats; export it as a 16-bit RGB TIFF"
        )

    notes: list[str] = []
    if directory.next_offset:
        notes.append("several pages: the first is used")
    exif = _exif_of_tiff(stream, notes)
    stream.seek(0)
    if wide:
        tifffile = _from_extra("tifffile", name, f"a {'float' if numbers == 3 else '16-bit'} TIFF")
        _from_extra("imagecodecs", name, "such a TIFF")
        with tifffile.TiffFile(stream) as file:
            pixels, alpha = _samples_of_page(file.pages.first, name, notes)
            profile = file.pages.first.tags.valueof(_ICC_PROFILE)
        return _picture(pixels, alpha, directory.first(_ORIENTATION, 1), exif, profile, notes)
    with Image.open(stream, formats=["TIFF"]) as image:
        profile = image.info.get("icc_profile")
        pixels, alpha = _decode(image, notes)
        # Pillow turns a TIFF while loading it, and then no longer has the tag.
        orientation = image.getexif().get(_ORIENTATION, 1)
    return _picture(pixels, alpha, orientation, exif, profile, notes)


def _decode(image: Image.Image, notes: list[str]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Take pixels and alpha from an opened Pillow image, converting what is neither grey nor RGB."""
    image.load()
    if image.mode in ("I;16", "I;16B", "I"):  # a 16-bit grey PNG; "I" in older versions of Pillow
        grey = np.asarray(image).astype(np.uint16, copy=False)
        transparent = image.info.get("transparency")
        return grey, None if transparent is None else np.where(grey == transparent, 0, 65535).astype(np.uint16)
    straight = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}
    named = {"P": "palette", "PA": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr", "RGBX": "RGBX"}
    if image.mode not in straight and image.mode not in named:
        raise ValueError(f"colours of the kind {image.mode} are not supported")
    mode = straight.get(image.mode, "RGB")
    if image.has_transparency_data and not mode.endswith("A"):
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    if image.mode in named:
        notes.append(f"{named[image.mode]} converted to RGB")
    if image.mode != mode:
        image = image.convert("L").convert(mode) if image.mode == "1" else image.convert(mode)
    samples = np.asarray(image)
    return (samples, None) if mode in ("L", "RGB") else _split_alpha(samples)


def _split_alpha(samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Split (H, W, 1 to 4) into grey (H, W) or RGB (H, W, 3), and alpha (H, W)."""
    channels = samples.shape[2]
    pixels = samples[..., 0] if channels < 3 else samples[..., :3]
    return pixels, samples[..., -1] if channels in (2, 4) else None


def _samples_of_page(page: Any, name: str, notes: list[str]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Decode a tifffile page of 16-bit or float samples into pixels and alpha."""
    photometric = int(page.photometric)
    colours = {0: 1, 1: 1, 2: 3}.get(photometric, 0)  # white is zero, black is zero, RGB
    if not colours or page.imagedepth != 1 or page.samplesperpixel < colours:
        raise PictureError(
            f"{name}: is a TIFF of {page.samplesperpixel} channels with photometric {photometric}, expected grey or RGB"
            " at 16 bits and more; export it as a 16-bit RGB TIFF"
        )
    samples = page.asarray(squeeze=False)[:, 0]  # (planes, H, W, interleaved): one of planes and interleaved is 1
    samples = np.moveaxis(samples, 0, 3).reshape(*samples.shape[1:3], -1)  # (H, W, C)
    if samples.dtype == np.float64:
        notes.append("float64 reduced to float32")
    with np.errstate(over="ignore"):
        samples = samples.astype(np.float32 if samples.dtype.kind == "f" else np.uint16, copy=False)
    full = 1.0 if samples.dtype == np.float32 else 65535.0
    pixels = samples[..., 0] if colours == 1 else samples[..., :3]
    if photometric == 0:
        pixels = samples.dtype.type(full) - pixels
    meanings = [int(meaning) for meaning in page.extrasamples] or [0]
    has_alpha = samples.shape[2] > colours and meanings[0] in (1, 2)
    if samples.shape[2] > colours + has_alpha:
        notes.append("channels beyond colour and alpha dropped")
    if not has_alpha:
        return pixels, None
    alpha = samples[..., colours]
    if meanings[0] == 1:
        notes.append("colours divided by alpha, which was multiplied into them")
        weight = alpha if colours == 1 else alpha[..., None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            unmultiplied = np.where(weight > 0, pixels * full / weight, 0.0)
        if samples.dtype == np.uint16:
            unmultiplied = np.rint(np.minimum(unmultiplied, full))
        pixels = unmultiplied.astype(samples.dtype)
    return pixels, alpha


def _picture(
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    orientation: int,
    exif: bytes | None,
    icc_profile: bytes | None,
    notes: list[str],
) -> Picture:
    """Turn the arrays upright, freeze them, and check that the profile is one for such pixels."""
    if icc_profile and not _profile_fits(icc_profile, pixels):
        notes.append("ICC profile dropped: it is not one for such pixels")
        icc_profile = None
    return Picture(
        pixels=_frozen(_turned(pixels, orientation)),
        alpha=None if alpha is None else _frozen(_turned(alpha, orientation)),
        exif=exif or None,
        icc_profile=icc_profile or None,
        notes=tuple(notes),
    )


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn the stored rows and columns into the shown ones (EXIF 2.32, tag 274); unknown orientations do nothing."""
    if orientation in (5, 6, 7, 8):  # stored rows are shown as columns
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array C-contiguous, in native byte order and read-only."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _profile_fits(icc_profile: bytes, pixels: NDArray[Any]) -> bool:
    """Tell whether an ICC profile describes such pixels: bytes 16 to 19 name its colour space."""
    return icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


# --------------------------------------------------------------------------------------- TIFF directories and EXIF


@dataclass(frozen=True, kw_only=True)
class _Directory:
    """The integer entries of the first directory of a TIFF structure, and where they stand."""

    endian: str  # of struct
    entries: dict[int, tuple[int, ...]]
    positions: dict[int, tuple[int, str]]  # where the first value of an entry stands, and its struct letter
    next_position: int
    next_offset: int

    def first(self, tag: int, default: int) -> int:
        """Return the first value of an entry."""
        return self.every(tag, default)[0]

    def every(self, tag: int, default: int) -> tuple[int, ...]:
        """Return all values of an entry."""
        return self.entries.get(tag) or (default,)


def _read_directory(stream: BinaryIO) -> _Directory:
    """Read the first directory of a TIFF file, of a BigTIFF file or of an EXIF block.

    Raises
    ------
    ValueError : it does not begin like one
    struct.error : it ends too early
    """

    def take(letters: str) -> tuple[int, ...]:
        return struct.unpack(endian + letters, stream.read(struct.calcsize(endian + letters)))

    stream.seek(0)
    endian = {b"II": "<", b"MM": ">"}.get(stream.read(2), "")
    version = take("H")[0] if endian else 0
    if version not in (42, 43):
        raise ValueError("no TIFF structure")
    big = version == 43
    offset_letter, count_letter, field_bytes = ("Q", "Q", 8) if big else ("I", "H", 4)
    if big:
        take("HH")
    (offset,) = take(offset_letter)
    stream.seek(offset)
    (count,) = take(count_letter)
    if count > 65535:
        raise ValueError("absurd number of tags")
    entries: dict[int, tuple[int, ...]] = {}
    positions: dict[int, tuple[int, str]] = {}
    field = stream.tell()
    for _ in range(count):
        stream.seek(field)
        tag, form, values = take("HH" + offset_letter)
        position = field + 4 + field_bytes
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(form)
        if letter is not None and values <= 16:  # longer ones and texts are not asked for here
            if struct.calcsize(endian + letter * values) > field_bytes:
                (position,) = take(offset_letter)
                stream.seek(position)
            with contextlib.suppress(struct.error):  # an entry that points beyond the end is as good as missing
                entries[tag] = take(letter * values)
                positions[tag] = (position, letter)
        elif tag not in entries:
            entries[tag] = ()
        field += 4 + 2 * field_bytes
    stream.seek(field)
    rest = stream.read(field_bytes)
    next_offset = int.from_bytes(rest, "little" if endian == "<" else "big") if len(rest) == field_bytes else 0
    return _Directory(endian=endian, entries=entries, positions=positions, next_position=field, next_offset=next_offset)


def _upright(block: bytes) -> tuple[bytes, int]:
    """Return an EXIF block with its orientation reset and its thumbnail unlinked, and the orientation it had."""
    block = block.removeprefix(_EXIF_START)
    directory = _read_directory(io.BytesIO(block))
    patched = bytearray(block)
    if _ORIENTATION in directory.positions:
        position, letter = directory.positions[_ORIENTATION]
        struct.pack_into(directory.endian + letter, patched, position, 1)
    if directory.next_offset:
        struct.pack_into(directory.endian + "I", patched, directory.next_position, 0)
    return bytes(patched), directory.first(_ORIENTATION, 1)


def _exif_of_tiff(stream: BinaryIO, notes: list[str]) -> bytes | None:
    """Make an EXIF block of what a TIFF file says about its picture, leaving its layout out."""
    try:
        source = Image.Exif()
        stream.seek(0)
        source.load_from_fp(stream)
        tags = _telling_tags(source)
        if not tags:
            return None
        return b"II*\0\x08\0\0\0" + _directory_bytes(tags, 8)
    except Exception:  # Pillow raises almost anything on damaged tags
        notes.append("EXIF dropped: it is broken")
        return None


def _telling_tags(source: Image.Exif) -> dict[int, Any]:
    """Take the descriptive tags and the EXIF and GPS directories."""
    tags: dict[int, Any] = {tag: source[tag] for tag in _DESCRIPTIVE_TAGS if tag in source}
    for ifd in (_EXIF_IFD, _GPS_IFD):
        below = {tag: value for tag, value in source.get_ifd(ifd).items() if tag != _INTEROPERABILITY_IFD}
        if below:
            tags[ifd] = below
    return tags


def _directory_bytes(tags: dict[int, Any], offset: int) -> bytes:
    """Lay out a little-endian TIFF directory, with those below it, that will stand at an offset."""
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, value in tags.items():
        directory[tag] = value
    return directory.tobytes(offset)


# ---------------------------------------------------------------------------------------------------------- writing


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Find out early whether `write_picture` could write there.

    Parameters
    ----------
    path : str or PathLike
        The file to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    PictureError : the extension is unknown, the folder is missing or not writable, or the file exists and may not be
        replaced or is no regular file
    """
    name, file = _shown(path), Path(path)
    if file.suffix.lower() not in _TYPE_OF_SUFFIX:
        raise PictureError(
            f"{name}: extension is {file.suffix!r}, expected one of {', '.join(_TYPE_OF_SUFFIX)}; change the name of"
            " the output"
        )
    if "\0" in os.fspath(path):  # pathlib says of such a name that nothing has it
        raise PictureError(f"{name}: cannot be written (name with a zero byte in it); choose another name")
    try:
        if file.is_dir():
            raise PictureError(f"{name}: is a folder, expected the name of a file; add one")
        if os.path.lexists(file):
            if not overwrite:
                raise PictureError(f"{name}: exists already; choose another name, or allow overwriting")
            if file.exists() and not stat.S_ISREG(file.stat().st_mode):
                raise PictureError(f"{name}: is a device or a pipe, expected a file; choose another name")
            file = Path(os.path.realpath(file))
        folder = file.parent
        if not folder.is_dir():
            raise PictureError(f"{name}: folder {_shown(folder)} does not exist; make it, or choose another")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PictureError(f"{name}: folder {_shown(folder)} is not writable by this user; choose another")
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{name}: cannot be written ({_one_line(error)}); choose another name") from error


def write_picture(
    path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False, quality: int = 95
) -> tuple[str, ...]:
    """Write a picture in the format that the extension names, all of it or nothing.

    JPEG is written without chroma subsampling; PNG and TIFF are lossless (TIFF: deflate). EXIF and ICC profile are
    carried along.

    Parameters
    ----------
    path : str or PathLike
        A symbolic link that is overwritten stays one: the file it leads to is replaced.
    picture : Picture
        What to write.
    overwrite : bool
        Whether an existing file may be replaced. If not, one that appears in the meantime is not replaced either.
    quality : int
        1 to 100, for JPEG and WebP.

    Returns
    -------
    tuple of str
        What the format could not hold and was reduced or dropped.

    Raises
    ------
    PictureError : `check_writable` refuses the path, the format cannot hold a picture of this height and width, float
        pixels are to be reduced to 8 bits and are not within [0, 1], or the writing fails (no space left, for one)
    ValueError : quality is not within 1 to 100
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"write_picture: quality is {quality}, expected 1 to 100")
    check_writable(path, overwrite=overwrite)
    name = _shown(path)
    target = Path(os.path.realpath(path)) if overwrite else Path(path)
    kind = _TYPE_OF_SUFFIX[Path(path).suffix.lower()]
    picture, notes = _fitted(picture, kind, name)
    temporary = target.parent / f".npfuse-{secrets.token_hex(8)}.part"
    try:
        try:
            # Mode "x" makes the file with the permissions that the user's umask leaves.
            with open(temporary, "xb") as stream, _no_warnings():
                _encode(stream, picture, kind, quality, notes)
                stream.flush()
                os.fsync(stream.fileno())
            if overwrite:
                os.replace(temporary, target)
            else:
                _move_without_clobbering(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise PictureError(f"{name}: exists already; choose another name, or allow overwriting") from error
    except (OSError, ValueError, RuntimeError, MemoryError, struct.error) as error:
        raise PictureError(f"{name}: cannot be written ({_one_line(error)}); nothing was changed") from error
    return tuple(notes)


def _move_without_clobbering(temporary: Path, target: Path) -> None:
    """Give a finished file its name; FileExistsError if that is taken."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        no_links = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL, errno.EXDEV)
        if isinstance(error, OSError) and error.errno not in no_links:
            raise
        # No hard links here (FAT, some network folders): take the name with an empty file, then replace that one.
        with open(target, "xb"):
            pass
        try:
            os.replace(temporary, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _fitted(picture: Picture, kind: str, name: str) -> tuple[Picture, list[str]]:
    """Reduce a picture to what a format can hold, and say what was lost."""
    notes: list[str] = []
    pixels, alpha, exif, icc_profile = picture.pixels, picture.alpha, picture.exif, picture.icc_profile
    if max(pixels.shape[:2]) > _LONGEST_SIDE[kind]:
        raise PictureError(
            f"{name}: picture is {pixels.shape[0]} rows by {pixels.shape[1]} columns, expected at most"
            f" {_LONGEST_SIDE[kind]} of each in a {kind}; choose .png or .tif"
        )
    if alpha is not None and kind == "JPEG":
        alpha = None
        notes.append("alpha dropped: JPEG has none")
    depths = {"PNG": (np.uint8, np.uint16), "TIFF": (np.uint8, np.uint16, np.float32)}.get(kind, (np.uint8,))
    if pixels.dtype not in depths:
        depth = "float" if pixels.dtype == np.float32 else "16-bit"
        pixels, alpha = _to_8_bits(pixels, name), None if alpha is None else _to_8_bits(alpha, name)
        notes.append(f"{depth} result reduced to 8 bits: {kind} holds no {'floats' if depth == 'float' else 'more'}")
    if icc_profile and not _profile_fits(icc_profile, pixels):
        icc_profile = None
        notes.append("ICC profile dropped: it is not one for such pixels")
    if pixels.ndim == 2 and kind == "WebP":
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
        notes.append("grey stored as RGB: WebP has no grey")
        if icc_profile:
            icc_profile = None
            notes.append("ICC profile dropped: it is one for grey")
    exif = exif.removeprefix(_EXIF_START) if exif else None
    if exif and kind == "JPEG" and len(exif) > _JPEG_EXIF_BYTES:
        notes.append(f"EXIF dropped: it is {len(exif)} bytes and JPEG holds {_JPEG_EXIF_BYTES}")
        exif = None
    return replace(picture, pixels=pixels, alpha=alpha, exif=exif or None, icc_profile=icc_profile or None), notes


def _to_8_bits(samples: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Round uint16 / 257, or float * 255, to the nearest of 0 to 255."""
    if samples.dtype == np.uint16:
        # round(v / 257) without leaving 16 bits: from 65407 on it is 255 anyway.
        rounded: NDArray[np.uint8] = (
            (np.minimum(samples, np.uint16(65407)) + np.uint16(128)) // np.uint16(257)
        ).astype(np.uint8)
        return rounded
    lowest, highest = samples.min(), samples.max()
    if not (lowest >= 0 and highest <= 1):
        raise PictureError(
            f"{name}: float pixels are {lowest:g} to {highest:g}, expected 0 to 1 to make 8 bits of; scale them, or"
            " choose .tif"
        )
    return np.rint(samples * np.float32(255)).astype(np.uint8)


def _encode(stream: BinaryIO, picture: Picture, kind: str, quality: int, notes: list[str]) -> None:
    """Write the bytes of a picture that was fitted to its format."""
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])  # (H, W, 2) or (H, W, 4)
    if kind == "TIFF":
        _encode_tiff(stream, pixels, picture, notes)
    elif pixels.dtype == np.uint16:
        _encode_png16(stream, pixels, picture)
    else:
        options: dict[str, Any] = {} if kind == "PNG" else {"quality": quality}
        if kind == "JPEG":
            options["subsampling"] = 0  # 4:4:4
        if picture.exif:
            options["exif"] = _EXIF_START + picture.exif
        if picture.icc_profile:
            options["icc_profile"] = picture.icc_profile
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind.upper(), **options)


def _encode_png16(stream: BinaryIO, samples: NDArray[Any], picture: Picture) -> None:
    """Write a 16-bit PNG (W3C, third edition), which Pillow does for grey only; every row is filtered by Sub."""

    def chunk(name: bytes, content: bytes) -> None:
        stream.write(struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)))

    rows, columns = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    stream.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0))
    if picture.icc_profile:
        chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc_profile))
    if picture.exif:
        chunk(b"eXIf", picture.exif)
    compressor = zlib.compressobj(_DEFLATE_LEVEL)
    for first, last in _strips(samples):
        plain = samples[first:last].astype(">u2").view(np.uint8).reshape(last - first, -1)  # (rows, bytes)
        filtered = np.empty((last - first, 1 + plain.shape[1]), np.uint8)
        filtered[:, 0] = 1  # Sub: each byte less the one a pixel before it, modulo 256
        filtered[:, 1:] = plain
        filtered[:, 1 + 2 * channels :] -= plain[:, : -2 * channels]
        chunk(b"IDAT", compressor.compress(filtered.tobytes()))
    chunk(b"IDAT", compressor.flush())
    chunk(b"IEND", b"")


def _encode_tiff(stream: BinaryIO, samples: NDArray[Any], picture: Picture, notes: list[str]) -> None:
    """Write a TIFF (TIFF 6.0 and its Adobe supplements): deflate in strips, with differences along rows for integers.

    Pillow writes no 16-bit colour and, compressed, no EXIF directory; tifffile no EXIF directory either.
    """
    rows, columns = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    is_float = samples.dtype == np.float32
    little = samples.dtype.newbyteorder("<")
    stream.write(b"II*\0\0\0\0\0")
    offsets, lengths = [], []
    for first, last in _strips(samples):
        strip = samples[first:last].astype(little)
        if not is_float:
            strip[:, 1:] -= samples[first:last, :-1]  # predictor 2, modulo 2**8 or 2**16
        content = zlib.compress(strip.tobytes(), _DEFLATE_LEVEL)
        offsets.append(stream.tell())
        lengths.append(len(content))
        stream.write(content)
    stream.write(b"\0" * (stream.tell() % 2))
    tags: dict[int, Any] = {
        _IMAGE_WIDTH: columns,
        _IMAGE_LENGTH: rows,
        _BITS_PER_SAMPLE: (8 * samples.dtype.itemsize,) * channels,
        _COMPRESSION: 8,
        _PHOTOMETRIC: 1 if channels < 3 else 2,
        _STRIP_OFFSETS: (0,) * len(offsets),  # see below
        _ORIENTATION: 1,
        _SAMPLES_PER_PIXEL: channels,
        _ROWS_PER_STRIP: next(last for _, last in _strips(samples)),
        _STRIP_BYTE_COUNTS: tuple(lengths),
        _PLANAR_CONFIGURATION: 1,
        _PREDICTOR: 1 if is_float else 2,
        _SAMPLE_FORMAT: (3 if is_float else 1,) * channels,
    }
    if picture.alpha is not None:
        tags[_EXTRA_SAMPLES] = 2  # not multiplied into the colours
    if picture.icc_profile:
        tags[_ICC_PROFILE] = picture.icc_profile
    offset = stream.tell()
    directory = _directory_bytes(tags, offset)
    if picture.exif:
        try:
            source = Image.Exif()
            source.load(picture.exif)
            directory = _directory_bytes(tags | _telling_tags(source), offset)
        except Exception:  # Pillow raises almost anything on damaged tags
            notes.append("EXIF dropped: it is broken")
    stream.write(_with_strip_offsets(directory, offset, offsets))
    stream.seek(4)
    stream.write(struct.pack("<I", offset))


def _with_strip_offsets(directory: bytes, offset: int, strip_offsets: list[int]) -> bytes:
    """Put the strips' offsets into a directory that stands at an offset; Pillow counts them from its own end."""
    patched = bytearray(directory)
    (count,) = struct.unpack_from("<H", directory)
    entry = next(
        at for at in range(2, 2 + 12 * count, 12) if directory[at : at + 2] == struct.pack("<H", _STRIP_OFFSETS)
    )
    place = entry + 8 if len(strip_offsets) == 1 else struct.unpack_from("<I", directory, entry + 8)[0] - offset
    struct.pack_into(f"<{len(strip_offsets)}I", patched, place, *strip_offsets)
    return bytes(patched)


def _strips(samples: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of about a mebibyte: first row of each, and the row after its last."""
    rows = samples.shape[0]
    step = max(1, min(rows, _STRIP_BYTES * rows // samples.nbytes))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


# ----------------------------------------------------------------------------------------------- words and warnings


def _shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it goes into a message of one line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def _one_line(error: BaseException) -> str:
    """Return what a library's error says, in one line that is not too long."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text[:120] or type(error).__name__


def _too_large() -> str:
    """Say that a picture is beyond Pillow's limit against decompression bombs."""
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return f"declares more pixels than the limit of {limit // 1_000_000} million, expected fewer; use a smaller picture"


def _from_extra(module: str, name: str, what: str) -> Any:
    """Import a package of the extra `tiff`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PictureError(
            f'{name}: is {what}, which needs the package {module}; install it with: pip install "npfuse[tiff]"'
        ) from error


class _Silence:
    """Python's warnings switched off while at least one thread is inside.

    `warnings.catch_warnings` alone is not for threads: of two that overlap, the one that leaves last puts back what the
    other one had set.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.filters = warnings.catch_warnings()


_silence = _Silence()


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings (large pictures, odd tags) off the user's terminal."""
    with _silence.lock:
        if _silence.inside == 0:
            _silence.filters = warnings.catch_warnings()
            _silence.filters.__enter__()
            warnings.simplefilter("ignore")
        _silence.inside += 1
    try:
        yield
    finally:
        with _silence.lock:
            _silence.inside -= 1
            if _silence.inside == 0:
                _silence.filters.__exit__(None, None, None)
