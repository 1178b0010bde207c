"""TIFF files (TIFF 6.0 and its Adobe supplements): which kinds are read, and those beyond 8 bits.

Pillow reads up to 8 bits. It reduces 16-bit colour to 8 bits without a word, so 9 bits and more, and floats, are
recognised by their tags and read with the packages of the extra `tiff` (tifffile and imagecodecs), as are channels that
Pillow knows no mode for. `npfuse/pictures/codecs/tiff_output.py` writes, `npfuse/pictures/pages.py` finds pages.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError
from PIL.ExifTags import Base

from npfuse.pictures.codecs.pillow_files import decoded, opened_by_pillow
from npfuse.pictures.codecs.raw import read_raw
from npfuse.pictures.metadata.exif import (
    TIFF_START,
    directory_bytes,
    quiet,
    read_directory,
    resolution_of,
    telling_tags,
)
from npfuse.pictures.metadata.iptc import iptc_of_resources
from npfuse.pictures.picture import CheckSize, Decoded, Description, RefusedError, TooLargeError, needs_package

# Tags that are used or shown before anything else is known about a file; their values are checked first.
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
READ_BYTES = 1 << 22  # of packed samples that are read and unpacked at once
STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_SAMPLE_VALUE = 281
CMYK = 5  # photometric interpretation
ASSOCIATED, UNASSOCIATED = 1, 2  # meanings of an extra channel: alpha, multiplied into the colours or not


class CameraRawError(RefusedError):
    """A camera raw file, or one whose first picture is a thumbnail."""


@dataclass(frozen=True, kw_only=True)
class TiffSummary:
    """Facts of a TIFF, known from its tags.

    Parameters
    ----------
    deep : whether samples have 16 bits or are floats, which Pillow does not read
    about : Description, without the ICC profile
    """

    deep: bool
    about: Description


def read_tiff(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read the first page, or develop a camera raw file that is laid out as a TIFF.

    Raises
    ------
    RefusedError : the TIFF is of a kind that is not read
    ImportError : a package of the extra `tiff` is missing
    """
    try:
        summary = inspect_tiff(stream, check_size)
    except CameraRawError as refusal:
        return _developed(stream, check_size, refusal)
    if summary.deep:
        stream.seek(0)
        page = _read_deep(stream)
    else:
        try:
            with opened_by_pillow(stream, "TIFF", check_size) as image:
                page = decoded(image)
                # Pillow turns a TIFF while loading it, and then no longer has the tag.
                page = replace(page, turn=image.getexif().get(Base.Orientation, 1))
        except UnidentifiedImageError as refusal:  # channels that Pillow knows no mode for, as CMYK with alpha
            stream.seek(0)
            try:
                page = _read_deep(stream)
            except ImportError:
                raise
            except Exception:  # tifffile raises almost anything on damaged bytes
                raise refusal from None
    about = summary.about
    return replace(
        page,
        exif=about.exif,
        xmp=about.xmp,
        iptc=about.iptc,
        resolution=about.resolution,
        white_level=about.white_level,
        notes=about.notes + page.notes,
    )


