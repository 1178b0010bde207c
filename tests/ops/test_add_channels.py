"""AddChannels against its definition, exact fractions, TensorFlow, and the bias of a convolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, AddChannels, add_channels, pointwise_conv2d
from tests.arrays import FLOATS, Call, assert_close, fractions, lengths, numbers, unlike
from tests.checks import (
    PICTURE,
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
)


@st.composite
def calls(draw):
    """Draw a picture and one number per channel for it."""
    batch, channels = draw(st.integers(0, 3)), draw(lengths(9))
    arrays, exact = draw(numbers((batch, *draw(unlike(9)), channels), (batch, 1, 1, channels)))
    return Call(op=AddChannels, arrays=arrays, attributes={}, exact=exact)


@given(calls())
def test_add_channels_fast_equals_definition(call):
    # One addition in both, rounded alike.
    check_fast_equals_definition(call)


@given(calls())
def test_add_channels_definition_is_exact_on_fractions(call):
    x, v = call.map(fractions).arrays
    expected = np.empty(x.shape, object)
    for n, h, w, c in np.ndindex(x.shape):
        expected[n, h, w, c] = x[n, h, w, c] + v[n, 0, 0, c]
    assert_close(add_channels(x, v), expected)


@given(calls())
def test_add_channels_definition_equals_tensorflow(tf, call):
    x, v = map(tf.constant, call.map(np.array).arrays)
    assert_close(call(add_channels), np.asarray(x + v))


@given(calls())
def test_add_channels_is_the_bias_of_a_pointwise_convolution(call):
    x, v = call.map(np.float64).arrays
    kernel = np.eye(x.shape[3])
    for n in range(len(x)):
        biased = pointwise_conv2d(x[n : n + 1], kernel, v[n, 0, 0])
        assert_close(add_channels(x, v)[n : n + 1], biased)


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_add_channels_adds_every_number_to_its_own_channel_of_its_own_picture(functions, dtype):
    x = np.zeros((2, 3, 4, 5), dtype)
    v = 2 ** np.arange(10, dtype=dtype).reshape(2, 1, 1, 5)
    assert_close(functions[AddChannels](x, v), v.repeat(3, axis=1).repeat(4, axis=2))


def test_add_channels_reads_the_one_pixel_of_the_numbers_for_every_position():
    op = AddChannels()
    assert op.input_span(0, 3, 7, 9) == (3, 7)
    assert op.input_span(1, 3, 7, 1) == (0, 1)


def test_add_channels_rejects_what_does_not_fit():
    x, v = PICTURE, np.zeros((2, 1, 1, 3))
    check_rejects_dtypes(AddChannels, x, v)
    check_rejects_counts(AddChannels(), (0, 1, 3), "2")
    for function in (DEFINITIONS[AddChannels], FAST[AddChannels]):
        check_rejects(function, "AddChannels: input rank is 3, expected 4 (N, H, W, C); input shape (5, 6, 3)", x[0], v)
        message = "AddChannels: batch is 1, expected 2 as in the first input; input shapes (2, 5, 6, 3), (1, 1, 1, 3)"
        check_rejects(function, message, x, v[:1])
        for shape in ((1, 1, 1), (5, 6, 3), (1, 6, 3)):
            message = (
                f"AddChannels: second input shape is {shape}, expected (1, 1, 3), one number per channel of the first; "
                f"input shapes (5, 6, 3), {shape}"
            )
            check_rejects(function, message, x, np.zeros((2, *shape)))
        message = "AddChannels: input shape is (5, 0, 3), expected (H, W, C) of at least 1 each; input shapes "
        check_rejects(function, message, np.zeros((2, 5, 0, 3)), v)
