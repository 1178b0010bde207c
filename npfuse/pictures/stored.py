"""Reads and writes pictures part by part, so that any size fits into memory.

This works with TIFF, NumPy's `.npy` and Zarr arrays (`open_parts` and `write_parts` of `npfuse.pictures.formats`). Some
pictures cannot be read in parts, and `npfuse.pictures.reading` reads them whole: those that are turned by their EXIF
orientation, have a palette, or have colours multiplied by alpha.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.pictures.atomic import TAKEN
from npfuse.pictures.formats import (
    START_BYTES,
    WRITTEN,
    WRITTEN_BY_PARTS,
    Format,
    format_of_start,
    format_of_suffix,
    suffixes,
)
from npfuse.pictures.picture import PictureError, StoredPicture, needs_package, one_line, shown
from npfuse.pictures.writing import check_writable, fitted_description


def is_array(path: Path) -> bool:
    """Return whether a path names an array file, by its suffix."""
    format = format_of_suffix(path.suffix)
    return format is not None and format.is_array


@contextmanager
def opened(path: Path) -> Iterator[StoredPicture | None]:
    """Open a picture for reading part by part; yield None for a file to be read whole (`read_picture`).

    Raises
    ------
    PictureError : an array file is no picture, or cannot be read
    """
    name = shown(path)
    format = format_of(path)
    with ExitStack() as stack:
        if format is None or format.open_parts is None:
            yield None
            return
        try:
            picture = format.open_parts(stack, path, name)
        except ImportError as error:
            if format.is_array:
                raise PictureError(f"{name}: {needs_package(error.name, format.extra or '')}") from error
            picture = None  # reading it whole will name the package, if one is needed
        except OSError:
            picture = None
        yield picture


def format_of(path: Path) -> Format | None:
    """Return the format of a file: of arrays by the suffix, else by the first bytes."""
    if is_array(path):
        return format_of_suffix(path.suffix)
    try:
        with open(path, "rb") as stream:
            return format_of_start(stream.read(START_BYTES)) if stream.seekable() else None
    except (OSError, ValueError):  # reading it whole will say what is wrong
        return None


@contextmanager
def stored_output(
    path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
) -> Iterator[Any]:
    """Make a file for a picture that comes in parts; like all outputs, it gets its name when it is whole.

    Parameters
    ----------
    path : path with a suffix of `WRITTEN_BY_PARTS`
    like : picture whose dtype the new one has, and whose alpha and description go into the file
    shape : shape of the picture
    overwrite : whether an existing file may be replaced
    notes : list that gains what the format cannot hold

    Yields
    ------
    writer with `shape`, `dtype` and `ndim`, for `writer[rows, columns] = values`

    Raises
    ------
    PictureError : the path cannot be written, or the format does not hold such numbers
    """
    name = shown(path)
    format = format_of_suffix(path.suffix, WRITTEN_BY_PARTS)
    check_output(path, overwrite=overwrite)
    assert format is not None
    assert format.write_parts is not None
    dtype = np.dtype(like.pixels.dtype)
    if dtype not in format.depths:
        raise PictureError(f"{name}: picture is {dtype}, expected up to 32 bits in {format.called}; choose .npy")
    if like.alpha is not None and not format.alpha:
        like = replace(like, alpha=None)
        notes.append(f"alpha dropped: {format.name} has none")
    like = fitted_description(like, format, notes)
    try:
        with format.write_parts(path, like, shape, overwrite=overwrite, notes=notes) as writer:
            yield writer
    except ImportError as error:
        raise PictureError(f"{name}: {needs_package(error.name, format.extra or '')}") from error
    except FileExistsError as error:
        raise PictureError(f"{name}: {TAKEN}") from error
    except OSError as error:
        raise PictureError(f"{name}: cannot be written ({one_line(error)}); nothing was changed") from error


def check_output(path: Path, *, overwrite: bool = False) -> None:
    """Raise PictureError, before the work, if a picture or an array cannot be written there."""
    if path.suffix.lower() == ".zarr" and overwrite and path.is_dir():
        path = path.parent / f".npfuse-{secrets.token_hex(8)}.zarr"  # a folder as the old one is
    check_writable(path, overwrite=overwrite, known=suffixes(WRITTEN))
