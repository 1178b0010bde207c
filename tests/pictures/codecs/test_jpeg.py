"""JPEG files."""

from PIL import Image

from npfuse.pictures.reading import Picture, read_picture, write_picture
from tests.picture_files import (
    smooth_rgb,
)


def test_jpeg_is_written_with_full_chroma(tmp_path):
    write_picture(tmp_path / "a.jpg", Picture(pixels=smooth_rgb()))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [factors[1:3] for factors in image.layer] == [(1, 1)] * 3


def test_jpeg_drops_alpha_and_says_so(tmp_path):
    picture = Picture(pixels=smooth_rgb(), alpha=smooth_rgb()[..., 0])
    assert write_picture(tmp_path / "a.jpg", picture) == ("alpha dropped: JPEG has none",)
    assert read_picture(tmp_path / "a.jpg").alpha is None
