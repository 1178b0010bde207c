"""Thumbnails: exact area averages of whole pictures, equal to the operator that takes a float copy."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.ops import resize
from npfuse.survey import survey
from tests.arrays import LAYOUTS, assert_close
from tests.networks import random_pair


def thumbnail(picture, height, width):
    return survey(picture, height, width).thumbnail


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    out=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
    layout=st.sampled_from(LAYOUTS[:4]),
)
def test_thumbnail_equals_resize_by_area(shape, out, dtype, layout):
    picture, _ = random_pair((*shape, 3), dtype)
    expected = resize(picture.astype(np.float64)[np.newaxis], height=out[0], width=out[1], method="area")[0]
    # Sums of up to 3600 float64 products.
    assert_close(thumbnail(layout(picture), *out), expected, 1e-12 * float(picture.max()))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 5))
def test_thumbnail_of_integers_is_exact_up_to_one_rounding(rows, columns, height, width):
    picture = np.random.default_rng(rows * 10 + columns).integers(0, 65536, (rows, columns), dtype=np.uint16)
    fine = picture.astype(object).repeat(height, axis=0).repeat(width, axis=1)  # every cell covers rows x columns
    cells = fine.reshape(height, rows, width, columns).sum(axis=(1, 3))
    expected = [[float(Fraction(int(total), rows * columns)) for total in row] for row in cells]
    assert_close(thumbnail(picture, height, width), np.array(expected))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thumbnail_sums_do_not_overflow(dtype):
    white = int(np.iinfo(dtype).max)
    assert_close(thumbnail(np.full((3000, 2000, 3), white, dtype), 1, 1), np.full((1, 1, 3), float(white)))
