"""Writes pictures to files, whole or not at all, in every format of `npfuse.pictures.formats` that has a writer.

A format's record says what it can hold. A picture is first reduced to that, and the losses are returned.
"""

import os
import stat
import struct
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.atomic import TAKEN, written_in_place
from npfuse.pictures.formats import WRITTEN_PICTURES, Format, format_of_suffix, listed, lossless_for, suffixes
from npfuse.pictures.metadata.exif import resized
from npfuse.pictures.metadata.xmp import resized_xmp
from npfuse.pictures.picture import (
    Picture,
    PictureError,
    StoredPicture,
    needs_package,
    one_line,
    profile_fits,
    shown,
)
from npfuse.pictures.row_runs import by_runs

Some = TypeVar("Some", Picture, StoredPicture)
NAMES = {
    "exif": "EXIF",
    "icc_profile": "ICC profile",
    "xmp": "XMP",
    "iptc": "IPTC",
    "resolution": "resolution",
}  # of the parts of a description, in messages


def check_writable(
    path: str | os.PathLike[str], *, overwrite: bool = False, known: Collection[str] = suffixes(WRITTEN_PICTURES)
) -> None:
    """Check, before the work, whether `write_picture` could write there.

    Parameters
    ----------
    path : str or PathLike
    overwrite : whether an existing file may be replaced
    known : suffixes that can be written, in small letters

    Raises
    ------
    PictureError : the extension is unknown, the folder is missing or not writable, or the file exists and may not be
        replaced or is no regular file
    """
    name, file = shown(path), Path(path)
    if "\0" in os.fspath(path):  # for pathlib, no file has such a name
        raise PictureError(f"{name}: cannot be written (name with a zero byte in it); choose another name")
    try:
        fault = _fault(file, overwrite, known)
    except (OSError, ValueError) as error:
        fault = f"cannot be written ({one_line(error)}); choose another name"
    if fault:
        raise PictureError(f"{name}: {fault}")


def _fault(file: Path, overwrite: bool, known: Collection[str]) -> str | None:
    """Return the reason why a file cannot be written, or None."""
    if file.is_dir():
        return "is a folder, expected the name of a file; add one"
    if file.suffix.lower() not in known:
        return f"extension is {file.suffix!r}, expected one of {', '.join(known)}; change the name of the output"
    if os.path.lexists(file):
        if not overwrite:
            return TAKEN
        if file.exists() and not stat.S_ISREG(file.stat().st_mode):
            return "is a device or a pipe, expected a file; choose another name"
        file = Path(os.path.realpath(file))
    folder = file.parent
    if not folder.is_dir():
        return f"folder {shown(folder)} does not exist; make it, or choose another"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"folder {shown(folder)} is not writable by this user; choose another"
    return None


