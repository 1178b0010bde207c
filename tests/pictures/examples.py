"""A small file of every format and depth: readers, the hostile corpus and the fuzzer begin with them."""

import io
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from npfuse.pictures import formats
from npfuse.pictures.formats import FORMATS, Format
from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.pictures.stored import stored_output
from npfuse.pictures.writing import write_picture
from tests.picture_files import random_samples, write_dng

NAMES = {format: name for name, format in vars(formats).items() if isinstance(format, Format)}  # as "JPEG"


def heic() -> bytes:
    """A HEIC picture, with pillow-heif."""
    import pillow_heif

    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(9, 250, (64, 64, 3), np.uint8)
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream)
    return stream.getvalue()


def dng() -> bytes:
    """A camera raw file, with tifffile."""
    import tifffile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.dng"
        write_dng(tifffile, file, np.random.default_rng(0).integers(9, 250, (64, 96), np.uint16))
        return file.read_bytes()


def pillow_example(kind: str) -> bytes:
    """A file that Pillow writes."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(9, 250, (24, 32, 3), np.uint8)).save(stream, kind)
    return stream.getvalue()


READ_ONLY = {
    formats.HEIC: heic,
    formats.RAW: dng,
    formats.BMP: partial(pillow_example, "BMP"),
    formats.AVIF: partial(pillow_example, "AVIF"),
}  # of formats that npfuse does not write


def examples(format: Format) -> dict[str, bytes]:
    """Return files by dtype, each a file as npfuse writes it; ImportError or PictureError without a package."""
    if format in READ_ONLY:
        return {"": READ_ONLY[format]()}
    found = {}
    for depth in format.depths:
        dtype = np.dtype(depth).name
        pixels = random_samples("float32" if dtype == "float64" else dtype, 3).astype(depth)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"a{format.suffixes[0]}"
            if format.is_array:
                like = StoredPicture(pixels=pixels)
                with stored_output(file, like, pixels.shape, overwrite=False, notes=[]) as out:
                    out[:, :] = pixels
            else:
                write_picture(file, Picture(pixels=pixels))
            if file.is_file():  # a Zarr array is a folder
                found[dtype] = file.read_bytes()
    return found


def all_examples() -> dict[str, bytes]:
    """Return files of all formats whose packages are there, by dtype and suffix, as "uint8.jpg"."""
    found = {}
    for format in FORMATS:
        try:
            found |= {f"{dtype}{format.suffixes[0]}": content for dtype, content in examples(format).items()}
        except (ImportError, ValueError):  # an extra is missing
            continue
    return found
