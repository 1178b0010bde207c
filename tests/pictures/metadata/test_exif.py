"""EXIF: orientation is applied, blocks and profiles are carried, broken ones dropped."""

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from npfuse.pictures.reading import Picture, read_picture, write_picture
from tests.picture_files import RGB_PROFILE, assert_same_samples, encoded, exif_block, random_samples, shown, smooth_rgb


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


def test_exif_too_long_for_jpeg_is_dropped_and_noted(tmp_path):
    notes = write_picture(tmp_path / "a.jpg", Picture(pixels=smooth_rgb(), exif=exif_block() + bytes(70000)))
    assert notes == ("EXIF dropped: it is 70076 bytes and JPEG holds 65527",)
    assert read_picture(tmp_path / "a.jpg").exif is None
