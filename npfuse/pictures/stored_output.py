"""Results that go into their file part by part, `out[rows, columns] = values`: TIFF, NumPy's `.npy` and Zarr.

As with all outputs, a file gets its name only when it is whole.
"""

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.picture import PictureError, one_line, shown
from npfuse.pictures.stored import ARRAY_SUFFIXES, StoredPicture
from npfuse.pictures.tiff_output import TiffWriter
from npfuse.pictures.writing import KIND_OF_SUFFIX, check_writable

SUFFIXES = (".tif", ".tiff", ".npy", ".zarr")
ZARR_CHUNK = (64, 2048)  # rows and columns; parts of the work meet at multiples of 64 rows


@contextmanager
def stored_output(
    path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
) -> Iterator[Any]:
    """Make a file for a picture that comes in parts.

    Parameters
    ----------
    path : with one of `SUFFIXES`
    like : whose dtype the picture has, and whose alpha, EXIF and ICC profile go into the file
    shape : of the picture
    overwrite : whether an existing file may be replaced
    notes : gains what the format cannot hold

    Yields
    ------
    what takes the parts, with `shape`, `dtype` and `ndim`

    Raises
    ------
    PictureError : the path cannot be written, or the format does not hold such numbers
    """
    name, suffix = shown(path), path.suffix.lower()
    dtype = np.dtype(like.pixels.dtype)
    check_output(path, overwrite=overwrite)
    if suffix != ".npy" and suffix != ".zarr" and dtype == np.float64:
        raise PictureError(f"{name}: picture is float64, expected up to 32 bits in a TIFF; choose .npy")
    if suffix in (".npy", ".zarr"):
        dropped = [
            what for what, it in (("alpha", like.alpha), ("EXIF", like.exif), ("ICC profile", like.icc_profile))
            if it is not None
        ]  # fmt: skip
        notes += [f"{' and '.join(dropped)} dropped: an array file has none"] if dropped else []
    try:
        if suffix == ".zarr":
            with _zarr_output(path, name, shape, dtype, overwrite) as array:
                yield array
            return
        with written_in_place(path, overwrite=overwrite) as stream:
            if suffix == ".npy":
                yield NpyWriter(stream, shape, dtype)
            else:
                writer = TiffWriter(stream, shape, dtype, like.exif, like.icc_profile, notes, alpha=like.alpha)
                yield writer
                writer.finish()
    except FileExistsError as error:
        raise PictureError(f"{name}: exists already; choose another name, or allow overwriting") from error
    except OSError as error:
        raise PictureError(f"{name}: cannot be written ({one_line(error)}); nothing was changed") from error


def check_output(path: Path, *, overwrite: bool = False) -> None:
    """Find out early whether a picture or an array can be written there; PictureError where not."""
    if path.suffix.lower() == ".zarr" and overwrite and path.is_dir():
        path = path.parent / f".npfuse-{secrets.token_hex(8)}.zarr"  # a folder as the old one is
    check_writable(path, overwrite=overwrite, suffixes=(*KIND_OF_SUFFIX, *ARRAY_SUFFIXES))


class NpyWriter:
    """An array file that is filled part by part.

    Parameters
    ----------
    stream : binary file, empty
    shape, dtype : of the array
    """

    def __init__(self, stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.stream, self.shape, self.dtype, self.ndim = stream, shape, dtype, len(shape)
        self.lock = threading.Lock()
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        self.offset = stream.tell()
        self.row_bytes = int(np.prod(shape[1:])) * dtype.itemsize

    def __setitem__(self, place: tuple[slice, slice], values: NDArray[Any]) -> None:
        """Write a part: in one go where it is of whole rows, else row by row."""
        (first, last, _), (left, right, _) = (part.indices(n) for part, n in zip(place, self.shape, strict=False))
        part = np.ascontiguousarray(np.broadcast_to(values, (last - first, right - left, *self.shape[2:])), self.dtype)
        pixel_bytes = self.row_bytes // self.shape[1]
        with self.lock:
            if right - left == self.shape[1]:
                self.stream.seek(self.offset + first * self.row_bytes)
                self.stream.write(part.data.cast("B"))
                return
            for row, line in enumerate(part, first):
                self.stream.seek(self.offset + row * self.row_bytes + left * pixel_bytes)
                self.stream.write(line.data.cast("B"))


@contextmanager
def _zarr_output(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], overwrite: bool) -> Iterator[Any]:
    """Make a Zarr array in a folder that gets its name in the end."""
    try:
        import zarr
    except ImportError as error:
        raise PictureError(
            f'{name}: needs the package {error.name}; install it with: pip install "npfuse[zarr]"'
        ) from error
    temporary = path.parent / f".npfuse-{secrets.token_hex(8)}.part"
    aside = temporary.with_suffix(".old")
    try:
        chunks = (*(min(n, most) for n, most in zip(shape, ZARR_CHUNK, strict=False)), *shape[2:])
        make: Any = zarr.create_array
        yield _OneAtATime(make(store=str(temporary), shape=shape, dtype=dtype, chunks=chunks))
        if overwrite and path.exists():
            os.rename(path, aside)
        os.rename(temporary, path)
    finally:
        for left in (temporary, aside):
            shutil.rmtree(left, ignore_errors=True)


class _OneAtATime:
    """An array that one thread writes at a time: parts may share a chunk."""

    def __init__(self, array: Any) -> None:
        self.array, self.lock = array, threading.Lock()
        self.shape, self.dtype, self.ndim = array.shape, np.dtype(array.dtype), array.ndim

    def __setitem__(self, place: tuple[slice, slice], values: NDArray[Any]) -> None:
        with self.lock:
            self.array[place] = values
