import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from npfuse.color import LUMA  # noqa: E402
from reference import losses  # noqa: E402
from reference.errors import InputError  # noqa: E402

# Keras 3's own way of reading a TensorFlow variable when it saves a file.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def pictures(seed, height=24, width=17):
    return tf.constant(np.random.default_rng(seed).uniform(0, 1, (2, height, width, 3)), tf.float32)


def grey(value):
    return tf.fill((1, 16, 13, 3), np.float64(value))


def test_plain_loss_of_equal_pictures_is_zero():
    assert float(losses.plain_loss(pictures(1), pictures(1))) == pytest.approx(0, abs=1e-6)


def test_plain_loss_of_two_greys_is_as_by_hand():
    # L1 0.2, MSE 0.04; without structure SSIM is its luminance term alone: (2ab + c1) / (a² + b² + c1), c1 = 0.01².
    similarity = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    assert float(losses.plain_loss(grey(0.5), grey(0.7))) == pytest.approx(0.2 + 0.04 + 1 - similarity, abs=1e-9)


def test_tone_loss_of_two_greys_is_as_by_hand():
    luminance = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)  # the colours are alike: their cosine is 1
    wanted = 0.2 + 2 * 0.04 + 1 - luminance
    assert float(losses.tone_loss(grey(0.5), grey(0.7))) == pytest.approx(wanted, abs=1e-9)
    logs = 0.3 * np.log(0.04 + 1e-3) + 1 - luminance
    assert float(losses.tone_loss(grey(0.5), grey(0.7), log_mse=0.3)) == pytest.approx(logs, abs=1e-9)


def test_tone_loss_counts_each_pictures_decibels():
    target = tf.concat([grey(0.5), grey(0.5)], axis=0)
    output = tf.concat([grey(0.6), grey(0.9)], axis=0)
    without = losses.tone_loss(target, output, log_mse=1e-9)
    logs = 2.0 * (np.log(0.01 + 1e-3) + np.log(0.16 + 1e-3)) / 2
    assert float(losses.tone_loss(target, output, log_mse=2.0) - without) == pytest.approx(logs, abs=1e-6)
    shares = tf.constant([1.0, 0.5], target.dtype)
    logs = 2.0 * (np.log(0.01 + 1e-3) + 0.5 * np.log(0.16 + 1e-3)) / 2
    assert float(losses.tone_loss(target, output, shares, log_mse=2.0) - without) == pytest.approx(logs, abs=1e-6)


def test_tone_loss_of_colour_is_the_angle_between_the_means():
    red, yellow = (tf.constant(np.full((1, 16, 16, 3), colour)) for colour in ((0.5, 0.0, 0.0), (0.5, 0.5, 0.0)))
    a, b = np.array([0.501, 0.001, 0.001]), np.array([0.501, 0.501, 0.001])
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    green = 1 - 1e-4 / (0.25 + 1e-4)  # 1 - SSIM of 0 against 0.5, of one channel of three
    wanted = 0.5 / 3 + 2 * 0.25 / 3 + green / 3 + 0.5 * (1 - cosine)
    assert float(losses.tone_loss(red, yellow)) == pytest.approx(wanted, abs=1e-9)


def test_tone_loss_of_liveliness_is_that_of_contrast_and_colour():
    ramp = np.linspace(0.2, 0.8, 32).reshape(1, 32, 1, 1) * np.ones((1, 32, 32, 3))
    ramp = ramp.reshape(1, 4, 8, 32, 3).mean(axis=2, keepdims=True).repeat(8, axis=2).reshape(1, 32, 32, 3)  # steps
    flat = 0.5 + (ramp - 0.5) / 2
    target, output = tf.constant(ramp), tf.constant(flat)
    contrast = np.log(ramp.std() + 0.02) - np.log(flat.std() + 0.02)
    without = losses.tone_loss(target, output)
    assert float(losses.tone_loss(target, output, liveliness=0.3) - without) == pytest.approx(0.3 * contrast, abs=1e-5)
    away = np.array([0.1, -0.1, 0.0])
    away -= away @ LUMA  # leaves luma as it is
    target, output = tf.constant(ramp + away), tf.constant(ramp)
    colour = np.log(np.linalg.norm(away) + 0.02) - np.log(0.0 + 1e-4 + 0.02)
    without = losses.tone_loss(target, output)
    assert float(losses.tone_loss(target, output, liveliness=0.3) - without) == pytest.approx(0.3 * colour, abs=1e-5)


