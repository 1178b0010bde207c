"""Reads TIFF files part by part: tiles or strips, packed or not, BigTIFF too; with the packages of the extra `tiff`."""

import os
import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base

from npfuse.pictures.codecs.arrays import FilePixels
from npfuse.pictures.codecs.tiff import UNASSOCIATED, inspect_tiff
from npfuse.pictures.light import LIGHT_ENCODED, display_profile, encode_samples
from npfuse.pictures.metadata.xmp import upright_xmp
from npfuse.pictures.picture import PictureError, StoredPicture, one_line, profile_fits
from npfuse.pictures.views import Channels, Mapped

KEPT_ROWS = 1024  # of decoded TIFF; the segments read for a row of parts stay decoded until the next row
SEGMENT_BYTES = 1 << 28  # decoded; a file of larger segments is read whole


class TiffPixels:
    """The samples of a TIFF page, decoded tile by tile or strip by strip as they are asked for.

    Parameters
    ----------
    name : name of the file, for messages
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
        """Return whether all segments are there, and small enough to be decoded one by one."""
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
            try:
                handle = self.page.parent.filehandle
                handle.seek(self.page.dataoffsets[index])
                data = handle.read(self.page.databytecounts[index])
            except Exception as error:  # the place, or the length, is more than a file can have
                raise self._damaged(error) from error
        try:
            decoded: Any = self.page.decode(data or None, index)[0]
        except Exception as error:  # decoders raise almost anything on damaged bytes
            raise self._damaged(error) from error
        # A segment that is left out stands for zeros (GDAL's sparse files).
        empty = (*self.segment, self.shape[2] // self.planes)
        samples: NDArray[Any] = np.zeros(empty, self.dtype) if decoded is None else decoded[0]
        with self.lock:
            self.decoded[index] = samples
            while len(self.decoded) > self.most:
                self.decoded.popitem(last=False)
        return samples

    def _damaged(self, error: Exception) -> PictureError:
        """Return the error of a segment that cannot be read."""
        return PictureError(
            f"{self.name}: is a damaged or unusual TIFF ({one_line(error)}), expected a whole picture; copy or"
            " export it anew"
        )


def open_tiff(stack: ExitStack, path: Path, name: str) -> StoredPicture | None:
    """Open a TIFF whose segments can be read by themselves; return None for a TIFF to be read whole.

    Raises
    ------
    ImportError : a package of the extra `tiff` is missing
    """
    with open(path, "rb") as stream:
        try:
            summary = inspect_tiff(stream, _any_size)
        except Exception:  # damaged tags, or a kind that is not read: reading it whole tells which
            return None
    import imagecodecs  # noqa: F401 (tifffile would do without until it meets compressed samples)
    import tifffile

    try:
        page = stack.enter_context(tifffile.TiffFile(path)).pages.first
        pixels = _samples(stack, path, name, page)
        colours = {1: 1, 2: 3}.get(int(page.photometric), 0)  # black is zero, RGB
        if pixels is None or not colours or pixels.shape[2] < colours or not _is_plain(page, pixels):
            return None
        profile = page.tags.valueof(Base.InterColorProfile)
        has_alpha = bool(page.extrasamples) and int(page.extrasamples[0]) == UNASSOCIATED
    except Exception:  # damaged tags: reading it whole tells which
        return None
    about = summary.about
    notes = about.notes
    if pixels.shape[2] > colours + has_alpha:
        notes += ("channels beyond colour and alpha dropped",)
    view: Any = Channels(pixels, 0 if colours == 1 else slice(0, 3))
    if profile and not profile_fits(profile, view):
        notes += ("ICC profile dropped: it is not one for such pixels",)
        profile = None
    display = display_profile(profile) if profile else None
    if display:
        view, profile = Mapped(view, encode_samples), display
        notes += (LIGHT_ENCODED,)
    alpha = Channels(pixels, colours) if has_alpha else None
    return StoredPicture(
        pixels=view,
        alpha=alpha,
        exif=about.exif,
        icc_profile=profile or None,
        xmp=upright_xmp(about.xmp) if about.xmp else None,
        iptc=about.iptc,
        resolution=about.resolution,
        white_level=about.white_level,
        notes=notes,
    )


def _samples(stack: ExitStack, path: Path, name: str, page: Any) -> FilePixels | TiffPixels | None:
    """Return the samples of a page, straight from the file if they lie in one run; None if the file ends early."""
    pixels = TiffPixels(name, page)
    if page.planarconfig != 1 or page.is_tiled or not page.is_memmappable:
        return pixels if pixels.sound else None
    if os.path.getsize(path) < page.dataoffsets[0] + page.nbytes:
        return None
    stored = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    stream = stack.enter_context(open(path, "rb", buffering=0))  # noqa: SIM115 (the stack closes it)
    return FilePixels(name, stream, page.dataoffsets[0], pixels.shape, stored)


def _is_plain(page: Any, pixels: FilePixels | TiffPixels) -> bool:
    """Return whether stored samples are the shown ones: neither turned nor packed nor multiplied by alpha."""
    return (
        page.imagedepth == 1
        and page.tags.valueof(Base.Orientation, 1) == 1
        and pixels.dtype in (np.uint8, np.uint16, np.float32)
        and np.dtype(page.dtype).itemsize * 8 == page.bitspersample
        and page.fillorder == 1
        and (not page.extrasamples or int(page.extrasamples[0]) in (0, UNASSOCIATED))
    )


def _any_size(height: int, width: int, pixel_bytes: int) -> None:
    """Accept every size: only parts are decoded."""
