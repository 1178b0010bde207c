import numpy as np
import pytest

pytest.importorskip("keras")

from npfuse import load_weights
from reference.saturation import saturated


def test_the_last_layers_give_colours_farther_from_the_same_grey():
    arrays = load_weights("lightfuse").arrays
    raised = saturated(arrays, 1.3)
    changed = {name for name in arrays if raised[name] is not arrays[name]}
    assert changed == {f"{layer}/{kind}" for layer in ("detail3", "global3_pointwise") for kind in ("kernel", "bias")}
    for name in changed:
        grey, grey_raised = (each[name].mean(axis=-1, keepdims=True) for each in (arrays, raised))
        np.testing.assert_allclose(grey_raised, grey, atol=1e-6)
        np.testing.assert_allclose(raised[name] - grey, 1.3 * (arrays[name] - grey), atol=1e-6)


def test_a_factor_of_one_changes_nothing():
    arrays = load_weights("lightfuse").arrays
    raised = saturated(arrays, 1.0)
    assert all(np.array_equal(raised[name], arrays[name]) for name in arrays)
