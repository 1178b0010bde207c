"""Add against its definition, exact fractions and TensorFlow."""

from functools import reduce
from operator import add as plus

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Add, add
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
    """Draw a call with two to four pictures of one shape."""
    shape = draw(picture_shapes())
    arrays, exact = draw(numbers(*[shape] * draw(st.integers(2, 4))))
    return Call(op=Add, arrays=arrays, attributes={}, exact=exact)


@given(calls())
def test_add_fast_equals_definition(call):
    # From left to right in both, so that every rounding is the same.
    check_fast_equals_definition(call)


@given(calls())
def test_add_definition_is_exact_on_fractions(call):
    pictures = call.map(fractions).arrays
    expected = [sum(values) for values in zip(*(picture.flat for picture in pictures), strict=True)]
    assert_close(add(*pictures), np.array(expected, dtype=object).reshape(pictures[0].shape))


@given(calls())
def test_add_definition_equals_tensorflow(tf, call):
    assert_close(call(add), np.asarray(reduce(plus, map(tf.constant, call.map(np.array).arrays))))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_add_adds_every_impulse_to_its_own_place(functions, dtype):
    x = np.eye(60, dtype=dtype).reshape(60, 3, 4, 5)
    y = 2 ** np.arange(60, dtype=dtype).reshape(1, 3, 4, 5).repeat(60, axis=0)
    expected = np.array([[value + (i == j) for j, value in enumerate(y[i].flat)] for i in range(60)], dtype)
    assert_close(functions[Add](x, y), expected.reshape(x.shape))


def test_add_rejects_what_does_not_fit():
    x = np.zeros((2, 5, 6, 3))
    check_rejects_pictures(Add, x)
    check_rejects_dtypes(Add, x, x, x)
    check_rejects_counts(Add(), (0, 1), "2 or more")
    for functions in (DEFINITIONS, FAST):
        function = functions[Add]
        check_rejects(function, "Add: number of inputs is 0, expected 2 or more; input shapes none")
        check_rejects(function, "Add: number of inputs is 1, expected 2 or more; input shapes (5, 6, 3)", x)
        # Nothing is broadcast, not even along the batch.
        message = "Add: batch is 1, expected 2 as in the first input; input shapes (2, 5, 6, 3), (1, 5, 6, 3)"
        check_rejects(function, message, x, x[:1])
        for shape in ((4, 6, 3), (5, 1, 3), (5, 6, 1), (6, 5, 3)):
            message = f"Add: input shape is {shape}, expected (5, 6, 3) as the first; input shapes (5, 6, 3), {shape}"
            check_rejects(function, message, x, np.zeros((2, *shape)))
