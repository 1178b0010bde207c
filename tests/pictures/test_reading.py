"""Pictures from and to files: what is kept, what is converted, and what every failure says."""

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

from npfuse.pictures import tiff_output, writing
from npfuse.pictures.reading import Picture, PictureError, check_writable, read_picture, write_picture
from tests.picture_files import (
    CMYK_PROFILE,
    GREY_PROFILE,
    HEIGHT,
    RGB_PROFILE,
    WIDTH,
    assert_one_line,
    assert_same_samples,
    encoded,
    exif_block,
    png_bytes,
    random_samples,
    smooth_rgb,
)

# -------------------------------------------------------------------------------------------------- writing that fails


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


def test_jpeg_is_written_with_full_chroma(tmp_path):
    write_picture(tmp_path / "a.jpg", Picture(pixels=smooth_rgb()))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [factors[1:3] for factors in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_quality_changes_the_size_of_the_file(tmp_path, suffix):
    picture = Picture(pixels=random_samples("uint8", 3))
    write_picture(tmp_path / f"low{suffix}", picture, quality=20)
    write_picture(tmp_path / f"high{suffix}", picture)
    assert (tmp_path / f"low{suffix}").stat().st_size < (tmp_path / f"high{suffix}").stat().st_size


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


# -------------------------------------------------------------------------------------------------- writing that fails


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


def test_every_16_bit_value_is_rounded_to_the_nearest_of_8_bits(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.array([round(value / 257) for value in range(65536)], np.uint8).reshape(256, 256)
    assert_same_samples(writing._to_8_bits(values, "a"), expected)


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


def test_jpeg_drops_alpha_and_says_so(tmp_path):
    picture = Picture(pixels=smooth_rgb(), alpha=smooth_rgb()[..., 0])
    assert write_picture(tmp_path / "a.jpg", picture) == ("alpha dropped: JPEG has none",)
    assert read_picture(tmp_path / "a.jpg").alpha is None


def test_webp_keeps_alpha(tmp_path):
    alpha = smooth_rgb()[..., 0]
    assert write_picture(tmp_path / "a.webp", Picture(pixels=smooth_rgb(), alpha=alpha)) == ()
    assert_same_samples(read_picture(tmp_path / "a.webp").alpha, alpha)


def test_webp_stores_grey_as_rgb_and_says_so(tmp_path):
    grey = smooth_rgb()[..., 0]
    picture = Picture(pixels=grey, icc_profile=GREY_PROFILE)
    notes = write_picture(tmp_path / "a.webp", picture)
    assert notes == ("grey stored as RGB: WebP has no grey", "ICC profile dropped: it is not one for such pixels")
    back = read_picture(tmp_path / "a.webp")
    assert np.abs(back.pixels.astype(int) - grey[..., None]).mean() < 3


# -------------------------------------------------------------------------------------------------- writing that fails


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_grey_profile_is_not_put_on_rgb(tmp_path, suffix):
    notes = write_picture(tmp_path / f"a{suffix}", Picture(pixels=smooth_rgb(), icc_profile=GREY_PROFILE))
    assert notes == ("ICC profile dropped: it is not one for such pixels",)
    assert read_picture(tmp_path / f"a{suffix}").icc_profile is None


# -------------------------------------------------------------------------------------------------- writing that fails


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.jpg: is empty, expected a JPEG, PNG, WebP, TIFF"),
        (b"hello, world, this is a text", r"a\.jpg: is not a picture known here, expected a JPEG"),
        (b"GIF89a" + bytes(40), r"is a GIF, expected"),
        (b"\0\0\0\x18ftypavif" + bytes(40), r"is an AVIF or video file, expected .*; convert"),
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


@pytest.mark.parametrize(
    ("suffix", "dtype", "missing"),
    [
        (".tif", "uint16", "imagecodecs"),
        (".tif", "uint16", "tifffile"),
        (".tif", "float32", "tifffile"),
    ],
)
def test_a_missing_extra_is_named_and_8_bits_are_never_made_of_16(tmp_path, monkeypatch, suffix, dtype, missing):
    if suffix == ".tif":  # needs both; where neither is there, the message names the other one
        pytest.importorskip({"imagecodecs": "tifffile", "tifffile": "imagecodecs"}[missing])
    monkeypatch.setitem(sys.modules, missing, None)
    file = tmp_path / f"a{suffix}"
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
        tiff_output.write_tiff(stream, random_samples(dtype, 4), exif, RGB_PROFILE[:200], [])
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


# -------------------------------------------------------------------------------------------------- writing that fails


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
    ("pixels", "alpha", "kind", "message"),
    [
        (np.zeros((4, 5), np.int64), None, TypeError, "pixels are int64, expected uint8, uint16 or float32"),
        (np.zeros((4, 5, 4), np.uint8), None, ValueError, r"shape of the pixels is \(4, 5, 4\), expected \(H, W, 3\)"),
        (np.zeros((0, 5), np.uint8), None, ValueError, r"shape of the pixels is \(0, 5\)"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint16), TypeError, "alpha is uint16, expected uint8"),
        (np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8), ValueError, r"alpha is \(5, 4\), expected \(4, 5\)"),
    ],
)
def test_a_picture_rejects_arrays_that_are_none(pixels, alpha, kind, message):
    with pytest.raises(kind, match=message):
        Picture(pixels=pixels, alpha=alpha)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), PictureError),
        (RuntimeError("encoder error -2"), PictureError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_writing_is_named_and_keeps_the_old_picture(tmp_path, monkeypatch, error, expected):
    def fail(stream, *rest):
        stream.write(b"half of a picture")
        raise error

    file = tmp_path / "a.png"
    file.write_bytes(b"the old picture")
    monkeypatch.setattr(writing, "_encode", fail)
    with pytest.raises(expected) as raised:
        write_picture(file, Picture(pixels=smooth_rgb()), overwrite=True)
    if expected is PictureError:
        assert "cannot be written (" in str(raised.value)
        assert_one_line(raised)
    assert file.read_bytes() == b"the old picture"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    monkeypatch.setattr(writing, "_encode", lambda *rest: file.write_bytes(b"somebody else's"))
    with pytest.raises(PictureError, match="exists already"):
        write_picture(file, Picture(pixels=smooth_rgb()))
    assert file.read_bytes() == b"somebody else's"


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
