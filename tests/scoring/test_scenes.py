"""Scenes found in a folder and read: names, order, labels, sizes and what is refused."""

import re

import numpy as np
import pytest

from npfuse.pictures.reading import Picture, write_picture
from npfuse.scoring.scenes import find_scenes, read_scene


def write(folder, **pictures):
    folder.mkdir(parents=True, exist_ok=True)
    for name, level in pictures.items():
        pixels = np.full((50, 60, 3), level, np.uint8) if isinstance(level, int) else level
        write_picture(folder / f"{name}.png", Picture(pixels=pixels))


def test_scenes_are_found_in_the_order_of_their_numbers_with_labels_of_any_case(tmp_path):
    write(tmp_path / "scene10", a2=1, a10=2, a1=3, Label=4)
    write(tmp_path / "scene9", x=1, y=2)
    write(tmp_path / ".hidden", x=1, y=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "scene9" / "notes.txt").write_text("no picture")
    first, second = find_scenes(tmp_path)
    assert (first.name, [path.stem for path in first.exposures], first.label) == ("scene9", ["x", "y"], None)
    assert [path.stem for path in second.exposures] == ["a1", "a2", "a10"]
    assert second.label.stem == "Label"


def test_a_scene_is_read_darkest_first_by_mean(tmp_path):
    grey = np.full((50, 60), 7, np.uint8)
    write(tmp_path / "s", a=200, b=10, c=grey, gt=90)
    scene = read_scene(find_scenes(tmp_path)[0])
    assert [int(x[0, 0, 0]) for x in scene.exposures] == [7, 10, 200]
    assert scene.label[0, 0].tolist() == [90, 90, 90]
    assert all(x.shape == (50, 60, 3) for x in scene.exposures)


def test_pictures_are_shrunk_to_the_long_side_and_never_enlarged(tmp_path):
    write(tmp_path / "s", a=200, b=10, label=90)
    files = find_scenes(tmp_path)[0]
    assert read_scene(files, long_side=30).exposures[0].shape == (25, 30, 3)
    assert read_scene(files, long_side=30).label.shape == (25, 30, 3)
    assert read_scene(files, long_side=300).exposures[0].shape == (50, 60, 3)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"a": 1}, "number of exposures is 1, expected at least 2"),
        ({"a": 1, "b": np.zeros((9, 60, 3), np.uint8)}, "b.png: shape is (9, 60, 3), expected (50, 60, 3) as in "),
        ({"a": 1, "b": 2, "label": np.zeros((9, 9, 3), np.uint8)}, "label.png: shape is (9, 9, 3), expected (50"),
        ({"a": 1, "b": np.zeros((50, 60, 3), np.uint16)}, "b.png: sample type is uint16, expected uint8"),
    ],
)  # fmt: skip
def test_scenes_that_cannot_be_scored_are_refused(tmp_path, pictures, message):
    write(tmp_path / "s", **pictures)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_scene(find_scenes(tmp_path)[0])


def test_folders_without_scenes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no scenes in it, expected DIR/<scene>/<exposures>, and label"):
        find_scenes(tmp_path)
    with pytest.raises(ValueError, match="no such folder, expected DIR/<scene>"):
        find_scenes(tmp_path / "missing")
