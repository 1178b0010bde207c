"""The conventions: what they weigh, and that none leaves a kind of work unnamed by accident."""

from dataclasses import fields

import pytest

from costmodel import CONVENTIONS, Work, convention_named

ALL_KINDS = Work(
    convolution_macs=1,
    resizing_macs=10,
    additions=100,
    multiplications=1000,
    comparisons=10_000,
    divisions=100_000,
    functions=1_000_000,
)


@pytest.mark.parametrize(("name", "amount"), [("paper", 2), ("macs", 11), ("flops-all", 1_111_122)])
def test_convention_weighs_each_kind_of_work(name, amount):
    assert CONVENTIONS[name].amount(ALL_KINDS) == amount


def test_flops_all_leaves_out_no_kind_of_work():
    assert set(CONVENTIONS["flops-all"].weights) == {field.name for field in fields(Work)}


def test_conventions_weigh_only_kinds_that_there_are():
    for convention in CONVENTIONS.values():
        assert set(convention.weights) <= {field.name for field in fields(Work)}


def test_work_splits_into_macs_and_other():
    assert (ALL_KINDS.macs, ALL_KINDS.other) == (11, 1_111_100)
    assert sum(getattr(ALL_KINDS, field.name) for field in fields(Work)) == ALL_KINDS.macs + ALL_KINDS.other


def test_convention_named_rejects_an_unknown_name():
    with pytest.raises(ValueError, match=r"^convention is 'mac', expected one of paper, macs, flops-all$"):
        convention_named("mac")
