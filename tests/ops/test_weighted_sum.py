"""WeightedSum against its definition, exact fractions and TensorFlow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.ops import WeightedSum, weighted_sum
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
    """Draw a call with one to four pictures, each with its weight map."""
    n, height, width, channels = draw(picture_shapes())
    shapes = [(n, height, width, channels), (n, height, width, 1)] * draw(st.integers(1, 4))
    arrays, exact = draw(numbers(*shapes))
    return Call(op=WeightedSum, arrays=arrays, attributes={}, exact=exact)


def rounding(call):
    """Return how far two results may be apart: eps (T + 1) times the sum of the T absolute products, as Higham 3.1."""
    return 0 if call.exact else call.eps * (len(call.arrays) // 2 + 1) * call.map(np.abs)(weighted_sum)


@given(calls())
def test_weighted_sum_fast_equals_definition(call):
    check_fast_equals_definition(call, rounding(call))


@given(calls())
def test_weighted_sum_definition_is_exact_on_fractions(call):
    xs = call.map(fractions).arrays
    expected = np.empty(xs[0].shape, object)
    for n, h, w, c in np.ndindex(xs[0].shape):
        expected[n, h, w, c] = sum(x[n, h, w, c] * m[n, h, w, 0] for x, m in zip(xs[::2], xs[1::2], strict=True))
    assert_close(weighted_sum(*xs), expected)


@given(calls())
def test_weighted_sum_definition_equals_tensorflow(tf, call):
    xs = [tf.constant(np.array(x)) for x in call.arrays]
    expected = tf.add_n([x * weight_map for x, weight_map in zip(xs[::2], xs[1::2], strict=True)])
    assert_close(call(weighted_sum), np.asarray(expected), rounding(call))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_weighted_sum_takes_each_map_to_its_picture(functions, dtype):
    x, y = (np.arange(first, first + 24, dtype=dtype).reshape(1, 2, 4, 3) for first in (0, 100))
    v = 2 ** np.arange(8, dtype=dtype).reshape(1, 2, 4, 1)
    w = 2 ** np.arange(8, 16, dtype=dtype).reshape(1, 2, 4, 1)
    expected = [i * 2 ** (i // 3) + (100 + i) * 2 ** (8 + i // 3) for i in range(24)]
    assert_close(functions[WeightedSum](x, v, y, w), np.array(expected, dtype).reshape(x.shape))


@both
def test_weighted_sum_rejects_shapes_that_do_not_fit(functions):
    x, w = np.zeros((2, 5, 6, 3)), np.zeros((2, 5, 6, 1))
    told = "WeightedSum: shape of weight map 1 is (5, 6, 3), expected (5, 6, 1); input shapes (5, 6, 3), (5, 6, 3)"
    check_rejects(functions[WeightedSum], told, x, x)
    told = "WeightedSum: shape of picture 2 is (5, 6, 1), expected (5, 6, 3); input shapes "
    check_rejects(functions[WeightedSum], told, x, w, w, w)
    told = "WeightedSum: number of inputs is 3, expected an even one: pictures, each with its weight map; input shapes "
    check_rejects(functions[WeightedSum], told, x, w, x)
    told = "WeightedSum: batch is 1, expected 2 as in the first input; input shapes (2, 5, 6, 3), (1, 5, 6, 1)"
    check_rejects(functions[WeightedSum], told, x, w[:1])


def test_weighted_sum_rejects_what_is_no_picture():
    x, w = np.zeros((2, 5, 6, 3)), np.zeros((2, 5, 6, 1))
    check_rejects_pictures(WeightedSum, w)
    check_rejects_dtypes(WeightedSum, x, w)
    check_rejects_counts(WeightedSum(), (0, 1), "2 or more")
