"""Metrics against scikit-image, against plain loops over patches, and on cases whose value is known."""

import numpy as np
import pytest

from npfuse.scoring.metrics import blockiness, mef_ssim, psnr, ssim
from tests.checks import check_rejects


def noisy_pair(height=40, width=53, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    picture = rng.random((height // 4 + 1, width // 4 + 1, 3)).repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    return picture, np.clip(picture + rng.normal(0, noise, picture.shape), 0, 1)


@pytest.mark.parametrize("noise", [0.01, 0.3])
def test_psnr_and_ssim_equal_scikit_image(noise):
    metrics = pytest.importorskip("skimage.metrics")
    a, b = noisy_pair(noise=noise)
    assert psnr(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b, data_range=1), abs=1e-9)
    theirs = metrics.structural_similarity(
        a, b, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-9)


def test_ssim_equals_the_one_that_training_minimises(tf):
    from reference.losses import ssim as in_tensorflow

    a, b = (x.astype(np.float32)[np.newaxis] for x in noisy_pair())
    assert ssim(a[0], b[0]) == pytest.approx(float(in_tensorflow(tf.constant(a), tf.constant(b))), abs=1e-4)


def test_bytes_are_taken_as_255ths():
    a, b = (np.rint(x * 255).astype(np.uint8) for x in noisy_pair(48, 48))
    for metric in (psnr, ssim):
        assert metric(a, b) == metric(a / 255, b / 255)
    assert mef_ssim([a, b], b) == mef_ssim([a / 255, b / 255], b / 255)
    assert blockiness(b) == blockiness(b / 255)


def test_equal_pictures_have_infinite_psnr_and_an_ssim_of_1():
    a, _ = noisy_pair()
    assert psnr(a, a) == np.inf
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)


def test_ssim_of_two_flat_pictures_is_the_luminance_term():
    a, b = np.full((11, 12, 1), 0.2), np.full((11, 12, 1), 0.6)
    assert ssim(a, b) == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4), abs=1e-9)


@pytest.mark.parametrize(("step", "expected"), [(1, 1), (3, 3), (0.5, 0.5)])
def test_blockiness_is_the_step_across_boundaries_over_the_others(step, expected):
    steps = np.where(np.arange(1, 32) % 8 == 0, step, 1.0)
    ramp = np.concatenate([[0], np.cumsum(steps)]) / 200
    picture = np.zeros((32, 32, 3)) + ramp[:, np.newaxis, np.newaxis] + ramp[np.newaxis, :, np.newaxis]
    assert blockiness(picture) == pytest.approx(expected)
    assert blockiness(np.zeros((9, 9, 3))) == 1
    assert blockiness(np.arange(4.0).repeat(8).reshape(1, 32, 1).repeat(32, axis=0) / 4) == np.inf


def test_blockiness_leaves_out_the_boundaries_of_other_blocks():
    steps = np.select([np.arange(1, 32) % 8 == 0, np.arange(1, 32) % 8 == 4], [2.0, 5.0], 1.0)
    picture = np.zeros((32, 32, 1)) + (np.concatenate([[0], np.cumsum(steps)]) / 200)[:, np.newaxis, np.newaxis]
    picture = (picture + picture.transpose(1, 0, 2)) / 2
    assert blockiness(picture) == pytest.approx(2 / ((4 * 5 + 24 * 1) / 28))
    assert blockiness(picture, besides=4) == pytest.approx(2)


