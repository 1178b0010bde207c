"""Pictures that stay in their files: read part by part as `picture[rows, columns]`, so that any size fits into memory.

TIFF (tiles or strips, packed or not, BigTIFF too), by tifffile; NumPy's `.npy`; and Zarr arrays, by zarr. A picture
whose parts cannot be had one by one (turned by its EXIF orientation, a palette, colours multiplied by alpha) is none of
these, and is read whole by `npfuse.pictures.reading`.
"""

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base

from npfuse.pictures.picture import PictureError, one_line, profile_fits, shown
from npfuse.pictures.tiff import inspect_tiff

DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
KEPT_ROWS = 1024  # of decoded TIFF; what a row of tiles reads stays decoded until the next
SEGMENT_BYTES = 1 << 28  # decoded; what is kept in larger pieces is not for reading part by part
ARRAY_SUFFIXES = (".npy", ".zarr")


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredPicture:
    """A picture in a file, and what travels with it; the parts of `npfuse.pictures.reading.Picture`.

    Parameters
    ----------
    pixels : (H, W, 3) or (H, W), with `shape`, `dtype`, `ndim`, and `pixels[rows, columns]` for an ndarray
    alpha : (H, W) likewise, or None
    exif, icc_profile : bytes or None
    notes : tuple of str
    """

    pixels: Any
    alpha: Any = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """How much memory the pixels and the alpha would take."""
        shape, size = self.pixels.shape, np.dtype(self.pixels.dtype).itemsize
        channels = (shape[2] if len(shape) == 3 else 1) + (self.alpha is not None)
        return int(shape[0]) * int(shape[1]) * int(channels) * int(size)


@contextmanager
def opened(path: Path) -> Iterator[StoredPicture | None]:
    """Open a picture that can be read part by part; None where it has to be read whole, or by whom else it may.

    Raises
    ------
    PictureError : a `.npy` or Zarr array that is no picture or cannot be read
    """
    name = shown(path)
    with ExitStack() as stack:
        if path.suffix == ".npy":
            yield _npy(stack, path, name)
        elif path.suffix == ".zarr":
            yield _zarr(path, name)
        else:
            try:
                picture = _tiff(stack, path, name)
            except (OSError, ImportError):  # reading it whole says what is wrong
                picture = None
            yield picture


