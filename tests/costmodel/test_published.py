"""The paper's numbers, against walks over the graphs that the readings name."""

from decimal import Decimal

import pytest

from costmodel import CONVENTIONS, count
from costmodel.published import FLOPS_CONVENTION, NOT_PUBLISHED, RATIOS, TABLE_3
from costmodel.report import all_subjects
from npfuse.methods import METHODS
from npfuse.models import build

PRINTED = [method for method in TABLE_3 if method.flops_per_pixel]


@pytest.mark.parametrize("method", PRINTED, ids=lambda method: method.name)
def test_published_flops_are_counted_under_the_convention_named(method):
    reading = method.flops_per_pixel
    cost = count(build(method.model, 64, 96, **reading.arguments))
    assert cost.per_pixel(CONVENTIONS[FLOPS_CONVENTION]) == reading.value


@pytest.mark.parametrize("method", PRINTED, ids=lambda method: method.name)
def test_published_parameters_are_those_of_the_network_named(method):
    reading = method.parameters
    assert count(build(method.model, 64, 96, **reading.arguments)).parameters == reading.value


@pytest.mark.parametrize("ratio", RATIOS, ids=lambda ratio: ratio.method)
def test_published_ratios_are_the_counted_ones_rounded(ratio):
    ours, theirs = (next(m for m in PRINTED if m.name == name) for name in ("LightFuse", ratio.method))
    digits = Decimal(str(ratio.value))
    for quantity in ("flops_per_pixel", "parameters"):
        exact = Decimal(getattr(theirs, quantity).value) / Decimal(getattr(ours, quantity).value)
        assert exact.quantize(digits) == digits, quantity


def test_what_really_runs_has_the_parameters_of_the_released_networks():
    # 316,976: the arrays in DeepFuse's released .npz; 26,461: those in MEF-Net's released state dict.
    counted = {subject.name: subject.cost.parameters for subject in all_subjects(896, 1344)}
    assert counted == {
        "LightFuse": 18_630,
        "DeepFuse": 316_976,
        "MEF-Net": 26_461,
        "T_CNN": 21_369,
        "Mertens09": 0,
        "ToneFuse": 5_380,
    }


def test_every_published_method_is_one_of_npfuse_and_the_others_follow():
    subjects = all_subjects(64, 96)
    assert [(s.name, s.model) for s in subjects[: len(TABLE_3)]] == [(m.name, m.model) for m in TABLE_3]
    assert {s.model for s in subjects} == set(METHODS)
    for subject in subjects[len(TABLE_3) :]:
        assert subject.notes[0].startswith(f"{METHODS[subject.model].title}: {NOT_PUBLISHED}. Not counted: ")


def test_published_parameters_that_differ_from_what_runs_name_their_network():
    for method in PRINTED:
        runs = count(build(method.model, 64, 96)).parameters
        assert (runs == method.parameters.value) == (not method.parameters.arguments), method.name
