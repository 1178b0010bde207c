"""Pictures stored as light, or as another power of it, are encoded for display; all others stay as they are."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from npfuse.pictures.light import LIGHT_ENCODED, decode_light, display_profile, encode_light, encode_samples
from npfuse.pictures.metadata.profiles import SRGB
from npfuse.pictures.reading import read_picture
from npfuse.pictures.stored import opened
from tests.picture_files import GREY_PROFILE, assert_same_samples, encoded, matrix_profile, random_samples, smooth_rgb


def with_curve(curve):
    """The profile of `matrix_profile` with another curve, behind its end."""
    profile = bytearray(matrix_profile(1.0))
    for index in range(struct.unpack_from(">I", profile, 128)[0]):
        at = 132 + 12 * index
        if profile[at + 1 : at + 4] == b"TRC":
            struct.pack_into(">II", profile, at + 4, len(matrix_profile(1.0)), len(curve))
    return bytes(profile) + curve


def para(function, *numbers):
    return b"para\0\0\0\0" + struct.pack(f">HH{len(numbers)}i", function, 0, *(round(65536 * n) for n in numbers))


STRAIGHT_CURVES = {
    "identity": b"curv" + bytes(8),
    "gamma 1": b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0",
    "table": b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 16384, 32768, 49151, 65535) + b"\0\0",
    "parametric 0": para(0, 1),
    "parametric 1": para(1, 1, 1, 0),
    "parametric 2": para(2, 1, 1, 0, 0),
    "parametric 3": para(3, 1, 1, 0, 1, 0.5),
    "parametric 4": para(4, 1, 1, 0, 1, 0.5, 0, 0),
}


@pytest.mark.parametrize("curve", STRAIGHT_CURVES)
def test_profiles_of_linear_light_get_srgbs_curve_and_keep_their_primaries(curve):
    display = display_profile(with_curve(STRAIGHT_CURVES[curve]))
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    # matrix_profile has sRGB's primaries: with sRGB's curve it is sRGB.
    turned = ImageCms.profileToProfile(
        Image.fromarray(grey), ImageCms.ImageCmsProfile(io.BytesIO(display)), ImageCms.ImageCmsProfile(io.BytesIO(SRGB))
    )
    assert np.abs(np.asarray(turned).astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        matrix_profile(1.8),
        matrix_profile(2.2),
        with_curve(para(0, 1.2)),
        with_curve(b"curv\0\0\0\0" + struct.pack(">I3H", 3, 0, 14000, 65535)),
        with_curve(b"none" + bytes(9)),
        matrix_profile(1.0)[:200],
        b"",
        b"no profile" * 99,
    ],
)
def test_other_and_damaged_profiles_stay_as_they_are(profile):
    assert display_profile(profile) is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_tiff_of_linear_light_is_read_as_display_values(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    light = random_samples(dtype, 3)
    profile = matrix_profile(1.0)
    options = {"photometric": "rgb", "metadata": None, "extratags": [(34675, 7, len(profile), profile, True)]}
    tifffile.imwrite(tmp_path / "a.tif", light, **options)
    back = read_picture(tmp_path / "a.tif")
    expected = encode_light((light / white).astype(np.float32)) * white
    np.testing.assert_allclose(back.pixels, expected, atol=0.51 if white > 1 else 1e-6)
    assert back.notes == (LIGHT_ENCODED,)
    assert back.icc_profile == display_profile(profile)
    with opened(tmp_path / "a.tif") as stored:
        assert_same_samples(stored.pixels[:, :], back.pixels)
        assert (stored.icc_profile, stored.notes) == (back.icc_profile, back.notes)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_other_formats_with_a_linear_profile_are_read_as_display_values(tmp_path, kind):
    image, options = Image.fromarray(smooth_rgb()), {"lossless": True} if kind == "WEBP" else {}
    (tmp_path / "plain").write_bytes(encoded(image, kind, **options))
    (tmp_path / "linear").write_bytes(encoded(image, kind, icc_profile=matrix_profile(1.0), **options))
    plain, linear = (read_picture(tmp_path / name) for name in ("plain", "linear"))
    assert_same_samples(linear.pixels, encode_samples(plain.pixels))


def png_with_gamma(samples, gamma, *more):
    """An 8-bit RGB PNG with a gAMA chunk, of hundred thousandths, and others."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 8, 2, 0, 0, 0))]
    chunks += [(b"gAMA", struct.pack(">I", gamma)), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*pair) for pair in chunks)


@pytest.mark.parametrize("gamma", [100_000, 55_556, 66_667])
def test_png_of_another_gamma_is_encoded_for_display(tmp_path, gamma):
    samples = random_samples("uint8", 3)
    (tmp_path / "a.png").write_bytes(png_with_gamma(samples, gamma))
    back = read_picture(tmp_path / "a.png")
    light = (samples / 255) ** (100_000 / gamma)
    np.testing.assert_allclose(back.pixels, 255 * encode_light(light.astype(np.float32)), atol=0.51)
    assert "encoded with sRGB's curve" in back.notes[0]


@pytest.mark.parametrize(("gamma", "more"), [(45_455, []), (0, []), (100_000, [(b"sRGB", b"\0")])])
def test_png_of_srgbs_gamma_of_none_or_with_an_srgb_chunk_stays(tmp_path, gamma, more):
    samples = random_samples("uint8", 3)
    (tmp_path / "a.png").write_bytes(png_with_gamma(samples, gamma, *more))
    back = read_picture(tmp_path / "a.png")
    assert_same_samples(back.pixels, samples)
    assert back.notes == ()


def test_grey_profiles_have_one_curve():
    tag = struct.pack(">I4sII", 1, b"kTRC", 144, 12)
    profile = GREY_PROFILE[:128] + tag + b"curv" + bytes(8)
    assert display_profile(profile)[128:136] == tag[:8]
    assert display_profile(profile).endswith(struct.pack(">i", round(0.04045 * 65536)))


def test_16_bit_light_comes_back_within_half_a_level():
    levels = np.arange(0, 65536, 7, dtype=np.uint16)
    back = decode_light((encode_samples(levels) / 65535).astype(np.float32)) * 65535
    # Half a level of the encoded values, whose curve is at most 2.3 times as steep when decoded.
    np.testing.assert_allclose(back, levels, atol=1.2)
