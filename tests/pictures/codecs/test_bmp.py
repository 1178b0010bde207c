"""BMP files, read only."""

import numpy as np
import pytest
from PIL import Image

from npfuse.pictures.reading import PictureError, read_picture, write_picture
from tests.picture_files import assert_same_samples, encoded, random_samples


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_every_sample_is_read(tmp_path, mode):
    image = Image.fromarray(random_samples("uint8", 4)).convert("RGB" if mode == "P" else mode)
    image = image.quantize(32) if mode == "P" else image
    (tmp_path / "a").write_bytes(encoded(image, "BMP"))
    back = read_picture(tmp_path / "a")
    assert_same_samples(back.pixels, np.asarray(image.convert("L" if mode in "1L" else "RGB")))


def test_it_is_not_written(tmp_path):
    (tmp_path / "a.bmp").write_bytes(encoded(Image.fromarray(random_samples("uint8", 3)), "BMP"))
    with pytest.raises(PictureError, match=r"extension is '\.bmp', expected one of \.jpg"):
        write_picture(tmp_path / "b.bmp", read_picture(tmp_path / "a.bmp"))
