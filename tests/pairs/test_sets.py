"""A card of pictures is sorted into brackets by what the camera wrote, by names, by count and by folders."""

import re
from pathlib import Path

import pytest
from PIL import Image

from npfuse.pairs.sets import find_sets
from npfuse.pairs.shots import read_shot

EXPOSURE_TIME, F_NUMBER, ISO, TAKEN, BIAS, MODE, SUBSECOND = 0x829A, 0x829D, 0x8827, 0x9003, 0x9204, 0xA402, 0x9291


def shoot(path, seconds=0, size=(24, 16), camera="A", **tags):
    """Write a small picture taken so many seconds after noon."""
    exif = Image.Exif()
    exif[0x0110] = camera
    below = exif.get_ifd(0x8769)
    below[TAKEN] = f"2024:05:01 {12 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    for name, value in tags.items():
        below[globals()[name]] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path, format="JPEG", exif=exif)


def found(folder, **options):
    result = find_sets(folder, folder / "out", **options)
    return [(frames.name, [file.name for file in frames.files]) for frames in result.sets], [
        path.name for path, _ in result.left
    ]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_brackets_of_a_card_are_told_apart_by_time_bias_and_repetition(tmp_path):
    for i, bias in enumerate([0.0, -2.0, 2.0, 0.0, -2.0, 2.0]):  # two brackets in a second each
        shoot(tmp_path / f"DSC0660{i}.JPG", i // 3, BIAS=bias, MODE=2)
    shoot(tmp_path / "DSC06610.JPG", 300, BIAS=-3.0, MODE=2)
    shoot(tmp_path / "DSC06611.JPG", 301, BIAS=3.0, MODE=2)
    shoot(tmp_path / "DSC06612.JPG", 600, BIAS=0.0, MODE=0)
    sets, left = found(tmp_path)
    assert sets == [
        ("DSC06600", ["DSC06600.JPG", "DSC06601.JPG", "DSC06602.JPG"]),
        ("DSC06603", ["DSC06603.JPG", "DSC06604.JPG", "DSC06605.JPG"]),
        ("DSC06610", ["DSC06610.JPG", "DSC06611.JPG"]),
    ]
    assert left == ["DSC06612.JPG"]


def test_manual_brackets_are_told_by_exposure_time_and_long_exposures_take_their_time(tmp_path):
    for i, (start, time) in enumerate([(0, 0.25), (1, 4.0), (7, 15.0), (60, 0.25), (61, 4.0)]):
        shoot(tmp_path / f"{i}.jpg", start, EXPOSURE_TIME=time, F_NUMBER=8.0, ISO=100, MODE=1)
    assert found(tmp_path)[0] == [("0", ["0.jpg", "1.jpg", "2.jpg"]), ("3", ["3.jpg", "4.jpg"])]


def test_snapshots_at_automatic_exposure_are_no_bracket(tmp_path):
    for i, time in enumerate([0.01, 0.02, 0.004]):
        shoot(tmp_path / f"{i}.jpg", i, EXPOSURE_TIME=time, F_NUMBER=4.0, ISO=100, BIAS=0.0, MODE=0)
    sets, left = found(tmp_path)
    assert sets == []
    assert len(left) == 3


def test_cameras_and_sizes_are_kept_apart(tmp_path):
    for i, (camera, size) in enumerate([("A", (24, 16)), ("B", (24, 16)), ("A", (30, 20))]):
        for bias in (-2.0, 2.0):
            shoot(tmp_path / f"{i}{bias:+.0f}.jpg", 0, size, camera, BIAS=bias, MODE=2)
    assert [len(files) for _, files in found(tmp_path)[0]] == [2, 2, 2]
    assert {tuple(file[0] for file in files) for _, files in found(tmp_path)[0]} == {("0", "0"), ("1", "1"), ("2", "2")}


def test_names_tell_exposures_by_words_and_by_ev(tmp_path):
    touch(
        tmp_path,
        "a_under.jpg",
        "a_over.jpg",
        "B-Dark.TIF",
        "B-bright.png",
        "B-normal.png",
        "c d.low.heic",
        "c d.high.heic",
    )
    touch(tmp_path, "pier_-2ev.tif", "pier_0ev.tif", "pier_+2ev.tif", "x.txt", "alone_under.jpg")
    sets, left = found(tmp_path)
    assert sets == [
        ("B", ["B-Dark.TIF", "B-normal.png", "B-bright.png"]),
        ("a", ["a_under.jpg", "a_over.jpg"]),
        ("c d", ["c d.low.heic", "c d.high.heic"]),
        ("pier", ["pier_-2ev.tif", "pier_0ev.tif", "pier_+2ev.tif"]),
    ]
    assert left == ["alone_under.jpg"]


def test_a_folder_of_which_nothing_is_known_is_one_set_at_any_depth(tmp_path):
    touch(
        tmp_path,
        "lake/1.jpg",
        "lake/2.jpg",
        "lake/3.jpg",
        "day/sea/1.jpg",
        "day/sea/2.jpg",
        ".hidden/1.jpg",
        "out/1.jpg",
    )
    sets, left = found(tmp_path)
    assert sets == [("day_sea", ["1.jpg", "2.jpg"]), ("lake", ["1.jpg", "2.jpg", "3.jpg"])]
    assert left == []


def test_count_makes_sets_of_files_that_follow_each_other_within_a_size(tmp_path):
    for i in range(7):
        shoot(tmp_path / f"{i}.jpg", 60 * i, (24, 16) if i < 4 else (16, 16))
    sets, left = found(tmp_path, count=3)
    assert sets == [("0", ["0.jpg", "1.jpg", "2.jpg"]), ("4", ["4.jpg", "5.jpg", "6.jpg"])]
    assert left == ["3.jpg"]


def test_patterns_of_any_number_make_sets(tmp_path):
    touch(tmp_path, "IMG (1) a.jpg", "IMG (1) b.jpg", "IMG (1) c.jpg", "IMG (2) a.jpg", "line\nbreak a.jpg")
    result = find_sets(tmp_path, tmp_path, patterns=[f"IMG ({{name}}) {letter}.*" for letter in "abc"], suffix=".tif")
    assert [(frames.name, frames.output.name, frames.fault[:25]) for frames in result.sets] == [
        ("1", "1.tif", ""), ("2", "2.tif", "its files are IMG (2) a.j"),
    ]  # fmt: skip
    assert [path.name for path, _ in result.left] == ["line\nbreak a.jpg"]


@pytest.mark.parametrize(("raw", "taken"), [(False, "1.JPG"), (True, "1.NEF")])
def test_of_raw_and_jpeg_of_a_frame_one_is_taken_and_the_other_listed(tmp_path, raw, taken):
    touch(tmp_path, *(f"room/{i}.{suffix}" for i in (1, 2) for suffix in ("JPG", "NEF")))
    result = find_sets(tmp_path, tmp_path / "out", raw=raw)
    assert result.sets[0].files[0].name == taken
    assert [reason for _, reason in result.left] == [f"the same frame as {i}.{taken[2:]}" for i in (1, 2)]


def test_sets_that_share_an_output_have_a_fault(tmp_path):
    touch(tmp_path, "c_under.jpg", "c_over.jpg", "c/1.jpg", "c/2.jpg")
    faults = {frames.fault for frames in find_sets(tmp_path, Path("out")).sets}
    assert faults == {f"shares the output {Path('out', 'c.jpg')} with another set"}


def test_what_a_file_tells_is_read_and_what_is_broken_is_not(tmp_path):
    shoot(tmp_path / "a.jpg", 5, EXPOSURE_TIME=0.5, F_NUMBER=2.0, ISO=400, BIAS=-1.0, MODE=2, SUBSECOND="25")
    shot = read_shot(tmp_path / "a.jpg")
    assert (shot.size, shot.exposure, shot.bias, shot.mode) == ((24, 16), -1.0, -1.0, 2)
    assert shot.taken_s % 60 == 5.25
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:40])
    (tmp_path / "c.NEF").write_bytes(b"II*\0\xff\xff\xff\xff")
    for name in ("b.jpg", "c.NEF", "missing.jpg"):
        assert read_shot(tmp_path / name).step is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patterns": ["a*", "{name}*"]}, "--pattern is 'a*', expected {name} in it once"),
        ({"patterns": ["{name}[z-a]"]}, "expected {name}, * and [letters] in it"),
        ({"patterns": ["{name}.*"]}, "expected two patterns or more"),
        ({"count": 1}, "--count is 1, expected at least 2"),
    ],
)
def test_bad_patterns_counts_and_folders_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_sets(tmp_path, tmp_path, **options)
    with pytest.raises(ValueError, match="is no folder"):
        find_sets(tmp_path / "missing", tmp_path)


def test_names_with_newlines_make_sets_as_others_do(tmp_path):
    touch(tmp_path, "new\nline_under.jpg", "new\nline_over.jpg", "plain_under.jpg", "plain_over.jpg")
    assert found(tmp_path)[0] == [
        ("new\nline", ["new\nline_under.jpg", "new\nline_over.jpg"]),
        ("plain", ["plain_under.jpg", "plain_over.jpg"]),
    ]
