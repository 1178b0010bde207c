"""Requantisation equals exact arithmetic on fractions, for both rules of rounding."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.integer.format import Format
from npfuse.integer.requantize import Rescale, multiplier, power_of_two, requantize, rescale

sums = st.integers(-(2**31) + 1, 2**31 - 1)


def one(x, mult, shift, rounding, dtype=np.int64):
    by = Rescale(mult=np.array([mult]), shift=np.array([shift]))
    return int(requantize(np.array([x], dtype), by, rounding)[0])


@given(sums, st.integers(0, 2**31 - 1), st.integers(0, 62))
def test_single_rounding_is_the_nearest_with_ties_upwards(x, mult, shift):
    expected = math.floor(Fraction(x * mult, 2**shift) + Fraction(1, 2)) if shift else x * mult
    assert one(x, mult, shift, "single") == expected
    assert one(x, mult, shift, "single", object) == expected


@given(sums, st.integers(2**30, 2**31 - 1), st.integers(20, 62))
def test_double_rounding_rounds_at_31_bits_and_then_at_the_rest_away_from_zero(x, mult, shift):
    left = max(31 - shift, 0)
    x >>= left  # gemmlowp's numbers have 32 bits after the shift to the left
    high = math.floor(Fraction((x << left) * mult, 2**31) + Fraction(1, 2))
    exact = Fraction(high, 2 ** max(shift - 31, 0))
    expected = math.floor(abs(exact) + Fraction(1, 2)) * (1 if exact >= 0 else -1)
    assert one(x, mult, shift, "double") == expected


def test_the_two_rules_differ_where_the_first_rounding_makes_a_tie():
    # 1073741823 / 2**31 is just below a half; at 32 bits of shift gemmlowp first rounds to 1 / 2, then away from zero.
    assert one(1, 2**30, 32, "single") == 0
    assert one(1, 2**30, 32, "double") == 1
    assert one(-3, 1, 1, "single") == -1  # ties upwards


@given(st.floats(2.0**-31, 2.0**29))
def test_multiplier_has_31_bits_and_is_within_half_a_step(factor):
    mult, shift = multiplier(factor)
    assert 2**30 <= mult < 2**31
    assert 0 <= shift <= 62
    assert abs(Fraction(mult, 2**shift) - Fraction(factor)) <= Fraction(1, 2 ** (shift + 1))


def test_multiplier_of_the_extremes():
    assert multiplier(0.0) == (0, 1)
    assert multiplier(2.0**-40) == (0, 1)  # rounds every sum of 32 bits to 0
    assert multiplier(1 - 2.0**-40) == (2**30, 30)  # the mantissa rounds up to 1
    with pytest.raises(ValueError, match=r"multiplier: factor is -1.0, expected at least 0"):
        multiplier(-1.0)


@given(st.integers(-40, 29))
def test_power_of_two_is_exact(power):
    mult, shift = power_of_two(2.0**power)
    assert Fraction(mult, 2**shift) == Fraction(2) ** power
    assert rescale([2.0**power], only_shifts=True).only_shifts


@pytest.mark.parametrize("shift", [0, 1, 5, 11])
def test_a_shift_and_saturation_are_rnd_and_sat_of_ap_fixed(shift):
    """The package quantizers has the rules of ap_fixed, which high-level synthesis compiles to."""
    quantizers = pytest.importorskip("quantizers")
    x = np.random.default_rng(shift).integers(-(2**28), 2**28, 10_000)
    x[:4000] >>= 10
    rounded = quantizers.get_fixed_quantizer_np("RND", "SAT")(x / 2.0**shift, k=1, i=15, f=0)
    int16 = Format(bits=16, signed=True, scale=1.0, low=-32768, high=32767)
    assert np.array_equal(int16.saturated(requantize(x, rescale([2.0**-shift], only_shifts=True))), rounded)


def test_errors():
    with pytest.raises(ValueError, match=r"power_of_two: factor is 0.3, expected a power of two"):
        power_of_two(0.3)
    with pytest.raises(ValueError, match=r"requantize: rounding is 'half', expected one of single, double"):
        one(1, 1, 1, "half")
