"""Pictures from files: what is kept, what is converted, and what every failure says."""

import errno
import io
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from npfuse.pictures.codecs.pillow_files import opened_by_pillow
from npfuse.pictures.codecs.tiff_output import write_tiff
from npfuse.pictures.reading import Picture, PictureError, read_picture, upright_jpeg_size, write_picture
from tests.picture_files import (
    CMYK_PROFILE,
    HEIGHT,
    RGB_PROFILE,
    WIDTH,
    assert_one_line,
    assert_same_samples,
    encoded,
    exif_block,
    png_bytes,
    random_samples,
)


def test_the_format_is_told_by_the_content(tmp_path):
    pixels = random_samples("uint8", 3)
    (tmp_path / "a.jpg").write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    assert_same_samples(read_picture(tmp_path / "a.jpg").pixels, pixels)


def test_a_pipe_can_be_read(tmp_path):
    pixels = random_samples("uint8", 3)
    ours, theirs = os.pipe()
    os.write(theirs, encoded(Image.fromarray(pixels), "PNG"))  # far less than a pipe holds
    os.close(theirs)
    try:
        assert_same_samples(read_picture(f"/dev/fd/{ours}").pixels, pixels)
    finally:
        os.close(ours)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_one_bit_becomes_black_and_white(tmp_path, kind):
    bits = random_samples("uint8", 0) > 127
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(bits), kind))
    assert_same_samples(read_picture(tmp_path / "a").pixels, np.where(bits, 255, 0).astype(np.uint8))


