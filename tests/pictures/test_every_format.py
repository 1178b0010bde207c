"""Every format has all its pieces, and keeps what its record says; a failure names the missing ones."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from npfuse.pictures.formats import FORMATS, PICTURE_SUFFIXES, format_of_start, format_of_suffix
from npfuse.pictures.picture import PictureError, StoredPicture
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.pictures.stored import opened, stored_output
from npfuse.pictures.writing import NAMES as PARTS
from npfuse.scoring.scenes import find_scenes
from tests.hostile.corpus import PICTURES
from tests.picture_files import (
    RGB_PROFILE,
    assert_one_line,
    assert_same_samples,
    exif_block,
    random_samples,
    smooth_rgb,
)
from tests.pictures.examples import NAMES, examples

TESTS = Path(__file__).parent / "codecs"
ROOT = TESTS.parents[2]
PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
DESCRIPTION = {
    "exif": exif_block(),
    "icc_profile": RGB_PROFILE,
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a xmp:Rating='4'>\xc3\xa4</a></x:xmpmeta>",
    "iptc": b"\x1c\x02\x78\x00\x05Hafen",  # record 2, data set 120: the caption
    "resolution": (300.0, 240.0),
}
each_format = pytest.mark.parametrize("format", FORMATS, ids=NAMES.get)


def example(format):
    """A whole file; skips without the package."""
    try:
        return next(iter(examples(format).values()))
    except (ImportError, PictureError) as error:
        pytest.skip(str(error))


def missing_pieces(format):
    """Return what a format lacks."""
    name = NAMES.get(format)
    if name is None:
        yield "a name in npfuse/pictures/formats.py"
        return
    tests = TESTS / f"test_{name.lower()}.py"
    called = tests.read_text() if tests.is_file() else ""
    for piece, there in (
        ("a reader or a writer", format.read or format.write or format.open_parts or format.write_parts),
        ("first bytes, `starts`", format.starts or format.is_array),
        (f"tests/pictures/codecs/test_{name.lower()}.py", called),
        ("a test of its reader there", "read_picture(" in called or "opened(" in called),
        ("a test of its writer there", re.search(r"write_picture\(|stored_output\(", called) or not writable(format)),
        (f"a hostile file bomb{format.suffixes[0]}", not format.read or f"bomb{format.suffixes[0]}" in PICTURES),
        ("a row in docs/reference/formats.md", re.search(rf"^\|.*{re.escape(shown_as(format))}", PAGE, re.M)),
        (f"the extra {format.extra} in pyproject.toml", format.extra is None or format.extra in EXTRAS),
        ("words for its extra, `extra_for`", format.extra is None or format.extra_for),
    ):
        if not there:
            yield piece


def writable(format):
    return format.write or format.write_parts


def shown_as(format):
    """The words for a format in the table of formats."""
    return {"camera raw file": "camera raw", "NumPy array": "`.npy`", "Zarr array": "Zarr"}.get(
        format.name, format.name
    )


@each_format
def test_format_has_all_its_pieces(format):
    missing = list(missing_pieces(format))
    assert not missing, f"{format.name} lacks {', '.join(missing)}"


def test_no_two_formats_share_a_suffix_or_a_start():
    for part in ("suffixes", "starts"):
        given = [value for format in FORMATS for value in getattr(format, part)]
        assert len(given) == len(set(given))


@each_format
def test_a_file_is_recognised_by_its_name_and_its_first_bytes(format):
    for suffix in format.suffixes:
        assert format_of_suffix(suffix) is format_of_suffix(suffix.upper()) is format
    if format.starts:
        found = format_of_start(example(format)[:32])
        assert found is format or (format.name, found.name) == ("camera raw file", "TIFF")


@pytest.mark.parametrize("format", [format for format in FORMATS if format.read], ids=NAMES.get)
def test_a_whole_file_is_read_and_half_of_it_is_refused(tmp_path, format):
    content = example(format)
    (tmp_path / "a").write_bytes(content)
    assert isinstance(read_picture(tmp_path / "a"), Picture)
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    with pytest.raises(PictureError) as error:
        read_picture(tmp_path / "a")
    assert_one_line(error)


@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("format", [format for format in FORMATS if format.write], ids=NAMES.get)
def test_a_written_picture_comes_back_as_the_record_says(tmp_path, format, alpha, channels):
    example(format)
    for depth in format.depths:
        dtype = np.dtype(depth).name
        pixels = random_samples(dtype, channels) if format.lossless else smooth_rgb()
        pixels = pixels[..., 0] if pixels.ndim > (3 if channels else 2) else pixels
        mask = pixels[..., 0] if alpha and pixels.ndim == 3 else pixels if alpha else None
        file = tmp_path / f"{dtype}{format.suffixes[0]}"
        held = {part: DESCRIPTION[part] for part in format.holds if part != "icc_profile" or pixels.ndim == 3}
        notes = write_picture(file, Picture(pixels=pixels, alpha=mask, **held))
        assert (notes == ()) == ((format.alpha or not alpha) and (format.grey or pixels.ndim == 3)), notes
        back = read_picture(file)
        if format.lossless and np.dtype(depth).kind != "f":
            assert_same_samples(back.pixels, pixels)
        else:
            tolerance = 12 if depth is np.uint8 else 3e-6
            expected = pixels if pixels.ndim == 3 or format.grey else np.dstack([pixels] * 3)
            assert np.abs(back.pixels.astype(float) - expected.astype(float)).mean() < tolerance
        assert (back.alpha is None) == (mask is None or not format.alpha)
        for part in held.keys() - {"exif"}:  # which a TIFF has as tags
            expected = pytest.approx(held[part], rel=1e-3) if part == "resolution" else held[part]
            assert getattr(back, part) == expected, part
        assert (b"Mak" in (back.exif or b"")) == ("exif" in held)


@pytest.mark.parametrize("format", [format for format in FORMATS if format.write], ids=NAMES.get)
def test_parts_of_the_description_that_a_format_does_not_hold_are_noted(tmp_path, format):
    example(format)
    pixels = random_samples(np.dtype(format.depths[-1]).name, 3)
    notes = write_picture(tmp_path / f"a{format.suffixes[0]}", Picture(pixels=pixels, **DESCRIPTION))
    for part, title in PARTS.items():
        assert any(title in note and "dropped" in note for note in notes) == (part not in format.holds)


@pytest.mark.parametrize("format", [format for format in FORMATS if format.write_parts], ids=NAMES.get)
def test_a_picture_written_by_parts_is_read_by_parts(tmp_path, format):
    for depth in format.depths:
        dtype = np.dtype(depth).name
        pixels = random_samples("float32" if dtype == "float64" else dtype, 3).astype(depth)
        file = tmp_path / f"{dtype}{format.suffixes[0].upper()}"
        try:
            with stored_output(file, StoredPicture(pixels=pixels), pixels.shape, overwrite=False, notes=[]) as out:
                out[4:11, :] = pixels[4:]
                out[0:4, :] = pixels[:4]
        except PictureError as error:
            pytest.skip(str(error))
        with opened(file) as back:
            if back is None:
                pytest.skip("an extra is missing")
            assert_same_samples(np.asarray(back.pixels[2:9, 3:7]), pixels[2:9, 3:7])


def test_scenes_are_found_in_every_format_that_is_read(tmp_path):
    scene = tmp_path / "scene"
    scene.mkdir()
    for suffix in PICTURE_SUFFIXES:
        (scene / f"a{suffix}").touch()
    (found,) = find_scenes(tmp_path)
    assert {path.suffix for path in found.exposures} == {*PICTURE_SUFFIXES} >= {".heic", ".jpg", ".dng"}
