"""What the benches of alignment and ghosts draw is what they say."""

import numpy as np
import pytest

pytest.importorskip("cv2", reason="opencv-python-headless, of the extra oracles, is missing")

from bench.alignment import Result, draw_pair, table
from bench.brackets import brought_to, draw_exposures, drawn_brackets, find_brackets, stops_between
from bench.ghosts import SEEN, apart, with_object
from npfuse.examples import SCENES
from npfuse.pairs.motions import moved
from npfuse.pictures.reading import Picture, write_picture


def ramp(gain=1.0):
    """A smooth picture whose greens name their places, (120, 180, 3)."""
    rows, columns = np.indices((120, 180))
    values = np.stack([rows, 30 + columns, columns], -1) * gain
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_brackets_are_found_at_any_depth_and_examples_are_for_validation(tmp_path):
    for name in ("set/one", "merianos/Rovinia"):
        (tmp_path / name).mkdir(parents=True)
        for k in (1, 2):
            write_picture(tmp_path / name / f"exposure_0{k}.png", Picture(pixels=ramp(k / 2)))
    examples = [f"examples/{scene}" for scene in SCENES]
    assert [one.name for one in find_brackets(None)] == examples
    assert [one.name for one in find_brackets(tmp_path, "validation")] == [*examples, "merianos/Rovinia"]
    (other,) = find_brackets(tmp_path, "others")
    assert other.name == "set/one"
    assert [frame.mean() for frame in other.frames] == sorted(frame.mean() for frame in other.frames)


def test_cases_are_drawn_by_their_seed():
    brackets = find_brackets(None)
    names = [[(one.name, rng.random()) for one, rng in drawn_brackets(brackets, 9, seed)] for seed in (3, 3, 4)]
    assert names[0] == names[1]
    assert names[0] != names[2]
    assert {name for name, _ in names[0]} == {one.name for one in brackets}


def test_exposures_are_two_to_eight_stops_apart_or_none_is_drawn():
    frames = find_brackets(None)[0].frames
    dark, bright, stops = draw_exposures(frames, np.random.default_rng(0))
    assert dark is frames[0]
    assert bright is frames[1]
    assert stops == pytest.approx(6.0, abs=0.1)  # of interior, by CREDITS.md
    assert stops_between(dark, dark) == 0
    assert draw_exposures((dark, dark), np.random.default_rng(0)) is None


def test_a_drawn_motion_takes_places_of_the_first_to_those_of_the_second():
    pair = draw_pair(find_brackets(None)[1], 0.02, np.random.default_rng(5))
    first, second = pair.still[1].astype(float), pair.moving[1].astype(float)
    height, width = first.shape[:2]
    assert height * width == pytest.approx(0.02e6, rel=0.03)
    places = np.stack(np.meshgrid(np.arange(10, height - 10), np.arange(10, width - 10), indexing="ij"), -1)
    there = np.rint(moved(pair.motion, places.reshape(-1, 2).astype(float))).astype(int)
    inside = ((there >= 0) & (there < (height, width))).all(axis=1)
    here, there = places.reshape(-1, 2)[inside], there[inside]
    at_motion = np.abs(second[there[:, 0], there[:, 1]] - first[here[:, 0], here[:, 1]]).mean()
    without = np.abs(second[here[:, 0], here[:, 1]] - first[here[:, 0], here[:, 1]]).mean()
    assert at_motion < 0.5 * without


def test_an_object_is_seen_where_it_changes_a_frame():
    frames = find_brackets(None)[1].frames
    pair = tuple(brought_to(frame, 40_000) for frame in frames)
    done = with_object(pair, 6.0, np.random.default_rng(1))
    change = [np.abs(a.astype(int) - b).max(axis=2) for a, b in zip(done.pair, pair, strict=True)]
    assert done.changed.any()
    assert (np.maximum(*change)[done.changed] > SEEN * 255 - 1).all()
    assert ((np.maximum(*change) > 0).mean()) < 0.1


def test_pairs_apart_are_so_by_no_more_than_a_pixel():
    picture = ramp()
    inner = (slice(3, -3), slice(3, -3))
    most = []
    for seed in range(5):
        _, second = apart((picture, picture), np.random.default_rng(seed))
        most.append(int(np.abs(second[inner].astype(int) - picture[inner]).max()))
    assert 0 < max(most) <= 2  # of levels, one a pixel, and their rounding


def test_the_table_counts_what_is_left_alone_as_missed():
    found = [Result(error=error, own=0.0, seconds=1.0) for error in (0.1, 0.2, 0.5, 2.0, float("nan"))]
    row = table({("npfuse", 0.3): found}).splitlines()[-1]
    assert row == "| npfuse | 0.3 | 5 | 40.0% | 60.0% | 1 | 1 | 0.35 | 1.00 |"
