"""ICC profiles: which mean the same, and pictures converted from one to another."""

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from npfuse.pictures.metadata.profiles import SRGB, same_colours, with_profile_of
from npfuse.pictures.reading import Picture, PictureError
from tests.picture_files import matrix_profile, smooth_rgb


def picture(icc_profile=None, pixels=None):
    return Picture(pixels=smooth_rgb() if pixels is None else pixels, icc_profile=icc_profile)


def test_no_profile_means_srgb():
    assert same_colours(picture(), picture(SRGB))
    assert not same_colours(picture(), picture(matrix_profile(1.0)))


def test_profiles_of_other_bytes_and_the_same_colours_are_alike():
    renamed = bytearray(matrix_profile(1.8))
    renamed[renamed.index(b"test\0")] = ord("b")
    assert same_colours(picture(matrix_profile(1.8)), picture(bytes(renamed)))
    assert not same_colours(picture(matrix_profile(1.8)), picture(matrix_profile(2.2)))
    assert not same_colours(picture(matrix_profile(1.8)), picture(matrix_profile(1.8, swap=True)))


def test_damaged_profiles_are_not_alike():
    assert not same_colours(picture(SRGB), picture(SRGB[:150]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_conversion_between_powers_is_a_power(dtype):
    if dtype != "uint8":
        pytest.importorskip("imagecodecs")
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    ramp = np.linspace(0.1, 0.9, 48)
    pixels = (np.repeat(ramp[None, :, None], 3, axis=2) * white).astype(dtype)
    given = picture(matrix_profile(1.0), np.repeat(pixels, 2, axis=0))
    converted = with_profile_of(given, picture(matrix_profile(2.0)), "b.png")
    assert converted.icc_profile == matrix_profile(2.0)
    assert converted.pixels.dtype == dtype
    # 8 bits: a rounding before the root, whose slope is at most 1.6 here, and one after.
    tolerance = 2 if dtype == "uint8" else white * 1e-3
    np.testing.assert_allclose(converted.pixels[1].astype(float), white * np.sqrt(pixels[0] / white), atol=tolerance)


def test_swapped_primaries_swap_the_channels():
    converted = with_profile_of(picture(matrix_profile(2.2, swap=True)), picture(matrix_profile(2.2)), "b.png").pixels
    assert np.abs(converted[..., [1, 0, 2]].astype(int) - smooth_rgb()).max() <= 2  # near black, where bytes are coarse


def test_conversion_agrees_with_pillows_own():
    converted = with_profile_of(picture(matrix_profile(1.8)), picture(SRGB), "b.png").pixels
    source, target = (ImageCms.ImageCmsProfile(io.BytesIO(p)) for p in (matrix_profile(1.8), SRGB))
    wanted = ImageCms.profileToProfile(
        Image.fromarray(smooth_rgb()), source, target, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    assert np.abs(converted.astype(int) - np.asarray(wanted)).max() <= 1


def test_damaged_profiles_are_no_conversion():
    with pytest.raises(PictureError, match=r"b\.png: its ICC profile or the other picture's cannot be converted"):
        with_profile_of(picture(SRGB[:150]), picture(SRGB), "b.png")


def test_16_bits_without_the_package_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    deep = picture(matrix_profile(2.0), smooth_rgb().astype(np.uint16))
    with pytest.raises(PictureError, match=r'the package imagecodecs; install it with: pip install "npfuse\[tiff\]"'):
        with_profile_of(deep, picture(SRGB), "b.png")
