"""Camera raw files: a DNG laid out here is developed; others are recognised, and the extra is named."""

import sys

import numpy as np
import pytest

from npfuse.pictures.profiles import SRGB
from npfuse.pictures.reading import PictureError, read_picture
from tests.picture_files import assert_one_line

WHITE = 16383


def write_dng(tifffile, file, sensor):
    """A DNG (1.4) of an RGGB sensor whose colours are those of sRGB, 14 bits, no camera curve."""
    xyz_to_srgb = [32406, 10000, -15372, 10000, -4986, 10000, -9689, 10000, 18758, 10000, 415, 10000, 557, 10000]
    xyz_to_srgb += [-2040, 10000, 10570, 10000]  # IEC 61966-2-1
    extratags = [
        (50706, 1, 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, 2, None, "Camera", True),  # UniqueCameraModel
        (33421, 3, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, 1, 4, (0, 1, 1, 2), True),  # CFAPattern
        (50717, 4, 1, WHITE, True),  # WhiteLevel
        (50721, 10, 9, tuple(xyz_to_srgb), True),  # ColorMatrix1
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    tifffile.imwrite(file, sensor, photometric=32803, extratags=extratags, metadata=None, software=False)


def test_a_dng_is_developed_without_automatic_brightness(tmp_path):
    rawpy = pytest.importorskip("rawpy")
    tifffile = pytest.importorskip("tifffile")
    assert rawpy
    means = []
    for name, level in (("dark", 0.05), ("bright", 0.18)):
        write_dng(tifffile, tmp_path / name, np.full((64, 96), round(level * WHITE), np.uint16))
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
