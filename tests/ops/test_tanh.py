"""Tanh against its definition, another formula on all kinds of floats, and TensorFlow."""

import math

import numpy as np
import pytest
from hypothesis import given
from scipy import special

from npfuse.fast import FAST
from npfuse.ops import Tanh, tanh
from tests.arrays import FLOATS, assert_close, fractions, pictures
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)

# The fast function promises 4 units in the last place and NumPy keeps to 4 in its own kernels; a unit is at most
# eps |y|, and at least the smallest subnormal number.
UNITS = 8


def ulps(expected, dtype, count):
    """Return `count` units in the last place of these values."""
    return count * (np.finfo(dtype).eps * np.abs(expected) + np.finfo(dtype).smallest_subnormal)


def by_expm1(x):
    """Return tanh in float64 by another formula, right to a few units: t = e^(2|x|) - 1, tanh|x| = t / (t + 2)."""
    with np.errstate(invalid="ignore"):  # there are signalling NaN among the bit patterns
        t = special.expm1(2 * np.minimum(np.abs(x), 20).astype(np.float64))
        return np.copysign(t / (t + 2), x)


@given(pictures(Tanh))
def test_tanh_fast_equals_definition(call):
    check_fast_equals_definition(call, ulps(call(tanh), call.dtype, UNITS))


@given(pictures(Tanh))
def test_tanh_definition_equals_expm1_formula(call):
    expected = by_expm1(call.arrays[0])
    assert_close(call(tanh), expected, ulps(expected, call.dtype, UNITS))


def test_tanh_fast_float32_is_right_to_4_units_on_floats_of_every_magnitude():
    """Every 1021st of all 2**32 floats: each exponent and sign 8,000 times, subnormals and NaN too."""
    x = np.arange(0, 2**32, 1021, dtype=np.uint32).view(np.float32).reshape(1, 1, -1, 1)
    expected = by_expm1(x)
    assert_close(FAST[Tanh](x), expected, ulps(expected, np.float32, 4))


@given(pictures(Tanh))
def test_tanh_definition_takes_fractions(call):
    x = call.map(fractions).arrays[0]
    expected = np.array([math.tanh(v) for v in x.flat], dtype=object).reshape(x.shape)
    assert_close(tanh(x), expected)


@given(pictures(Tanh))
def test_tanh_definition_equals_tensorflow(tf, call):
    expected = np.asarray(tf.tanh(np.array(call.arrays[0])))
    # Eigen's float32 tanh is a rational function, right to about 7 units; NumPy's 4 come on top.
    assert_close(call(tanh), expected, ulps(expected, call.dtype, 11))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_tanh_keeps_nan_infinity_and_signed_zero(functions, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype).reshape(1, 1, 5, 1)
    y = functions[Tanh](x)
    assert_close(y.ravel(), np.array([np.nan, 1, -1, 0, 0]))
    assert np.signbit(y.ravel()[1:]).tolist() == [False, True, False, True]


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_tanh_keeps_every_small_impulse_in_its_place(functions, dtype):
    # tanh(2**-30) differs from 2**-30 by a third of its cube: nothing in either dtype.
    x = np.diag(2.0 ** -np.arange(30, 90, dtype=dtype)).reshape(60, 3, 4, 5)
    assert_close(functions[Tanh](x), x)


def test_tanh_rejects_what_does_not_fit():
    check_rejects_pictures(Tanh)
    check_rejects_dtypes(Tanh, np.zeros((2, 5, 6, 3)))
    check_rejects_counts(Tanh(), (0, 2), "1")
