"""Frames of one bracket that differ in alpha, orientation, bits, size or white balance, and brackets in one TIFF."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import npfuse
from npfuse.cli import main
from npfuse.examples import example_pair
from npfuse.pairs.file_fusion import FileOptions, Teller, fuse_files
from npfuse.pairs.transparency import filled
from npfuse.pairs.white_balance import balance_of
from npfuse.pairs.white_level import with_full_white
from npfuse.pictures.light import decode_light, encode_light
from npfuse.pictures.pages import pages_of
from npfuse.pictures.picture import StoredPicture
from npfuse.pictures.reading import Picture, PictureError, read_picture, write_picture
from tests.hostile.corpus import tiff_that_loops
from tests.picture_files import encoded, exif_block, random_samples

UNDER, OVER = (read_picture(path).pixels for path in example_pair("interior"))
HEIGHT, WIDTH = UNDER.shape[:2]


class Told(Teller):
    def __init__(self):
        self.said, self.warned = [], []

    def say(self, *lines):
        self.said += lines

    def warn(self, line):
        self.warned.append(line)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fuse(a, b, output, *arguments):
    return main(["fuse", a, b, "-o", output, "--no-check", *arguments])


def one_error(capsys):
    err = capsys.readouterr().err
    assert err.startswith("npfuse: ")
    assert err.count("\n") == 1
    return err


def frames_with_gaps(left=60, right=80):
    """The bright frame lacks the left, the dark one the right, as frames do that a stitcher aligned."""
    alphas = [np.full((HEIGHT, WIDTH), 255, np.uint8) for _ in range(2)]
    alphas[0][:, -right:] = 0
    alphas[1][:, :left] = 0
    return [
        Picture(pixels=pixels * (alpha > 0)[..., None], alpha=alpha)
        for pixels, alpha in zip((UNDER, OVER), alphas, strict=True)
    ]


# ---------------------------------------------------------------------------------------------------------------- alpha


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("method", ["tonefuse", "mertens"])
def test_where_one_frame_is_transparent_the_other_fills_in(method, suffix):
    for name, picture in zip("ab", frames_with_gaps(), strict=True):
        write_picture(f"{name}{suffix}", picture)
    assert fuse(f"a{suffix}", f"b{suffix}", f"c{suffix}", "--method", method) == 0
    back = read_picture(f"c{suffix}")
    assert back.alpha is None or back.alpha.min() == 255
    # Both frames whole: the gaps are at most as far from it as one frame's light lets tell.
    whole = npfuse.fuse(UNDER, OVER, method=method).astype(float)
    error = np.abs(back.pixels - whole)
    assert error[:, 70:-90].mean() < 4
    assert error[:, :50].mean() < 25
    assert error[:, -70:].mean() < 25


def test_the_result_is_transparent_only_where_all_frames_are():
    frames = [
        Picture(pixels=pixels, alpha=alpha)
        for pixels, alpha in zip(
            (random_samples("uint16", 3), random_samples("uint16", 3, 1), random_samples("uint16", 3, 2)),
            (random_samples("uint16", 0, 3), random_samples("uint16", 0, 4), random_samples("uint16", 0, 5)),
            strict=True,
        )
    ]
    highest = np.max([frame.alpha for frame in frames], axis=0)
    for back in filled(frames):
        np.testing.assert_array_equal(back.alpha, highest)


def test_frames_of_one_alpha_stay_as_they_are():
    alpha = random_samples("uint8", 0, 7)
    frames = [Picture(pixels=random_samples("uint8", 3, seed), alpha=alpha) for seed in (0, 1)]
    for frame, back in zip(frames, filled(frames), strict=True):
        np.testing.assert_array_equal(back.pixels, frame.pixels)
        np.testing.assert_array_equal(back.alpha, alpha)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_gap_is_filled_with_the_other_frame_at_the_same_exposure(dtype):
    white = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    ramp = np.linspace(0.05, 0.95, 200, dtype=np.float32)
    bright = np.repeat(np.repeat(ramp[None, :, None], 90, axis=0), 3, axis=2)
    dark = encode_light(decode_light(bright) / 4)
    bright, dark = ((frame * white).astype(dtype) for frame in (bright, dark))
    alpha = np.full(dark.shape[:2], white, dtype)
    alpha[:40] = 0
    a, b = filled([Picture(pixels=dark * (alpha > 0)[..., None].astype(dtype), alpha=alpha), Picture(pixels=bright)])
    assert a.alpha is None
    np.testing.assert_allclose(a.pixels[:40].astype(float), dark[:40], atol=white * 0.012)
    np.testing.assert_array_equal(a.pixels[40:], dark[40:])
    np.testing.assert_array_equal(b.pixels, bright)


def test_parts_of_stored_frames_are_filled_as_whole_ones_are():
    frames = frames_with_gaps()
    stored = filled([StoredPicture(pixels=frame.pixels, alpha=frame.alpha) for frame in frames])
    for whole, parts in zip(filled(frames), stored, strict=True):
        place = slice(100, 180), slice(20, 130)
        np.testing.assert_array_equal(parts.pixels[place], whole.pixels[place])
        np.testing.assert_array_equal(parts.alpha[place], whole.alpha[place])


# --------------------------------------------------------------------------------------------------------- orientation


def write_turned(name, pixels, orientation):
    image = Image.fromarray(pixels)
    Path(name).write_bytes(encoded(image, "PNG", exif=b"Exif\0\0" + exif_block(orientation)))


@pytest.mark.parametrize("flag", [3, 6])
def test_orientations_that_differ_are_named_with_the_options(capsys, flag):
    write_turned("a.png", UNDER, 1)
    write_turned("b.png", OVER, flag)
    assert fuse("a.png", "b.png", "c.png") == 2
    message = (
        f"b.png: EXIF orientation is {flag}, expected 1 as in a.png; say whose orientation is right with --orientation"
    )
    assert message in one_error(capsys)
    assert main(["check", "a.png", "b.png"]) == 2


@pytest.mark.parametrize(
    ("flags", "choice", "turns"), [((1, 6), "first", 0), ((6, 1), "first", 3), ((6, 3), "ignore", 0)]
)
def test_an_orientation_may_be_that_of_the_first_or_none(flags, choice, turns):
    for name, pixels, flag in zip("ab", (UNDER, OVER), flags, strict=True):
        write_turned(f"{name}.png", pixels, flag)
    assert fuse("a.png", "b.png", "c.png", "--orientation", choice) == 0
    expected = npfuse.fuse(*(np.ascontiguousarray(np.rot90(pixels, turns)) for pixels in (UNDER, OVER)))
    np.testing.assert_array_equal(read_picture("c.png").pixels, expected)


def test_each_its_own_orientation_is_an_option_and_needs_none_where_a_program_turned_one():
    write_turned("a.png", UNDER, 6)
    write_turned("b.png", np.ascontiguousarray(np.rot90(OVER, 3)), 1)
    assert fuse("a.png", "b.png", "c.png") == 0
    write_turned("d.png", UNDER[::-1, ::-1], 3)
    write_turned("e.png", OVER, 1)
    assert fuse("d.png", "e.png", "f.png", "--orientation", "own") == 0
    np.testing.assert_array_equal(read_picture("f.png").pixels, npfuse.fuse(UNDER, OVER))


# --------------------------------------------------------------------------------------------------------- white level


def write_deep(name, pixels, level, **options):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples = np.rint(pixels / 255 * level).astype(np.uint16)
    tifffile.imwrite(name, samples, photometric="rgb", metadata=None, **options)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_of_fewer_bits_are_recognised_by_their_values_with_a_warning(bits, capsys):
    level = 2**bits - 1
    write_deep("a.tif", UNDER, level)
    write_deep("b.tif", OVER, level)
    assert main(["fuse", "a.tif", "b.tif", "-o", "c.tif"]) == 0
    warnings = capsys.readouterr().err
    assert f"taken as samples of {bits} bits, white at {level}" in warnings
    assert "too dark" not in warnings
    expected = npfuse.fuse(UNDER.astype(np.uint16) * 257, OVER.astype(np.uint16) * 257).astype(float)
    difference = np.abs(read_picture("c.tif").pixels - expected)
    assert difference.mean() < 65535 / level + 40  # a level of the few bits, and what the network makes of it


@pytest.mark.parametrize("level", [3000, 4095])
def test_the_white_level_may_be_given(level):
    write_deep("a.tif", UNDER, level)
    write_deep("b.tif", OVER, level)
    told = Told()
    names = [Path(name) for name in ("a.tif", "b.tif", "c.tif")]
    fuse_files(*names, FileOptions(white_level=level), told)
    assert not any("bits" in line for line in told.warned)
    assert read_picture("c.tif").pixels.max() > 60000


def test_a_white_level_below_the_values_is_refused(capsys):
    write_deep("a.tif", UNDER, 4095)
    write_deep("b.tif", OVER, 4095)
    assert fuse("a.tif", "b.tif", "c.tif", "--white-level", "1023") == 2
    assert "--white-level is 1023, expected at least" in one_error(capsys)
    assert fuse("a.tif", "b.tif", "c.tif", "--white-level", "0") == 2
    assert "--white-level is 0, expected 1 to 65535" in one_error(capsys)


def test_a_level_in_the_tags_of_all_files_needs_no_warning():
    for name, pixels in (("a.tif", UNDER), ("b.tif", OVER // 2)):
        write_deep(name, pixels, 4095, extratags=[(281, 3, 3, (4095,) * 3, True)])
    told = Told()
    a, b = with_full_white([read_picture(name) for name in ("a.tif", "b.tif")], FileOptions(), told)
    assert told.warned == []
    assert told.said == ["samples of 12 bits, as the files say, scaled to 16"]
    np.testing.assert_allclose(a.pixels, UNDER * 257.0, atol=8.1)  # half of 65535 / 4095
    np.testing.assert_allclose(b.pixels, (OVER // 2) * 257.0, atol=8.1)


@pytest.mark.parametrize("brightest", [65535, 20000, 3000, 9000])
def test_values_that_tell_of_no_level_stay_as_they_are(brightest):
    frames = [Picture(pixels=np.full((5, 6, 3), value, np.uint16)) for value in (10, brightest)]
    told = Told()
    back = with_full_white(frames, FileOptions(), told)
    assert [picture.pixels.max() for picture in back] == [10, brightest]
    assert len(told.warned) == (brightest < 16384)
    assert all("name the value of white with --white-level" in line for line in told.warned)


# ---------------------------------------------------------------------------------------------- size, pages and balance


def test_sizes_a_pixel_apart_are_cropped_when_asked(capsys):
    write_picture("a.png", Picture(pixels=UNDER[:, 1:]))
    write_picture("b.png", Picture(pixels=OVER[2:]))
    assert fuse("a.png", "b.png", "c.png") == 2
    assert "or use --crop for small differences" in one_error(capsys)
    assert fuse("a.png", "b.png", "c.png", "--crop") == 0
    expected = npfuse.fuse(UNDER[1:-1, 1:], OVER[2:, :-1])
    np.testing.assert_array_equal(read_picture("c.png").pixels, expected)


def test_sizes_far_apart_are_not_cropped(capsys):
    write_picture("a.png", Picture(pixels=UNDER[:, 100:]))
    write_picture("b.png", Picture(pixels=OVER))
    assert fuse("a.png", "b.png", "c.png", "--crop") == 2
    assert "expected at most 2% apart; resize them" in one_error(capsys)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"compression": "deflate"}])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_pages_of_a_tiff_are_a_bracket(options, dtype):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    frames = [pixels[:200, :300].astype(dtype) * (257 if dtype == "uint16" else 1) for pixels in (UNDER, OVER)]
    byteorder = options.get("byteorder")
    with tifffile.TiffWriter("a.tif", bigtiff=options.get("bigtiff", False), byteorder=byteorder) as file:
        for frame in frames:
            file.write(frame, photometric="rgb", metadata=None, compression=options.get("compression"))
    for page, frame in enumerate(frames):
        np.testing.assert_array_equal(read_picture(f"a.tif[{page}]").pixels, frame)
    assert main(["fuse", "a.tif", "-o", "b.tif", "--no-check"]) == 0
    np.testing.assert_array_equal(read_picture("b.tif").pixels, npfuse.fuse(*frames))
    with pytest.raises(PictureError, match=r"a\.tif\[2\]: has 2 pages, expected more than 2, the first being 0"):
        read_picture("a.tif[2]")


def test_one_file_without_pages_is_no_bracket(capsys):
    write_picture("a.png", Picture(pixels=UNDER))
    assert main(["fuse", "a.png", "-o", "b.png"]) == 2
    assert "a.png: is one picture, expected two or more; name the other exposures too" in one_error(capsys)
    with pytest.raises(PictureError, match=r"a\.png\[1\]: is no TIFF, expected one for its page 1"):
        read_picture("a.png[1]")


def test_a_directory_that_leads_back_to_itself_has_one_page():
    Path("a.tif").write_bytes(tiff_that_loops())
    assert [path.name for path in pages_of(Path("a.tif"))] == ["a.tif"]


def with_gains(pixels, gains):
    light = decode_light(pixels.astype(np.float32) / 255) * np.asarray(gains, np.float32)
    return np.rint(255 * np.clip(encode_light(light), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("name", ["sunset", "city"])
def test_another_white_balance_is_noticed_and_another_exposure_is_not(name):
    a, b = (read_picture(path).pixels for path in example_pair(name))
    assert not balance_of(a, b).differs
    assert not balance_of(a, with_gains(a, (4, 4, 4))).differs
    found = balance_of(a, with_gains(b, (2**0.5, 1, 2**-0.5)))
    assert found.differs
    assert found.red == pytest.approx(0.5, abs=0.2)
    assert found.blue == pytest.approx(-0.5, abs=0.2)


def test_check_names_the_white_balance(capsys):
    under, over = (read_picture(path).pixels for path in example_pair("city"))
    write_picture("a.png", Picture(pixels=under))
    write_picture("b.png", Picture(pixels=with_gains(over, (2**0.5, 1, 2**-0.5))))
    assert main(["check", "a.png", "b.png"]) == 1
    assert "warning: the white balance differs: red gains +0." in capsys.readouterr().out


def test_the_output_may_not_be_a_folder_with_or_without_force(capsys, tmp_path):
    write_picture("a.png", Picture(pixels=UNDER))
    (tmp_path / "folder").mkdir()
    for more in ([], ["--force"]):
        assert fuse("a.png", "a.png", "folder", *more) == 2
        message = one_error(capsys)
        assert "folder: is a folder, expected the name of a file; add one" in message
        assert "force" not in message


def test_array_files_are_known_by_suffixes_of_any_letters():
    np.save("a.npy", UNDER)
    np.save("b.npy", OVER)
    for name in "ab":
        Path(f"{name}.npy").rename(f"{name}.NPY")
    assert fuse("a.NPY", "b.NPY", "c.NPY") == 0
    np.testing.assert_array_equal(np.load("c.NPY"), npfuse.fuse(UNDER, OVER))
