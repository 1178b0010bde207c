"""TIFF files: every layout and depth that is read, those refused, and what is written."""

import struct
import sys

import numpy as np
import pytest
from PIL import Image

from npfuse.pictures.codecs import tiff_output
from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.picture_files import HEIGHT, WIDTH, assert_one_line, assert_same_samples, exif_block, random_samples, shown


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_is_read_alike_by_an_independent_library(tmp_path, dtype, channels):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = random_samples(dtype, channels)
    pixels, mask = (samples, None) if channels in (0, 3) else (samples[..., :-1].squeeze(), samples[..., -1])
    write_picture(tmp_path / "a.tif", Picture(pixels=pixels, alpha=mask))
    assert_same_samples(tifffile.imread(tmp_path / "a.tif"), samples)


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


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_bigtiff_of_either_byte_order_carries_exif_and_orientation(tmp_path, byteorder):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    pixels = random_samples("uint16", 3)
    extratags = [(274, 3, 1, 3, True), (271, 2, None, "Mak", True)]
    options = {"bigtiff": True, "byteorder": byteorder, "extratags": extratags, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", **options)
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, pixels[::-1, ::-1])
    exif = Image.Exif()
    exif.load(back.exif)
    assert exif[271] == "Mak"
    assert back.notes == ()


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
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None)
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, pixels.astype(np.float32))
    assert back.notes == ("float64 reduced to float32",)


def test_alpha_multiplied_into_a_16_bit_tiff_is_divided_out(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = np.empty((2, 3, 4), np.uint16)
    samples[:] = (1000, 2000, 4000, 65535 // 5)  # alpha is exactly 1 / 5
    samples[0, 0] = (500, 0, 0, 0)  # colour where nothing is seen
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
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
    tifffile.imwrite(
        tmp_path / "a.tif", samples, photometric="rgb", extrasamples=["unspecified", "unspecified"], metadata=None
    )
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, samples[..., :3])
    assert back.alpha is None
    assert back.notes == ("channels beyond colour and alpha dropped",)


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


def test_16_bit_tiff_carries_exif_as_tifffile_sees_it(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    write_picture(tmp_path / "a.tif", Picture(pixels=random_samples("uint16", 3), exif=exif_block()))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages.first.tags
        assert tags["Make"].value == "Mak"
        numerator, denominator = tags["ExifTag"].value["ExposureTime"]
        assert numerator * 125 == denominator


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


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((4, 5), np.int16), {}, r"is a TIFF of 1 channels of 16 bits \(signed\), expected .* export it as"),
        (np.zeros((4, 5), np.uint32), {}, r"of 32 bits \(unsigned\)"),
        (np.zeros((4, 5, 9), np.uint16), {"planarconfig": "contig"}, "of 9 channels"),
        (
            np.zeros((4, 5, 3), np.uint16),
            {"photometric": "cielab"},
            "3 channels with photometric 8, expected grey, RGB",
        ),
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
    "options", [{"subfiletype": 1}, {"extratags": [(50706, 1, 4, (1, 4, 0, 0), True)]}], ids=["thumbnail", "dng"]
)
def test_without_rawpy_what_may_be_camera_raw_is_named_with_the_extra(tmp_path, monkeypatch, options):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setitem(sys.modules, "rawpy", None)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint8), **options)
    message = r'pip install "npfuse\[raw\]"; or it begins with a thumbnail: export it as a 16-bit TIFF'
    with pytest.raises(PictureError, match=message) as error:
        read_picture(tmp_path / "a.tif")
    assert_one_line(error)


def test_8_bit_tiff_needs_no_extra(tmp_path, monkeypatch):
    for module in ("tifffile", "imagecodecs"):
        monkeypatch.setitem(sys.modules, module, None)
    picture = Picture(pixels=random_samples("uint8", 3))
    write_picture(tmp_path / "a.tif", picture)
    assert_same_samples(read_picture(tmp_path / "a.tif").pixels, picture.pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_of_several_strips_return_every_sample(tmp_path, suffix, monkeypatch):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    monkeypatch.setattr(tiff_output, "STRIP_BYTES", 3 * WIDTH * 3 * 2)  # three rows: 11 rows make four strips
    pixels = random_samples("uint16", 3)
    write_picture(tmp_path / f"a{suffix}", Picture(pixels=pixels))
    assert_same_samples(read_picture(tmp_path / f"a{suffix}").pixels, pixels)


@pytest.mark.parametrize("tag", [256, 257, 258, 277])  # ImageWidth, ImageLength, BitsPerSample, SamplesPerPixel
def test_a_text_where_a_number_should_be_is_refused(tmp_path, tag):
    write_picture(tmp_path / "a.tif", Picture(pixels=random_samples("uint8", 3)))
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    entries = range(directory + 2, directory + 2 + 12 * count, 12)
    entry = next(at for at in entries if struct.unpack_from("<H", content, at) == (tag,))
    struct.pack_into("<H", content, entry + 2, 2)  # the type: ASCII
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(PictureError, match="is no whole number; export it anew") as refusal:
        read_picture(tmp_path / "a.tif")
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("extra", [[], ["unassalpha"], ["unspecified"], ["unassalpha", "unspecified"]])
def test_cmyk_with_other_channels_becomes_rgb_with_its_alpha(tmp_path, dtype, extra):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    full = np.iinfo(dtype).max
    samples = random_samples(dtype, 4 + len(extra))
    options = {"photometric": "separated", "extrasamples": extra or None, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", samples, planarconfig="contig", **options)
    back = read_picture(tmp_path / "a.tif")
    inks = samples.astype(float) / full
    expected = full * (1 - inks[..., :3]) * (1 - inks[..., 3:4])
    assert back.pixels.dtype == dtype
    np.testing.assert_allclose(back.pixels, expected, atol=1)
    assert "CMYK converted to RGB" in back.notes
    if "unassalpha" in extra:
        assert_same_samples(back.alpha, samples[..., 4])
    else:
        assert back.alpha is None


@pytest.mark.parametrize("channels", [3, 5])
def test_8_bit_channels_beyond_alpha_are_dropped_and_noted(tmp_path, channels):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = random_samples("uint8", channels)
    colours = 1 if channels == 3 else 3
    options = {"photometric": "minisblack" if channels == 3 else "rgb", "extrasamples": ["unassalpha", "unspecified"]}
    tifffile.imwrite(tmp_path / "a.tif", samples, planarconfig="contig", metadata=None, **options)
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, samples[..., 0] if colours == 1 else samples[..., :3])
    assert_same_samples(back.alpha, samples[..., colours])


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits_are_scaled_to_16(tmp_path, bits):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    white = 2**bits - 1
    samples = np.linspace(0, white, HEIGHT * WIDTH).round().astype(np.uint16).reshape(HEIGHT, WIDTH)
    tifffile.imwrite(tmp_path / "a.tif", samples, bitspersample=bits, metadata=None)
    back = read_picture(tmp_path / "a.tif")
    assert_same_samples(back.pixels, np.rint(samples * (65535 / white)).astype(np.uint16))
    assert back.notes == (f"{bits} bits scaled to 16",)
