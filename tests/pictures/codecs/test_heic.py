"""HEIC files: 8, 10 and 12 bits, alpha, EXIF, and what is said where they cannot be read."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from npfuse.pictures.reading import PictureError, read_picture
from tests.picture_files import assert_one_line, exif_block, random_samples, smooth_rgb


def heic_bytes(pillow_heif, mode, samples, **options):
    file = pillow_heif.from_bytes(mode, samples.shape[1::-1], samples.tobytes())
    stream = io.BytesIO()
    file.save(stream, **({"quality": -1, "chroma": 444, "matrix_coefficients": 0} | options))
    return stream.getvalue()


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4)])
def test_lossless_8_bits_return_every_sample(tmp_path, mode, channels):
    pillow_heif = pytest.importorskip("pillow_heif")
    samples = random_samples("uint8", channels)
    (tmp_path / "a.jpg").write_bytes(heic_bytes(pillow_heif, mode, samples))
    back = read_picture(tmp_path / "a.jpg")
    np.testing.assert_array_equal(back.pixels, samples[..., :3])
    assert (back.alpha is None) == (channels == 3)
    if channels == 4:
        np.testing.assert_array_equal(back.alpha, samples[..., 3])


def test_more_than_8_bits_become_16_with_white_at_white(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    samples = np.zeros((16, 64, 3), np.uint16)
    levels = np.linspace(0, 1023, 64).round()
    samples[...] = (levels.astype(np.uint16) << 6)[None, :, None]
    (tmp_path / "a").write_bytes(heic_bytes(pillow_heif, "RGB;16", samples))
    back = read_picture(tmp_path / "a")
    assert back.pixels.dtype == np.uint16
    np.testing.assert_array_equal(back.pixels[0, :, 0], np.rint(levels * 65535 / 1023))
    assert back.notes == ("10 bits scaled to 16",)


def test_exif_is_carried_and_its_orientation_applied_once(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = smooth_rgb(32, 48)
    content = heic_bytes(pillow_heif, "RGB", pixels, exif=b"Exif\0\0" + exif_block(6))
    (tmp_path / "a").write_bytes(content)
    back = read_picture(tmp_path / "a")
    exif = Image.Exif()
    exif.load(back.exif)
    assert (exif[271], exif.get(274, 1)) == ("Mak", 1)
    # The orientation that was written is in the EXIF block only; HEIF has its own, which the library applies.
    assert back.pixels.shape in ((32, 48, 3), (48, 32, 3))


@pytest.mark.parametrize("kept", [12, 60, 300])
def test_truncated_heic_is_refused(tmp_path, kept):
    pillow_heif = pytest.importorskip("pillow_heif")
    (tmp_path / "a").write_bytes(heic_bytes(pillow_heif, "RGB", random_samples("uint8", 3))[:kept])
    with pytest.raises(PictureError, match="damaged or unusual HEIC") as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    message = r'is a HEIC picture, which needs the package pillow_heif; install it with: pip install "npfuse\[heif\]"'
    with pytest.raises(PictureError, match=message):
        read_picture(tmp_path / "a")
