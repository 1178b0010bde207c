"""WebP files."""

import numpy as np

from npfuse.pictures.reading import Picture, read_picture, write_picture
from tests.picture_files import (
    GREY_PROFILE,
    assert_same_samples,
    smooth_rgb,
)


def test_webp_keeps_alpha(tmp_path):
    alpha = smooth_rgb()[..., 0]
    assert write_picture(tmp_path / "a.webp", Picture(pixels=smooth_rgb(), alpha=alpha)) == ()
    assert_same_samples(read_picture(tmp_path / "a.webp").alpha, alpha)


def test_webp_stores_grey_as_rgb_and_says_so(tmp_path):
    grey = smooth_rgb()[..., 0]
    picture = Picture(pixels=grey, icc_profile=GREY_PROFILE)
    notes = write_picture(tmp_path / "a.webp", picture)
    assert notes == ("grey stored as RGB: WebP has no grey", "ICC profile dropped: it is not one for such pixels")
    back = read_picture(tmp_path / "a.webp")
    assert np.abs(back.pixels.astype(int) - grey[..., None]).mean() < 3
