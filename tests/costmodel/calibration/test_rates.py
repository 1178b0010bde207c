"""Rates that are fitted to samples, and samples that are refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.calibration.rates import Sample, fitted

AMOUNTS = [(1, 10, 0), (1, 20, 5), (1, 100, 1), (1, 5, 50), (1, 70, 20)]


def samples(call, read, macs):
    """Return samples of steps whose time is a combination of what they do."""
    return [
        Sample(
            kind="Conv2D",
            amounts={"call": float(a), "read": float(b), "macs": float(c)},
            seconds=call * a + read * b + macs * c,
        )
        for a, b, c in AMOUNTS
    ]


@given(st.tuples(*[st.floats(0.01, 10)] * 3))
def test_times_that_are_a_combination_are_found_again(rates):
    found = fitted("Conv2D", samples(*rates))
    assert found.predicted_s({"call": 2, "read": 30, "macs": 7}) == pytest.approx(
        2 * rates[0] + 30 * rates[1] + 7 * rates[2], rel=1e-6
    )
    assert found.spread == pytest.approx(0, abs=1e-6)


def test_no_rate_is_negative():
    shrinking = [Sample(kind="k", amounts={"call": 1, "read": n}, seconds=10 - n) for n in (1, 2, 3, 4)]
    found = fitted("k", shrinking)
    assert min(found.seconds.values()) >= 0
    assert found.spread > 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_refused(seconds):
    first, *others = samples(1, 1, 1)
    with pytest.raises(ValueError, match=r"Conv2D: time is .* s, expected more than 0"):
        fitted("Conv2D", [replace(first, seconds=seconds), *others])


def test_an_amount_that_cannot_be_is_refused():
    first, *others = samples(1, 1, 1)
    with pytest.raises(ValueError, match=r"Conv2D: amount read is -1, expected at least 0"):
        fitted("Conv2D", [replace(first, amounts={"call": 1, "read": -1, "macs": 1}), *others])


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="Conv2D: number of samples is 2, expected at least 3"):
        fitted("Conv2D", samples(1, 1, 1)[:2])
    with pytest.raises(ValueError, match="Add: number of samples is 0, expected at least 2"):
        fitted("Add", samples(1, 1, 1))