def test_palette_becomes_rgb(tmp_path):
    indices = random_samples("uint8", 0) % 3
    colours = np.array([[255, 0, 0], [10, 20, 30], [0, 255, 9]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.tobytes())
    image.putdata(indices.ravel().tolist())
    (tmp_path / "opaque.png").write_bytes(encoded(image, "PNG"))
    (tmp_path / "clear.png").write_bytes(encoded(image, "PNG", transparency=bytes([255, 40, 0])))
    opaque, clear = read_picture(tmp_path / "opaque.png"), read_picture(tmp_path / "clear.png")
    assert_same_samples(opaque.pixels, colours[indices])
    assert opaque.alpha is None
    assert_same_samples(clear.pixels, colours[indices])
    assert_same_samples(clear.alpha, np.array([255, 40, 0], np.uint8)[indices])
    assert opaque.notes == ("palette converted to RGB",)


@pytest.mark.parametrize(("mode", "transparent"), [("L", 7), ("RGB", (7, 7, 7)), ("1", 255)])
def test_8_bit_png_transparent_colour_becomes_alpha(tmp_path, mode, transparent):
    image = Image.new(mode, (WIDTH, HEIGHT), transparent)
    image.putpixel((3, 2), 0 if mode != "RGB" else (9, 9, 9))
    (tmp_path / "a.png").write_bytes(encoded(image, "PNG", transparency=transparent))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[2, 3] = 255
    assert_same_samples(read_picture(tmp_path / "a.png").alpha, expected)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path, kind):
    image = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))  # magenta and yellow: red
    (tmp_path / "a").write_bytes(encoded(image, kind, icc_profile=CMYK_PROFILE))
    back = read_picture(tmp_path / "a")
    assert np.abs(back.pixels.astype(int) - (255, 0, 0)).max() <= 2
    assert back.icc_profile is None
    assert back.notes == ("CMYK converted to RGB", "ICC profile dropped: it is not one for such pixels")


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP"])
def test_the_first_of_several_frames_is_used_and_noted(tmp_path, kind):
    first, second = (Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ((200, 10, 30), (0, 90, 0)))
    options = {"lossless": True} if kind == "WEBP" else {}
    (tmp_path / "a").write_bytes(encoded(first, kind, save_all=True, append_images=[second], **options))
    back = read_picture(tmp_path / "a")
    assert_same_samples(back.pixels, np.asarray(first))
    assert any("the first is used" in note for note in back.notes)


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("orientation", [1, 8])
def test_a_jpeg_is_read_reduced_to_the_means_of_blocks(tmp_path, reduction, orientation):
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([4 * rows, 3 * columns, rows + 2 * columns], axis=2).astype(np.uint8)
    path = tmp_path / "a.jpg"
    with Image.fromarray(pixels) as image:
        image.save(path, quality=100, subsampling=0, exif=b"Exif\0\0" + exif_block(orientation))
    whole, reduced = read_picture(path).pixels, read_picture(path, reduction=reduction).pixels
    assert upright_jpeg_size(path) == whole.shape[:2] == ((48, 64) if orientation == 1 else (64, 48))
    height, width = (n // reduction for n in whole.shape[:2])
    means = whole.reshape(height, reduction, width, reduction, 3).mean(axis=(1, 3))
    assert np.abs(reduced - means).max() <= 2  # YCbCr is rounded before RGB is


def test_other_files_are_read_as_they_are_and_have_no_size_of_a_jpeg(tmp_path):
    path = tmp_path / "a.png"
    write_picture(path, Picture(pixels=random_samples(np.uint8, 3)))
    np.testing.assert_array_equal(read_picture(path, reduction=8).pixels, read_picture(path).pixels)
    assert upright_jpeg_size(path) is None
    assert upright_jpeg_size(tmp_path / "missing.jpg") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.jpg: is empty, expected a JPEG, PNG, WebP, TIFF"),
        (b"hello, world, this is a text", r"a\.jpg: is not a picture known here, expected a JPEG"),
        (b"GIF89a" + bytes(40), r"is a GIF, expected"),
        (b"\0\0\0\x18ftypisom" + bytes(40), r"is a video or an unknown kind of HEIF file, expected .*; convert"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), r"a\.jpg: is"),
        (b"\xff\xd8\xff", r"a\.jpg: is a damaged or unusual JPEG \(.*\), expected a whole picture"),
        (b"\x89PNG\r\n\x1a\n", r"damaged or unusual PNG"),
        (b"RIFF\x10\0\0\0WEBP", r"damaged or unusual WebP"),
        (b"MM\0*", r"damaged or unusual TIFF"),
    ],
)
def test_files_that_are_no_picture_are_named(tmp_path, content, message):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=message) as error:
        read_picture(tmp_path / "a.jpg")
    assert_one_line(error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_truncated_pictures_are_refused(tmp_path, kind):
    whole = encoded(Image.fromarray(random_samples("uint8", 3)), kind)
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"damaged or unusual .*; copy or export it anew") as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


