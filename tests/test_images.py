"""Pictures from and to files: what is kept, what is converted, and what every failure says."""

import errno
import importlib
import io
import os
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from npfuse import images
from npfuse.images import Picture, PictureError, check_writable, read_picture, write_picture

HEIGHT, WIDTH = 11, 14
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY_PROFILE = RGB_PROFILE[:16] + b"GRAY" + RGB_PROFILE[20:]  # enough to be told apart by its colour space
CMYK_PROFILE = RGB_PROFILE[:16] + b"CMYK" + RGB_PROFILE[20:]


def random_samples(dtype, channels, seed=0):
    """(H, W) for no channels, else (H, W, channels); float in [0, 1)."""
    random = np.random.default_rng(seed)
    shape = (HEIGHT, WIDTH, channels) if channels else (HEIGHT, WIDTH)
    if dtype == "float32":
        return random.random(shape, dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def smooth_rgb(height=48, width=64):
    """A picture that lossy formats change little."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [rows * 3 + columns, 255 - rows * 2, 60 + columns * 2]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def exif_block(orientation=1, *, thumbnail=False):
    """An EXIF block laid out by hand, big-endian: Make, Orientation, and an exposure time below the EXIF tag."""
    body = b"MM\0*\0\0\0\x08" + struct.pack(">H", 3)
    body += struct.pack(">HHI4s", 271, 2, 4, b"Mak\0")
    body += struct.pack(">HHIHH", 274, 3, 1, orientation, 0)
    body += struct.pack(">HHII", 34665, 4, 1, 50)
    body += struct.pack(">I", 76 if thumbnail else 0)
    assert len(body) == 50
    body += struct.pack(">HHHII", 1, 33434, 5, 1, 68) + struct.pack(">I", 0) + struct.pack(">II", 1, 125)
    assert len(body) == 76
    if thumbnail:
        body += struct.pack(">HHHIHH", 1, 259, 3, 1, 6, 0) + struct.pack(">I", 0)
    return body


def png_bytes(colour_type, samples, *extra_chunks):
    """A 16-bit PNG laid out by hand, every row unfiltered; samples (H, W, C)."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, colour_type, 0, 0, 0)
    before = b"".join(chunk(name, content) for name, content in extra_chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def assert_same_samples(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual, expected)


# --------------------------------------------------------------------------------------------------------- round trips


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
    if dtype == "uint16" and (channels or alpha):
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


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_is_read_alike_by_an_independent_library(tmp_path, dtype, channels):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = random_samples(dtype, channels)
    pixels, mask = (samples, None) if channels in (0, 3) else (samples[..., :-1].squeeze(), samples[..., -1])
    write_picture(tmp_path / "a.tif", Picture(pixels=pixels, alpha=mask))
    assert_same_samples(tifffile.imread(tmp_path / "a.tif"), samples)


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_16_bit_png_is_read_alike_by_an_independent_library(tmp_path, channels):
    imagecodecs = pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", channels)
    pixels, mask = (samples, None) if channels in (0, 3) else (samples[..., :-1].squeeze(), samples[..., -1])
    write_picture(tmp_path / "a.png", Picture(pixels=pixels, alpha=mask))
    assert_same_samples(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), samples)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_of_several_strips_return_every_sample(tmp_path, suffix, monkeypatch):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    monkeypatch.setattr(images, "_STRIP_BYTES", 3 * WIDTH * 3 * 2)  # three rows: 11 rows make four strips
    pixels = random_samples("uint16", 3)
    write_picture(tmp_path / f"a{suffix}", Picture(pixels=pixels))
    assert_same_samples(read_picture(tmp_path / f"a{suffix}").pixels, pixels)


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


# --------------------------------------------------------------------------------------------------- depths and colours


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


@pytest.mark.parametrize("layout", ["planes", "tiles", "big-endian", "bigtiff", "no compression", "lzw"])
def test_16_bit_tiff_of_every_layout_keeps_every_bit(tmp_path, layout):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    pixels = random_samples("uint16", 3)
    file, bigtiff, byteorder, data, options = tmp_path / "a.tif", False, "<", pixels, {}
    if layout == "planes":
        data, options = np.moveaxis(pixels, 2, 0), {"planarconfig": "separate"}
    elif layout == "tiles":
        options = {"tile": (16, 16)}
    elif layout == "big-endian":
        byteorder = ">"
    elif layout == "bigtiff":
        bigtiff = True
    elif layout == "lzw":
        options = {"compression": "lzw", "predictor": True}
    tifffile.imwrite(file, data, photometric="rgb", bigtiff=bigtiff, byteorder=byteorder, **options)
    assert_same_samples(read_picture(file).pixels, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_whose_white_is_zero_is_inverted(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    grey = random_samples(dtype, 0)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    full = {"uint8": np.uint8(255), "uint16": np.uint16(65535), "float32": np.float32(1)}[dtype]
    assert_same_samples(read_picture(tmp_path / "a.tif").pixels, full - grey)


def test_float64_tiff_becomes_float32_and_says_so(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    pixels = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 3)) * 5  # values beyond [0, 1] are not ours to judge
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, pixels.astype(np.float32))
    assert back.notes == ("float64 reduced to float32",)


def test_alpha_multiplied_into_a_16_bit_tiff_is_divided_out(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = np.empty((2, 3, 4), np.uint16)
    samples[:] = (1000, 2000, 4000, 65535 // 5)  # alpha is exactly 1 / 5
    samples[0, 0] = (500, 0, 0, 0)  # colour where nothing is seen
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["assocalpha"])
    back = read_picture(tmp_path / "a.tif")
    expected = np.empty((2, 3, 3), np.uint16)
    expected[:] = (5000, 10000, 20000)
    expected[0, 0] = 0
    assert_same_samples(back.pixels, expected)
    assert_same_samples(back.alpha, samples[..., 3])
    assert "divided by alpha" in back.notes[0]


def test_unnamed_channels_of_a_16_bit_tiff_are_dropped_and_noted(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = random_samples("uint16", 5)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["unspecified", "unspecified"])
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, samples[..., :3])
    assert back.alpha is None
    assert back.notes == ("channels beyond colour and alpha dropped",)


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
    assert_same_samples(images._to_8_bits(values, "a"), expected)


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
    assert notes == ("grey stored as RGB: WebP has no grey", "ICC profile dropped: it is one for grey")
    back = read_picture(tmp_path / "a.webp")
    assert np.abs(back.pixels.astype(int) - grey[..., None]).mean() < 3


# ------------------------------------------------------------------------------------------- orientation, EXIF, profile

# EXIF 2.32, tag 274: which side of the shown picture the stored row 0 and column 0 are.
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def shown(stored, orientation):
    """Put every stored pixel where the two sides of the standard say."""
    row_side, column_side = SIDES[orientation]
    rows, columns = stored.shape[:2]
    upright = row_side in ("top", "bottom")
    result = np.empty(((rows, columns) if upright else (columns, rows)) + stored.shape[2:], stored.dtype)
    height, width = result.shape[:2]
    for i in range(rows):
        for j in range(columns):
            place = {}
            for side, index in ((row_side, i), (column_side, j)):
                axis = 0 if side in ("top", "bottom") else 1
                place[axis] = index if side in ("top", "left") else (height, width)[axis] - 1 - index
            result[place[0], place[1]] = stored[i, j]
    return result


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_reading_applies_every_exif_orientation(tmp_path, kind, orientation):
    samples = random_samples("uint8", 3 if kind == "JPEG" else 4)
    image = Image.fromarray(samples)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    file = tmp_path / "a"
    file.write_bytes(encoded(image, kind, **options))
    stored = read_picture(file)
    file.write_bytes(encoded(image, kind, exif=b"Exif\0\0" + exif_block(orientation), **options))
    back = read_picture(file)
    assert_same_samples(back.pixels, shown(stored.pixels, orientation))
    if kind != "JPEG":
        assert_same_samples(back.pixels, shown(samples[..., :3], orientation))
        assert_same_samples(back.alpha, shown(samples[..., 3], orientation))
    assert back.exif == exif_block(1)
    assert back.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_reading_applies_every_tiff_orientation(tmp_path, dtype, orientation, compression):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    stored = random_samples(dtype, 3)
    extratags = [(274, 3, 1, orientation, True), (271, 2, None, "Mak", True)]
    options = {"compression": compression, "extratags": extratags, "metadata": None, "software": False}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, shown(stored, orientation))
    exif = Image.Exif()
    exif.load(back.exif)
    assert exif.get(274, 1) == 1
    assert exif[271] == "Mak"


