"""Concatenate against its definition, exact fractions and TensorFlow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Concatenate, concatenate
from tests.arrays import FLOATS, Call, assert_close, fractions, lengths, numbers, picture_shapes
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
    """Draw a call with two to four pictures of one size."""
    *size, _ = draw(picture_shapes())
    arrays, exact = draw(numbers(*[(*size, draw(lengths(5))) for _ in range(draw(st.integers(2, 4)))]))
    return Call(op=Concatenate, arrays=arrays, attributes={}, exact=exact)


@given(calls())
def test_concatenate_fast_equals_definition(call):
    check_fast_equals_definition(call)


@given(calls())
def test_concatenate_definition_is_exact_on_fractions(call):
    pictures = call.map(fractions).arrays
    actual = concatenate(*pictures)
    assert actual.shape[3] == sum(picture.shape[3] for picture in pictures)
    channels = [picture[..., c] for picture in pictures for c in range(picture.shape[3])]
    for c, channel in enumerate(channels):
        assert_close(actual[..., c], channel)


@given(calls())
def test_concatenate_definition_equals_tensorflow(tf, call):
    assert_close(call(concatenate), np.asarray(tf.concat(call.map(np.array).arrays, axis=3)))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_concatenate_keeps_every_value_in_its_pixel(functions, dtype):
    x, y = np.arange(24, dtype=dtype).reshape(1, 3, 4, 2), -np.arange(12, dtype=dtype).reshape(1, 3, 4, 1)
    expected = [[[x[0, h, w, 0], x[0, h, w, 1], y[0, h, w, 0]] for w in range(4)] for h in range(3)]
    assert_close(functions[Concatenate](x, y)[0], np.array(expected))


def test_concatenate_rejects_what_does_not_fit():
    x = np.zeros((2, 5, 6, 3))
    check_rejects_pictures(Concatenate, x)
    check_rejects_dtypes(Concatenate, x, x, x)
    check_rejects_counts(Concatenate(), (0, 1), "2 or more")
    for functions in (DEFINITIONS, FAST):
        function = functions[Concatenate]
        check_rejects(function, "Concatenate: number of inputs is 1, expected 2 or more; input shapes (5, 6, 3)", x)
        message = "Concatenate: batch is 3, expected 2 as in the first input; input shapes (2, 5, 6, 3), (3, 5, 6, 3)"
        check_rejects(function, message, x, np.zeros((3, 5, 6, 3)))
        for size in ((5, 1), (1, 6), (6, 5)):
            message = f"Concatenate: input (H, W) is {size}, expected (5, 6) as the first; "
            check_rejects(function, message, x, np.zeros((2, *size, 4)))
