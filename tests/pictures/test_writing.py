"""Pictures to files: what is reduced, names that are refused, and writing that fails."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from npfuse.pictures.reading import Picture, PictureError, check_writable, read_picture, write_picture
from npfuse.pictures.writing import to_8_bits
from tests.picture_files import (
    GREY_PROFILE,
    HEIGHT,
    WIDTH,
    assert_one_line,
    assert_same_samples,
    random_samples,
    smooth_rgb,
)


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("channels", [0, 3], ids=["grey", "rgb"])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".png", "uint8"), (".png", "uint16"), (".tif", "uint8"), (".tiff", "uint16"), (".TIF", "float32")],
)
def test_lossless_formats_return_every_sample(tmp_path, suffix, dtype, channels, alpha):
    if suffix.lower() != ".png" and dtype != "uint8":
        pytest.importorskip("tifffile")
        pytest.importorskip("imagecodecs")
    pixels = random_samples(dtype, channels)
    mask = random_samples(dtype, 0, seed=1) if alpha else None
    assert write_picture(tmp_path / f"a{suffix}", Picture(pixels=pixels, alpha=mask)) == ()
    back = read_picture(tmp_path / f"a{suffix}")
    assert_same_samples(back.pixels, pixels)
    if mask is None:
        assert back.alpha is None
    else:
        assert_same_samples(back.alpha, mask)
    assert back.notes == ()
    assert back.pixels.flags.c_contiguous
    assert not back.pixels.flags.writeable


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_return_nearly_the_pixels(tmp_path, suffix):
    pixels = smooth_rgb()
    assert write_picture(tmp_path / f"a{suffix}", Picture(pixels=pixels)) == ()
    back = read_picture(tmp_path / f"a{suffix}")
    assert back.pixels.dtype == np.uint8
    assert back.pixels.shape == pixels.shape
    assert np.abs(back.pixels.astype(int) - pixels).mean() < 3
    assert not np.array_equal(back.pixels, 255 - pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_quality_changes_the_size_of_the_file(tmp_path, suffix):
    picture = Picture(pixels=random_samples("uint8", 3))
    write_picture(tmp_path / f"low{suffix}", picture, quality=20)
    write_picture(tmp_path / f"high{suffix}", picture)
    assert (tmp_path / f"low{suffix}").stat().st_size < (tmp_path / f"high{suffix}").stat().st_size


def test_every_16_bit_value_is_rounded_to_the_nearest_of_8_bits(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.array([round(value / 257) for value in range(65536)], np.uint8).reshape(256, 256)
    assert_same_samples(to_8_bits(values, "a"), expected)


@pytest.mark.parametrize("excess", [-0.4, 0.4])
@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_floats_are_rounded_to_8_bits_and_that_is_noted(tmp_path, suffix, excess):
    levels = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    pixels = (levels.astype(np.float32) + np.float32(excess)) / np.float32(255)
    notes = write_picture(tmp_path / f"a{suffix}", Picture(pixels=pixels))
    kind = {".jpg": "JPEG", ".webp": "WebP", ".png": "PNG"}[suffix]
    assert notes == (f"float result reduced to 8 bits: {kind} holds no floats",)
    back = read_picture(tmp_path / f"a{suffix}").pixels
    assert np.abs(back.astype(int) - 100).max() <= (0 if suffix == ".png" else 1)


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "JPEG"), (".webp", "WebP")])
def test_16_bits_are_reduced_to_8_and_that_is_noted(tmp_path, suffix, kind):
    notes = write_picture(tmp_path / f"a{suffix}", Picture(pixels=smooth_rgb().astype(np.uint16) * 257))
    assert notes == (f"16-bit result reduced to 8 bits: {kind} holds no more",)
    assert np.abs(read_picture(tmp_path / f"a{suffix}").pixels.astype(int) - smooth_rgb()).mean() < 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_grey_profile_is_not_put_on_rgb(tmp_path, suffix):
    notes = write_picture(tmp_path / f"a{suffix}", Picture(pixels=smooth_rgb(), icc_profile=GREY_PROFILE))
    assert notes == ("ICC profile dropped: it is not one for such pixels",)
    assert read_picture(tmp_path / f"a{suffix}").icc_profile is None


def test_an_existing_file_is_not_overwritten_unasked(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    with pytest.raises(PictureError, match=r"a\.png: exists already; choose another name, or allow overwriting"):
        write_picture(file, Picture(pixels=smooth_rgb()))
    assert file.read_bytes() == b"old"


def test_an_existing_file_is_overwritten_when_asked(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"old")
    write_picture(file, Picture(pixels=smooth_rgb()), overwrite=True)
    assert_same_samples(read_picture(file).pixels, smooth_rgb())
    assert list(tmp_path.iterdir()) == [file]


def test_check_writable_accepts_a_free_name_and_makes_nothing(tmp_path):
    for suffix in (".jpg", ".JPEG", ".png", ".webp", ".tif", ".tiff"):
        check_writable(tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", [check_writable, lambda file: write_picture(file, Picture(pixels=smooth_rgb()))])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.gif", r"a\.gif: extension is '\.gif', expected one of \.jpg, .*; change the name"),
        ("a", r"extension is '', expected"),
        ("no/a.png", r"a\.png: folder .*no does not exist; make it"),
        ("file/a.png", r"folder .*file does not exist"),
        ("folder.png", r"folder\.png: is a folder, expected the name of a file"),
        ("old.png", r"old\.png: exists already"),
        ("dangling.png", r"dangling\.png: exists already"),
        ("x" * 300 + ".png", r"cannot be written \(File name too long\)"),
        ("a\0.png", r"a\\x00\.png': cannot be written"),
    ],
)
def test_names_that_cannot_be_written_are_refused_early(tmp_path, writer, name, message):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "old.png").write_bytes(b"")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match=message) as error:
        writer(f"{tmp_path}/{name}")
    assert_one_line(error)


def test_a_pipe_is_not_overwritten(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(PictureError, match="is a device or a pipe, expected a file"):
        check_writable(tmp_path / "a.png", overwrite=True)


def test_a_folder_that_must_not_be_written_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # tests may run as root, whom no permission stops
    with pytest.raises(PictureError, match=r"a\.png: folder .* is not writable by this user; choose another"):
        check_writable(tmp_path / "a.png")


@pytest.mark.parametrize(("suffix", "kind", "limit"), [(".jpg", "JPEG", 65500), (".webp", "WebP", 16383)])
def test_pictures_too_long_for_the_format_are_refused(tmp_path, suffix, kind, limit):
    write_picture(tmp_path / f"fits{suffix}", Picture(pixels=np.zeros((limit, 1), np.uint8)))
    with pytest.raises(
        PictureError, match=rf"is {limit + 1} rows by 1 columns, expected at most {limit} of each in a {kind}"
    ):
        write_picture(tmp_path / f"a{suffix}", Picture(pixels=np.zeros((limit + 1, 1), np.uint8)))


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan])
def test_floats_beyond_one_are_not_made_8_bits(tmp_path, value):
    pixels = np.full((4, 5), 0.5, np.float32)
    pixels[1, 2] = value
    with pytest.raises(PictureError, match=r"a\.png: float pixels are .*, expected 0 to 1"):
        write_picture(tmp_path / "a.png", Picture(pixels=pixels))


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_beyond_its_range_is_refused(tmp_path, quality):
    with pytest.raises(ValueError, match=f"quality is {quality}, expected 1 to 100"):
        write_picture(tmp_path / "a.jpg", Picture(pixels=smooth_rgb()), quality=quality)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), PictureError),
        (RuntimeError("encoder error -2"), PictureError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_writing_is_named_and_keeps_the_old_picture(tmp_path, monkeypatch, error, expected):
    def fail(image, stream, *rest, **options):
        stream.write(b"half of a picture")
        raise error

    file = tmp_path / "a.png"
    file.write_bytes(b"the old picture")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(expected) as raised:
        write_picture(file, Picture(pixels=smooth_rgb()), overwrite=True)
    if expected is PictureError:
        assert "cannot be written (" in str(raised.value)
        assert_one_line(raised)
    assert file.read_bytes() == b"the old picture"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    monkeypatch.setattr(Image.Image, "save", lambda *rest, **options: file.write_bytes(b"somebody else's"))
    with pytest.raises(PictureError, match="exists already"):
        write_picture(file, Picture(pixels=smooth_rgb()))
    assert file.read_bytes() == b"somebody else's"
