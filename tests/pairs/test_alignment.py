"""Shifts between exposures: known ones are found on real pictures, and where nothing can be known that is said."""

import numpy as np
import pytest

from npfuse.examples import SCENES, example_pair
from npfuse.pairs import alignment
from npfuse.pairs.alignment import Shift, find_shift, reduction
from npfuse.pairs.diagnosis import diagnose
from npfuse.pictures.reading import read_picture


def moved_apart(a, b, rows, columns):
    """Cut both pictures so that what is at (r, c) of the first is at (r + rows, c + columns) of the second."""
    height, width = a.shape[:2]
    first = a[max(0, rows) : height + min(0, rows), max(0, columns) : width + min(0, columns)]
    second = b[max(0, -rows) : height - max(0, rows), max(0, -columns) : width - max(0, columns)]
    return first, second


@pytest.mark.parametrize("scene", SCENES)
def test_known_shifts_of_real_pictures_are_found(scene):
    a, b = (read_picture(path).pixels for path in example_pair(scene))
    still = diagnose(a, b)
    assert still.shift.sure
    assert not still.shifted
    for rows, columns in ((13, -29), (-2, 3), (40, 0)):
        found = diagnose(*moved_apart(a, b, rows, columns))
        assert found.shifted
        # Against what is found of the pair itself, which a camera may have moved by a part of a pixel.
        assert abs(found.shift.rows - still.shift.rows - rows) < 0.6
        assert abs(found.shift.columns - still.shift.columns - columns) < 0.6


def test_a_picture_larger_than_the_first_search_is_found_to_the_pixel(monkeypatch):
    monkeypatch.setattr(alignment, "SMALL_PIXELS", 12_000)
    monkeypatch.setattr(alignment, "WINDOW", 128)
    a, b = (read_picture(path).pixels for path in example_pair("forest"))
    assert reduction(*a.shape[:2]) > 3
    found = diagnose(*moved_apart(a, b, 17, -34)).shift
    assert found.sure
    assert found.whole == (17, -34)


def test_of_a_scene_that_repeats_itself_the_smaller_shift_is_taken():
    a, b = (np.tile(read_picture(path).pixels[:618, :459, 1], (2, 6)) for path in example_pair("forest"))
    k = reduction(*a.shape)
    assert k == 3
    small = noise((a.shape[0] // k, a.shape[1] // k), 0)
    elsewhere = np.roll(small, 459 // k, axis=1)  # as if the small copy matched a period further on
    found = find_shift(a, b, small, elsewhere, 255)
    assert found.sure
    assert found.whole == (0, 0)


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (noise((200, 300), 0), noise((200, 300), 1)),
        (np.full((200, 300), 9, np.uint8), np.full((200, 300), 200, np.uint8)),
        (np.zeros((1, 300), np.uint8), noise((1, 300), 0)),
        (noise((1, 1), 0), noise((1, 1), 1)),
    ],
    ids=["unrelated", "empty", "one row", "one pixel"],
)
def test_where_nothing_can_be_known_no_shift_is_sure(a, b):
    assert not find_shift(a, b, a, b, 255).sure


def test_scores_from_the_threshold_on_are_sure():
    assert Shift(rows=0, columns=0, score=alignment.SURE).sure
    assert not Shift(rows=0, columns=0, score=alignment.SURE - 0.1).sure
