"""TIFF files written strip by strip: the same file whatever parts come in what order."""

import io
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npfuse.pictures.codecs import tiff_output
from npfuse.pictures.codecs.tiff_output import TiffWriter, write_tiff
from npfuse.pictures.metadata.exif import BIG_TIFF_START
from npfuse.pictures.picture import Description, Picture
from npfuse.pictures.reading import read_picture
from tests.picture_files import RGB_PROFILE, assert_same_samples, exif_block, random_samples


def whole(samples, **about):
    """Bytes of a TIFF that is written in one go; the last of 2 or 4 channels is alpha."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    pixels = samples if samples.ndim == 2 else samples[..., 0] if channels < 3 else samples[..., :3]
    alpha = samples[..., -1] if channels in (2, 4) else None
    stream = io.BytesIO()
    write_tiff(stream, Picture(pixels=pixels, alpha=alpha, **about), 95, [])
    return stream.getvalue()


@given(
    channels=st.sampled_from([0, 3, 4]),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    rows=st.integers(1, 11),
    columns=st.integers(1, 14),
    strip_rows=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_parts_of_any_shape_and_order_make_the_same_file(channels, dtype, rows, columns, strip_rows, seed):
    samples = random_samples(dtype, channels)
    about = Description(exif=exif_block(), icc_profile=RGB_PROFILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff_output, "STRIP_BYTES", strip_rows * samples[0].nbytes)
        stream = io.BytesIO()
        writer = TiffWriter(stream, samples.shape, samples.dtype, about, [])
        places = [
            (slice(r, r + rows), slice(c, c + columns)) for r in range(0, 11, rows) for c in range(0, 14, columns)
        ]
        random.Random(seed).shuffle(places)
        for place in places:
            writer[place] = samples[place]
        writer.finish()
        expected = whole(samples, exif=exif_block(), icc_profile=RGB_PROFILE)
    assert stream.getvalue() == expected


def test_threads_make_the_same_file(monkeypatch):
    samples = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    monkeypatch.setattr(tiff_output, "STRIP_BYTES", 30 * 900)
    stream = io.BytesIO()
    writer = TiffWriter(stream, samples.shape, samples.dtype, Description(), [])

    def put(first):
        writer[first : first + 7, :] = samples[first : first + 7]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(0, 400, 7)))
    writer.finish()
    assert stream.getvalue() == whole(samples)


@pytest.mark.parametrize("channels", [0, 3])
def test_alpha_is_taken_from_its_own_picture(channels):
    samples = random_samples("uint16", channels + 1 if channels else 2)
    pixels = samples[..., :-1] if channels else samples[..., 0]
    stream = io.BytesIO()
    writer = TiffWriter(stream, pixels.shape, pixels.dtype, Description(), [], alpha=samples[..., -1])
    writer[:, :] = pixels
    writer.finish()
    assert stream.getvalue() == whole(samples)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_large_pictures_become_bigtiff_with_all_tags(tmp_path, monkeypatch, dtype):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    monkeypatch.setattr(tiff_output, "CLASSIC_BYTES", 100)
    samples = random_samples(dtype, 4)
    for strip_bytes in (1 << 20, 3 * samples[0].nbytes):
        monkeypatch.setattr(tiff_output, "STRIP_BYTES", strip_bytes)
        content = whole(samples, exif=exif_block())
        assert content.startswith(BIG_TIFF_START)
        (tmp_path / "a.tif").write_bytes(content)
        assert_same_samples(tifffile.imread(tmp_path / "a.tif"), samples)
        back = read_picture(tmp_path / "a.tif")
        assert_same_samples(back.pixels, samples[..., :3])
        assert_same_samples(back.alpha, samples[..., 3])
        exif = Image.Exif()
        exif.load(back.exif)
        assert exif[271] == "Mak"


def test_a_picture_with_a_part_missing_is_no_file():
    writer = TiffWriter(io.BytesIO(), (20, 30, 3), np.dtype(np.uint8), Description(), [])
    writer[:19, :] = 1
    with pytest.raises(ValueError, match="not all of the picture was written"):
        writer.finish()
