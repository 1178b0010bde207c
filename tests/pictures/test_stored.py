"""Pictures read part by part: every part is that of the whole, whatever the layout in the file."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npfuse.pictures.codecs import tiff_parts
from npfuse.pictures.picture import PictureError
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.pictures.stored import opened
from npfuse.pictures.views import Channels, Part, clipped
from tests.picture_files import (
    HEIGHT,
    RGB_PROFILE,
    WIDTH,
    assert_one_line,
    assert_same_samples,
    exif_block,
    random_samples,
)

LAYOUTS = {
    "one run": {},
    "one run, big-endian": {"byteorder": ">"},
    "strips": {"compression": "packbits", "rowsperstrip": 3},
    "tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate", "rowsperstrip": 4},
    "planes of tiles": {"planarconfig": "separate", "tile": (16, 16)},
    "lzw": {"compression": "lzw", "predictor": True, "rowsperstrip": 2},
    "deflate": {"compression": "deflate", "tile": (16, 16)},
    "bigtiff": {"bigtiff": True, "rowsperstrip": 5},
    "big-endian": {"byteorder": ">", "rowsperstrip": 5},
}


def write_tiff_of(layout, file, samples):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    options = dict(LAYOUTS[layout])
    data = np.moveaxis(samples, 2, 0) if "planes" in layout else samples
    extra = ["unassalpha"] if samples.ndim == 3 and samples.shape[2] == 4 else None
    photometric = "rgb" if samples.ndim == 3 else "minisblack"
    tifffile.imwrite(file, data, photometric=photometric, extrasamples=extra, **options)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    channels=st.sampled_from([3, 4]),
    rows=st.tuples(st.integers(0, HEIGHT), st.integers(0, HEIGHT + 5)),
    columns=st.tuples(st.integers(0, WIDTH), st.integers(0, WIDTH + 5)),
)
def test_a_part_of_a_tiff_is_that_part_of_the_whole(tmp_path, layout, dtype, channels, rows, columns):
    samples = random_samples(dtype, channels)
    write_tiff_of(layout, tmp_path / "a.tif", samples)
    place = slice(*rows), slice(*columns)
    with opened(tmp_path / "a.tif") as picture:
        assert picture.pixels.shape == (HEIGHT, WIDTH, 3)
        assert_same_samples(picture.pixels[place], samples[..., :3][place])
        assert_same_samples(picture.pixels[place], samples[..., :3][place])  # from what is kept
        assert (picture.alpha is None) == (channels == 3)
        if channels == 4:
            assert_same_samples(picture.alpha[place], samples[..., 3][place])


def test_little_is_kept_of_what_was_decoded(tmp_path, monkeypatch):
    samples = random_samples("uint8", 3)
    write_tiff_of("strips", tmp_path / "a.tif", samples)
    monkeypatch.setattr(tiff_parts, "KEPT_ROWS", 4)
    with opened(tmp_path / "a.tif") as picture:
        for first in range(HEIGHT):
            assert_same_samples(picture.pixels[first : first + 2, :], samples[first : first + 2])
            assert len(picture.pixels.picture.decoded) <= 2


def test_our_own_tiff_carries_exif_and_profile(tmp_path):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    pixels = random_samples("uint16", 3)
    write_picture(tmp_path / "a.tif", Picture(pixels=pixels, exif=exif_block(), icc_profile=RGB_PROFILE))
    whole = read_picture(tmp_path / "a.tif")
    with opened(tmp_path / "a.tif") as picture:
        assert_same_samples(picture.pixels[:, :], pixels)
        assert (picture.exif, picture.icc_profile, picture.notes) == (whole.exif, RGB_PROFILE, ())
        assert picture.nbytes == pixels.nbytes


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        (random_samples("uint8", 3), {"extratags": [(274, 3, 1, 6, True)], "metadata": None}),
        (random_samples("uint8", 0), {"photometric": "miniswhite"}),
        (random_samples("uint16", 4), {"extrasamples": ["assocalpha"]}),
        (random_samples("uint8", 4), {"photometric": "separated"}),
        (random_samples("uint16", 0).astype(np.int16), {}),
        (random_samples("uint8", 0) > 99, {}),
    ],
    ids=["turned", "white is zero", "multiplied alpha", "cmyk", "signed", "bits"],
)
def test_what_cannot_be_read_part_by_part_is_left_to_others(tmp_path, samples, options):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    options = {"photometric": "rgb" if samples.ndim == 3 else "minisblack"} | options
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    with opened(tmp_path / "a.tif") as picture:
        assert picture is None


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"\x89PNG\r\n\x1a\n", b"II+\0" + bytes(60)]
)
def test_damaged_and_other_files_are_left_to_others(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with opened(tmp_path / "a.tif") as picture:
        assert picture is None
    with opened(tmp_path / "missing.tif") as picture:
        assert picture is None


def test_without_the_packages_tiffs_are_left_to_others(tmp_path, monkeypatch):
    write_picture(tmp_path / "a.tif", Picture(pixels=random_samples("uint8", 3)))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with opened(tmp_path / "a.tif") as picture:
        assert picture is None


def test_views_of_views_are_what_numpy_makes_of_them():
    samples = random_samples("float32", 4) * 3 - 1
    view = Part(Channels(samples, slice(0, 3)), (slice(2, 10), slice(1, 12)))
    expected = samples[2:10, 1:12, :3]
    assert (view.shape, view.ndim) == (expected.shape, 3)
    for place in ((slice(0, 3), slice(2, 99)), (slice(None), slice(None))):
        assert_same_samples(view[place], expected[place])
        assert_same_samples(clipped(view)[place], np.clip(expected[place], 0, 1))
    assert_same_samples(Channels(samples, 3)[1:4, :], samples[1:4, :, 3])


def test_a_segment_at_a_place_that_no_file_has_is_told_when_it_is_read(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    samples = random_samples("uint16", 3)
    tifffile.imwrite(tmp_path / "a.tif", samples, bigtiff=True, photometric="rgb", compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages.first.tags["StripOffsets"].offset + 12  # of the value
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[place : place + 8] = bytes([255]) * 8
    (tmp_path / "a.tif").write_bytes(content)
    message = r"a\.tif: is a damaged or unusual TIFF \(.*\), expected a whole picture"
    with opened(tmp_path / "a.tif") as picture, pytest.raises(PictureError, match=message) as error:
        picture.pixels[:, :]
    assert_one_line(error)


def test_a_damaged_segment_is_told_when_it_is_read(tmp_path):
    write_tiff_of("deflate", tmp_path / "a.tif", random_samples("uint8", 3))
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[-60:-30] = bytes(30)
    (tmp_path / "a.tif").write_bytes(content)
    message = r"a\.tif: is a damaged or unusual TIFF \(.*\), expected a whole picture"
    with opened(tmp_path / "a.tif") as picture, pytest.raises(PictureError, match=message) as error:
        picture.pixels[:, :]
    assert_one_line(error)
