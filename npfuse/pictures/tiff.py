"""TIFF files (TIFF 6.0 and its Adobe supplements): which kinds are read, and those beyond 8 bits.

Up to 8 bits Pillow reads them; it makes 8 bits of 16-bit colour without a word, so 16 bits and floats are recognised by
their tags and read with the packages of the extra `tiff` (tifffile and imagecodecs). `npfuse/pictures/tiff_output.py`
writes. Left out: camera raw files, pages beyond the first, XMP.
"""

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base

from npfuse.pictures.exif import TIFF_START, directory_bytes, quiet, read_directory, telling_tags

# Tags that are calculated with, or shown, before anything else is known of a file.
NUMBERS = (
    Base.ImageLength,
    Base.ImageWidth,
    Base.TileLength,
    Base.TileWidth,
    Base.NewSubfileType,
    Base.SamplesPerPixel,
    Base.BitsPerSample,
    Base.SampleFormat,
)


class RefusedTiffError(ValueError):
    """A TIFF of a kind that is not read: what it is, what was expected, and what to do."""


class CameraRawError(RefusedTiffError):
    """A camera raw file, or one whose first picture is a thumbnail."""


def inspect_tiff(
    stream: BinaryIO, notes: list[str], check_size: Callable[[int, int, int], None]
) -> tuple[bool, bytes | None]:
    """Check that a TIFF is of a kind that can be read, before anything large is allocated.

    Parameters
    ----------
    stream : binary file
    notes : gains what is left out
    check_size : called with height, width and bytes a pixel; raises where that is too much

    Returns
    -------
    whether it is one for `read_deep_tiff` and not for Pillow, and an EXIF block of what it says about its picture

    Raises
    ------
    RefusedTiffError : another kind; CameraRawError, one of its kinds, for camera raw files
    """
    with quiet():
        tags = read_directory(stream)
        for tag in NUMBERS:
            value = tags.get(tag, 0)
            if not all(isinstance(v, int) for v in (value if isinstance(value, tuple) else (value,))):
                raise RefusedTiffError(f"is a TIFF whose {tag.name} is no whole number; export it anew")
        channels = tags.get(Base.SamplesPerPixel, 1)
        kinds = set(tags.get(Base.BitsPerSample, (1,))), set(tags.get(Base.SampleFormat, (1,)))
        pixel_bytes = channels * -(-max(kinds[0]) // 8)
        check_size(tags.get(Base.ImageLength, 0), tags.get(Base.ImageWidth, 0), pixel_bytes)
        check_size(tags.get(Base.TileLength, 1), tags.get(Base.TileWidth, 1), pixel_bytes)
        # In camera raw files the first directory is a thumbnail or the bare sensor.
        stream.seek(8)
        if stream.read(2) == b"CR" or Base.DNGVersion in tags or tags.get(Base.NewSubfileType, 0) & 1:
            raise CameraRawError("is a camera raw file or begins with a thumbnail; export it as a 16-bit TIFF")
        depth, numbers = (min(kind) for kind in kinds)
        deep = (numbers == 1 and depth == 16) or (numbers == 3 and depth in (16, 32, 64))
        if any(len(kind) > 1 for kind in kinds) or channels > 8 or not (deep or (numbers in (1, 4) and depth <= 8)):
            name = {1: "unsigned", 2: "signed", 3: "float"}.get(numbers, "unknown")
            raise RefusedTiffError(
                f"is a TIFF of {channels} channels of {depth} bits ({name}), expected up to 8 channels of 1 to 8 or 16"
                " bits (unsigned) or floats; export it as a 16-bit RGB TIFF"
            )
        if tags.next:
            notes.append("several pages: the first is used")
        try:
            told = telling_tags(stream)
            return deep, TIFF_START + directory_bytes(told) if told else None
        except Exception:  # Pillow raises almost anything on damaged tags
            notes.append("EXIF dropped: it is broken")
            return deep, None


def read_deep_tiff(stream: BinaryIO, notes: list[str]) -> tuple[NDArray[Any], NDArray[Any] | None, int, bytes | None]:
    """Read 16-bit or float samples: pixels, alpha, orientation and ICC profile.

    Raises
    ------
    RefusedTiffError : neither grey nor RGB
    ImportError : a package of the extra `tiff` is missing
    """
    import imagecodecs  # noqa: F401 (tifffile would do without until it meets compressed samples)
    import tifffile

    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        photometric = int(page.photometric)
        colours = {0: 1, 1: 1, 2: 3}.get(photometric, 0)  # white is zero, black is zero, RGB
        if not colours or page.imagedepth != 1 or page.samplesperpixel < colours:
            raise RefusedTiffError(
                f"is a TIFF of {page.samplesperpixel} channels with photometric {photometric}, expected grey or RGB at"
                " 16 bits and more; export it as a 16-bit RGB TIFF"
            )
        samples = page.asarray(squeeze=False)[:, 0]  # (planes, H, W, interleaved): one of planes and interleaved is 1
        orientation, profile = page.tags.valueof(Base.Orientation, 1), page.tags.valueof(Base.InterColorProfile)
        meanings = [int(meaning) for meaning in page.extrasamples] or [0]
    samples = np.moveaxis(samples, 0, 3).reshape(*samples.shape[1:3], -1)  # (H, W, C)
    if samples.dtype == np.float64:
        notes.append("float64 reduced to float32")
    with np.errstate(over="ignore"):
        samples = samples.astype(np.float32 if samples.dtype.kind == "f" else np.uint16, copy=False)
    full = 1.0 if samples.dtype == np.float32 else 65535.0
    pixels = samples[..., 0] if colours == 1 else samples[..., :3]
    if photometric == 0:
        pixels = samples.dtype.type(full) - pixels
    has_alpha = samples.shape[2] > colours and meanings[0] in (1, 2)
    if samples.shape[2] > colours + has_alpha:
        notes.append("channels beyond colour and alpha dropped")
    if not has_alpha:
        return pixels, None, orientation, profile
    alpha = samples[..., colours]
    if meanings[0] == 1:
        notes.append("colours divided by alpha, which was multiplied into them")
        weight = alpha if colours == 1 else alpha[..., None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            unmultiplied = np.where(weight > 0, pixels * full / weight, 0.0)
        if samples.dtype == np.uint16:
            unmultiplied = np.rint(np.minimum(unmultiplied, full))
        pixels = unmultiplied.astype(samples.dtype)
    return pixels, alpha, orientation, profile
