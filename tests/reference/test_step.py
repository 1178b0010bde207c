import io

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from npfuse.scoring.metrics import mef_ssim  # noqa: E402
from reference.errors import InputError  # noqa: E402
from reference.examples import Patches  # noqa: E402
from reference.keras_models import lightfuse  # noqa: E402
from reference.losses import undecided  # noqa: E402
from reference.progress import Progress  # noqa: E402
from reference.recipes import Recipe  # noqa: E402
from reference.step import make_step, train_epoch  # noqa: E402
from tests.reference.scenes import random_scene  # noqa: E402


def plain_loss_of_small(target, output, shares):
    return tf.reduce_mean(shares[:, None, None, None] * (target - output) ** 2)


def test_the_step_adds_the_weighted_unevenness_of_ramps():
    values = {}
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(4,))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        rng = np.random.default_rng(0)
        inputs, ramps = (rng.uniform(-1, 1, (2, 16, 16, 6)).astype(np.float32) for _ in range(2))
        labels = rng.random((2, 16, 16, 3), np.float32), np.ones(2, np.float32), inputs
        step = make_step(model, optimizer, plain_loss_of_small, ramps_weight=weight)
        values[weight] = float(step((inputs,), labels, (ramps,)))
    to_the_right, downwards = np.asarray(model(ramps)) / 2
    lines = np.stack([to_the_right, downwards.swapaxes(0, 1)])
    falls = np.maximum(lines[:, :, :-1] - lines[:, :, 1:], 0).sum(axis=2).mean()
    across = np.abs(np.diff(lines, axis=1)).sum(axis=1).mean()
    assert values[2.0] - values[0.0] == pytest.approx(2 * (falls + across), rel=1e-3)


def test_the_step_adds_the_weighted_structure_lost_of_what_the_loss_sees_over_two_scales(monkeypatch):
    values = {}
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (2, 48, 48, 6)).astype(np.float32)
    labels = rng.random((2, 32, 32, 3), np.float32), np.ones(2, np.float32), inputs[:, :32, :32]
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(4,))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        step = make_step(model, optimizer, plain_loss_of_small, structure_weight=weight)
        values[weight] = float(step((inputs,), labels, None))
    pairs, fused = ((np.asarray(x, np.float64)[:, :32, :32] + 1) / 2 for x in (inputs, model(inputs)))
    scores = []
    for scales in ((1.0,), (0.0, 1.0)):  # of the metric, one after the other
        monkeypatch.setattr("npfuse.scoring.metrics.MEF_SCALES", scales)
        scores += [mef_ssim((p[..., :3], p[..., 3:]), picture) for p, picture in zip(pairs, fused, strict=True)]
    assert 0.01 < np.mean(scores) < 0.9
    assert values[2.0] - values[0.0] == pytest.approx(2 * (1 - np.mean(scores)), rel=1e-3)


def test_the_step_adds_the_weighted_units_that_change_sign_of_both_hidden_layers_in_a_third_of_the_examples():
    values = {}
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1, 1, (4, 16, 16, 6)).astype(np.float32)
    labels = rng.random((4, 16, 16, 3), np.float32), np.ones(4, np.float32), inputs
    for weight in (0.0, 2.0):
        keras.utils.set_random_seed(1)
        model = lightfuse(hidden=(5, 4))
        optimizer = keras.optimizers.SGD(0.0)
        optimizer.build(model.trainable_variables)
        step = make_step(model, optimizer, plain_loss_of_small, undecided_weight=weight)
        values[weight] = float(step((inputs,), labels, None))
    (k1, b1), (k2, b2) = (model.get_layer(f"detail{n}").get_weights() for n in (1, 2))
    first = inputs[:2] @ k1[0, 0] + b1
    second = np.maximum(first, 0) @ k2[0, 0] + b2
    expected = sum(float(undecided(tf.constant(sums, tf.float32))) for sums in (first, second))
    assert expected > 0
    assert values[2.0] - values[0.0] == pytest.approx(2 * expected, rel=1e-3)


def test_the_step_passes_on_what_each_label_counts():
    keras.utils.set_random_seed(1)
    model = lightfuse(hidden=(4,))
    optimizer = keras.optimizers.SGD(0.0)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    inputs, pictures = rng.uniform(-1, 1, (2, 16, 16, 6)).astype(np.float32), rng.random((2, 16, 16, 3), np.float32)
    step = make_step(model, optimizer, plain_loss_of_small)
    first, second, both = (
        float(step((inputs,), (pictures, np.array(shares, np.float32), inputs), None))
        for shares in ((1, 0), (0, 1), (1, 0.5))
    )
    assert both == pytest.approx(first + 0.5 * second, rel=1e-5)


def test_a_loss_that_is_not_a_number_stops_the_training():
    patches = Patches([random_scene()], Recipe(batch=5, patch=8), seed=1)
    progress = Progress(0, 9, 1, io.StringIO())
    with pytest.raises(InputError, match="epoch 7: the loss is nan, training cannot go on; try another --seed"):
        train_epoch(lambda *batch: float("nan"), patches, 7, progress)