def test_truncated_16_bit_pictures_are_refused(tmp_path):
    for suffix in (".png", ".tif"):
        if suffix == ".tif":
            pytest.importorskip("tifffile")
            pytest.importorskip("imagecodecs")
        file = tmp_path / f"a{suffix}"
        write_picture(file, Picture(pixels=random_samples("uint16", 3)))
        file.write_bytes(file.read_bytes()[:300])
        with pytest.raises(PictureError, match="damaged or unusual"):
            read_picture(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"no\.jpg: does not exist; check the name"):
        read_picture(tmp_path / "no.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(PictureError, match="is a folder, expected a picture file"):
        read_picture(tmp_path)


def test_a_file_that_must_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # tests may run as root, whom no permission stops
    with pytest.raises(PictureError, match=r"a\.jpg: must not be read by this user; change its permissions"):
        read_picture(tmp_path / "a.jpg")


def test_a_name_with_a_zero_or_a_line_break_makes_a_message_of_one_line(tmp_path):
    for name in ("a\0b.jpg", "a\nb.jpg", ""):
        with pytest.raises(PictureError) as error:
            read_picture(name)
        assert_one_line(error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_beyond_the_pixel_limit_are_refused(tmp_path, kind, monkeypatch):
    (tmp_path / "a").write_bytes(encoded(Image.new("RGB", (40, 30)), kind))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # 1200 pixels: Pillow warns, and that is no error
    assert read_picture(tmp_path / "a").pixels.shape == (30, 40, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(PictureError, match=r"more pixels than the limit of .* million, expected fewer"):
        read_picture(tmp_path / "a")


def test_the_pixel_limit_holds_while_another_thread_has_a_file_open(tmp_path, monkeypatch):
    content = encoded(Image.new("RGB", (40, 30)), "PNG")
    (tmp_path / "a").write_bytes(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with (
        opened_by_pillow(io.BytesIO(content), "PNG", lambda *size: None),
        pytest.raises(PictureError, match=r"more pixels than the limit"),
    ):
        read_picture(tmp_path / "a")


@pytest.mark.parametrize(
    ("dtype", "missing"), [("uint16", "imagecodecs"), ("uint16", "tifffile"), ("float32", "tifffile")]
)
def test_a_missing_extra_is_named_and_8_bits_are_never_made_of_16(tmp_path, monkeypatch, dtype, missing):
    # Both are needed; where neither is there, the message names the other one.
    pytest.importorskip({"imagecodecs": "tifffile", "tifffile": "imagecodecs"}[missing])
    monkeypatch.setitem(sys.modules, missing, None)
    file = tmp_path / "a.tif"
    assert write_picture(file, Picture(pixels=random_samples(dtype, 3))) == ()  # writing needs no extra
    with pytest.raises(
        PictureError, match=rf'needs the package {missing}; install it with: pip install "npfuse\[tiff\]"'
    ):
        read_picture(file)


def whole_files():
    """One file of every kind and depth, as small as it gets."""
    exif = exif_block(6, thumbnail=True)
    rgb, rgba = Image.fromarray(random_samples("uint8", 3)), Image.fromarray(random_samples("uint8", 4))
    files = [encoded(rgb, kind, exif=b"Exif\0\0" + exif) for kind in ("JPEG", "PNG", "WEBP")]
    files += [encoded(rgb.convert("P"), "PNG"), encoded(rgba, "TIFF"), encoded(rgb, "TIFF", compression="tiff_lzw")]
    files += [png_bytes(2, random_samples("uint16", 3), (b"eXIf", exif))]
    for dtype in ("uint8", "uint16", "float32"):
        stream = io.BytesIO()
        samples = random_samples(dtype, 4)
        about = {"alpha": samples[..., 3], "exif": exif, "icc_profile": RGB_PROFILE[:200]}
        write_tiff(stream, Picture(pixels=samples[..., :3], **about), 95, [])
        files.append(stream.getvalue())
    return files


FILES = whole_files()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data(), whole=st.sampled_from(FILES))
def test_damaged_files_give_a_picture_or_a_picture_error(tmp_path, capfd, data, whole):
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        # Headers are where the damage is interesting: at either end, TIFF has them behind.
        position = data.draw(st.integers(0, min(200, len(whole) - 1)) | st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            position = len(whole) - 1 - position
        damaged[position] = data.draw(st.sampled_from([0, 1, 2, 127, 128, 255]) | st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(whole))) :]
    (tmp_path / "a").write_bytes(damaged)
    refusal = None
    try:
        assert isinstance(read_picture(tmp_path / "a"), Picture)
    except PictureError as error:
        refusal = str(error)
    printed = capfd.readouterr()
    assert refusal is None or refusal.isprintable()
    assert printed.out == ""
    # Pillow's libtiff has no switch for what it prints about compressed data it cannot decode.
    assert printed.err == "" or whole[:2] == b"II"


def test_importing_images_does_not_import_numba():
    code = "import sys, npfuse.pictures.reading; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_warnings_stay_silent_in_every_thread_and_their_filters_come_back(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (40, 30)), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # 1200 pixels: Pillow warns, which would be an error here
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(read_picture, [tmp_path / "a.png"] * 40))) == 40
    assert warnings.filters == before