def inspect_tiff(stream: BinaryIO, check_size: CheckSize) -> TiffSummary:
    """Check the kind of a TIFF before anything large is allocated.

    Raises
    ------
    RefusedError : the TIFF is of a kind that is not read; for camera raw files, this is a CameraRawError
    """
    with quiet():
        tags = read_directory(stream)
        _check_numbers(tags)
        depths, numbers = set(tags.get(Base.BitsPerSample, (1,))), set(tags.get(Base.SampleFormat, (1,)))
        channels = tags.get(Base.SamplesPerPixel, 1)
        pixel_bytes = channels * -(-max(depths) // 8)
        check_size(tags.get(Base.ImageLength, 0), tags.get(Base.ImageWidth, 0), pixel_bytes)
        check_size(tags.get(Base.TileLength, 1), tags.get(Base.TileWidth, 1), pixel_bytes)
        # In camera raw files the first directory is a thumbnail or the bare sensor.
        stream.seek(8)
        if stream.read(2) == b"CR" or Base.DNGVersion in tags or tags.get(Base.NewSubfileType, 0) & 1:
            raise CameraRawError("is a camera raw file or begins with a thumbnail; export it as a 16-bit TIFF")
        deep = _is_deep(depths, numbers, channels)
        return TiffSummary(deep=deep, about=_about(stream, tags))


def _about(stream: BinaryIO, tags: Any) -> Description:
    """Return the description in a file's tags, without the ICC profile."""
    notes = ["several pages: the first is used; others are named as FILE[1]"] if tags.next else []
    exif = None
    try:
        told = telling_tags(stream)
        exif = TIFF_START + directory_bytes(told) if told else None
        if Base.ImageDescription in tags and Base.ImageDescription not in told:
            notes.append("ImageDescription dropped: it tells how the old file is built")
    except Exception:  # Pillow raises almost anything on damaged tags
        notes.append("EXIF dropped: it is broken")
    stream.seek(0)
    byteorder = ">" if stream.read(2) == b"MM" else "<"
    resources = _bytes_of(tags.get(Base.ImageResources), byteorder)
    return Description(
        exif=exif,
        xmp=_bytes_of(tags.get(Base.XMLPacket), byteorder),
        iptc=_bytes_of(tags.get(Base.IPTCNAA), byteorder) or (iptc_of_resources(resources) if resources else None),
        resolution=resolution_of(tags),
        white_level=_white_level(tags),
        notes=tuple(notes),
    )


def _white_level(tags: Any) -> int | None:
    """Return the value of white of 16-bit samples that have fewer bits, as the tags say, or None.

    Some programs store the highest value of the picture in the same tag: only 2^9 - 1 to 2^15 - 1 are levels.
    """
    value = tags.get(MAX_SAMPLE_VALUE)
    values = set(value) if isinstance(value, tuple) else {value}
    return values.pop() if len(values) == 1 and values <= {2**bits - 1 for bits in range(9, 16)} else None


def _bytes_of(value: Any, byteorder: str) -> bytes | None:
    """Return the bytes of a tag, which some programs store as numbers of four bytes; None if it is neither."""
    if isinstance(value, bytes):
        return value or None
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int) and 0 <= number < 2**32 for number in numbers):
        return None
    return struct.pack(f"{byteorder}{len(numbers)}I", *numbers)


def _check_numbers(tags: Any) -> None:
    """Raise RefusedError if a tag holds a text instead of a number."""
    for tag in NUMBERS:
        value = tags.get(tag, 0)
        if not all(isinstance(v, int) for v in (value if isinstance(value, tuple) else (value,))):
            raise RefusedError(f"is a TIFF whose {tag.name} is no whole number; export it anew")


def _is_deep(depths: set[int], numbers: set[int], channels: int) -> bool:
    """Return whether samples have more than 8 bits; raise RefusedError for samples that are not read."""
    depth, number = min(depths), min(numbers)
    deep = (number == 1 and 9 <= depth <= 16) or (number == 3 and depth in (16, 32, 64))
    shallow = number in (1, 4) and depth <= 8
    if len(depths) > 1 or len(numbers) > 1 or channels > 8 or not (deep or shallow):
        name = {1: "unsigned", 2: "signed", 3: "float"}.get(number, "unknown")
        raise RefusedError(
            f"is a TIFF of {channels} channels of {depth} bits ({name}), expected up to 8 channels of 1 to 16"
            " bits (unsigned) or floats; export it as a 16-bit RGB TIFF"
        )
    return deep


def _developed(stream: BinaryIO, check_size: CheckSize, refusal: CameraRawError) -> Decoded:
    """Develop a camera raw file; raise the refusal for another kind of file."""
    try:
        return read_raw(stream, check_size)
    except TooLargeError:
        raise
    except ImportError as error:
        raise RefusedError(
            f"is a camera raw file, which {needs_package(error.name, 'raw')}; or it begins with a thumbnail: export it"
            " as a 16-bit TIFF"
        ) from error
    except Exception as error:  # LibRaw raises almost anything
        raise refusal from error


