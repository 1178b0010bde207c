"""Divide against its definition, exact fractions and TensorFlow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.ops import Divide, divide
from tests.arrays import FLOATS, Call, assert_close, fractions, numbers, picture_shapes
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)


@st.composite
def calls(draw):
    """Draw a call with two pictures of one shape, the second without zeros."""
    shape = draw(picture_shapes())
    arrays, exact = draw(numbers(shape, shape))
    arrays = arrays[0], np.where(arrays[1] == 0, 1, arrays[1])
    return Call(op=Divide, arrays=arrays, attributes={}, exact=exact)


@given(calls())
def test_divide_fast_equals_definition(call):
    # One rounding in both.
    check_fast_equals_definition(call)


@given(calls())
def test_divide_definition_is_exact_on_fractions(call):
    a, b = call.map(fractions).arrays
    expected = [x / y for x, y in zip(a.flat, b.flat, strict=True)]
    assert_close(divide(a, b), np.array(expected, dtype=object).reshape(a.shape))


@given(calls())
def test_divide_definition_equals_tensorflow(tf, call):
    a, b = map(tf.constant, call.map(np.array).arrays)
    assert_close(call(divide), np.asarray(a / b))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_divide_pairs_every_value_with_the_one_in_its_place(functions, dtype):
    a = np.arange(1, 61, dtype=dtype).reshape(1, 3, 4, 5)
    b = 2 ** np.arange(60, dtype=dtype).reshape(1, 3, 4, 5)
    expected = np.array([float(i + 1) / 2.0**i for i in range(60)], dtype).reshape(a.shape)
    assert_close(functions[Divide](a, b), expected)


@both
def test_divide_by_zero_is_infinite_or_nan_without_a_warning(functions):
    a, b = np.array([1.0, -1.0, 0.0]).reshape(1, 1, 3, 1), np.zeros((1, 1, 3, 1))
    assert_close(functions[Divide](a, b).ravel(), np.array([np.inf, -np.inf, np.nan]))


@both
def test_divide_rejects_another_shape(functions):
    x = np.zeros((2, 5, 6, 3))
    for shape in ((4, 6, 3), (5, 1, 3), (5, 6, 1), (6, 5, 3)):
        told = f"Divide: second input shape is {shape}, expected (5, 6, 3) as the first; input shapes "
        check_rejects(functions[Divide], told, x, np.zeros((2, *shape)))
    told = "Divide: batch is 1, expected 2 as in the first input; input shapes (2, 5, 6, 3), (1, 5, 6, 3)"
    check_rejects(functions[Divide], told, x, x[:1])


def test_divide_rejects_what_is_no_picture():
    x = np.ones((2, 5, 6, 3))
    check_rejects_pictures(Divide, x)
    check_rejects_dtypes(Divide, x, x)
    check_rejects_counts(Divide(), (0, 1, 3), "2")
