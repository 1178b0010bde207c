"""Times on graphics cards: counted by hand from the kernel's geometry and data sheets, and kept measurements."""

import pytest

from costmodel import cards
from costmodel.card_table import NOT_MEASURED, card_table
from costmodel.cards import CARDS, CardMeasurement, executed_macs, predicted_on_card
from npfuse.cuda import fusing_kernel
from npfuse.models import lightfuse, t_cnn

MEASURED = CardMeasurement(
    card="NVIDIA H100 80GB HBM3",
    date="2026-01-02",
    commit="0123456789abcdef",
    command="python -m bench.gpu --record",
    model="lightfuse",
    height=896,
    width=1344,
    kernels_s=0.0015,
    fuse_s=0.0025,
)


def test_executed_multiply_adds_are_those_of_the_kernels_geometry():
    # 6-256-64-3: two parts of 32, each with 256 units of 6 + 32 and a head of 3 * 32.
    assert executed_macs(6, [256, 64, 3]) == 2 * (256 * 38 + 96)
    # 12 and 5 units take the room of 32 each; one hidden layer gets a second of 3 * 2 units.
    assert executed_macs(6, [12, 5, 3]) == executed_macs(6, [12, 3]) == 32 * 38 + 96
    assert (fusing_kernel.OUTPUTS, fusing_kernel.UNITS) == (cards.OUTPUTS, cards.UNITS)


def test_prediction_is_arithmetic_at_the_peak():
    pixels = 896 * 1344
    time = predicted_on_card(lightfuse(896, 1344), CARDS["H100 SXM"])
    alone = pixels * 19_648 * 176 / 152 / 33.5e12
    assert alone < time.kernels_s < 1.05 * alone
    assert time.fuse_s - time.kernels_s == pytest.approx(9 * pixels / 64e9)


def test_prediction_is_of_lightfuses_form_only():
    with pytest.raises(ValueError, match="t_cnn: the form is another, expected LightFuse's"):
        predicted_on_card(t_cnn(16, 16), CARDS["H100 SXM"])


def test_table_says_that_nothing_was_measured():
    rows = {row[1]: row for row in card_table(896, 1344, measured=()).rows}
    assert rows.keys() == CARDS.keys()
    assert rows["RTX 2080 Ti"][2] == pytest.approx(64.6)
    assert all(row[4] is None and row[6] is None and row[7] == NOT_MEASURED for row in rows.values())


def test_table_puts_a_measurement_beside_its_cards_prediction():
    elsewhere = CardMeasurement(**{**vars(MEASURED), "card": "NVIDIA A10"})
    rows = {row[1]: row for row in card_table(896, 1344, measured=(MEASURED, elsewhere)).rows}
    assert rows["NVIDIA H100 80GB HBM3"][3:] == (
        pytest.approx(0.84, abs=0.01), 1.5, pytest.approx(1.01, abs=0.01), 2.5, "2026-01-02, 0123456789ab"
    )  # fmt: skip
    assert rows["NVIDIA A10"][3:7] == (None, 1.5, None, 2.5)
    assert {row[7] for row in card_table(64, 96, measured=(MEASURED,)).rows} == {NOT_MEASURED}


def test_kept_measurements_can_be_read():
    assert all(m.command and m.date and m.kernels_s > 0 for m in cards.measurements())
