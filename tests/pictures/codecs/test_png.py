"""PNG files of 16 bits."""

import struct
import zlib

import numpy as np
import pytest

from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.picture_files import HEIGHT, WIDTH, assert_same_samples, png_bytes, random_samples


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_16_bit_png_is_read_alike_by_an_independent_library(tmp_path, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    pixels, mask = (samples, None) if channels in (0, 3) else (samples[..., :-1].squeeze(), samples[..., -1])
    write_picture(tmp_path / "a.png", Picture(pixels=pixels, alpha=mask))
    assert_same_samples(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), samples)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_keeps_every_bit(tmp_path, colour_type, channels):
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


@pytest.mark.parametrize("filtering", ["NONE", "SUB", "UP", "AVG", "PAETH"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_png_of_every_filter_keeps_every_bit(tmp_path, channels, filtering):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    content = imagecodecs.png_encode(samples, filter=imagecodecs.PNG.FILTER[filtering])
    (tmp_path / "a.png").write_bytes(content)
    back = read_picture(tmp_path / "a.png")
    parts = [back.pixels[..., None] if back.pixels.ndim == 2 else back.pixels]
    parts += [] if back.alpha is None else [back.alpha[..., None]]
    assert_same_samples(np.concatenate(parts, axis=2), samples)


def test_interlaced_16_bit_png_keeps_every_bit(tmp_path):
    samples = random_samples("uint16", 3)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for row, column, row_step, column_step in passes:  # Adam7: first row and column, steps
        part = samples[row::row_step, column::column_step]
        rows += b"".join(b"\0" + line.astype(">u2").tobytes() for line in part if part.size)
    plain = png_bytes(2, samples)
    header = bytearray(plain[:33])
    header[28] = 1
    struct.pack_into(">I", header, 29, zlib.crc32(header[12:29]))
    data = zlib.compress(rows)
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    (tmp_path / "a.png").write_bytes(bytes(header) + chunk + plain[-12:])
    assert_same_samples(read_picture(tmp_path / "a.png").pixels, samples)
