"""MEF-Net's and DeepFuse's training: models against graphs, the loss against the metric, and a few steps of it."""

import numpy as np
import pytest

from npfuse.color import LUMA
from npfuse.methods.mefnet import low_resolution
from npfuse.models import mefnet as graph
from npfuse.run import run
from npfuse.scoring.metrics import luma_mixture, mef_ssim, patch_mixture
from tests.arrays import assert_close
from tests.reference.scenes import write_scene

pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from reference import mef_loss, mef_networks, mef_training  # noqa: E402
from reference.__main__ import main  # noqa: E402
from reference.export import export_arrays  # noqa: E402
from reference.scenes import read_scene  # noqa: E402


def constants(*planes_of_each):
    """(H, W) each to (K, 1, H, W, 1)."""
    return [tf.constant(np.stack(planes)[:, np.newaxis, ..., np.newaxis], tf.float32) for planes in planes_of_each]


def test_the_keras_model_of_mefnet_equals_the_graph():
    rng = np.random.default_rng(0)
    model = mef_networks.mefnet()
    for variable in model.trainable_variables:
        variable.assign(variable + rng.normal(size=variable.shape) * 0.1)
    arrays = export_arrays(model)
    assert sum(array.size for array in arrays.values()) == 26_461
    luma = rng.random((2, 30, 44, 1)).astype(np.float32)
    expected = model(luma).numpy()
    actual = run(graph(30, 44), {"luma": luma}, arrays)["weight_map"]
    assert_close(actual, expected, 1e-5 * np.abs(expected).max())


def test_quality_of_a_picture_with_the_wanted_means_is_its_structure():
    """An exposure beside itself: every patch is wanted as it is, and so is its mean."""
    plane = 0.5 + 0.3 * np.random.default_rng(0).random((60, 70))
    pair = [plane, plane]
    lumas, mixture, brightness, fused = constants(pair, patch_mixture(pair), luma_mixture(pair), [plane])
    assert float(mef_loss.quality(fused, lumas, mixture, brightness)) == pytest.approx(1, abs=1e-5)
    darker = fused - 0.3  # the same structure, another mean m: 2 m (m - 0.3) / (m^2 + (m - 0.3)^2) with m near 0.65
    expected = 2 * 0.65 * 0.35 / (0.65**2 + 0.35**2)
    assert float(mef_loss.quality(darker, lumas, mixture, brightness)) == pytest.approx(expected, abs=0.01)


def test_loss_of_a_batch_is_the_metrics_mean_over_its_stacks_and_scales(monkeypatch):
    monkeypatch.setattr(mef_loss, "C1", 1e9)  # a luminance term of 1: the metric has none
    rng = np.random.default_rng(0)
    stacks = np.sort(rng.random((3, 2, 64, 64)), axis=1)
    fused = stacks.mean(axis=1)
    for scales in (1, 2, 3):
        weights = np.zeros(scales)
        weights[-1] = 1
        wanted = [tuple(map(tf.constant, scaled)) for scaled in mef_loss.targets(stacks, scales)]
        value = mef_loss.loss(wanted, tf.constant(fused[np.newaxis, ..., np.newaxis], tf.float32), weights)
        monkeypatch.setattr("npfuse.scoring.metrics.MEF_SCALES", tuple(weights))
        scores = [
            mef_ssim([np.repeat(plane[..., np.newaxis], 3, axis=2) for plane in stack], np.dstack([picture] * 3))
            for stack, picture in zip(stacks, fused, strict=True)
        ]
        assert float(value) == pytest.approx(1 - np.mean(scores), abs=1e-4)


def test_loss_counts_what_lies_outside_of_0_to_1():
    lumas = np.full((1, 2, 44, 44), 0.5)
    wanted = [tuple(map(tf.constant, scaled)) for scaled in mef_loss.targets(lumas, 1)]
    inside, above, below = (
        float(mef_loss.loss(wanted, tf.fill((1, 1, 44, 44, 1), level), (0.0,))) for level in (1.0, 1.25, -0.5)
    )
    assert (inside, above, below) == (1, 1.25, 1.5)


