"""The helpers themselves: a comparison that cannot fail, or a layout that changes the numbers, would prove nothing."""

import re

import numpy as np
import pytest

from tests.arrays import LAYOUTS, assert_close, fractions


def test_assert_close_takes_what_is_within_the_tolerance():
    expected = np.array([[1.0, np.nan], [np.inf, -np.inf]])
    assert_close(expected, expected.copy())
    assert_close(expected + 0.5, expected, 0.5)
    by_element = np.array([[0.5, 0], [0, 0]])
    assert_close(expected + by_element, expected, by_element)
    assert_close(np.zeros((0, 3)), np.zeros((0, 3)))
    assert_close(fractions(np.ones(3)), np.ones(3))


@pytest.mark.parametrize("wrong", [0.2, np.nan, np.inf, -np.inf])
def test_assert_close_names_the_worst_element(wrong):
    expected = np.zeros((2, 3))
    actual = np.full((2, 3), 0.1)
    actual[1, 2] = wrong
    message = f"6 of 6 elements differ; the worst, at (1, 2), is {actual[1, 2]!r}, expected np.float64(0.0), tolerance "
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_close(actual, expected, 0.05)


def test_assert_close_rejects_other_shapes_and_infinities_and_fractions():
    with pytest.raises(AssertionError, match=re.escape("shape is (1, 3), expected (3,)")):
        assert_close(np.zeros((1, 3)), np.zeros(3))
    for actual, expected in ((np.inf, -np.inf), (1.0, np.nan), (np.nan, 1.0)):
        with pytest.raises(AssertionError, match="1 of 1 elements differ"):
            assert_close(np.array([actual]), np.array([expected]), 1e300)
    with pytest.raises(AssertionError, match=re.escape("is Fraction(1, 1), expected Fraction(1, 2)")):
        assert_close(fractions(np.ones(1)), fractions(np.array([0.5])))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 2), (4,), (0, 2, 3, 1)])
def test_layouts_keep_the_numbers(layout, shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert_close(layout(array), array)
    assert layout(array).dtype == np.float32


def test_layouts_are_all_different():
    array = np.zeros((2, 3, 4, 5))
    assert len({(layout(array).strides, layout(array).flags.writeable) for layout in LAYOUTS}) == len(LAYOUTS)
