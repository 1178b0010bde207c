"""Quartiles, ratios and differences, against numbers worked out by hand."""

import numpy as np
import pytest

from bench.summary import Difference, Summary, difference, ratios, summarized


def test_quartiles_lie_between_the_two_nearest_values():
    assert summarized([4.0, 1.0, 2.0, 3.0]) == Summary(low=1.75, median=2.5, high=3.25, count=4)


def test_one_value_is_its_own_quartiles():
    assert summarized([2.0]) == Summary(low=2.0, median=2.0, high=2.0, count=1)


def test_ratios_are_taken_round_by_round():
    # The machine was twice as slow in the second round, for both: the ratio is the same.
    assert ratios([1.0, 2.0], [10.0, 20.0]) == Summary(low=10.0, median=10.0, high=10.0, count=2)


def test_ratios_reject_unequal_counts():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        ratios([1.0], [1.0, 2.0])


def test_difference_counts_bytes_in_every_row():
    a = np.zeros((130, 5, 3), np.uint8)
    b = a.copy()
    b[0, 0, 0], b[64, 4, 2], b[129, 2, 1] = 255, 3, 1  # 255 - 0 would wrap around in uint8
    assert difference(a, b) == difference(b, a) == Difference(levels=255, share=3 / a.size)


def test_difference_rejects_other_shapes_and_dtypes():
    with pytest.raises(ValueError, match=r"uint8 \(2, 2\) and uint8 \(2, 3\), expected uint8 alike"):
        difference(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match="and float64"):
        difference(np.zeros((2, 2), np.uint8), np.zeros((2, 2)))