def write_picture(
    path: str | os.PathLike[str], picture: Picture, *, overwrite: bool = False, quality: int = 95
) -> tuple[str, ...]:
    """Write a picture in the format of the path's extension, whole or not at all.

    JPEG is written without chroma subsampling; PNG and TIFF are lossless (TIFF: deflate). The description is carried
    along, with the sizes of the pixels.

    Parameters
    ----------
    path : str or PathLike
        A symbolic link that is overwritten stays one: the file it leads to is replaced.
    picture : Picture
    overwrite : bool
        Whether an existing file may be replaced. If not, one that appears in the meantime is not replaced either.
    quality : int
        Quality of JPEG and WebP, 1 to 100.

    Returns
    -------
    tuple of str : notes on the parts of the picture that were reduced or dropped, since the format cannot hold them

    Raises
    ------
    PictureError : `check_writable` refuses the path, the format cannot hold a picture of this height and width, float
        pixels are to be reduced to 8 bits and are not within [0, 1], or the writing fails (no space left, for one)
    ValueError : quality is not within 1 to 100
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"write_picture: quality is {quality}, expected 1 to 100")
    check_writable(path, overwrite=overwrite)
    name, format = shown(path), format_of_suffix(Path(path).suffix, WRITTEN_PICTURES)
    assert format is not None
    assert format.write is not None
    notes: list[str] = []
    picture = fitted_description(_fitted(picture, format, name, notes), format, notes)
    try:
        with written_in_place(path, overwrite=overwrite) as stream:
            format.write(stream, picture, quality, notes)
    except ImportError as error:
        raise PictureError(f"{name}: writing {format.name} {needs_package(error.name, format.extra or '')}") from error
    except FileExistsError as error:
        raise PictureError(f"{name}: {TAKEN}") from error
    except (OSError, ValueError, RuntimeError, MemoryError, struct.error) as error:
        raise PictureError(f"{name}: cannot be written ({one_line(error)}); nothing was changed") from error
    return tuple(notes)


def _fitted(picture: Picture, format: Format, name: str, notes: list[str]) -> Picture:
    """Reduce samples to those that a format can hold, and note the losses."""
    pixels, alpha = picture.pixels, picture.alpha
    longest = max(pixels.shape[:2])
    if longest > format.longest_side:
        raise PictureError(
            f"{name}: picture is {pixels.shape[0]} rows by {pixels.shape[1]} columns, expected at most"
            f" {format.longest_side} of each in {format.called}; choose {lossless_for(pixels.dtype, longest)}"
        )
    if alpha is not None and not format.alpha:
        alpha = None
        notes.append(f"alpha dropped: {format.name} has none")
    if pixels.dtype not in format.depths:
        if np.uint8 not in format.depths:
            expected = " or ".join(np.dtype(depth).name for depth in format.depths)
            raise PictureError(
                f"{name}: picture is {pixels.dtype}, expected {expected} in {format.called}; choose"
                f" {lossless_for(pixels.dtype)}"
            )
        depth = "float" if pixels.dtype == np.float32 else "16-bit"
        pixels, alpha = to_8_bits(pixels, name), None if alpha is None else to_8_bits(alpha, name)
        notes.append(
            f"{depth} result reduced to 8 bits: {format.name} holds no {'floats' if depth == 'float' else 'more'}"
        )
    if pixels.ndim == 2 and not format.grey:
        pixels = np.dstack([pixels] * 3)
        notes.append(f"grey stored as RGB: {format.name} has no grey")
    return replace(picture, pixels=pixels, alpha=alpha)


def fitted_description(picture: Some, format: Format, notes: list[str]) -> Some:
    """Set the sizes in a description to those of the pixels, and drop and note the parts that a format cannot hold.

    Parameters
    ----------
    picture : Picture or StoredPicture, whose samples the format can hold
    format : Format
    notes : list that gains a line for each reason
    """
    if picture.icc_profile and not profile_fits(picture.icc_profile, picture.pixels):
        picture = replace(picture, icc_profile=None)
        notes.append("ICC profile dropped: it is not one for such pixels")
    height, width = picture.pixels.shape[:2]
    picture = replace(
        picture,
        exif=resized(picture.exif, height, width) if picture.exif else None,
        xmp=resized_xmp(picture.xmp, height, width) if picture.xmp else None,
    )
    dropped: dict[str, Any] = {}
    lost = []
    for part, title in NAMES.items():
        block, most = getattr(picture, part), format.holds.get(part, 0)
        if not block or len(block) > most:
            dropped[part] = None
        if block and not most:
            lost.append(title)
        elif block and len(block) > most:
            notes.append(f"{title} dropped: it is {len(block)} bytes and {format.name} holds {most}")
    if lost:
        notes.append(f"{listed(lost, 'and')} dropped: {format.name} holds none")
    return replace(picture, **dropped)


def to_8_bits(samples: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Round uint16 / 257, or float * 255, to the nearest of 0 to 255.

    Parameters
    ----------
    samples : ndarray of any shape, uint16 or float
    name : name of the file, for messages

    Raises
    ------
    PictureError : floats that are NaN or outside [0, 1]
    """
    if samples.dtype == np.uint16:
        return by_runs(lambda run: np.rint(run / np.float32(257)), samples, np.uint8)
    lowest, highest = samples.min(), samples.max()
    if not (lowest >= 0 and highest <= 1):
        raise PictureError(
            f"{name}: float pixels are {lowest:g} to {highest:g}, expected 0 to 1 to make 8 bits of; scale them, or"
            f" choose {lossless_for(samples.dtype)}"
        )
    return by_runs(lambda run: np.rint(run * np.float32(255)), samples, np.uint8)
