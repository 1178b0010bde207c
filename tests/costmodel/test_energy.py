"""Energy by Horowitz's table, by hand."""

import pytest

from costmodel import Work
from costmodel.energy import PRECISIONS, energy


@pytest.mark.parametrize(("precision", "pj"), [("fp32", 3.7 + 0.9), ("fp16", 1.1 + 0.4), ("int8", 0.2 + 0.1)])
def test_a_multiply_add_takes_a_multiplication_and_an_addition(precision, pj):
    work = Work(convolution_macs=600, resizing_macs=400)
    assert energy(work, 0, PRECISIONS[precision]).arithmetic_mj == pytest.approx(1000 * pj / 1e9)


def test_other_operations_take_an_addition_and_multiplications_a_multiplication():
    work = Work(additions=1, multiplications=10, comparisons=100, divisions=1000, functions=10_000)
    expected = 10 * 3.7 + 11_101 * 0.9
    assert energy(work, 0, PRECISIONS["fp32"]).arithmetic_mj == pytest.approx(expected / 1e9)


@pytest.mark.parametrize(("precision", "accesses"), [("fp32", 1000), ("fp16", 500), ("int8", 250)])
def test_dram_takes_1300_to_2600_pj_per_64_bits_moved(precision, accesses):
    least, most = energy(Work(), 8000, PRECISIONS[precision]).total_mj
    assert (least, most) == pytest.approx((1300 * accesses / 1e9, 2600 * accesses / 1e9))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pixels_are_bytes_in_every_precision(precision):
    assert energy(Work(), 0, PRECISIONS[precision], pixel_bytes=8000).total_mj[0] == pytest.approx(1300 * 1000 / 1e9)
