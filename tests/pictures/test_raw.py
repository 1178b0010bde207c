"""Camera raw files: a DNG laid out here is developed; others are recognised, and the extra is named."""

import sys

import numpy as np
import pytest

from npfuse.pictures.profiles import SRGB
from npfuse.pictures.reading import PictureError, read_picture
from tests.picture_files import WHITE_LEVEL, assert_one_line, write_dng


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