def test_tone_loss_of_hues_is_the_chord_between_colours_of_equal_saturation():
    red, green = np.array([[0.6, 0.3, 0.3], [0.3, 0.6, 0.3]])
    target, output = (tf.constant(np.full((1, 16, 16, 3), colour)) for colour in (red, green))
    a, b = ((colour - colour @ LUMA) / (colour @ LUMA + 0.1) for colour in (red, green))
    chord = np.sqrt(2 * (np.linalg.norm(a) * np.linalg.norm(b) - a @ b))
    without = losses.tone_loss(target, output)
    assert float(losses.tone_loss(target, output, hues=0.5) - without) == pytest.approx(0.5 * chord, rel=1e-3)
    darker = losses.hue_difference(target, tf.constant(np.full((1, 16, 16, 3), (0.3, 0.15, 0.15))))
    assert float(darker) < 0.02 < float(losses.hue_difference(target, output))


def test_what_ends_is_counted_where_an_exposure_shows_it():
    levels = np.array([[10, 200, 0, 3], [250, 255, 128, 254]])  # of the output, in the first row dark, then bright
    under, over = np.array([[36, 36, 35, 0], [220, 219, 100, 255]]), np.array([[30, 30, 35, 90], [255, 255, 120, 221]])
    output = tf.constant(np.repeat(levels[np.newaxis, ..., np.newaxis], 3, axis=-1) / 255)
    exposures = np.concatenate([np.repeat(each[np.newaxis, ..., np.newaxis], 3, axis=-1) for each in (under, over)], -1)
    # Shown and near: 10 is 0.2 levels from 10.2; 3, shown by over; 255, shown by under. 250 and 254 are shown by none.
    expected = ((10.2 - 10) + (10.2 - 3) + (255 - 244.8)) / 255 / 8
    assert float(losses.ended(output, tf.constant(exposures / 255))) == pytest.approx(expected, abs=1e-9)


def test_what_turned_grey_is_counted_where_both_exposures_are_white():
    white, shown = np.ones((1, 1, 2, 6)), np.ones((1, 1, 2, 6))
    shown[..., 0] = 0.9  # one channel of one exposure is not white
    output = tf.constant(np.array([0.99, 0.98, 0.9, 1.0, 0.99, 0.985]).reshape(1, 1, 2, 3))
    assert float(losses.greyed(output, tf.constant(white))) == pytest.approx((0.98 - 0.9) / 2, abs=1e-9)
    assert float(losses.greyed(output, tf.constant(shown))) == 0


def test_ssim_of_a_point_is_wangs_formula_evaluated_by_hand():
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    centre = (taps[5] / taps.sum()) ** 2  # weight of the middle pixel in the only 11x11 window
    picture = np.zeros((1, 11, 11, 1))
    picture[0, 5, 5, 0] = 1
    mean, variance = centre, centre - centre**2
    c1, c2 = 1e-4, 9e-4
    # Against black: mean and variance 0, so luminance c1 / (mean² + c1), contrast and structure c2 / (variance + c2).
    wanted = c1 / (mean**2 + c1) * c2 / (variance + c2)
    got = losses.ssim(tf.constant(picture), tf.zeros((1, 11, 11, 1), tf.float64))
    assert float(got) == pytest.approx(wanted, rel=1e-9)


def test_ssim_is_tensorflows():
    a, b = pictures(1), 0.7 * pictures(1) + 0.3 * pictures(2)
    wanted = np.mean(tf.image.ssim(a, b, max_val=1.0))
    assert 0.3 < wanted < 0.99
    assert float(losses.ssim(a, b)) == pytest.approx(wanted, abs=1e-5)


