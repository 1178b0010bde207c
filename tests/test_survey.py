"""Surveys of whole pictures: what they count, and that they do not depend on how a picture is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.survey import BAND, survey
from tests.arrays import LAYOUTS
from tests.networks import random_pair


@given(
    rows=st.integers(1, 3 * BAND),
    columns=st.integers(1, 30),
    grey=st.booleans(),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
    layout=st.sampled_from(LAYOUTS[:4]),
)
def test_a_survey_is_what_numpy_says_of_the_whole(rows, columns, grey, dtype, layout):
    picture, _ = random_pair((rows, columns) if grey else (rows, columns, 3), dtype, seed=rows)
    found = survey(layout(picture), 2, 3)
    exact = np.dtype(dtype).kind == "u"
    # Integers: one rounding. Floats: sums of at most 17,280 numbers in float64.
    assert found.mean == pytest.approx(float(picture.mean(dtype=np.float64)), rel=1e-15 if exact else 1e-12)
    assert (found.least, found.most) == (float(picture.min()), float(picture.max()))
    assert (found.outside, found.at) == (0, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(150, 40, 3), (150, 40), (150, 1)])
def test_layout_does_not_show_in_a_single_bit(dtype, shape):
    picture, _ = random_pair(shape, dtype)
    found = [survey(layout(picture), 5, 4) for layout in LAYOUTS[:4]]
    for other in found[1:]:
        assert other.mean == found[0].mean
        assert other.thumbnail.tobytes() == found[0].thumbnail.tobytes()


def test_values_that_are_none_are_counted_and_the_first_is_named():
    picture = np.full((200, 7, 3), 0.5)
    for place, value in {(90, 3, 1): np.nan, (90, 2, 2): 1.5, (180, 0, 0): -np.inf}.items():
        picture[place] = value
    found = survey(picture)
    assert (found.outside, found.at) == (3, (90, 2, 2))


def test_white_of_every_depth_fits_into_the_sums():
    for dtype in (np.uint8, np.uint16):
        white = np.iinfo(dtype).max
        assert survey(np.full((5000, 30, 3), white, dtype)).mean == white


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_threads_do_not_show_in_a_single_bit(dtype, monkeypatch):
    monkeypatch.setattr("npfuse.survey.LARGE", 1)
    picture, _ = random_pair((700, 90, 3), dtype)
    one, three = (survey(picture, 5, 4, threads) for threads in (1, 3))
    assert (one.mean, one.least, one.most) == (three.mean, three.least, three.most)
    assert one.thumbnail.tobytes() == three.thumbnail.tobytes()
