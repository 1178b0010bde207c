import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from reference.colour_cycle import ColourCycle, orbits  # noqa: E402
from reference.keras_models import lightfuse, tonefuse  # noqa: E402
from reference.losses import plain_loss  # noqa: E402
from reference.step import make_step  # noqa: E402

# Sums of a few hundred float32 products in another order, values of the order of 1.
CLOSE = 2e-6


def trained(model):
    """Three steps on noise, with weights of random biases: nothing is 0 that would hide a wrong place."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    cycle = ColourCycle(model.trainable_variables)
    cycle.initialize(model.trainable_variables)
    optimizer = keras.optimizers.AdamW(0.01, global_clipnorm=1.0, weight_decay=0.01)
    optimizer.build(model.trainable_variables)
    step = make_step(model, optimizer, plain_loss, cycle=cycle)
    for _ in range(3):
        inputs = pictures(model, rng)
        step(inputs, (rng.random((2, 16, 24, 3), np.float32), np.ones(2, np.float32), inputs[0]), None)
    return model


def pictures(model, rng):
    return [rng.uniform(-1, 1, (2, 16, 24, 6)).astype(np.float32) for _ in model.inputs]


def outputs(model, inputs):
    return np.asarray(model(inputs if len(inputs) > 1 else inputs[0]))


def cycled(picture):
    return picture.reshape(*picture.shape[:-1], -1, 3)[..., [1, 2, 0]].reshape(picture.shape)


@pytest.mark.parametrize("model", [tonefuse(hidden=(8, 7)), lightfuse(hidden=(4, 6))], ids=["tonefuse", "lightfuse"])
def test_cycled_colours_give_cycled_colours_and_grey_gives_grey(model):
    model = trained(model)
    inputs = pictures(model, np.random.default_rng(1))
    straight = outputs(model, inputs)
    np.testing.assert_allclose(outputs(model, [cycled(x) for x in inputs]), cycled(straight), atol=CLOSE)
    assert np.abs(cycled(straight) - straight).max() > 0.1
    greys = outputs(model, [np.repeat(x[..., ::3], 3, axis=-1) for x in inputs])
    np.testing.assert_allclose(greys - greys[..., :1], 0, atol=CLOSE)
    assert np.ptp(greys) > 0.1


def test_weights_that_are_alike_stay_so_to_the_last_bit():
    for variable in trained(tonefuse(hidden=(8, 7))).trainable_variables:
        values = np.asarray(variable.value).reshape(-1)
        for places in orbits(tuple(variable.shape)):
            np.testing.assert_array_equal(values[places], values)


def test_a_kernel_cycles_inputs_and_outputs_together_and_a_fourth_channel_stays():
    first, second, _ = orbits((3, 4)).reshape(3, 3, 4)
    np.testing.assert_array_equal(first, np.arange(12).reshape(3, 4))
    np.testing.assert_array_equal(second, [[5, 6, 4, 7], [9, 10, 8, 11], [1, 2, 0, 3]])


def test_the_taps_of_a_depthwise_kernel_keep_their_places():
    places = orbits((2, 2, 6, 1)).reshape(3, 2, 2, 6)
    np.testing.assert_array_equal(places[1, 1, 0], 12 + np.array([1, 2, 0, 4, 5, 3]))


def test_the_first_values_have_the_spread_that_they_had():
    layer = keras.layers.Dense(99)
    layer.build((99,))
    before = np.std(np.asarray(layer.kernel.value))
    cycle = ColourCycle(layer.trainable_variables)
    cycle.initialize(layer.trainable_variables)
    after = np.asarray(layer.kernel.value)
    assert after.std() == pytest.approx(before, rel=0.05)
    assert len(np.unique(orbits((99, 99)).min(axis=0))) == 99 * 33


def test_means_of_gradients_are_means():
    cycle = ColourCycle([keras.Variable(np.zeros(4))])
    np.testing.assert_allclose(cycle.mean([tf.constant([1.0, 2.0, 6.0, 8.0])])[0], [3, 3, 3, 8])
