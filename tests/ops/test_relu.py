"""ReLU against its definition, exact fractions and TensorFlow."""

import numpy as np
import pytest
from hypothesis import given

from npfuse.ops import ReLU, relu
from tests.arrays import FLOATS, assert_close, fractions, pictures
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)


@given(pictures(ReLU))
def test_relu_fast_equals_definition(call):
    check_fast_equals_definition(call)


@given(pictures(ReLU))
def test_relu_definition_is_exact_on_fractions(call):
    x = call.map(fractions).arrays[0]
    expected = np.array([v if v > 0 else 0 for v in x.flat], dtype=object).reshape(x.shape)
    assert_close(relu(x), expected)


@given(pictures(ReLU))
def test_relu_definition_equals_tensorflow(tf, call):
    assert_close(call(relu), np.asarray(tf.nn.relu(np.array(call.arrays[0]))))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_relu_keeps_every_positive_impulse_and_no_negative_one(functions, dtype):
    x = np.diag(2.0 ** np.arange(-30, 30, dtype=dtype)).reshape(60, 3, 4, 5)
    assert_close(functions[ReLU](x), x)
    assert_close(functions[ReLU](-x), np.zeros_like(x))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_relu_keeps_nan_and_infinity(functions, dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0], dtype).reshape(1, 1, 5, 1)
    assert_close(functions[ReLU](x).ravel(), np.array([np.nan, np.inf, 0, 0, 0]))


def test_relu_rejects_what_does_not_fit():
    check_rejects_pictures(ReLU)
    check_rejects_dtypes(ReLU, np.zeros((2, 5, 6, 3)))
    check_rejects_counts(ReLU(), (0, 2), "1")
