"""Camera raw files: a DNG laid out here is developed; others are recognised, and the extra is named."""

import io
import struct
import sys
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD

from npfuse.pictures.metadata.exif import TIFF_START, directory_bytes
from npfuse.pictures.metadata.profiles import SRGB
from npfuse.pictures.metadata.raw_exif import raw_exif
from npfuse.pictures.reading import PictureError, read_picture, write_picture
from tests.picture_files import WHITE_LEVEL, assert_one_line, encoded, write_dng


def test_a_dng_is_developed_without_automatic_brightness(tmp_path):
    rawpy = pytest.importorskip("rawpy")
    tifffile = pytest.importorskip("tifffile")
    assert rawpy
    means = []
    for name, level in (("dark", 0.05), ("bright", 0.18)):
        write_dng(tifffile, tmp_path / name, np.full((64, 96), round(level * WHITE_LEVEL), np.uint16))
        picture = read_picture(tmp_path / name)
        assert picture.pixels.shape == (64, 96, 3)
        assert picture.pixels.dtype == np.uint16
        assert picture.icc_profile == SRGB
        assert any("developed" in note for note in picture.notes)
        means.append(picture.pixels[..., 1].mean() / 65535)
    # sRGB's curve (IEC 61966-2-1) of 0.05 and 0.18, within what two curves of LibRaw's 16-bit tables leave.
    np.testing.assert_allclose(means, [0.2481, 0.4614], atol=0.01)


@pytest.mark.parametrize("start", [b"FUJIFILMCCD-RAW ", b"IIRO\x08\0\0\0", b"IIU\0\x08\0\0\0", b"\0\0\0\x18ftypcrx "])
def test_damaged_raw_files_are_refused(tmp_path, start):
    pytest.importorskip("rawpy")
    (tmp_path / "a").write_bytes(start + bytes(500))
    with pytest.raises(PictureError, match="damaged or unusual camera raw file") as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


@pytest.mark.parametrize("start", [b"FUJIFILMCCD-RAW ", b"\0\0\0\x18ftypcrx "])
def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch, start):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / "a").write_bytes(start + bytes(500))
    message = r'is a camera raw file, which needs the package rawpy; install it with: pip install "npfuse\[raw\]"'
    with pytest.raises(PictureError, match=message):
        read_picture(tmp_path / "a")


EXPOSURE = [
    (271, 2, None, "Maker", True),
    (272, 2, None, "Model", True),
    (33434, 5, 1, (1, 480), True),
    (33437, 5, 1, (8, 1), True),
    (34855, 3, 1, 200, True),
    (36867, 2, None, "2024:05:01 10:00:00", True),
    (42036, 2, None, "35mm", True),
]


def check_exposure(block):
    exif = Image.Exif()
    exif.load(block)
    below = exif.get_ifd(IFD.Exif)
    assert (exif[271], exif[272], below[36867], below[42036]) == ("Maker", "Model", "2024:05:01 10:00:00", "35mm")
    assert float(below[33434]) == pytest.approx(1 / 480)
    assert (float(below[33437]), below[34855]) == (8, 200)


def exif_of_a_camera():
    """A little-endian block with a maker note and a place, as cameras write it."""
    below = {33434: 1 / 480, 33437: 8.0, 34855: 200, 36867: "2024:05:01 10:00:00", 42036: "35mm", 37500: b"secret" * 99}
    return TIFF_START + directory_bytes({271: "Maker", 272: "Model", IFD.Exif: below, IFD.GPSInfo: {1: "N"}})


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".webp"])
def test_exposure_date_and_lens_of_a_dng_are_carried(tmp_path, suffix):
    pytest.importorskip("rawpy")
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    write_dng(tifffile, tmp_path / "a.dng", np.full((64, 96), 9000, np.uint16), EXPOSURE)
    picture = read_picture(tmp_path / "a.dng")
    check_exposure(picture.exif)
    write_picture(tmp_path / f"b{suffix}", picture)
    check_exposure(read_picture(tmp_path / f"b{suffix}").exif)


class NoDeveloper:
    """LibRaw, of a file that it knows nothing of."""


def boxes(block):
    """The boxes of a CR3: its directories one by one, little-endian."""
    exif = Image.Exif()
    exif.load(block)
    directories = {
        b"CMT1": {271: exif[271], 272: exif[272]},
        b"CMT2": dict(exif.get_ifd(IFD.Exif)),
        b"CMT4": dict(exif.get_ifd(IFD.GPSInfo)),
    }
    content = b"\0\0\0\x18ftypcrx " + bytes(12)
    for name, tags in directories.items():
        box = TIFF_START + directory_bytes(tags)
        content += struct.pack(">I", 8 + len(box)) + name + box
    return content


@pytest.mark.parametrize("kind", ["ORF", "RW2", "RAF", "CR3"])
def test_exif_of_other_layouts_is_found_without_maker_notes(kind):
    block = exif_of_a_camera()
    jpeg = encoded(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + block)
    content = {
        "ORF": b"IIRO" + block[4:],
        "RW2": b"IIU\0" + block[4:],
        "RAF": b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 100, len(jpeg)) + bytes(8) + jpeg,
        "CR3": boxes(block),
    }[kind]
    found, notes = raw_exif(io.BytesIO(content), NoDeveloper())
    assert notes == ()
    check_exposure(found)
    assert b"secret" not in found
    exif = Image.Exif()
    exif.load(found)
    assert exif.get_ifd(IFD.GPSInfo)[1] == "N"


def test_exposure_is_asked_of_libraw_where_the_layout_is_another():
    class Developer:
        other = SimpleNamespace(
            iso_speed=200.0, shutter_speed=1 / 480, aperture=8.0, focal_length=35.0, artist="",
            timestamp=datetime(2024, 5, 1, 10),
        )  # fmt: skip
        lens = SimpleNamespace(model="35mm")

    found, _ = raw_exif(io.BytesIO(b"unknown layout" * 9), Developer())
    exif = Image.Exif()
    exif.load(found)
    below = exif.get_ifd(IFD.Exif)
    assert (below[34855], below[36867], below[42036]) == (200, "2024:05:01 10:00:00", "35mm")


@pytest.mark.parametrize("start", [b"II*\0", b"IIRO", b"FUJIFILM", b"\0\0\0\x18ftypcrx CMT1CMT2CMT4"])
def test_broken_exif_of_a_raw_file_is_dropped_and_noted(start):
    for rest in (b"", b"\xff" * 300, bytes(300)):
        block, notes = raw_exif(io.BytesIO(start + rest), NoDeveloper())
        assert block is None or notes == ()
