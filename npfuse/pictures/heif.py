"""HEIC and HEIF files (ISO/IEC 23008-12), with the package of the extra `heif` (pillow-heif). Reading only.

The library turns pictures the way the file says. Samples of 10 and 12 bits become 16, scaled so that white stays white.
"""

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")  # of still pictures in HEVC


def read_heif(
    stream: BinaryIO, notes: list[str], check_size: Callable[[int, int, int], None]
) -> tuple[NDArray[Any], bytes | None, bytes | None]:
    """Read samples (H, W) or (H, W, 2 to 4), EXIF block and ICC profile.

    Parameters
    ----------
    stream : binary file
    notes : gains what was converted
    check_size : called with height, width and bytes a pixel before anything is decoded

    Raises
    ------
    ImportError : pillow-heif is missing
    Exception : what the library raises on damaged bytes
    """
    import pillow_heif

    stream.seek(0)
    file = pillow_heif.open_heif(stream, convert_hdr_to_8bit=False)
    if len(file) > 1:
        notes.append("several pictures: the primary one is used")
    image = file[file.primary_index]
    told: dict[str, Any] = dict(image.info)
    width, height = image.size
    depth = int(told.get("bit_depth", 8))
    check_size(height, width, 4 if depth == 8 else 8)
    samples = np.asarray(image)
    if samples.dtype == np.uint16 and depth < 16:
        levels = np.uint16(2**depth - 1)
        scaled = (samples >> np.uint16(16 - depth)) * np.float32(65535 / float(levels))
        samples = np.rint(scaled).astype(np.uint16)
        notes.append(f"{depth} bits scaled to 16")
    return samples, told.get("exif") or None, told.get("icc_profile") or None
