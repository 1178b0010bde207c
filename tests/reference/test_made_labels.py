import numpy as np
import pytest

pytest.importorskip("keras")

from reference.made_labels import ENDS, MEAN, brightened, edge_aware_mean, made_label, stretched


def stack_of(light, gains=(0.25, 1, 4)):
    """Exposures of light (H, W, 3) in [0, 1], without a curve."""
    return [np.rint(np.clip(light * gain, 0, 1) * 255).astype(np.uint8) for gain in gains]


def scene(height=48, width=64, seed=0):
    rng = np.random.default_rng(seed)
    return np.kron(rng.uniform(0.02, 0.9, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))


def test_a_label_uses_the_whole_range_and_keeps_the_order_of_light():
    label = made_label(stack_of(scene()))
    assert (label.dtype, label.shape) == (np.uint8, (48, 64, 3))
    assert label.min() < 25
    assert label.max() > 230
    ramp = np.linspace(0.02, 0.9, 64)[np.newaxis, :, np.newaxis].repeat(48, axis=0).repeat(3, axis=2)
    assert np.diff(made_label(stack_of(ramp)).mean(axis=(0, 2))).min() > -1


def test_grey_stays_grey():
    grey = scene()[..., :1].repeat(3, axis=2)
    assert np.ptp(made_label(stack_of(grey)).astype(int), axis=2).max() <= 1


def test_all_exposures_count_and_their_order_does_not_matter():
    stack = stack_of(scene())
    label = made_label(stack)
    assert np.abs(made_label(stack[::-1]).astype(int) - label).max() <= 1
    assert np.abs(made_label(stack[::2]).astype(int) - label).max() > 10


def test_a_stack_without_any_contrast_has_a_label():
    assert np.isfinite(made_label([np.zeros((16, 16, 3), np.uint8)] * 2)).all()
    assert len(np.unique(made_label([np.full((16, 16, 3), 90, np.uint8)] * 2))) == 1


@pytest.mark.parametrize("mean", [0.1, 0.7])
def test_the_mean_is_brought_half_way(mean):
    picture = np.clip(np.random.default_rng(0).normal(mean, 0.05, (40, 50, 3)), 0.01, 0.99)
    assert brightened(picture).mean() == pytest.approx(np.sqrt(picture.mean() * MEAN), rel=1e-3)


def test_stretching_ends_a_few_of_a_thousand_values():
    picture = np.linspace(0.2, 0.6, 3000).reshape(10, 100, 3)
    out = stretched(picture)
    assert ((out < ENDS[0]).mean(), (out > ENDS[1]).mean()) == pytest.approx((0.003, 0.003), abs=5e-4)


def test_the_edge_aware_mean_keeps_a_strong_edge_and_flattens_a_weak_pattern():
    step = np.zeros((48, 48))
    step[:, 24:] = 1
    assert np.abs(edge_aware_mean(step) - step).max() < 0.2
    weak = 0.5 + 0.05 * (np.indices((48, 48)).sum(axis=0) % 2)
    assert np.ptp(edge_aware_mean(weak)) < 0.1 * np.ptp(weak)
