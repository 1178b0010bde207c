"""The filters of planes are those of SciPy."""

import numpy as np
import pytest
import scipy.ndimage

from npfuse.pairs.plane_filters import (
    blurred,
    greatest_around,
    least_around,
    means_around,
    median_of_nine,
    values_at,
)

SCIPY = {"edge": "nearest", "wrap": "wrap", "symmetric": "reflect", "constant": "constant"}
SHAPES = [(23, 31), (7, 40), (3, 2), (1, 5)]
# Of sums of up to 225 values of 255, in float32.
CLOSE = 225 * 255 * float(np.finfo(np.float32).eps)


def plane(shape):
    return np.random.default_rng(3).uniform(0, 255, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("beyond", ["edge", "wrap"])
def test_blurred_equals_scipys_gaussian_filter(shape, beyond):
    x = plane(shape)
    expected = scipy.ndimage.gaussian_filter(x, 1.0, mode=SCIPY[beyond], truncate=3.0)
    np.testing.assert_allclose(blurred(x, beyond), expected, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [1, 2, 3, 6, 15, (3, 5), (1, 7)])
@pytest.mark.parametrize("beyond", ["edge", "symmetric", "constant"])
def test_means_around_equal_scipys_uniform_filter(shape, side, beyond):
    x = plane(shape)
    expected = scipy.ndimage.uniform_filter(x.astype(np.float64), side, mode=SCIPY[beyond])
    np.testing.assert_allclose(means_around(x, side, beyond), expected, rtol=0, atol=CLOSE)
    np.testing.assert_allclose(means_around(x.astype(np.float64), side, beyond), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [1, 2, 3, 5, 11])
@pytest.mark.parametrize("beyond", ["edge", "constant"])
def test_least_and_greatest_around_equal_scipys(shape, side, beyond):
    x = plane(shape)
    mode = SCIPY[beyond]
    np.testing.assert_array_equal(least_around(x, side, beyond), scipy.ndimage.minimum_filter(x, side, mode=mode))
    np.testing.assert_array_equal(greatest_around(x, side, beyond), scipy.ndimage.maximum_filter(x, side, mode=mode))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [3, 255])
def test_median_of_nine_equals_scipys(shape, levels):
    x = np.random.default_rng(4).integers(0, levels, shape).astype(np.float32)
    np.testing.assert_array_equal(median_of_nine(x), scipy.ndimage.median_filter(x, 3, mode="nearest"))


@pytest.mark.parametrize("shape", SHAPES)
def test_values_at_equal_scipys_map_coordinates(shape):
    places = np.random.default_rng(5).uniform(-4, 45, (2, 300)).astype(np.float32)
    expected = scipy.ndimage.map_coordinates(plane(shape), places, order=1, mode="nearest")
    # A place is a float32 near 45, so that it is off by up to 2e-6 of the difference between two pixels.
    np.testing.assert_allclose(values_at(plane(shape), places), expected, rtol=0, atol=255 * 1e-5)


def test_filters_leave_their_input_as_it_is():
    x = plane((9, 11))
    kept = x.copy()
    for done in (blurred(x), means_around(x, 1), least_around(x, 1), greatest_around(x, 3), median_of_nine(x)):
        assert not np.shares_memory(done, x)
    np.testing.assert_array_equal(x, kept)