def test_loss_of_patches_without_structure_is_bounded():
    """Float32 leaves variances below 0 there, and covariances above them: 1 - MEF-SSIM was -0.5, and once -inf."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        level, amplitude = rng.uniform(0.2, 0.98), 10 ** rng.uniform(-9, -4)
        exposures = (level + amplitude * rng.standard_normal((2, 32, 32, 6))) * 2 - 1
        fused = tf.constant(level + 1e-3 * rng.standard_normal((1, 2, 32, 32, 1)), tf.float32)
        value = float(mef_loss.loss(mef_loss.pair_targets(exposures.astype(np.float32), 1), fused, [1.0]))
        assert 0 <= value <= 1


def test_deepfuse_begins_near_the_average_of_the_pair():
    pair = np.random.default_rng(0).random((2, 3, 20, 30, 1)).astype(np.float32)
    fused = mef_networks.deepfuse_luma(mef_networks.deepfuse(), tf.constant(pair))
    assert fused.shape == (1, 3, 20, 30, 1)
    assert np.abs(fused[0] - pair.mean(axis=0)).mean() < 0.1


def test_luma_mixture_favours_the_well_exposed():
    dark, middle, bright = (np.full((20, 20), level) for level in (0.1, 0.5, 0.9))
    shares = luma_mixture([dark, middle, bright])
    assert_close(sum(shares), np.ones((10, 10)), 1e-12)
    # Both Gaussians are exp(-0.4**2 / (2 * 0.2**2)) = exp(-2) of the middle's.
    assert_close(shares[0] / shares[1], np.full((10, 10), np.exp(-4)), 1e-12)
    assert_close(shares[0], shares[2], 1e-12)


def test_draw_stack_takes_the_extremes_or_two_to_four():
    stacks = [np.arange(7.0).reshape(7, 1, 1)]
    rng = np.random.default_rng(0)
    assert {tuple(mef_training.draw_stack(rng, stacks, 1.0).ravel()) for _ in range(20)} == {(0, 6)}
    drawn = [mef_training.draw_stack(rng, stacks, 0.0).ravel() for _ in range(100)]
    assert {len(stack) for stack in drawn} == {2, 3, 4}
    assert all((np.diff(stack) > 0).all() for stack in drawn)


def test_draw_stack_cuts_the_same_part_out_of_every_exposure():
    picture = np.arange(20.0 * 30).reshape(1, 20, 30)
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = mef_training.draw_stack(rng, [np.concatenate([picture, picture + 0.5])], 1.0, crop=8)
        assert first.shape == (8, 8)
        assert_close(second, first + 0.5)
        assert {abs(step) for step in np.diff(first, axis=0).ravel()} == {30}
        assert {abs(step) for step in np.diff(first, axis=1).ravel()} == {1}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("npfuse.methods.mefnet.SHORT_SIDE", 32)
    assert low_resolution(64, 96) == (32, 48)


@pytest.mark.parametrize("network", ["mefnet", "deepfuse"])
def test_training_writes_weights_that_fuse(network, tmp_path, small, capsys):
    import npfuse

    for seed, name in enumerate("ab"):
        write_scene(tmp_path / "scenes" / name, 64, 96, seed=seed)
    out = tmp_path / "weights.npz"
    argv = ["train-mef", "--network", network, "--data", str(tmp_path / "scenes"), "--out", str(out), "--steps", "3"]
    argv += ["--hold-out", "b"]
    assert main(argv) == 0
    assert "step 3/3: loss " in capsys.readouterr().err  # beyond 1 by what is outside of the range
    weights = npfuse.load_weights(out)
    assert "Data: 1 scenes of the folder scenes, all exposures; held out: b." in weights.source
    assert weights.model == network
    assert main(argv) == 2
    assert "the file is there already, --force overwrites it" in capsys.readouterr().err
    assert main([*argv[:-1], "c", "--force"]) == 2
    assert "no scene is called c" in capsys.readouterr().err


def test_the_average_is_of_the_steps_alone(tmp_path, small):
    """After two steps Keras's average still has `momentum` of the first: without it, the second is left."""
    write_scene(tmp_path / "a", 64, 96)
    scenes = [read_scene(tmp_path / "a")]
    averaged, last = (
        mef_training.train("mefnet", scenes, mef_training.Schedule(steps=2, average=average), 1, say=lambda line: None)
        for average in (0.9, 0.0)
    )
    for name, array in last.items():
        assert_close(averaged[name], array, 1e-5)


def test_without_luminance_the_loss_of_pairs_is_the_metrics_at_any_level(monkeypatch):
    monkeypatch.setattr("npfuse.scoring.metrics.MEF_SCALES", (0.0, 1.0))
    rng = np.random.default_rng(1)
    pairs = rng.random((3, 44, 48, 6))
    fused = (pairs[..., :3] + pairs[..., 3:]) / 3
    wanted = mef_loss.pair_targets(pairs * 2 - 1, 2)
    luma = (fused @ np.array(LUMA))[np.newaxis, ..., np.newaxis]
    scores = [mef_ssim((p[..., :3], p[..., 3:]), picture) for p, picture in zip(pairs, fused, strict=True)]
    assert 0.5 < np.mean(scores) < 0.99
    for shift in (0.0, 0.2):
        value = mef_loss.loss(wanted, tf.constant(luma + shift, tf.float32), (0.0, 1.0))
        assert float(value) == pytest.approx(1 - np.mean(scores), abs=1e-4)
