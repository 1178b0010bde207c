"""PNG files of 16 bits."""

import struct
import zlib

import numpy as np
import pytest

from npfuse.images import Picture, PictureError, read_picture, write_picture
from tests.pictures import HEIGHT, WIDTH, assert_same_samples, png_bytes, random_samples


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_16_bit_png_is_read_alike_by_an_independent_library(tmp_path, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    pixels, mask = (samples, None) if channels in (0, 3) else (samples[..., :-1].squeeze(), samples[..., -1])
    write_picture(tmp_path / "a.png", Picture(pixels=pixels, alpha=mask))
    assert_same_samples(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), samples)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_keeps_every_bit(tmp_path, colour_type, channels):
    if colour_type:
        pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    (tmp_path / "a.png").write_bytes(png_bytes(colour_type, samples))
    back = read_picture(tmp_path / "a.png")
    colours = 1 if channels < 3 else 3
    assert_same_samples(back.pixels, samples[..., :3] if colours == 3 else samples[..., 0])
    if channels == colours:
        assert back.alpha is None
    else:
        assert_same_samples(back.alpha, samples[..., -1])


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
def test_16_bit_png_transparent_colour_becomes_alpha(tmp_path, colour_type, channels):
    if colour_type:
        pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    samples[2, 3] = samples[4, 5]
    (tmp_path / "a.png").write_bytes(png_bytes(colour_type, samples, (b"tRNS", samples[4, 5].astype(">u2").tobytes())))
    expected = np.full((HEIGHT, WIDTH), 65535, np.uint16)
    expected[2, 3] = expected[4, 5] = 0
    assert_same_samples(read_picture(tmp_path / "a.png").alpha, expected)


def test_absurd_16_bit_png_headers_are_refused_before_allocating(tmp_path):
    data = bytearray(png_bytes(2, random_samples("uint16", 3)))
    struct.pack_into(">II", data, 16, 10**6, 10**6)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PictureError, match="declares more pixels than the limit of 178 million"):
        read_picture(tmp_path / "a.png")
