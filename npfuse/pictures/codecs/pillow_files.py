"""Pictures of 8 bits and less through Pillow: JPEG, WebP, and the plain kinds of PNG and TIFF."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse.pictures.codecs.pillow_memory import image_of, load_large, samples_of
from npfuse.pictures.metadata.exif import EXIF_START, quiet
from npfuse.pictures.metadata.iptc import IPTC_RESOURCE, jpeg_segment
from npfuse.pictures.picture import CheckSize, Decoded, Picture
from npfuse.pictures.shared_context import SharedContext

# What Pillow's modes of 8 bits and less become.
MODES = {
    "1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA",
    "P": "RGB", "PA": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "RGBX": "RGB",
}  # fmt: skip
STRIP_PIXELS = 1 << 15  # that are converted at once, so that a strip stays in the processor's cache


def read_with_pillow(stream: BinaryIO, check_size: CheckSize, *, kind: str) -> Decoded:
    """Read a picture of 8 bits.

    Parameters
    ----------
    stream : binary file
    check_size : CheckSize
    kind : name of the format in Pillow, as "JPEG"

    Raises
    ------
    Exception : Pillow raises almost anything on damaged bytes
    """
    with opened_by_pillow(stream, kind, check_size) as image:
        if kind == "JPEG":
            load_large(image)
        return decoded(image)


def read_reduced_jpeg(stream: BinaryIO, check_size: CheckSize, reduction: int) -> Decoded:
    """Read a JPEG with 1 / reduction of its rows and columns; that is faster, since fewer frequencies are decoded.

    Parameters
    ----------
    stream, check_size : as for `read_with_pillow`
    reduction : factor by which rows and columns are reduced: 1, 2, 4 or 8

    Returns
    -------
    Decoded : its samples are, up to roundings, the means of blocks of reduction x reduction pixels; last rows and
        columns that do not fill a block make smaller blocks
    """
    with opened_by_pillow(stream, "JPEG", check_size) as image:
        image.draft(None, (max(1, image.width // reduction), max(1, image.height // reduction)))
        return decoded(image)


@contextmanager
def opened_by_pillow(stream: BinaryIO, kind: str, check_size: CheckSize) -> Iterator[Image.Image]:
    """Open a file with Pillow, check its size by `check_size` alone, and keep Pillow's warnings off the terminal."""
    stream.seek(0)
    with quiet(), UNLIMITED, Image.open(stream, formats=[kind]) as image:
        check_size(image.height, image.width, 2 if image.mode.startswith("I") else len(image.getbands()))
        yield image


@contextmanager
def _unlimited() -> Iterator[int | None]:
    """Lift Pillow's limit of pixels, and yield it."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield limit
    finally:
        Image.MAX_IMAGE_PIXELS = limit


UNLIMITED = SharedContext(_unlimited)  # for all threads that open a file


def first_of_several(image: Image.Image) -> tuple[str, ...]:
    """Return the note of a file with more frames than the one that is read."""
    return ("several frames: the first is used",) if getattr(image, "is_animated", False) else ()


def decoded(image: Image.Image) -> Decoded:
    """Take samples and description from an opened Pillow image, converting colours other than grey and RGB."""
    notes = first_of_several(image)
    image.load()
    samples: NDArray[Any]
    if image.mode in ("I;16", "I;16B", "I"):  # a 16-bit grey PNG; "I" in older versions of Pillow
        samples = np.asarray(image).astype(np.uint16, copy=False)
        transparent = image.info.get("transparency")
        if transparent is not None:
            samples = np.dstack([samples, np.where(samples == transparent, 0, 65535).astype(np.uint16)])
    else:
        if image.mode not in MODES:
            raise ValueError(f"colours of the kind {image.mode} are not supported")
        mode = MODES[image.mode]
        if mode == "RGB" != image.mode:
            notes += (f"{'palette' if image.mode in ('P', 'PA') else image.mode} converted to RGB",)
        if image.has_transparency_data and not mode.endswith("A"):
            mode += "A"
        if image.mode == "1":
            image = image.convert("L")  # 0 and 255, the numbers that a transparent colour is compared with
        samples = whole_samples(image, mode)
    return Decoded(samples=samples, notes=notes, **description(image))


def description(image: Image.Image) -> dict[str, Any]:
    """Return the parts of a `Description` that an opened Pillow image has, but for notes."""
    told = image.info
    return {
        "exif": told.get("exif"),
        "icc_profile": told.get("icc_profile"),
        "xmp": _bytes_or_none(told.get("xmp")),
        "iptc": _bytes_or_none(told.get("photoshop", {}).get(IPTC_RESOURCE)),
        "resolution": _resolution(image),
    }


def _bytes_or_none(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Return rows and columns of pixels per inch, or None."""
    scale = 1.0
    density = image.info.get("dpi")  # columns, rows
    if image.format == "JPEG":  # if a JPEG has none, Pillow invents a "dpi"
        scale = {1: 1.0, 2: 2.54}.get(image.info.get("jfif_unit", 0), 0.0)  # per inch, per centimetre
        density = image.info.get("jfif_density")
    if not density or not scale or min(density) <= 0:
        return None
    return float(density[1]) * scale, float(density[0]) * scale


def whole_samples(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """Return a loaded image's samples in a mode of Pillow's, (H, W) or (H, W, 2 to 4)."""
    if image.mode == mode in ("L", "RGB"):
        return samples_of(image)
    channels = len(mode)
    samples = np.empty((image.height, image.width, channels) if channels > 1 else (image.height, image.width), np.uint8)
    for rows, strip in strips(image, mode):
        samples[rows] = strip
    return samples


def strips(image: Image.Image, mode: str) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Yield rows of a loaded image, and their samples in a mode of Pillow's, strip by strip."""
    count = max(1, STRIP_PIXELS // image.width)
    for first in range(0, image.height, count):
        strip = image.crop((0, first, image.width, min(first + count, image.height)))
        yield slice(first, first + count), np.asarray(strip if strip.mode == mode else strip.convert(mode))


def write_jpeg(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write a JPEG without chroma subsampling (4:4:4)."""
    options: dict[str, Any] = {"xmp": picture.xmp} if picture.xmp else {}
    if picture.iptc:
        options["extra"] = jpeg_segment(picture.iptc)
    if picture.resolution:
        options["dpi"] = tuple(min(65535, max(1, round(n))) for n in picture.resolution[::-1])
    save_with_pillow(stream, picture, "JPEG", image_of(picture.samples), quality=quality, subsampling=0, **options)


def write_webp(stream: BinaryIO, picture: Picture, quality: int, notes: list[str]) -> None:
    """Write a lossy WebP."""
    options: dict[str, Any] = {"xmp": picture.xmp} if picture.xmp else {}
    save_with_pillow(stream, picture, "WEBP", quality=quality, **options)


def save_with_pillow(
    stream: BinaryIO, picture: Picture, kind: str, image: Image.Image | None = None, **options: Any
) -> None:
    """Write samples of 8 bits with EXIF and ICC profile, and what the options name; the image is made if it is None."""
    if picture.exif:
        options["exif"] = EXIF_START + picture.exif
    if picture.icc_profile:
        options["icc_profile"] = picture.icc_profile
    image = Image.fromarray(np.ascontiguousarray(picture.samples)) if image is None else image
    image.save(stream, kind, **options)
