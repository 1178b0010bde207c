"""AVIF files, read only."""

import sys

import numpy as np
import pytest
from PIL import Image, features

from npfuse.pictures.reading import PictureError, read_picture
from tests.picture_files import RGB_PROFILE, encoded, exif_block, shown, smooth_rgb

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def test_8_bits_are_read_with_their_description_and_turned(tmp_path):
    image = Image.fromarray(smooth_rgb())
    options = {"quality": 100, "subsampling": "4:4:4"}
    content = encoded(image, "AVIF", exif=b"Exif\0\0" + exif_block(6), icc_profile=RGB_PROFILE, xmp=b"<x/>", **options)
    (tmp_path / "a").write_bytes(content)
    back = read_picture(tmp_path / "a")
    assert np.abs(back.pixels.astype(int) - shown(smooth_rgb(), 6)).mean() < 2
    assert b"Mak" in back.exif
    assert (back.icc_profile, back.xmp, back.orientation) == (RGB_PROFILE, b"<x/>", 6)


@pytest.mark.parametrize("bits", [10, 12])
def test_more_bits_become_16_with_white_at_white(tmp_path, bits):
    imagecodecs = pytest.importorskip("imagecodecs")
    levels = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16)
    samples = np.repeat(np.repeat(levels[None, :, None], 16, axis=0), 3, axis=2)
    (tmp_path / "a").write_bytes(imagecodecs.avif_encode(samples, level=100, bitspersample=bits, pixelformat="444"))
    back = read_picture(tmp_path / "a")
    assert back.pixels.dtype == np.uint16
    assert np.abs(back.pixels[0, :, 1] / 65535 - levels / (2**bits - 1)).max() < 0.01
    assert back.notes == (f"{bits} bits scaled to 16",)


def test_more_bits_without_the_package_name_the_extra(tmp_path, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = np.zeros((16, 16, 3), np.uint16)
    (tmp_path / "a").write_bytes(imagecodecs.avif_encode(samples, bitspersample=10))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(PictureError, match=r'which needs the package imagecodecs; install .* "npfuse\[tiff\]"'):
        read_picture(tmp_path / "a")
