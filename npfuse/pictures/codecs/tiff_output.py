"""Writes TIFF files strip by strip (TIFF 6.0 and its Adobe supplements; BigTIFF if 4 GiB might not be enough).

No library serves: Pillow writes no 16-bit colour, and no EXIF directory in compressed files; tifffile writes no EXIF
directory. Strips are deflated, integers as differences. A picture may be given whole, or in parts of any shape and
order. Rows are compressed when they are complete, and written in order, so the file does not depend on the parts.
"""

import io
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base
from PIL.TiffTags import LONG, LONG8

from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.metadata.exif import BIG_TIFF_START, TIFF_START, directory_bytes, quiet, telling_tags
from npfuse.pictures.picture import Description, Picture, StoredPicture

STRIP_BYTES = 1 << 20  # of pixels that are compressed at once
DEFLATE_LEVEL = 4  # on 8-bit differences 4 times as fast as the usual 6, and 9 % longer
CLASSIC_BYTES = 2**32 - 2**26  # of samples; a little more is left for what does not compress, and for tags


class TiffWriter:
    """A TIFF that is filled part by part, `writer[rows, columns] = values`, by any number of threads.

    Parameters
    ----------
    stream : binary file, empty, that can seek
    shape : shape of the picture, (H, W) or (H, W, 2 to 4); the last of 2 or 4 channels is alpha
    dtype : uint8, uint16 or float32
    about : Description, which is written with the samples
    notes : list to which a line is added for everything that is left out
    alpha : (H, W), ndarray or a view that gives one for `alpha[rows, columns]`; written behind the colours

    Examples
    --------
    >>> file = io.BytesIO()
    >>> writer = TiffWriter(file, (2, 3), np.dtype(np.uint8), Description(), [])
    >>> writer[0:2, 1:3] = 9
    >>> writer[0:2, 0:1] = 7
    >>> writer.finish()
    >>> from PIL import Image
    >>> np.asarray(Image.open(file)).tolist()
    [[7, 9, 9], [7, 9, 9]]
    """

    def __init__(
        self,
        stream: BinaryIO,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        about: Description,
        notes: list[str],
        alpha: Any = None,
    ) -> None:
        self.stream, self.shape, self.dtype, self.alpha = stream, shape, np.dtype(dtype), alpha
        self.ndim = len(shape)
        self.channels = (1 if len(shape) == 2 else shape[2]) + (alpha is not None)
        row_bytes = shape[1] * self.channels * self.dtype.itemsize
        self.strip_rows = max(1, STRIP_BYTES // row_bytes)
        self.start = BIG_TIFF_START if shape[0] * row_bytes > CLASSIC_BYTES else TIFF_START
        self.lengths: list[int] = []
        self.tags = self._tags(about)
        if about.exif:
            try:
                with quiet():
                    told = telling_tags(io.BytesIO(about.exif))
                    self._directory(self.tags | told)
                self.tags |= told
            except Exception:  # Pillow raises almost anything on damaged tags
                notes.append("EXIF dropped: it is broken")
        # Rows that are not complete yet, each with its number of columns so far; compressed strips that have to wait
        # for earlier ones; and a lock for one thread at a time.
        self.open: dict[int, tuple[NDArray[Any], int]] = {}
        self.packed: dict[int, bytes] = {}
        self.lock = threading.Lock()
        stream.write(self.start + self._directory(self.tags))  # so long as it will be, for the strips to follow

    def __setitem__(self, place: tuple[slice, slice], values: Any) -> None:
        """Take a part of the picture; every pixel must be given once."""
        rows, columns = (slice(*part.indices(n)) for part, n in zip(place, self.shape, strict=False))
        values = np.broadcast_to(values, (rows.stop - rows.start, columns.stop - columns.start, *self.shape[2:]))
        for strip in range(rows.start // self.strip_rows, -(-rows.stop // self.strip_rows)):
            first = strip * self.strip_rows
            last = min(first + self.strip_rows, self.shape[0])
            begin, end = max(first, rows.start), min(last, rows.stop)
            with self.lock:
                empty = (np.empty((last - first, *self.shape[1:]), self.dtype), 0)
                samples, count = self.open.pop(strip, empty)
                samples[begin - first : end - first, columns] = values[begin - rows.start : end - rows.start]
                count += (end - begin) * (columns.stop - columns.start)
                if count < (last - first) * self.shape[1]:
                    self.open[strip] = samples, count
                    continue
            packed = self._packed(samples, first, last)
            with self.lock:
                self.packed[strip] = packed
                while len(self.lengths) in self.packed:
                    content = self.packed.pop(len(self.lengths))
                    self.stream.write(content)
                    self.lengths.append(len(content))

    def finish(self) -> None:
        """Write the directory; raise ValueError if a part of the picture is missing."""
        if self.open or self.packed or len(self.lengths) != -(-self.shape[0] // self.strip_rows):
            raise ValueError("not all of the picture was written")
        self.stream.seek(len(self.start))
        self.stream.write(self._directory(self.tags))
        self.stream.seek(0, io.SEEK_END)

    def _packed(self, samples: NDArray[Any], first: int, last: int) -> bytes:
        """Compress a strip of complete rows."""
        if self.alpha is not None:
            samples = np.dstack([samples, self.alpha[first:last, :]])
        coded = samples.astype(self.dtype.newbyteorder("<"))
        if self.dtype.kind != "f":
            coded[:, 1:] -= samples[:, :-1]  # predictor 2, modulo 2**8 or 2**16
        return zlib.compress(coded.tobytes(), DEFLATE_LEVEL)

    def _tags(self, about: Description) -> dict[int, Any]:
        """Return all tags but those that say where the strips are."""
        channels, kind = self.channels, 3 if self.dtype.kind == "f" else 1
        tags: dict[int, Any] = {
            Base.ImageWidth: self.shape[1],
            Base.ImageLength: self.shape[0],
            Base.BitsPerSample: (8 * self.dtype.itemsize,) * channels,
            Base.Compression: 8,
            Base.PhotometricInterpretation: 1 if channels < 3 else 2,
            Base.Orientation: 1,
            Base.SamplesPerPixel: channels,
            Base.RowsPerStrip: self.strip_rows,
            Base.PlanarConfiguration: 1,
            Base.Predictor: 1 if kind == 3 else 2,
            Base.SampleFormat: (kind,) * channels,
        }
        if channels in (2, 4):
            tags[Base.ExtraSamples] = 2  # alpha, not multiplied into the colours
        blocks = {Base.InterColorProfile: about.icc_profile, Base.XMLPacket: about.xmp, Base.IPTCNAA: about.iptc}
        tags |= {tag: block for tag, block in blocks.items() if block}
        if about.resolution:
            rows, columns = about.resolution
            tags |= {Base.XResolution: columns, Base.YResolution: rows, Base.ResolutionUnit: 2}  # an inch
        return tags

    def _directory(self, tags: dict[int, Any]) -> bytes:
        """Lay out the directory, whose length does not depend on where the strips are."""
        lengths = self.lengths or [0] * -(-self.shape[0] // self.strip_rows)
        offsets = tuple(accumulate(lengths[:-1], initial=0))  # from the end of the directory
        kind = LONG8 if self.start == BIG_TIFF_START else LONG
        places = {Base.StripOffsets: offsets, Base.StripByteCounts: tuple(lengths)}
        return directory_bytes(tags | places, self.start, dict.fromkeys(places, kind))


def write_tiff(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write uint8, uint16 or float32 samples (H, W) or (H, W, 2 to 4)."""
    samples = picture.samples
    writer = TiffWriter(stream, samples.shape, samples.dtype, picture, notes)
    for first in range(0, samples.shape[0], writer.strip_rows):
        writer[first : first + writer.strip_rows, :] = samples[first : first + writer.strip_rows]
    writer.finish()


@contextmanager
def tiff_output(
    path: Path, like: StoredPicture, shape: tuple[int, ...], *, overwrite: bool, notes: list[str]
) -> Iterator[TiffWriter]:
    """Make a TIFF that is filled part by part, and gets its name when it is whole."""
    with written_in_place(path, overwrite=overwrite) as stream:
        writer = TiffWriter(stream, shape, np.dtype(like.pixels.dtype), like, notes, alpha=like.alpha)
        yield writer
        writer.finish()
