"""Camera raw files, with the package of the extra `raw` (rawpy, on LibRaw). Reading only.

All pictures are developed alike: with the camera's white balance, without automatic brightening (it would undo the
difference of the exposures), to sRGB with its curve, in 16 bits, turned the way the camera was held.
"""

from typing import BinaryIO

import numpy as np

from npfuse.pictures.metadata.profiles import SRGB
from npfuse.pictures.metadata.raw_exif import raw_exif
from npfuse.pictures.picture import CheckSize, Decoded

FLIPS = {3: 3, 5: 8, 6: 6}  # EXIF orientations of the turns that LibRaw makes
SRGB_CURVE = (2.4, 12.92)  # power and slope of the linear part, IEC 61966-2-1


def read_raw(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Develop a raw file to 16-bit sRGB.

    Raises
    ------
    ImportError : rawpy is missing
    rawpy.LibRawError : LibRaw does not know the file, or it is damaged
    """
    import rawpy

    stream.seek(0)
    with rawpy.imread(stream) as raw:
        # 12 bytes per pixel: the sensor's, four colours inside LibRaw, the result.
        check_size(raw.sizes.raw_height, raw.sizes.raw_width, 12)
        developed = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=SRGB_CURVE, output_color=rawpy.ColorSpace.sRGB
        )
        flip = raw.sizes.flip
        exif, notes = raw_exif(stream, raw)
    return Decoded(
        samples=developed.astype(np.uint16, copy=False),
        exif=exif,
        icc_profile=SRGB,
        turn=1,
        orientation=FLIPS.get(flip, 1),
        notes=("camera raw file developed to 16-bit sRGB, without automatic brightness", *notes),
    )