@pytest.mark.parametrize(
    ("dtype", "alpha"), [("uint8", False), ("uint16", False), ("uint16", True), ("float32", False)]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_and_profile_are_carried(tmp_path, suffix, dtype, alpha):
    if dtype != "uint8":
        pytest.importorskip("tifffile")
        pytest.importorskip("imagecodecs")
    picture = Picture(
        pixels=random_samples(dtype, 3),
        alpha=random_samples(dtype, 0) if alpha else None,
        exif=exif_block(),
        icc_profile=RGB_PROFILE,
    )
    file = tmp_path / f"a{suffix}"
    notes = write_picture(file, picture)
    assert not [note for note in notes if "EXIF" in note or "ICC" in note]
    back = read_picture(file)
    assert back.icc_profile == RGB_PROFILE
    for block in (
        back.exif,
        None if suffix == ".tif" and dtype != "uint8" else file,
    ):  # ours, and as Pillow sees the file
        if block is None:
            continue
        if isinstance(block, Path):
            with Image.open(block) as image:
                exif = image.getexif()
                times = exif.get_ifd(34665)
        else:
            exif = Image.Exif()
            exif.load(block)
            times = exif.get_ifd(34665)
        assert exif[271] == "Mak"
        assert float(times[33434]) == pytest.approx(1 / 125, rel=1e-6)
    if suffix != ".tif":
        assert back.exif == exif_block()


def test_16_bit_tiff_carries_exif_as_tifffile_sees_it(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    write_picture(tmp_path / "a.tif", Picture(pixels=random_samples("uint16", 3), exif=exif_block()))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages.first.tags
        assert tags["Make"].value == "Mak"
        numerator, denominator = tags["ExifTag"].value["ExposureTime"]
        assert numerator * 125 == denominator


def test_reading_unlinks_the_exif_thumbnail(tmp_path):
    block = exif_block(6, thumbnail=True)
    (tmp_path / "a.jpg").write_bytes(encoded(Image.fromarray(smooth_rgb()), "JPEG", exif=b"Exif\0\0" + block))
    back = read_picture(tmp_path / "a.jpg").exif
    before, after = Image.Exif(), Image.Exif()
    before.load(block)
    after.load(back)
    assert dict(before.get_ifd(ExifTags.IFD.IFD1)) == {259: 6}
    assert not after.get_ifd(ExifTags.IFD.IFD1)
    assert after[271] == "Mak"


@pytest.mark.parametrize("block", [b"garbage", b"MM\0*", exif_block()[:30], b"II*\0\xff\xff\xff\xff"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_broken_exif_is_dropped_and_noted(tmp_path, kind, block):
    image = Image.fromarray(smooth_rgb())
    (tmp_path / "a").write_bytes(encoded(image, kind, exif=b"Exif\0\0" + block))
    back = read_picture(tmp_path / "a")
    assert back.pixels.shape == (48, 64, 3)
    assert back.exif is None
    assert back.notes == ("EXIF dropped: it is broken",)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_tiff_with_a_broken_exif_directory_is_read(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    pixels = random_samples(dtype, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=[(700, 4, 1, 10**9, True)], metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    entry = data.index(struct.pack("<HHI", 700, 4, 1))
    struct.pack_into("<H", data, entry, 34665)  # 700 was a stand-in: tifffile writes no EXIF directory
    (tmp_path / "a.tif").write_bytes(data)
    assert_same_samples(read_picture(tmp_path / "a.tif").pixels, pixels)


def test_tiff_written_with_broken_exif_leaves_it_out_and_says_so(tmp_path):
    pixels = random_samples("uint8", 3)
    notes = write_picture(tmp_path / "a.tif", Picture(pixels=pixels, exif=b"garbage"))
    assert notes == ("EXIF dropped: it is broken",)
    assert_same_samples(read_picture(tmp_path / "a.tif").pixels, pixels)


def test_exif_too_long_for_jpeg_is_dropped_and_noted(tmp_path):
    notes = write_picture(tmp_path / "a.jpg", Picture(pixels=smooth_rgb(), exif=exif_block() + bytes(70000)))
    assert notes == ("EXIF dropped: it is 70076 bytes and JPEG holds 65527",)
    assert read_picture(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_grey_profile_is_not_put_on_rgb(tmp_path, suffix):
    notes = write_picture(tmp_path / f"a{suffix}", Picture(pixels=smooth_rgb(), icc_profile=GREY_PROFILE))
    assert notes == ("ICC profile dropped: it is not one for such pixels",)
    assert read_picture(tmp_path / f"a{suffix}").icc_profile is None


# -------------------------------------------------------------------------------------------------- reading that fails


def assert_one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.jpg: is empty, expected a JPEG, PNG, WebP or TIFF picture"),
        (b"hello, world, this is a text", r"a\.jpg: is not a picture known here, expected a JPEG"),
        (b"GIF89a" + bytes(40), r"is a GIF, expected"),
        (b"\0\0\0\x18ftypheic" + bytes(40), r"is a HEIC, AVIF or video file, expected .*; convert"),
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
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    for suffix in (".png", ".tif"):
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


def test_absurd_tiff_headers_are_refused_before_allocating(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", random_samples("uint16", 3), photometric="rgb")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    for tag in (256, 257):
        entry = data.index(struct.pack("<HH", tag, 4))
        struct.pack_into("<I", data, entry + 8, 10**6)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(PictureError, match="declares more pixels than the limit of 178 million"):
        read_picture(tmp_path / "a.tif")


def test_absurd_16_bit_png_headers_are_refused_before_allocating(tmp_path):
    data = bytearray(png_bytes(2, random_samples("uint16", 3)))
    struct.pack_into(">II", data, 16, 10**6, 10**6)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(PictureError, match="declares more pixels than the limit of 178 million"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((4, 5), np.int16), {}, r"is a TIFF of 1 channels of 16 bits \(signed\), expected .* export it as"),
        (np.zeros((4, 5), np.uint32), {}, r"of 32 bits \(unsigned\)"),
        (np.zeros((4, 5, 9), np.uint16), {"planarconfig": "contig"}, "of 9 channels"),
        (np.zeros((4, 5, 4), np.uint16), {"photometric": "separated"}, "4 channels with photometric 5, expected grey"),
        (np.zeros((4, 5, 3), np.uint8), {"subfiletype": 1}, "camera raw file or begins with a thumbnail"),
        (np.zeros((4, 5, 3), np.uint8), {"extratags": [(50706, 1, 4, (1, 4, 0, 0), True)]}, "camera raw file"),
    ],
)
def test_tiff_kinds_that_cannot_be_read_are_named(tmp_path, samples, options, message):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    with pytest.raises(PictureError, match=message) as error:
        read_picture(tmp_path / "a.tif")
    assert_one_line(error)


@pytest.mark.parametrize(
    ("suffix", "dtype", "missing"),
    [
        (".png", "uint16", "imagecodecs"),
        (".tif", "uint16", "imagecodecs"),
        (".tif", "uint16", "tifffile"),
        (".tif", "float32", "tifffile"),
    ],
)
def test_a_missing_extra_is_named_and_8_bits_are_never_made_of_16(tmp_path, monkeypatch, suffix, dtype, missing):
    if missing == "imagecodecs" and suffix == ".tif":
        pytest.importorskip("tifffile")
    importing = importlib.import_module

    def without(module, *rest):
        if module == missing:
            raise ImportError(f"No module named {module!r}")
        return importing(module, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    file = tmp_path / f"a{suffix}"
    assert write_picture(file, Picture(pixels=random_samples(dtype, 3))) == ()  # writing needs no extra
    with pytest.raises(
        PictureError, match=rf'needs the package {missing}; install it with: pip install "npfuse\[tiff\]"'
    ):
        read_picture(file)


def test_8_bit_tiff_needs_no_extra(tmp_path, monkeypatch):
    def without(module, *rest):
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", without)
    picture = Picture(pixels=random_samples("uint8", 3))
    write_picture(tmp_path / "a.tif", picture)
    assert_same_samples(read_picture(tmp_path / "a.tif").pixels, picture.pixels)


def whole_files():
    """One file of every kind and depth, as small as it gets."""
    picture = {"exif": exif_block(6, thumbnail=True), "icc_profile": RGB_PROFILE[:200]}
    rgb, rgba = Image.fromarray(random_samples("uint8", 3)), Image.fromarray(random_samples("uint8", 4))
    files = [encoded(rgb, kind, exif=b"Exif\0\0" + picture["exif"]) for kind in ("JPEG", "PNG", "WEBP")]
    files += [encoded(rgb.convert("P"), "PNG"), encoded(rgba, "TIFF"), encoded(rgb, "TIFF", compression="tiff_lzw")]
    files += [png_bytes(2, random_samples("uint16", 3), (b"eXIf", picture["exif"]))]
    for dtype in ("uint8", "uint16", "float32"):
        stream = io.BytesIO()
        full = Picture(pixels=random_samples(dtype, 3), alpha=random_samples(dtype, 0), **picture)
        images._encode(stream, full, "TIFF", 95, [])
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


class Interrupted:
    """Stands in for the encoder: writes a little, then raises."""

    def __init__(self, error):
        self.error = error

    def __call__(self, stream, *rest):
        stream.write(b"half of a picture")
        stream.flush()
        raise self.error


@pytest.mark.parametrize("before", [None, b"the old picture"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), PictureError),
        (RuntimeError("encoder error -2"), PictureError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_writing_leaves_the_folder_as_it_was(tmp_path, monkeypatch, before, error, expected):
    file = tmp_path / "a.png"
    if before:
        file.write_bytes(before)
    monkeypatch.setattr(images, "_encode", Interrupted(error))
    with pytest.raises(expected) as raised:
        write_picture(file, Picture(pixels=smooth_rgb()), overwrite=True)
    if expected is PictureError:
        assert "cannot be written (" in str(raised.value)
        assert_one_line(raised)
    assert list(tmp_path.iterdir()) == ([file] if before else [])
    assert not before or file.read_bytes() == before


def test_an_interrupt_while_moving_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_picture(tmp_path / "a.png", Picture(pixels=smooth_rgb()), overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"


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


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch, links):
    file, encode = tmp_path / "a.png", images._encode

    def slow_encode(*arguments):
        encode(*arguments)
        file.write_bytes(b"somebody else's")

    monkeypatch.setattr(images, "_encode", slow_encode)
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    with pytest.raises(PictureError, match="exists already"):
        write_picture(file, Picture(pixels=smooth_rgb()))
    assert file.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [file]


def refuse_links(*arguments):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_folders_without_hard_links_are_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    write_picture(tmp_path / "a.png", Picture(pixels=smooth_rgb()))
    assert_same_samples(read_picture(tmp_path / "a.png").pixels, smooth_rgb())
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_move_without_hard_links_leaves_no_empty_file(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", refuse_links)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PictureError, match=r"cannot be written \(Input/output error\); nothing was changed"):
        write_picture(tmp_path / "a.png", Picture(pixels=smooth_rgb()))
    assert list(tmp_path.iterdir()) == []


def test_the_umask_decides_on_the_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_picture(tmp_path / "a.png", Picture(pixels=smooth_rgb()))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_overwriting_a_symbolic_link_replaces_what_it_leads_to(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "b.png", tmp_path / "a.png"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_picture(link, Picture(pixels=smooth_rgb()), overwrite=True)
    assert link.is_symlink()
    assert_same_samples(read_picture(target).pixels, smooth_rgb())


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
