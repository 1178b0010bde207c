"""RGB to luma and chroma and back, against scikit-image, Pillow and numbers of the standards."""

import numpy as np
import pytest
from PIL import Image

from npfuse.color import JFIF, STUDIO, luma_of, to_rgb, to_ycbcr
from tests.arrays import FLOATS, assert_close

RGB = np.random.default_rng(0).random((7, 9, 3))


def test_studio_swing_equals_scikit_image():
    """It has Matlab's rgb2ycbcr, whose matrix is given to three digits behind the point, of 255."""
    color = pytest.importorskip("skimage.color")
    assert_close(to_ycbcr(RGB, STUDIO) * 255, color.rgb2ycbcr(RGB), 5e-3)
    assert_close(to_rgb(to_ycbcr(RGB, STUDIO), STUDIO), color.ycbcr2rgb(color.rgb2ycbcr(RGB)), 1e-4)


def test_full_range_equals_pillow_up_to_its_rounding():
    levels = (RGB * 255).round().astype(np.uint8)
    expected = np.asarray(Image.fromarray(levels).convert("YCbCr"), np.float64)
    # Pillow rounds to bytes, of which 128 is neutral, not 127.5, and down at times.
    assert_close(to_ycbcr(levels / 255, JFIF) * 255 + [0, 0.5, 0.5], expected, 1.01)


def test_pure_colors_have_the_numbers_of_the_standards():
    black, white, red, blue = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]], float)
    assert_close(to_ycbcr(black, STUDIO) * 255, np.array([16, 128, 128]), 1e-12)
    assert_close(to_ycbcr(white, STUDIO) * 255, np.array([235, 128, 128]), 1e-12)
    assert_close(to_ycbcr(red, STUDIO)[2] * 255, 240, 1e-12)
    assert_close(to_ycbcr(blue, STUDIO)[1] * 255, 240, 1e-12)
    assert_close(to_ycbcr(red, JFIF)[[0, 2]], np.array([0.299, 1.0]), 1e-12)
    assert_close(to_ycbcr(blue, JFIF)[[0, 1]], np.array([0.114, 1.0]), 1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("standard", [JFIF, STUDIO])
def test_there_and_back_is_the_same_picture_and_dtype(standard, dtype):
    rgb = RGB.astype(dtype)
    back = to_rgb(to_ycbcr(rgb, standard), standard)
    assert back.dtype == dtype
    assert_close(back, rgb, 16 * np.finfo(dtype).eps)
    assert_close(luma_of(rgb, standard), to_ycbcr(rgb, standard)[..., 0], 2 * np.finfo(dtype).eps)