def test_the_gradient_of_ssim_is_tensorflows():
    a, b = pictures(1), tf.Variable(0.7 * pictures(1) + 0.3 * pictures(2))
    with tf.GradientTape(persistent=True) as tape:
        ours, theirs = losses.ssim(a, b), tf.reduce_mean(tf.image.ssim(a, b, max_val=1.0))
    wanted = tape.gradient(theirs, b).numpy()
    np.testing.assert_allclose(tape.gradient(ours, b).numpy(), wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """A randomly initialised VGG19 in a file, in Keras's own format."""
    keras.utils.set_random_seed(5)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.weights.h5"
    keras.applications.VGG19(include_top=False, weights=None).save_weights(path)
    yield path
    path.unlink()  # 80 MB


@pytest.fixture(scope="module")
def local_vgg_loss(vgg_file):
    return losses.vgg_loss(vgg_file)


def test_vgg_loss_of_equal_pictures_is_zero(local_vgg_loss):
    a = pictures(1, 32, 32)
    assert float(local_vgg_loss(a, a)) == 0


def test_vgg_loss_is_l1_plus_mse_of_the_five_features(local_vgg_loss, vgg_file):
    a, b = pictures(1, 32, 32), pictures(2, 32, 32)
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg.load_weights(vgg_file)
    wanted = 0.0
    for name in ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"):
        model = keras.Model(vgg.input, vgg.get_layer(name).output)
        fa, fb = (np.asarray(model(x[..., ::-1] * 255 - [103.939, 116.779, 123.68]), np.float64) for x in (a, b))
        wanted += np.abs(fa - fb).mean() + ((fa - fb) ** 2).mean()
    assert float(local_vgg_loss(a, b)) == pytest.approx(wanted, rel=1e-3)


def test_vgg_loss_passes_a_gradient_to_the_output(local_vgg_loss):
    output = tf.Variable(pictures(2, 32, 32))
    with tf.GradientTape() as tape:
        value = local_vgg_loss(pictures(1, 32, 32), output)
    gradient = tape.gradient(value, output)
    assert float(tf.reduce_max(tf.abs(gradient))) > 0


def test_missing_imagenet_weights_say_where_keras_looks_and_what_else_works(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage.googleapis.com/…: None --\n Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        losses.vgg_loss()
    message = str(caught.value)
    assert "VGG19's ImageNet weights cannot be had (URL fetch failure" in message
    assert str(tmp_path / "models" / "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5") in message
    assert "--vgg-weights FILE" in message
    assert "--loss plain" in message
    assert "\n" not in message


def test_a_missing_vgg_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5: no such file, expected VGG19 weights without the top"):
        losses.vgg_loss(tmp_path / "none.h5")


def test_a_file_of_other_weights_is_refused_in_one_line(tmp_path):
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save_weights(path)
    with pytest.raises(InputError, match=r"other\.weights\.h5: not VGG19 weights without the top") as caught:
        losses.vgg_loss(path)
    assert "\n" not in str(caught.value)


def test_only_units_that_change_sign_within_a_block_are_undecided_whatever_their_scale():
    rng = np.random.default_rng(0)
    mixed = rng.normal(0, 1, (2, 16, 32, 3)).astype(np.float32)
    by_block = mixed.copy()
    by_block[:, :, :16], by_block[:, :, 16:] = np.abs(mixed[:, :, :16]), -np.abs(mixed[:, :, 16:])
    assert float(losses.undecided(tf.constant(by_block))) == 0
    expected = np.minimum(mixed.reshape(2, 16, 2, 16, 3).max((1, 3)), -mixed.reshape(2, 16, 2, 16, 3).min((1, 3)))
    expected = (expected / mixed.std((0, 1, 2))).mean()
    assert float(losses.undecided(tf.constant(mixed))) == pytest.approx(expected, rel=1e-4)
    assert float(losses.undecided(tf.constant(mixed * 100))) == pytest.approx(expected, rel=1e-4)
