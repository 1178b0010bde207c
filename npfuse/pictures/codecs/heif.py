"""HEIC and HEIF files (ISO/IEC 23008-12), with the package of the extra `heif` (pillow-heif). Reading only.

The library turns pictures the way the file says. Samples of 10 and 12 bits become 16, scaled so that white stays white.
"""

from typing import Any, BinaryIO

import numpy as np

from npfuse.pictures.picture import CheckSize, Decoded
from npfuse.pictures.row_runs import by_runs

BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")  # of still pictures in HEVC


def read_heif(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read the primary picture.

    Raises
    ------
    ImportError : pillow-heif is missing
    Exception : errors of the library on damaged bytes
    """
    import pillow_heif

    stream.seek(0)
    file = pillow_heif.open_heif(stream, convert_hdr_to_8bit=False)
    notes = ["several pictures: the primary one is used"] if len(file) > 1 else []
    image = file[file.primary_index]
    told: dict[str, Any] = dict(image.info)
    width, height = image.size
    depth = int(told.get("bit_depth", 8))
    check_size(height, width, 4 if depth == 8 else 8)
    samples = np.asarray(image)
    if samples.dtype == np.uint16 and depth < 16:
        levels = np.uint16(2**depth - 1)
        scale = np.float32(65535 / float(levels))
        samples = by_runs(lambda run: np.rint((run >> np.uint16(16 - depth)) * scale), samples, np.uint16)
        notes.append(f"{depth} bits scaled to 16")
    return Decoded(
        samples=samples,
        exif=told.get("exif"),
        icc_profile=told.get("icc_profile"),
        xmp=told.get("xmp"),
        turn=1,  # the library has turned the picture
        notes=tuple(notes),
    )
