"""PPM and PGM files."""

import numpy as np
import pytest
from PIL import Image

from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.picture_files import assert_same_samples, encoded, random_samples


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_samples_come_back_and_are_read_alike_by_an_independent_library(tmp_path, dtype, channels):
    pixels = random_samples(dtype, channels)
    write_picture(tmp_path / "a.ppm", Picture(pixels=pixels))
    assert_same_samples(read_picture(tmp_path / "a.ppm").pixels, pixels)
    imagecodecs = pytest.importorskip("imagecodecs")
    assert imagecodecs
    cv2 = pytest.importorskip("cv2")
    theirs = cv2.imread(str(tmp_path / "a.ppm"), cv2.IMREAD_UNCHANGED)
    assert_same_samples(theirs if channels == 0 else theirs[..., ::-1], pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pillows_files_are_read(tmp_path, mode):
    image = Image.fromarray(random_samples("uint8", 3)).convert(mode)
    (tmp_path / "a").write_bytes(encoded(image, "PPM"))
    assert_same_samples(read_picture(tmp_path / "a").pixels, np.asarray(image))


def test_comments_numbers_as_text_and_other_whites_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"P3 # a comment\n# another\n2 1 #\n15\n0 15 3 # in between\n7\n8 15\n")
    back = read_picture(tmp_path / "a")
    assert_same_samples(back.pixels, np.array([[[0, 255, 51], [119, 136, 255]]], np.uint8))
    assert back.notes == ("samples of white at 15 scaled to 255",)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_than_16_are_scaled_by_the_header(tmp_path, bits):
    white = 2**bits - 1
    levels = np.linspace(0, white, 50).round().astype(">u2")
    (tmp_path / "a").write_bytes(b"P5 50 1 %d\n" % white + levels.tobytes())
    expected = np.rint(levels.astype(float) * 65535 / white).astype(np.uint16)[None]
    assert_same_samples(read_picture(tmp_path / "a").pixels, expected)


@pytest.mark.parametrize(
    "content",
    [b"P6", b"P6 0 4 255\n", b"P6 2 2 0\n" + bytes(12), b"P6 2 2 70000\n" + bytes(24), b"P5 2 2 255\n" + bytes(3),
     b"P5 2 2 100\n\xff\xff\xff\xff", b"P3 1 1 255\n1 2", b"P3 1 1 255\n1 2 -3", b"P6 -2 2 255\n" + bytes(12)],
)  # fmt: skip
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PictureError, match="damaged or unusual PPM"):
        read_picture(tmp_path / "a")