def mef_ssim_by_patches(exposures, fused):
    """The authors' definition at one scale, patch by patch, in levels of 0 to 255."""
    luma = np.array([0.299, 0.587, 0.114]) * 255
    x, y = np.stack([e @ luma for e in exposures]), fused @ luma
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    values = []
    for i in range(y.shape[0] - 10):
        for j in range(y.shape[1] - 10):
            patches = x[:, i : i + 11, j : j + 11]
            structures = patches - patches.mean(axis=(1, 2), keepdims=True)
            strengths = np.sqrt((structures**2).sum(axis=(1, 2)))
            agreement = np.linalg.norm(structures.sum(axis=0)) / strengths.sum()
            power = min(np.tan(np.pi / 2 * min(agreement, 1 - 1e-16)), 10)
            weights = (strengths / 11) ** power
            wanted = (weights[:, None, None] / weights.sum() * structures / strengths[:, None, None]).sum(axis=0)
            wanted *= strengths.max() / np.linalg.norm(wanted)
            wanted = wanted - (window * wanted).sum()
            got = y[i : i + 11, j : j + 11] - (window * y[i : i + 11, j : j + 11]).sum()
            c = (0.03 * 255) ** 2
            values.append(
                (2 * (window * wanted * got).sum() + c) / ((window * wanted**2).sum() + (window * got**2).sum() + c)
            )
    return np.mean(values)


def test_mef_ssim_equals_the_definition_patch_by_patch():
    under, over = noisy_pair(48, 52, noise=0.2)
    third, fused = noisy_pair(48, 52, noise=0.2, seed=5)
    scales = []
    pictures = [under, over * 0.6, third, fused]
    for _ in range(3):
        scales.append(mef_ssim_by_patches(pictures[:3], pictures[3]))
        pictures = [np.pad(p, [(0, n % 2) for n in p.shape[:2]] + [(0, 0)], mode="edge") for p in pictures]
        pictures = [(p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4 for p in pictures]
    weights = np.array([0.0448, 0.2856, 0.3001])
    # The authors add 0.001 of 255 levels to each strength, which is not in the loops above.
    assert mef_ssim([under, over * 0.6, third], fused) == pytest.approx(
        np.prod(np.maximum(scales, 0) ** (weights / weights.sum())), abs=1e-4
    )


def test_mef_ssim_prefers_the_exposure_with_the_structure_and_does_not_look_at_brightness():
    structured, _ = noisy_pair(64, 64)
    flat = np.full_like(structured, 0.9)
    kept = mef_ssim([structured * 0.5, flat], structured * 0.5)
    assert kept == pytest.approx(1, abs=1e-3)
    assert mef_ssim([structured * 0.5, flat], structured * 0.5 + 0.3) == pytest.approx(kept, abs=1e-6)
    assert mef_ssim([structured * 0.5, flat], flat) < 0.3


def test_mef_ssim_does_not_depend_on_the_order_of_the_exposures():
    a, b = noisy_pair(44, 44)
    assert mef_ssim([a, b], b) == pytest.approx(mef_ssim([b, a], b), abs=1e-12)


def test_metrics_reject_what_does_not_fit():
    a = np.zeros((50, 50, 3))
    for metric in (psnr, ssim):
        message = f"{metric.__name__}: shape of the second is (49, 50, 3), expected (50, 50, 3) as the first"
        check_rejects(metric, message, a, a[1:])
    check_rejects(mef_ssim, "mef_ssim: number of exposures is 1, expected 2 or more", [a], a)
    check_rejects(mef_ssim, "mef_ssim: size is (43, 50), expected at least 44 each", [a[:43]] * 2, a[:43])
    check_rejects(ssim, "ssim: size is (10, 50), expected at least 11 each; shape (10, 50, 3)", a[:10], a[:10])
    check_rejects(blockiness, "blockiness: size is (8, 50), expected more than 8 each; shape (8, 50, 3)", a[:8])
    with pytest.raises(ValueError, match="blockiness: besides is 8, expected 1 to 7"):
        blockiness(a, besides=8)
    check_rejects(blockiness, "blockiness: rank is 2, expected 3 (H, W, C); shape (50, 50)", a[..., 0])
    message = "blockiness: dtype is int64, expected uint8 or floats in [0, 1]"
    check_rejects(blockiness, message, a.astype(np.int64), error=TypeError)
