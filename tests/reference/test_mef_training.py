"""MEF-Net's training: the Keras model against the graph, the loss against the metric, and a few steps of it."""

import numpy as np
import pytest

from npfuse.methods.mefnet import low_resolution
from npfuse.metrics import luma_mixture, patch_mixture
from npfuse.models import mefnet as graph
from npfuse.run import run
from tests.arrays import assert_close
from tests.reference.scenes import write_scene

pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from reference import mef_training  # noqa: E402
from reference.__main__ import main  # noqa: E402
from reference.sice import read_scene  # noqa: E402


def constants(*planes_of_each):
    return [tf.constant(np.stack(planes)[..., np.newaxis], tf.float32) for planes in planes_of_each]


def test_the_keras_model_equals_the_graph():
    rng = np.random.default_rng(0)
    model = mef_training.mefnet()
    for variable in model.trainable_variables:
        variable.assign(variable + rng.normal(size=variable.shape) * 0.1)
    arrays = mef_training.export_arrays(model)
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
    assert float(mef_training.quality(lumas, mixture, brightness, fused)) == pytest.approx(1, abs=1e-5)
    darker = fused - 0.3  # the same structure, another mean m: 2 m (m - 0.3) / (m^2 + (m - 0.3)^2) with m near 0.65
    expected = 2 * 0.65 * 0.35 / (0.65**2 + 0.35**2)
    assert float(mef_training.quality(lumas, mixture, brightness, darker)) == pytest.approx(expected, abs=0.01)


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


def test_training_writes_weights_that_fuse(tmp_path, small, capsys):
    import npfuse

    for seed, name in enumerate("ab"):
        write_scene(tmp_path / "scenes" / name, 64, 96, seed=seed)
    out = tmp_path / "mefnet.npz"
    argv = ["train-mefnet", "--data", str(tmp_path / "scenes"), "--out", str(out), "--steps", "3", "--hold-out", "b"]
    assert main(argv) == 0
    assert "3/3: loss 0." in capsys.readouterr().err
    weights = npfuse.load_weights(out)
    assert "Data: 1 scenes of the folder scenes, all exposures; held out: b." in weights.source
    assert weights.model == "mefnet"
    assert main(argv) == 2
    assert "the file is there already, --force overwrites it" in capsys.readouterr().err
    assert main([*argv[:-1], "c", "--force"]) == 2
    assert "no scene named c in" in capsys.readouterr().err


def test_the_average_is_of_the_steps_alone(tmp_path, small):
    """After two steps Keras's average still has `momentum` of the first: without it, the second is left."""
    write_scene(tmp_path / "a", 64, 96)
    scenes = [read_scene(tmp_path / "a")]
    averaged, last = (
        mef_training.train(scenes, mef_training.Schedule(steps=2, average=average), 1, say=lambda line: None)
        for average in (0.9, 0.0)
    )
    for name, array in last.items():
        assert_close(averaged[name], array, 1e-5)