def _read_deep(stream: BinaryIO) -> Decoded:
    """Read 16-bit or float samples.

    Raises
    ------
    RefusedError : the picture is neither grey, RGB nor CMYK
    ImportError : a package of the extra `tiff` is missing
    """
    import imagecodecs  # noqa: F401 (tifffile would do without until it meets compressed samples)
    import tifffile

    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        photometric = int(page.photometric)
        colours = {0: 1, 1: 1, 2: 3, CMYK: 4}.get(photometric, 0)  # white is zero, black is zero, RGB
        if not colours or page.imagedepth != 1 or page.samplesperpixel < colours:
            raise RefusedError(
                f"is a TIFF of {page.samplesperpixel} channels with photometric {photometric}, expected grey, RGB or"
                " CMYK; export it as a 16-bit RGB TIFF"
            )
        # (planes, H, W, interleaved): one of planes and interleaved is 1
        samples = page.asarray(squeeze=False, buffersize=READ_BYTES)[:, 0]
        orientation, profile = page.tags.valueof(Base.Orientation, 1), page.tags.valueof(Base.InterColorProfile)
        meaning = int(page.extrasamples[0]) if page.extrasamples else 0
        bits = int(page.bitspersample)
    samples = np.moveaxis(samples, 0, 3).reshape(*samples.shape[1:3], -1)  # (H, W, C)
    notes = ["float64 reduced to float32"] if samples.dtype == np.float64 else []
    with np.errstate(over="ignore"):
        kind = np.float32 if samples.dtype.kind == "f" else np.uint8 if bits == 8 else np.uint16
        samples = samples.astype(kind, copy=False)
    if kind is np.uint16 and bits < 16:
        notes.append(f"{bits} bits scaled to 16")
        samples = np.rint(np.arange(2**bits) * (65535 / (2**bits - 1))).astype(np.uint16)[samples]
    full = {np.float32: 1.0, np.uint8: 255.0, np.uint16: 65535.0}[kind]
    channels = colours + (meaning in (ASSOCIATED, UNASSOCIATED))
    if samples.shape[2] > channels:
        notes.append("channels beyond colour and alpha dropped")
        samples = samples[..., :channels]
    if photometric == 0:
        samples = np.concatenate([samples.dtype.type(full) - samples[..., :1], samples[..., 1:]], axis=2)
    if meaning == ASSOCIATED:
        notes.append("colours divided by alpha, which was multiplied into them")
        samples = _unmultiplied(samples, full)
    if photometric == CMYK:
        notes.append("CMYK converted to RGB")
        samples = _rgb_of_cmyk(samples, full)
    return Decoded(samples=samples, turn=orientation, icc_profile=profile, notes=tuple(notes))


def _unmultiplied(samples: NDArray[Any], full: float) -> NDArray[Any]:
    """Divide colours by the last channel; 0 where that is 0."""
    alpha = samples[..., -1:]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        colours = np.where(alpha > 0, samples[..., :-1] * full / alpha, 0.0)
    if samples.dtype.kind == "u":
        colours = np.rint(np.minimum(colours, full))
    return np.concatenate([colours.astype(samples.dtype), alpha], axis=2)


def _rgb_of_cmyk(samples: NDArray[Any], full: float) -> NDArray[Any]:
    """Return (H, W, 3 or 4) of cyan, magenta, yellow, black and perhaps alpha, as ideal inks would show."""
    inks, black = samples[..., :3].astype(np.float32), samples[..., 3:4].astype(np.float32)
    colours = (full - inks) * (full - black) / np.float32(full)
    rounded = colours if samples.dtype.kind == "f" else np.rint(colours)
    return np.concatenate([rounded.astype(samples.dtype), samples[..., 4:]], axis=2)
