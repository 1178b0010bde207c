"""Pictures from and to files: JPEG, PNG, WebP and TIFF, with 8 or 16 bits (TIFF: float32 too).

What is read is what the file holds: all of its bits, turned the way its EXIF orientation says, and no warning on
the user's terminal; whatever had to be converted is told in `Picture.notes`, and every file that cannot be read or
written is one `PictureError` of one line. An output is either whole or untouched. Pillow does the 8-bit work. Its
16-bit colour is 8-bit colour without a word, so that has modules of its own: `npfuse/png.py` and `npfuse/tiff.py`.
Left out: camera raw files, colour management (a profile is carried, never applied), animations beyond their first
frame, and XMP.
"""

import io
import logging
import os
import stat
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from npfuse.atomic import written_in_place
from npfuse.exif import EXIF_START, quiet, turned, upright
from npfuse.png import read_deep_png, write_deep_png
from npfuse.tiff import RefusedTiffError, inspect_tiff, read_deep_tiff, write_tiff

KIND_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
KIND_OF_START = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF",
}  # fmt: skip
OTHER_STARTS = {
    b"GIF8": "a GIF", b"BM": "a BMP", b"%PDF": "a PDF", b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"\xff\x0a": "a JPEG XL picture", b"\0\0\0\x0cJXL ": "a JPEG XL picture", b"#?RADIANCE": "a Radiance picture",
    b"FUJIFILM": "a camera raw file", b"IIRO": "a camera raw file", b"IIU\0": "a camera raw file",
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
LONGEST_SIDE = {"JPEG": 65500, "WebP": 16383, "PNG": 2**31 - 1, "TIFF": 2**32 - 1}  # of the library or format
DEPTHS = {"PNG": (np.uint8, np.uint16), "TIFF": (np.uint8, np.uint16, np.float32)}  # the others: uint8
JPEG_EXIF_BYTES = 65533 - len(EXIF_START)  # one APP1 segment

# Without a handler of their own, these two libraries' warnings would be printed on the user's terminal.
for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())


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


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read the first picture of a JPEG, PNG, WebP or TIFF file.

    The format is told by the content, not by the name. Grey stays (H, W), alpha is split off, palettes become RGB and
    1-bit becomes 8-bit grey. Samples keep their depth: uint8, uint16, or float32 for a float TIFF, whose values are
    not looked at.

    Parameters
    ----------
    path : str or PathLike

    Returns
    -------
    Picture, whose arrays are read-only and C-contiguous

    Raises
    ------
    PictureError : the file cannot be opened, is no whole picture of these formats, is larger than Pillow's limit
        against decompression bombs (2 * PIL.Image.MAX_IMAGE_PIXELS), or needs the extra `tiff`
    """
    name = _shown(path)
    try:
        stream: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed just below; the `try` is for the opening alone)
    except (OSError, ValueError) as error:
        why = UNREADABLE.get(type(error), f"cannot be opened ({_one_line(error)}); check the name")
        raise PictureError(f"{name}: {why}") from error
    with stream:
        if not stream.seekable():
            stream = io.BytesIO(stream.read())
        start = stream.read(32)
        kind = _kind_of(start)
        if kind is None:
            raise PictureError(
                f"{name}: is {_what_else(start)}, expected a JPEG, PNG, WebP or TIFF picture; convert it to one"
            )
        try:
            return _read(stream, kind, start)
        except RefusedTiffError as error:
            raise PictureError(f"{name}: {error}") from error
        except ImportError as error:
            raise PictureError(
                f"{name}: has more than 8 bits, which needs the package {error.name}; install it with: pip install"
                ' "npfuse[tiff]"'
            ) from error
        except Image.DecompressionBombError as error:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
            raise PictureError(
                f"{name}: declares more pixels than the limit of {limit} million, expected fewer; use a smaller picture"
            ) from error
        except MemoryError as error:
            raise PictureError(f"{name}: does not fit into the free memory; use a smaller picture") from error
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise PictureError(
                f"{name}: is a damaged or unusual {kind} ({_one_line(error)}), expected a whole picture; copy or"
                " export it anew"
            ) from error


def _kind_of(start: bytes) -> str | None:
    """Tell the format by the first bytes of a file, or None if it is none of ours."""
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "WebP"
    return next((kind for magic, kind in KIND_OF_START.items() if start.startswith(magic)), None)


def _what_else(start: bytes) -> str:
    """Name what a file is that is not one of our formats, as far as its first bytes tell."""
    if not start:
        return "empty"
    if start[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return next((what for magic, what in OTHER_STARTS.items() if start.startswith(magic)), "not a picture known here")


def _read(stream: BinaryIO, kind: str, start: bytes) -> Picture:
    """Read a file of a known format; errors are those of the decoders."""
    notes: list[str] = []
    deep, exif = inspect_tiff(stream, notes) if kind == "TIFF" else (False, None)
    stream.seek(0)
    if deep:
        pixels, alpha, orientation, icc_profile = read_deep_tiff(stream, notes)
    else:
        with quiet(), Image.open(stream, formats=[kind.upper()]) as image:
            if kind != "TIFF" and getattr(image, "is_animated", False):
                notes.append("several frames: the first is used")
            if kind == "PNG" and start[24] == 16 and start[25] != 0:  # bit depth and colour type; 0 is grey
                pixels, alpha = _split_alpha(read_deep_png(stream))
            else:
                pixels, alpha = _decode(image, notes)
            icc_profile, block = image.info.get("icc_profile"), image.info.get("exif")
            # Pillow turns a TIFF while loading it, and then no longer has the tag.
            orientation = image.getexif().get(Base.Orientation, 1) if kind == "TIFF" else 1
        if block and kind != "TIFF":
            try:
                exif, orientation = upright(block)
            except (ValueError, struct.error):
                notes.append("EXIF dropped: it is broken")
    if icc_profile and not _profile_fits(icc_profile, pixels):
        notes.append("ICC profile dropped: it is not one for such pixels")
        icc_profile = None
    return Picture(
        pixels=_frozen(turned(pixels, orientation)),
        alpha=None if alpha is None else _frozen(turned(alpha, orientation)),
        exif=exif,
        icc_profile=icc_profile or None,
        notes=tuple(notes),
    )


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


def _profile_fits(icc_profile: bytes, pixels: NDArray[Any]) -> bool:
    """Tell whether an ICC profile describes such pixels: bytes 16 to 19 name its colour space."""
    return icc_profile[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ")


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Find out early whether `write_picture` could write there.

    Parameters
    ----------
    path : str or PathLike
    overwrite : whether an existing file may be replaced

    Raises
    ------
    PictureError : the extension is unknown, the folder is missing or not writable, or the file exists and may not be
        replaced or is no regular file
    """
    name, file = _shown(path), Path(path)
    if file.suffix.lower() not in KIND_OF_SUFFIX:
        raise PictureError(
            f"{name}: extension is {file.suffix!r}, expected one of {', '.join(KIND_OF_SUFFIX)}; change the name of"
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
    overwrite : bool
        Whether an existing file may be replaced. If not, one that appears in the meantime is not replaced either.
    quality : 1 to 100, for JPEG and WebP

    Returns
    -------
    tuple of str : what the format could not hold and was reduced or dropped

    Raises
    ------
    PictureError : `check_writable` refuses the path, the format cannot hold a picture of this height and width, float
        pixels are to be reduced to 8 bits and are not within [0, 1], or the writing fails (no space left, for one)
    ValueError : quality is not within 1 to 100
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"write_picture: quality is {quality}, expected 1 to 100")
    check_writable(path, overwrite=overwrite)
    name, kind = _shown(path), KIND_OF_SUFFIX[Path(path).suffix.lower()]
    picture, notes = _fitted(picture, kind, name)
    try:
        with written_in_place(path, overwrite=overwrite) as stream:
            _encode(stream, picture, kind, quality, notes)
    except FileExistsError as error:
        raise PictureError(f"{name}: exists already; choose another name, or allow overwriting") from error
    except (OSError, ValueError, RuntimeError, MemoryError, struct.error) as error:
        raise PictureError(f"{name}: cannot be written ({_one_line(error)}); nothing was changed") from error
    return tuple(notes)


