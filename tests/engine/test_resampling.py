"""Resampling by Lanczos' window: its definition, whole shifts, and a picture that a formula gives."""

import numpy as np
import pytest

from npfuse.pairs.motions import Frame, moved
from npfuse.pairs.moved_pictures import MovedPicture, shared_area, whole_shift

TILTED = np.array([0.03, 0.02, 0.05, 0.02, 0, 0, 0.01, -0.008])


def definition(picture, matrix, row, column):
    """Return the value at a place: sinc(x) sinc(x / 3) of the 6 x 6 pixels around it, weights adding up to 1."""
    at = moved(matrix, np.array([[row, column]], float))[0]
    first = np.floor(at).astype(int) - 2
    weights = []
    for axis in (0, 1):
        distance = at[axis] - (first[axis] + np.arange(6))
        lobe = np.sinc(distance) * np.sinc(distance / 3)
        weights.append(lobe / lobe.sum())
    rows, columns = (np.clip(first[axis] + np.arange(6), 0, picture.shape[axis] - 1) for axis in (0, 1))
    return weights[0] @ picture[np.ix_(rows, columns)].astype(float) @ weights[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_values_are_those_of_the_definition(dtype):
    rng = np.random.default_rng(0)
    white = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    picture = (rng.uniform(0.3, 0.7, (23, 31)) * white).astype(dtype)
    matrix = Frame(height=23, width=31).step(TILTED)
    out, there = MovedPicture(picture, matrix).read((slice(0, 23), slice(0, 31)))
    assert 0.5 < there.mean() < 1
    for row, column in np.argwhere(there)[::7]:
        expected = definition(picture, matrix, row, column)
        # Positions are rounded to 1 / 1024, and neighbours differ by up to 0.4.
        assert out[row, column] == pytest.approx(expected, abs=0.004 * white + (0.5 if white > 1 else 0))


def test_parts_are_those_of_the_whole():
    picture = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    moving = MovedPicture(picture, Frame(height=40, width=50).step(TILTED))
    whole = moving[0:40, 0:50]
    for rows, columns in ((slice(0, 1), slice(0, 50)), (slice(7, 31), slice(11, 13)), (slice(39, 40), slice(49, 50))):
        np.testing.assert_array_equal(moving[rows, columns], whole[rows, columns])


def test_a_fine_pattern_keeps_its_contrast():
    rows, columns = np.indices((120, 160))
    picture = 0.5 + 0.5 * np.sin(0.7 * rows) * np.cos(0.9 * columns)
    matrix = Frame(height=120, width=160).step(TILTED)
    area = shared_area([matrix], 120, 160)
    inner = tuple(slice(cut.start + 6, cut.stop - 6) for cut in area)
    at = moved(matrix, np.stack([rows[inner].ravel(), columns[inner].ravel()], 1).astype(float))
    expected = 0.5 + 0.5 * np.sin(0.7 * at[:, 0]) * np.cos(0.9 * at[:, 1])
    assert np.abs(MovedPicture(picture, matrix)[inner].ravel() - expected).max() < 0.01


def test_the_shared_area_is_all_shown_and_cannot_grow():
    matrices = [np.eye(3), Frame(height=90, width=70).step(TILTED), Frame(height=90, width=70).step(-TILTED)]
    rows, columns = shared_area(matrices, 90, 70)
    picture = np.zeros((90, 70), np.uint8)
    shown = np.logical_and.reduce([MovedPicture(picture, m).read((slice(0, 90), slice(0, 70)))[1] for m in matrices])
    assert shown[rows, columns].all()
    assert shown[rows, columns].size > 0.8 * shown.sum()
    for cut in ((slice(rows.start - 1, rows.stop), columns), (rows, slice(columns.start, columns.stop + 1))):
        assert not shown[cut].all() or cut[1].stop > 70


@pytest.mark.parametrize(("by", "expected"), [((3.04, -7.02), (3, -7)), ((3.2, 0), None), ((0, 0), (0, 0))])
def test_whole_shifts_are_known(by, expected):
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]], [0, 0, 1]])
    assert whole_shift(matrix, 50, 60) == expected
