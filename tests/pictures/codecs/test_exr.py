"""OpenEXR files: light in, display values, light out."""

import io
import sys

import numpy as np
import pytest

from npfuse.pictures.light import decode_light, encode_light
from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.picture_files import HEIGHT, WIDTH, assert_one_line, assert_same_samples, random_samples


def exr_bytes(openexr, channels, **header):
    stream = io.BytesIO()
    options = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(options | header, channels).write(stream)
    return stream.getvalue()


def test_the_curve_is_srgbs():
    # IEC 61966-2-1: 18 % grey is 0.4613561; black, white and the joint of the two pieces stay in place.
    light = np.array([0, 0.0031308, 0.18, 1], np.float32)
    np.testing.assert_allclose(encode_light(light), [0, 0.04045, 0.4613561, 1], atol=3e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_rgb_light_is_read_as_display_values(tmp_path, kind):
    openexr = pytest.importorskip("OpenEXR")
    light = (random_samples("float32", 3) * 4).astype(kind)
    (tmp_path / "a").write_bytes(exr_bytes(openexr, {"RGB": light}))
    back = read_picture(tmp_path / "a")
    assert_same_samples(back.pixels, encode_light(light.astype(np.float32)))
    assert back.notes == ("linear light encoded with sRGB's curve",)
    assert not back.pixels.flags.writeable


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [0, 3])
def test_exr_returns_the_values_that_were_written(tmp_path, channels, alpha):
    pytest.importorskip("OpenEXR")
    pixels = random_samples("float32", channels)
    mask = random_samples("float32", 0, seed=1) if alpha else None
    assert write_picture(tmp_path / "a.exr", Picture(pixels=pixels, alpha=mask)) == ()
    back = read_picture(tmp_path / "a.exr")
    # Two curves of under 10 roundings each, steepened by at most 12.92 at black.
    np.testing.assert_allclose(back.pixels, pixels, atol=260 * 2**-24, rtol=0)
    assert (back.alpha is None) is not alpha
    if alpha:
        assert_same_samples(back.alpha, mask)


def test_light_beyond_white_and_below_black_comes_back():
    light = np.array([-2, -1e-4, 0, 1e-4, 3, 60000], np.float32)
    np.testing.assert_allclose(decode_light(encode_light(light)), light, rtol=3e-6)


def test_windows_beside_the_origin_and_other_channels_are_read(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    names = ("R", "G", "B", "depth.Z")
    planes = {name: random_samples("float32", 0, seed=i) for i, name in enumerate(names)}
    green = planes["G"].copy()
    window = (np.array([5, -3], np.int32), np.array([5 + WIDTH - 1, HEIGHT - 4], np.int32))
    (tmp_path / "a").write_bytes(exr_bytes(openexr, dict(planes), dataWindow=window))
    back = read_picture(tmp_path / "a")
    assert_same_samples(back.pixels[..., 1], encode_light(green))
    assert "1 channels beyond colour and alpha dropped" in back.notes


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"Z": np.zeros((4, 5), np.float32)}, "without the channels R, G and B, or Y alone"),
        ({"RGB": np.zeros((4, 5, 3), np.uint32)}, "of whole numbers, expected half or float"),
    ],
)
def test_exr_kinds_that_cannot_be_read_are_named(tmp_path, channels, message):
    openexr = pytest.importorskip("OpenEXR")
    (tmp_path / "a").write_bytes(exr_bytes(openexr, channels))
    with pytest.raises(PictureError, match=message) as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


@pytest.mark.parametrize("kept", [4, 60, 300, -20])
def test_truncated_exr_is_refused(tmp_path, kept):
    openexr = pytest.importorskip("OpenEXR")
    (tmp_path / "a").write_bytes(exr_bytes(openexr, {"RGB": random_samples("float32", 3)})[:kept])
    with pytest.raises(PictureError, match="damaged or unusual OpenEXR") as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


def test_whole_numbers_are_not_written_as_light(tmp_path):
    with pytest.raises(PictureError, match=r"picture is uint8, expected float32 in an OpenEXR; choose \.png or \.tif"):
        write_picture(tmp_path / "a.exr", Picture(pixels=random_samples("uint8", 3)))
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    (tmp_path / "a").write_bytes(b"\x76\x2f\x31\x01\x02\0\0\0" + bytes(50))
    with pytest.raises(PictureError, match=r'needs the package OpenEXR; install it with: pip install "npfuse\[exr\]"'):
        read_picture(tmp_path / "a")
    with pytest.raises(PictureError, match=r'pip install "npfuse\[exr\]"'):
        write_picture(tmp_path / "b.exr", Picture(pixels=random_samples("float32", 3)))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