def _fitted(picture: Picture, kind: str, name: str) -> tuple[Picture, list[str]]:
    """Reduce a picture to what a format can hold, and say what was lost."""
    notes: list[str] = []
    pixels, alpha, exif, icc_profile = picture.pixels, picture.alpha, picture.exif, picture.icc_profile
    if max(pixels.shape[:2]) > LONGEST_SIDE[kind]:
        raise PictureError(
            f"{name}: picture is {pixels.shape[0]} rows by {pixels.shape[1]} columns, expected at most"
            f" {LONGEST_SIDE[kind]} of each in a {kind}; choose .png or .tif"
        )
    if alpha is not None and kind == "JPEG":
        alpha = None
        notes.append("alpha dropped: JPEG has none")
    if pixels.dtype not in DEPTHS.get(kind, (np.uint8,)):
        depth = "float" if pixels.dtype == np.float32 else "16-bit"
        pixels, alpha = _to_8_bits(pixels, name), None if alpha is None else _to_8_bits(alpha, name)
        notes.append(f"{depth} result reduced to 8 bits: {kind} holds no {'floats' if depth == 'float' else 'more'}")
    if pixels.ndim == 2 and kind == "WebP":
        pixels = np.dstack([pixels] * 3)
        notes.append("grey stored as RGB: WebP has no grey")
    if icc_profile and not _profile_fits(icc_profile, pixels):
        icc_profile = None
        notes.append("ICC profile dropped: it is not one for such pixels")
    if exif and kind == "JPEG" and len(exif) > JPEG_EXIF_BYTES:
        notes.append(f"EXIF dropped: it is {len(exif)} bytes and JPEG holds {JPEG_EXIF_BYTES}")
        exif = None
    return replace(picture, pixels=pixels, alpha=alpha, exif=exif or None, icc_profile=icc_profile or None), notes


def _to_8_bits(samples: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Round uint16 / 257, or float * 255, to the nearest of 0 to 255."""
    if samples.dtype == np.uint16:
        return np.rint(samples / np.float32(257)).astype(np.uint8)
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
        write_tiff(stream, pixels, picture.exif, picture.icc_profile, notes)
    elif pixels.dtype == np.uint16:
        write_deep_png(stream, pixels, picture.exif, picture.icc_profile)
    else:
        options: dict[str, Any] = {} if kind == "PNG" else {"quality": quality}
        if kind == "JPEG":
            options["subsampling"] = 0  # 4:4:4
        if picture.exif:
            options["exif"] = EXIF_START + picture.exif
        if picture.icc_profile:
            options["icc_profile"] = picture.icc_profile
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind.upper(), **options)


def _shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it goes into a message of one line."""
    text = os.fspath(path)
    return text if text.isprintable() and text else repr(text)


def _one_line(error: BaseException) -> str:
    """Return what a library's error says, in one line that is not too long."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text[:120] or type(error).__name__
