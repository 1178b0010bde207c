"""Camera raw files, with the package of the extra `raw` (rawpy, on LibRaw). Reading only.

Developed alike whatever the picture: the camera's white balance, no automatic brightening (it would undo the exposure
that the fusion is about), sRGB with its curve, 16 bits, turned the way the camera was held.
"""

from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

SRGB_CURVE = (2.4, 12.92)  # power and slope of the linear part, IEC 61966-2-1


def read_raw(stream: BinaryIO, check_size: Callable[[int, int, int], None]) -> NDArray[np.uint16]:
    """Develop a raw file to uint16 sRGB (H, W, 3).

    Parameters
    ----------
    stream : binary file
    check_size : called with height, width and bytes a pixel before anything is decoded

    Raises
    ------
    ImportError : rawpy is missing
    rawpy.LibRawError : the file is none that LibRaw knows, or is damaged
    """
    import rawpy

    stream.seek(0)
    with rawpy.imread(stream) as raw:
        check_size(
            raw.sizes.raw_height, raw.sizes.raw_width, 12
        )  # the sensor's, four colours inside LibRaw, the result
        developed = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=SRGB_CURVE, output_color=rawpy.ColorSpace.sRGB
        )
    return developed.astype(np.uint16, copy=False)
