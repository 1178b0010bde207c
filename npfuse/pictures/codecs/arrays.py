"""Reads and writes array files as pictures, part by part: NumPy's `.npy`, and Zarr with the extra `zarr`."""

import io
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.picture import PictureError, StoredPicture, one_line

DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
ZARR_CHUNK = (64, 2048)  # rows and columns; parts of the work meet at multiples of 64 rows


class FilePixels:
    """Rows of samples in a file, one after the other, unpacked.

    Parameters
    ----------
    name : name of the file, for messages
    stream : binary file without a buffer
    offset : place of the first sample, bytes
    shape, dtype : shape and dtype of the array
    """

    def __init__(
        self, name: str, stream: io.RawIOBase, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.name, self.stream, self.offset, self.shape, self.stored = name, stream, offset, shape, dtype
        self.dtype, self.ndim = dtype.newbyteorder("="), len(shape)
        self.lock = threading.Lock()

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        (first, last, _), (left, right, _) = (part.indices(n) for part, n in zip(place, self.shape, strict=False))
        rows, columns = max(0, last - first), max(0, right - left)
        pixel_bytes = self.stored.itemsize * int(np.prod(self.shape[2:]))
        row_bytes = self.shape[1] * pixel_bytes
        start = self.offset + first * row_bytes + left * pixel_bytes
        part = np.empty((rows, columns, *self.shape[2:]), self.stored)
        if part.size == 0:
            return part.astype(self.dtype)
        # Whole rows lie in one run; of others, only the columns asked for are read, row by row.
        runs = part.reshape(1, -1) if columns == self.shape[1] else part.reshape(rows, -1)
        with self.lock:
            for i, run in enumerate(runs):
                self.stream.seek(start + i * row_bytes)
                left_over = run.data.cast("B")
                while left_over:  # systems limit how much is read at once
                    count = self.stream.readinto(left_over)
                    if not count:
                        raise PictureError(f"{self.name}: ends too early, expected all of its rows; copy it anew")
                    left_over = left_over[count:]
        return part.astype(self.dtype, copy=False)


def open_npy(stack: ExitStack, path: Path, name: str) -> StoredPicture:
    """Open an array file; its numbers are not read yet.

    Raises
    ------
    PictureError : the file is no array file, or its array is no picture
    """
    try:
        stream = stack.enter_context(open(path, "rb", buffering=0))  # noqa: SIM115 (the stack closes it)
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except Exception as error:  # NumPy raises several kinds on damaged bytes
        raise PictureError(f"{name}: is no NumPy array file ({one_line(error)}); check the name") from error
    _check_array(name, shape, dtype)
    if fortran and len(shape) > 1:
        raise PictureError(f"{name}: lies in Fortran order, expected C order; save it with numpy.ascontiguousarray")
    size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    there = os.fstat(stream.fileno()).st_size - stream.tell()
    if there < size:
        raise PictureError(f"{name}: declares {size} bytes of samples and holds {there}; copy it anew")
    return StoredPicture(pixels=FilePixels(name, stream, stream.tell(), shape, dtype))


def open_zarr(stack: ExitStack, path: Path, name: str) -> StoredPicture:
    """Open a Zarr array.

    Raises
    ------
    PictureError : there is no Zarr array, or it is no picture
    ImportError : zarr is missing
    """
    import zarr

    try:
        array: Any = zarr.open_array(str(path), mode="r")
    except Exception as error:  # the package raises almost anything
        raise PictureError(f"{name}: is no Zarr array ({one_line(error)}); check the name") from error
    _check_array(name, array.shape, array.dtype)
    return StoredPicture(pixels=array)


def _check_array(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.newbyteorder("=") not in DTYPES:
        raise PictureError(f"{name}: holds {dtype}, expected uint8, uint16, float32 or float64")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3) or min(shape) < 1:
        raise PictureError(f"{name}: shape is {shape}, expected (H, W, 3) or (H, W), H and W at least 1")


class NpyWriter:
    """An array file that is filled part by part.

    Parameters
    ----------
    stream : binary file, empty
    shape, dtype : shape and dtype of the array
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
def npy_output(
    path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
) -> Iterator[NpyWriter]:
    """Make an array file that gets its name when it is whole."""
    with written_in_place(path, overwrite=overwrite) as stream:
        yield NpyWriter(stream, shape, np.dtype(like.pixels.dtype))


@contextmanager
def zarr_output(
    path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
) -> Iterator[Any]:
    """Make a Zarr array in a folder that gets its name when it is whole."""
    import zarr

    temporary = path.parent / f".npfuse-{secrets.token_hex(8)}.part"
    aside = temporary.with_suffix(".old")
    try:
        chunks = (*(min(n, most) for n, most in zip(shape, ZARR_CHUNK, strict=False)), *shape[2:])
        make: Any = zarr.create_array
        yield _OneAtATime(make(store=str(temporary), shape=shape, dtype=np.dtype(like.pixels.dtype), chunks=chunks))
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
