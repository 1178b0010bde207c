"""AVIF files: 8 bits by Pillow, 10 and 12 bits by imagecodecs, of the extra `tiff`. Reading only."""

from typing import BinaryIO

import numpy as np

from npfuse.pictures.codecs.pillow_files import decoded, description, opened_by_pillow
from npfuse.pictures.picture import CheckSize, Decoded

HEAD_BYTES = 1 << 20  # in which the decoder's configuration lies
HIGH_DEPTH, TWELVE_BITS = 0x40, 0x20  # flags in the configuration's third byte


def read_avif(stream: BinaryIO, check_size: CheckSize) -> Decoded:
    """Read the first picture; samples of 10 and 12 bits become 16, scaled so that white stays white.

    Raises
    ------
    ImportError : more than 8 bits, and imagecodecs is missing
    Exception : errors of the libraries on damaged bytes
    """
    depth = _depth(stream)
    with opened_by_pillow(stream, "AVIF", check_size) as image:
        if depth == 8:
            return decoded(image)
        import imagecodecs

        check_size(image.height, image.width, 2 * len(image.getbands()))
        stream.seek(0)
        samples = imagecodecs.avif_decode(stream.read(), index=0)
        if samples.dtype != np.uint16 or samples.shape[:2] != (image.height, image.width):
            raise ValueError(f"decoded as {samples.dtype} of shape {samples.shape}")
        about = description(image)
    white = 2**depth - 1
    table = np.rint(np.minimum(np.arange(65536), white) * (65535 / white)).astype(np.uint16)
    return Decoded(samples=table[samples], notes=(f"{depth} bits scaled to 16",), **about)


def _depth(stream: BinaryIO) -> int:
    """Return the bits of a sample, as the first configuration of a decoder says; 8 if there is none."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    place = head.find(b"av1C")
    flags = head[place + 6] if 0 <= place < len(head) - 6 else 0
    return 12 if flags & HIGH_DEPTH and flags & TWELVE_BITS else 10 if flags & HIGH_DEPTH else 8