class FilePixels:
    """Rows of samples in a file, one after the other, unpacked.

    Parameters
    ----------
    name : of the file, for messages
    stream : binary file without a buffer
    offset : of the first sample
    shape, dtype : of the array
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
                while left_over:  # a system reads so much at once and no more
                    count = self.stream.readinto(left_over)
                    if not count:
                        raise PictureError(f"{self.name}: ends too early, expected all of its rows; copy it anew")
                    left_over = left_over[count:]
        return part.astype(self.dtype, copy=False)


class TiffPixels:
    """The samples of a TIFF page, decoded tile by tile or strip by strip as they are asked for.

    Parameters
    ----------
    name : of the file, for messages
    page : TiffPage
    """

    def __init__(self, name: str, page: Any) -> None:
        self.name, self.page = name, page
        self.shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        self.dtype, self.ndim = np.dtype(page.dtype).newbyteorder("="), 3
        # Segments lie in rows and columns; planes of their own, where channels are apart, come one after the other.
        self.planes = page.samplesperpixel if page.planarconfig == 2 else 1
        height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, self.shape[1])
        self.segment = min(height, self.shape[0]), width
        self.across = -(-self.shape[1] // width)
        self.down = -(-self.shape[0] // self.segment[0])
        kept = KEPT_ROWS * self.shape[1] * self.shape[2] * self.dtype.itemsize
        self.most = -(-kept // max(1, self.segment[0] * width * self.shape[2] // self.planes * self.dtype.itemsize))
        self.decoded: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self.lock = threading.Lock()

    @property
    def sound(self) -> bool:
        """Whether all segments are there, and small enough to be decoded one by one."""
        segment_bytes = self.segment[0] * self.segment[1] * self.shape[2] * self.dtype.itemsize
        there = len(self.page.dataoffsets) == self.planes * self.down * self.across
        return bool(there and 0 < segment_bytes <= SEGMENT_BYTES)

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array (rows, columns, C)."""
        (first, last, _), (left, right, _) = (part.indices(n) for part, n in zip(place, self.shape, strict=False))
        out = np.empty((max(0, last - first), max(0, right - left), self.shape[2]), self.dtype)
        height, width = self.segment
        for row in range(first // height, -(-last // height)):
            for column in range(left // width, -(-right // width)):
                top, start = row * height, column * width
                rows = slice(max(first, top), min(last, top + height))
                columns = slice(max(left, start), min(right, start + width))
                for plane in range(self.planes):
                    index = (plane * self.down + row) * self.across + column
                    part = self._segment(index)[
                        rows.start - top : rows.stop - top, columns.start - start : columns.stop - start
                    ]
                    channels = slice(None) if self.planes == 1 else slice(plane, plane + 1)
                    out[
                        rows.start - first : rows.stop - first, columns.start - left : columns.stop - left, channels
                    ] = part
        return out

    def _segment(self, index: int) -> NDArray[Any]:
        """Return a decoded segment (rows, columns, C or 1)."""
        with self.lock:
            if index in self.decoded:
                self.decoded.move_to_end(index)
                return self.decoded[index]
            handle = self.page.parent.filehandle
            handle.seek(self.page.dataoffsets[index])
            data = handle.read(self.page.databytecounts[index])
        try:
            decoded: Any = self.page.decode(data or None, index)[0]
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise PictureError(
                f"{self.name}: is a damaged or unusual TIFF ({one_line(error)}), expected a whole picture; copy or"
                " export it anew"
            ) from error
        # A segment that is left out is of zeros (GDAL's sparse files).
        empty = (*self.segment, self.shape[2] // self.planes)
        samples: NDArray[Any] = np.zeros(empty, self.dtype) if decoded is None else decoded[0]
        with self.lock:
            self.decoded[index] = samples
            while len(self.decoded) > self.most:
                self.decoded.popitem(last=False)
        return samples


class Channels:
    """Some channels of a picture: a slice, or one of them alone.

    Parameters
    ----------
    picture : (H, W, C)
    channels : slice, or int for (H, W)
    """

    def __init__(self, picture: Any, channels: slice | int) -> None:
        self.picture, self.channels = picture, channels
        self.dtype = picture.dtype
        kept = () if isinstance(channels, int) else (len(range(*channels.indices(picture.shape[2]))),)
        self.shape = (*picture.shape[:2], *kept)
        self.ndim = len(self.shape)

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        part: NDArray[Any] = self.picture[place][..., self.channels]
        return part


class Clipped:
    """A picture of floats with values beyond 0 and 1 as 0 and 1."""

    def __init__(self, picture: Any) -> None:
        self.picture = picture
        self.shape, self.dtype, self.ndim = picture.shape, picture.dtype, picture.ndim

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        part: NDArray[Any] = np.clip(self.picture[place], 0, 1)
        return part


class Part:
    """A part of a picture as a picture of its own.

    Parameters
    ----------
    picture : (H, W) or (H, W, C)
    place : rows and columns
    """

    def __init__(self, picture: Any, place: tuple[slice, slice]) -> None:
        self.picture, self.place = picture, place
        self.dtype, self.ndim = picture.dtype, picture.ndim
        self.shape = (*(part.stop - part.start for part in place), *picture.shape[2:])

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        moved = []
        for outer, inner, n in zip(self.place, place, self.shape, strict=False):
            first, last, _ = inner.indices(n)
            moved.append(slice(outer.start + first, outer.start + last))
        part: NDArray[Any] = self.picture[moved[0], moved[1]]
        return part


def _npy(stack: ExitStack, path: Path, name: str) -> StoredPicture:
    """Open an array file; its numbers are not looked at yet."""
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


def _zarr(path: Path, name: str) -> StoredPicture:
    """Open a Zarr array."""
    try:
        import zarr
    except ImportError as error:
        raise PictureError(
            f'{name}: needs the package {error.name}; install it with: pip install "npfuse[zarr]"'
        ) from error
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


def _tiff(stack: ExitStack, path: Path, name: str) -> StoredPicture | None:
    """Open a TIFF whose segments can be read by themselves; None for another kind of file or of TIFF."""
    with open(path, "rb") as stream:
        if stream.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        notes: list[str] = []
        try:
            _, exif = inspect_tiff(stream, notes, _any_size)
        except Exception:  # damaged tags, or a kind that is not read: reading it whole says what is wrong
            return None
    import imagecodecs  # noqa: F401 (tifffile would do without until it meets compressed samples)
    import tifffile

    try:
        file = stack.enter_context(tifffile.TiffFile(path))
        page = file.pages.first
        pixels: FilePixels | TiffPixels = TiffPixels(name, page)
        if page.planarconfig == 1 and not page.is_tiled and page.is_memmappable:  # one run of rows, unpacked
            if os.path.getsize(path) < page.dataoffsets[0] + page.nbytes:
                return None
            stored = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
            samples = stack.enter_context(open(path, "rb", buffering=0))  # noqa: SIM115 (the stack closes it)
            pixels = FilePixels(name, samples, page.dataoffsets[0], pixels.shape, stored)
        colours = {1: 1, 2: 3}.get(int(page.photometric), 0)  # black is zero, RGB
        extra = [int(meaning) for meaning in page.extrasamples]
        plain = (
            page.imagedepth == 1
            and page.tags.valueof(Base.Orientation, 1) == 1
            and pixels.dtype in (np.uint8, np.uint16, np.float32)
            and np.dtype(page.dtype).itemsize * 8 == page.bitspersample
            and page.fillorder == 1
            and (isinstance(pixels, FilePixels) or pixels.sound)
            and (not extra or extra[0] in (0, 2))
        )
        profile = page.tags.valueof(Base.InterColorProfile)
    except Exception:  # damaged tags: reading it whole says what is wrong
        return None
    if not colours or not plain or pixels.shape[2] < colours:
        return None
    shown_channels: slice | int = 0 if colours == 1 else slice(0, 3)
    alpha = Channels(pixels, colours) if extra and extra[0] == 2 else None
    if pixels.shape[2] > colours + (alpha is not None):
        notes.append("channels beyond colour and alpha dropped")
    view = Channels(pixels, shown_channels)
    if profile and not profile_fits(profile, view):
        notes.append("ICC profile dropped: it is not one for such pixels")
        profile = None
    return StoredPicture(pixels=view, alpha=alpha, exif=exif, icc_profile=profile or None, notes=tuple(notes))


def _any_size(height: int, width: int, pixel_bytes: int) -> None:
    """Accept what is only read in parts."""
