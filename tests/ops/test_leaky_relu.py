"""LeakyReLU against its definition, exact fractions and TensorFlow."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.ops import LeakyReLU, leaky_relu
from tests.arrays import FLOATS, assert_close, fractions, pictures
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)

SLOPES = st.fixed_dictionaries({"slope": st.sampled_from([0.0, 0.01, 0.2, 1.0, -0.5, 3.0])})


@given(pictures(LeakyReLU, SLOPES))
def test_leaky_relu_fast_equals_definition(call):
    # One product, rounded once: the results are equal.
    check_fast_equals_definition(call)


@given(pictures(LeakyReLU))
def test_leaky_relu_definition_is_exact_on_fractions(call):
    x, slope = call.map(fractions).arrays[0], Fraction(1, 5)
    expected = np.array([v if v > 0 else v * slope for v in x.flat], dtype=object).reshape(x.shape)
    assert_close(leaky_relu(x, slope=slope), expected)


@given(pictures(LeakyReLU))
def test_leaky_relu_definition_equals_tensorflow(tf, call):
    # TensorFlow's slope is a float32 whatever the input: a quarter is the same in both.
    expected = np.asarray(tf.nn.leaky_relu(np.array(call.arrays[0]), alpha=0.25))
    assert_close(leaky_relu(*call.arrays, slope=0.25), expected)


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("slope", [0.25, 0.0, 1.0, 4.0, -0.5])  # beyond 1 and below 0, max(x, slope * x) would be wrong
def test_leaky_relu_keeps_every_impulse_and_scales_negative_ones(functions, slope, dtype):
    x = np.diag(2.0 ** np.arange(-30, 30, dtype=dtype)).reshape(60, 3, 4, 5)
    assert_close(functions[LeakyReLU](x, slope=slope), x)
    assert_close(functions[LeakyReLU](-x, slope=slope), -x * slope)


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_leaky_relu_keeps_nan_and_infinity(functions, dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0], dtype).reshape(1, 1, 4, 1)
    assert_close(functions[LeakyReLU](x, slope=0.2).ravel(), np.array([np.nan, np.inf, -np.inf, 0]))


@both
@pytest.mark.parametrize("slope", [np.float64(0.2), np.float32(0.2), 1])
def test_leaky_relu_keeps_float32_whatever_number_the_slope_is(functions, slope):
    x = np.full((1, 2, 3, 1), -1, np.float32)
    result = functions[LeakyReLU](x, slope=slope)
    assert result.dtype == np.float32
    assert_close(result, np.full((1, 2, 3, 1), -np.float32(slope)))


def test_leaky_relu_rejects_what_does_not_fit():
    check_rejects_pictures(LeakyReLU, attributes={"slope": 0.2})
    check_rejects_dtypes(LeakyReLU, np.zeros((2, 5, 6, 3)), slope=0.2)
    check_rejects_counts(LeakyReLU(slope=0.2), (0, 2), "1")
