"""Pictures to files: JPEG, PNG, WebP, TIFF and OpenEXR, all of it or nothing; what a format cannot hold is told.

JPEG is written without chroma subsampling; the other formats but WebP are lossless.
"""

import os
import stat
import struct
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.exif import EXIF_START
from npfuse.pictures.exr import write_exr
from npfuse.pictures.picture import Picture, PictureError, one_line, profile_fits, shown
from npfuse.pictures.png import write_deep_png
from npfuse.pictures.tiff_output import write_tiff

KIND_OF_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WebP", ".tif": "TIFF", ".tiff": "TIFF",
    ".exr": "OpenEXR",
}  # fmt: skip
# Of the library or format.
LONGEST_SIDE = {"JPEG": 65500, "WebP": 16383, "PNG": 2**31 - 1, "TIFF": 2**32 - 1, "OpenEXR": 2**24}
DEPTHS = {  # the others: uint8
    "PNG": (np.uint8, np.uint16), "TIFF": (np.uint8, np.uint16, np.float32), "OpenEXR": (np.float32,),
}  # fmt: skip
JPEG_EXIF_BYTES = 65533 - len(EXIF_START)  # one APP1 segment


def check_writable(
    path: str | os.PathLike[str], *, overwrite: bool = False, suffixes: Collection[str] = KIND_OF_SUFFIX
) -> None:
    """Find out early whether `write_picture` could write there.

    Parameters
    ----------
    path : str or PathLike
    overwrite : whether an existing file may be replaced
    suffixes : extensions that are known, all small letters

    Raises
    ------
    PictureError : the extension is unknown, the folder is missing or not writable, or the file exists and may not be
        replaced or is no regular file
    """
    name, file = shown(path), Path(path)
    if file.suffix.lower() not in suffixes:
        raise PictureError(
            f"{name}: extension is {file.suffix!r}, expected one of {', '.join(suffixes)}; change the name of"
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
            raise PictureError(f"{name}: folder {shown(folder)} does not exist; make it, or choose another")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PictureError(f"{name}: folder {shown(folder)} is not writable by this user; choose another")
    except (OSError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{name}: cannot be written ({one_line(error)}); choose another name") from error


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
    name, kind = shown(path), KIND_OF_SUFFIX[Path(path).suffix.lower()]
    picture, notes = _fitted(picture, kind, name)
    try:
        with written_in_place(path, overwrite=overwrite) as stream:
            _encode(stream, picture, kind, quality, notes)
    except ImportError as error:
        raise PictureError(
            f'{name}: writing OpenEXR needs the package {error.name}; install it with: pip install "npfuse[exr]"'
        ) from error
    except FileExistsError as error:
        raise PictureError(f"{name}: exists already; choose another name, or allow overwriting") from error
    except (OSError, ValueError, RuntimeError, MemoryError, struct.error) as error:
        raise PictureError(f"{name}: cannot be written ({one_line(error)}); nothing was changed") from error
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
    if kind == "OpenEXR" and pixels.dtype != np.float32:
        raise PictureError(
            f"{name}: picture is {pixels.dtype}, expected float32 in an OpenEXR, which holds light; choose .png or .tif"
        )
    if pixels.dtype not in DEPTHS.get(kind, (np.uint8,)):
        depth = "float" if pixels.dtype == np.float32 else "16-bit"
        pixels, alpha = _to_8_bits(pixels, name), None if alpha is None else _to_8_bits(alpha, name)
        notes.append(f"{depth} result reduced to 8 bits: {kind} holds no {'floats' if depth == 'float' else 'more'}")
    if pixels.ndim == 2 and kind == "WebP":
        pixels = np.dstack([pixels] * 3)
        notes.append("grey stored as RGB: WebP has no grey")
    if icc_profile and not profile_fits(icc_profile, pixels):
        icc_profile = None
        notes.append("ICC profile dropped: it is not one for such pixels")
    if kind == "OpenEXR" and (exif or icc_profile):
        exif = icc_profile = None
        notes.append("EXIF and ICC profile dropped: OpenEXR holds none")
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
    if kind == "OpenEXR":
        write_exr(stream, pixels, picture.alpha)
        return
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
