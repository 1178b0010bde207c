"""Kernels rounded for their sums: the error over the samples falls, no single step lowers it, the mean is right."""

import numpy as np
import pytest

from npfuse.integer.kernels import MOST_WEIGHT, moments, rounded_kernel
from npfuse.ops import Conv2DTranspose, DepthwiseConv2D, PointwiseConv2D


def alike(rng, channels, count=400):
    """Draw samples whose channels mostly rise and fall together."""
    common = rng.integers(0, 20000, (1, 20, count // 20, 1))
    return common + rng.integers(-800, 800, (1, 20, count // 20, channels))


def squared_error(spread, real, kernel, scale):
    """Return each output's squared error over samples with these moments."""
    error = real - kernel * scale
    spread = np.broadcast_to(spread, (*spread.shape[:2], real.shape[1]))
    return np.einsum("ic,ijc,jc->c", error, spread, error)


@pytest.mark.parametrize("op", [PointwiseConv2D(features=5), DepthwiseConv2D(kernel_size=(3, 3))])
@pytest.mark.parametrize("fixed", [True, False])
def test_no_step_of_one_number_lowers_the_error_and_it_is_below_that_of_the_nearest(op, fixed):
    rng = np.random.default_rng(1)
    inputs = moments(op, alike(rng, 12 if isinstance(op, PointwiseConv2D) else 4))
    n, outputs = len(inputs.mean), 5 if isinstance(op, PointwiseConv2D) else 4
    real = rng.normal(size=(n, outputs))
    first = np.abs(real).max(axis=0) / MOST_WEIGHT
    kernel, scale, _ = rounded_kernel(real, first, inputs, fixed_scale=fixed)
    assert np.abs(kernel).max() <= MOST_WEIGHT
    assert np.array_equal(scale, first) == fixed
    least = squared_error(inputs.spread, real, kernel, scale)
    nearest = squared_error(inputs.spread, real, np.rint(real / first), first)
    assert (least <= nearest).all()
    assert least.sum() < (0.6 if isinstance(op, PointwiseConv2D) else 1) * nearest.sum()
    for i in range(n):
        for step in (-1, 1):
            moved = kernel.copy()
            moved[i] += step
            allowed = np.abs(moved[i]) <= MOST_WEIGHT
            own = np.broadcast_to(inputs.spread[i, i], outputs) * scale**2
            change = squared_error(inputs.spread, real, moved, scale) - least
            assert (change > -1e-2 * own)[allowed].all() or not fixed  # a new scale comes last


def test_a_new_scale_is_that_of_least_error():
    rng = np.random.default_rng(2)
    inputs = moments(PointwiseConv2D(features=3), alike(rng, 6))
    real = rng.normal(size=(6, 3))
    kernel, scale, _ = rounded_kernel(real, np.abs(real).max(axis=0) / 127, inputs, fixed_scale=False)
    least = squared_error(inputs.spread, real, kernel, scale)
    for factor in (0.999, 1.001):
        assert (squared_error(inputs.spread, real, kernel, scale * factor) > least).all()


def test_what_is_lost_is_the_mean_of_the_sums_errors():
    rng = np.random.default_rng(3)
    x = alike(rng, 6)
    real = rng.normal(size=(6, 3))
    kernel, scale, lost = rounded_kernel(
        real, np.abs(real).max(axis=0) / 7, moments(PointwiseConv2D(features=3), x), fixed_scale=True
    )
    assert np.allclose(lost, (x @ real - x @ kernel * scale).mean(axis=(0, 1, 2)))
    assert np.abs(lost).max() > 0


def test_moments_of_a_depthwise_convolution_are_those_of_its_taps():
    x = np.random.default_rng(4).integers(-32767, 32767, (1, 7, 10, 2))
    found = moments(DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2)), x)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))  # 7 rows: one before and one after; 10 columns: one after
    taps = np.stack([padded[0, i : i + 7 : 2, j : j + 9 : 2] for i in range(3) for j in range(3)])  # (9, 4, 5, 2)
    assert np.allclose(found.mean, taps.mean(axis=(1, 2)))
    assert np.allclose(
        found.spread[0, 4], (taps[0] * taps[4]).mean((0, 1)) - taps[0].mean((0, 1)) * taps[4].mean((0, 1))
    )


def test_without_samples_every_number_is_rounded_to_the_nearest():
    rng = np.random.default_rng(5)
    real = rng.normal(size=(9, 4))
    scale = np.abs(real).max(axis=0) / MOST_WEIGHT
    kernel, same, lost = rounded_kernel(real, scale, None, fixed_scale=False)
    assert np.array_equal(kernel, np.rint(real / scale))
    assert np.array_equal(same, scale)
    assert not lost.any()
    assert moments(Conv2DTranspose(features=3, kernel_size=(4, 4), stride=(2, 2)), np.zeros((1, 8, 8, 2), int)) is None


def test_inputs_that_never_vary_keep_the_nearest():
    nothing = moments(PointwiseConv2D(features=2), np.zeros((1, 4, 4, 3), np.int64))
    real = np.array([[0.4, 1.0], [-1.0, 0.3], [0.6, 0.2]])
    kernel, scale, lost = rounded_kernel(real, np.ones(2), nothing, fixed_scale=False)
    assert np.array_equal(kernel, np.rint(real))
    assert np.array_equal(scale, np.ones(2))
    assert not lost.any()
