"""What travels with the pixels: of the result, not of the old file; carried from any format to any other."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from npfuse.cli import main
from npfuse.pictures.metadata.exif import describes_structure, resized, upright
from npfuse.pictures.metadata.iptc import iptc_of_resources, jpeg_segment
from npfuse.pictures.metadata.xmp import resized_xmp, upright_xmp
from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.picture_files import encoded, exif_block, random_samples, smooth_rgb

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description tiff:Orientation="6" exif:PixelXDimension="9" GPano:ProjectionType="equirectangular"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\x00\x05Hafen"


def exif_with_sizes(height, width, orientation=6):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.ImageWidth], exif[ExifTags.Base.ImageLength] = width, height
    below = exif.get_ifd(ExifTags.IFD.Exif)
    below[ExifTags.Base.ExifImageWidth], below[ExifTags.Base.ExifImageHeight] = width, height
    below[ExifTags.Base.ExposureTime] = 1 / 125
    return exif.tobytes()


def sizes_of(block):
    exif = Image.Exif()
    exif.load(block)
    below = exif.get_ifd(ExifTags.IFD.Exif)
    tags = ExifTags.Base
    return [
        (exif.get(tags.ImageLength), exif.get(tags.ImageWidth)),
        (below.get(tags.ExifImageHeight), below.get(tags.ExifImageWidth)),
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_and_xmp_name_the_size_of_the_result(tmp_path, suffix):
    (tmp_path / "a.jpg").write_bytes(
        encoded(Image.fromarray(smooth_rgb()), "JPEG", exif=exif_with_sizes(48, 64), xmp=XMP)
    )
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.pixels.shape == (64, 48, 3)  # turned
    file = tmp_path / f"b{suffix}"
    write_picture(file, picture)
    back = read_picture(file)
    expected = (64, 48)
    assert sizes_of(back.exif) == [(None, None) if suffix == ".tif" else expected, expected]
    assert b'tiff:Orientation="1" exif:PixelXDimension="48" GPano' in back.xmp


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("form", ["H", "I"])
def test_sizes_stored_as_short_or_long_in_either_order_are_set(endian, form):
    start = {"<": b"II*\0", ">": b"MM\0*"}[endian]
    value = struct.pack(endian + form, 9).ljust(4, b"\0")
    block = start + struct.pack(endian + "IH", 8, 1) + struct.pack(endian + "HHI", 256, {"H": 3, "I": 4}[form], 1)
    patched = resized(block + value + bytes(4), 70_000, 80_000)
    assert struct.unpack_from(endian + "HHII", patched, 10) == (256, 4, 1, 80_000)


def test_the_old_thumbnail_is_cut_off():
    block = exif_block(6)[:46] + struct.pack(">I", 76) + exif_block(6)[50:]
    thumbnail = b"\xff\xd8 an old picture \xff\xd9"
    block += struct.pack(">HHHII", 2, 513, 4, 1, 106) + struct.pack(">HHIII", 514, 4, 1, len(thumbnail), 0)
    assert len(block) == 106
    upright_block, orientation = upright(block + thumbnail)
    assert orientation == 6
    assert b"old picture" not in upright_block
    exif = Image.Exif()
    exif.load(upright_block)
    assert exif[271] == "Mak"
    assert float(exif.get_ifd(34665)[33434]) == 1 / 125


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.54f\nimages=3\nslices=3",
        '{"shape": [3, 40, 50]}',
        "shape=(3, 40, 50)",
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>',
        "Aperio Image Library v11.2.1\n46000x32914 [42673,5576 2220x2967] (240x240) JPEG/RGB Q=30",
        '<MetaData><PlaneInfo><prop id="x"/></PlaneInfo></MetaData>',
        "<GDALMetadata><Item>x</Item></GDALMetadata>",
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_descriptions_of_the_old_files_structure_are_not_carried(tmp_path, dtype, text):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", random_samples(dtype, 3), photometric="rgb", description=text, metadata=None)
    picture = read_picture(tmp_path / "a.tif")
    assert "ImageDescription dropped: it tells how the old file is built" in picture.notes
    write_picture(tmp_path / "b.tif", picture)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.description == ""
        assert [file.is_imagej, file.is_ome, file.is_shaped] == [False] * 3


@pytest.mark.parametrize("text", ["Der Hafen am Abend", "A shape in the fog", "An image: axes and hammers"])
def test_descriptions_of_the_picture_are_carried(tmp_path, text):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", random_samples("uint8", 3), photometric="rgb", description=text, metadata=None)
    picture = read_picture(tmp_path / "a.tif")
    write_picture(tmp_path / "b.tif", picture)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.description == text
    assert not describes_structure(text)


def test_imagej_stack_is_fused_to_a_file_that_imagej_readers_read(tmp_path, capsys):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    for name, seed in (("a", 0), ("b", 1)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.stack([random_samples("uint16", 0, seed)] * 3), imagej=True)
    names = [str(tmp_path / name) for name in ("a.tif", "b.tif", "c.tif")]
    assert main(["fuse", *names[:2], "-o", names[2], "--no-check"]) == 0, capsys.readouterr().err
    assert tifffile.imread(names[2]).shape == random_samples("uint16", 0).shape


@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "TIFF"])
def test_xmp_iptc_and_resolution_go_from_format_to_format_or_are_noted(tmp_path, source, target):
    pixels = random_samples("uint8", 3)
    first = tmp_path / {"JPEG": "a.jpg", "PNG": "a.png", "TIFF": "a.tif"}[source]
    write_picture(first, Picture(pixels=pixels, xmp=XMP, iptc=IPTC, resolution=(200.0, 300.0)))
    picture = read_picture(first)
    notes = write_picture(tmp_path / f"b{target}", picture)
    back = read_picture(tmp_path / f"b{target}")
    assert b"equirectangular" in back.xmp
    assert back.iptc == (IPTC if source != "PNG" and target in (".jpg", ".tif") else None)
    if target == ".webp":
        assert any("resolution" in note and note.endswith("WebP holds none") for note in notes)
        assert back.resolution is None
    else:
        assert back.resolution == pytest.approx((200, 300), rel=1e-3)
    if source != "PNG":
        assert any("IPTC" in note for note in notes) == (target in (".png", ".webp"))


def test_other_programs_see_xmp_and_resolution(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    picture = Picture(pixels=random_samples("uint8", 3), xmp=XMP, iptc=IPTC, resolution=(200.0, 300.0))
    for suffix in (".jpg", ".png", ".webp", ".tif"):
        write_picture(tmp_path / f"a{suffix}", picture)
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert b"equirectangular" in image.info["xmp"]
            if suffix != ".webp":
                assert image.info["dpi"] == pytest.approx((300, 200), rel=1e-3)
            if suffix == ".jpg":
                assert image.info["photoshop"][0x0404] == IPTC
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages.first.tags
        assert tags["XResolution"].value[0] == 300 * tags["XResolution"].value[1]
        assert bytes(tags[33723].value) == IPTC


def test_xmp_of_gain_maps_and_motion_photos_does_not_point_into_the_old_file():
    packet = (
        b'<rdf:Description hdrgm:Version="1.0" GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="4096"'
        b" xmpNote:HasExtendedXMP='0123' xmp:Rating=\"4\"><Container:Directory><rdf:Seq/></Container:Directory>"
        b"<xmp:Thumbnails><rdf:Alt>old</rdf:Alt></xmp:Thumbnails><tiff:Orientation>8</tiff:Orientation>"
        b"</rdf:Description>"
    )
    assert upright_xmp(packet) == (
        b'<rdf:Description xmp:Rating="4"><tiff:Orientation>1</tiff:Orientation></rdf:Description>'
    )


def test_iptc_is_found_behind_other_resources():
    other = b"8BIM\x04\x25\x03abc" + struct.pack(">I", 5) + b"12345\0"
    assert iptc_of_resources(other + jpeg_segment(IPTC)[18:]) == IPTC
    assert iptc_of_resources(other) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data(), suffix=st.sampled_from([".jpg", ".png", ".webp", ".tif"]))
def test_any_blocks_are_written_or_refused_in_one_line_and_read_again(tmp_path, data, suffix):
    bad = st.binary(max_size=60)
    whole = exif_with_sizes(48, 64)
    cut = st.integers(0, len(whole)).map(lambda n: whole[:n])
    picture = Picture(
        pixels=smooth_rgb(),
        exif=data.draw(st.none() | bad | cut),
        xmp=data.draw(st.none() | bad | st.just(XMP)),
        iptc=data.draw(st.none() | bad),
        resolution=data.draw(st.none() | st.tuples(st.floats(0.01, 1e5), st.floats(0.01, 1e5))),
    )
    file = tmp_path / f"a{suffix}"
    refusal = ""
    try:
        write_picture(file, picture, overwrite=True)
        read_picture(file)
    except PictureError as error:
        refusal = str(error)
    assert refusal.isprintable()


@given(st.binary(max_size=200) | st.just(b"8BIM\x04\x04\0\0\xff\xff\xff\xff"))
def test_any_bytes_are_no_crash_of_the_parsers(block):
    iptc_of_resources(block)
    assert isinstance(resized_xmp(upright_xmp(block), 3, 4), bytes)
    for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert len(resized(start + block, 3, 4)) == len(start + block)


def test_a_long_hostile_packet_is_read_in_no_time():
    code = (
        "from npfuse.pictures.metadata.xmp import upright_xmp, resized_xmp\n"
        "for part in (b'<xmp:Thumbnails>', b' hdrgm:a', b'tiff:Orientation=', b' Camera:MotionPhoto'):\n"
        "    resized_xmp(upright_xmp(part * (4_000_000 // len(part))), 3, 4)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
