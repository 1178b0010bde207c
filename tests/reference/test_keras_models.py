import numpy as np
import pytest

keras = pytest.importorskip("keras")

from reference.export import export_arrays, import_arrays  # noqa: E402
from reference.keras_models import DECODERS, lightfuse, t_cnn, tonefuse  # noqa: E402


def pictures(height, width, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (2, height, width, 6)).astype(np.float32)


def test_lightfuse_has_the_papers_number_of_parameters():
    assert lightfuse().count_params() == 18630  # arXiv 2107.02299, Table III


def test_lightfuse_32_32_has_as_many_parameters_as_the_authors_published_file():
    assert lightfuse(hidden=(32, 32)).count_params() == 1574


def test_t_cnn_parameters_are_table_i_counted_by_hand():
    # depthwise 9*C without bias, pointwise Cin*Cout + Cout
    by_hand = 9 * 6 + 6 * 256 + 256 + 9 * 256 + 256 * 64 + 64 + 9 * 64 + 64 * 3 + 3
    assert t_cnn().count_params() == by_hand


def test_only_the_transposed_decoder_has_parameters():
    counts = {decoder: lightfuse(hidden=(8, 4), decoder=decoder).count_params() for decoder in DECODERS}
    assert counts["bilinear"] == counts["nearest"]
    assert counts["transposed"] == counts["nearest"] + 3 * (4 * 4 * 3 * 3 + 3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_lightfuse_layers_have_the_names_weights_are_matched_by(decoder):
    names = [layer.name for layer in lightfuse(hidden=(8, 4), decoder=decoder).layers if layer.weights]
    wanted = {"detail1", "detail2", "detail3", "global1", "global2", "global3"}
    assert set(names) == wanted | ({"up1", "up2", "up3"} if decoder == "transposed" else set())
    assert len(names) == len(set(names))


def test_detail_layers_follow_the_number_of_hidden_widths():
    model = lightfuse(hidden=(5, 4, 7))
    shapes = [model.get_layer(f"detail{n}").kernel.shape for n in (1, 2, 3, 4)]
    assert shapes == [(1, 1, 6, 5), (1, 1, 5, 4), (1, 1, 4, 7), (1, 1, 7, 3)]


def test_t_cnn_layers_are_conv1_to_conv3():
    model = t_cnn(hidden=(8, 4))
    assert [layer.name for layer in model.layers if layer.weights] == ["conv1", "conv2", "conv3"]


@pytest.mark.parametrize("decoder", DECODERS)
def test_lightfuse_keeps_the_height_and_width(decoder):
    model = lightfuse(hidden=(8, 4), decoder=decoder)
    assert model(pictures(16, 40)).shape == (2, 16, 40, 3)


def test_t_cnn_keeps_the_height_and_width():
    assert t_cnn(hidden=(8, 4))(pictures(11, 7)).shape == (2, 11, 7, 3)


def test_every_detail_layer_ends_in_relu_and_no_global_layer_has_an_activation():
    model = lightfuse(hidden=(8, 4))
    details = {model.get_layer(f"detail{n}").activation for n in (1, 2, 3)}
    coarse = {model.get_layer(f"global{n}").activation for n in (1, 2, 3)}
    assert details == {keras.activations.relu}
    assert coarse == {keras.activations.linear}


def test_lightfuse_is_the_tanh_of_detail_plus_the_coarse_value_of_each_8x8_block():
    model = lightfuse(hidden=(8, 4))
    x = pictures(16, 24)
    detail = np.asarray(keras.Model(model.input, model.get_layer("detail3").output)(x))
    coarse = np.asarray(keras.Model(model.input, model.get_layer("global3").output)(x))
    assert coarse.shape == (2, 2, 3, 3)
    blocks = coarse.repeat(8, axis=1).repeat(8, axis=2)
    np.testing.assert_allclose(model(x), np.tanh(detail + blocks), atol=1e-6)


def test_the_bilinear_decoder_blends_between_block_centres():
    model = lightfuse(hidden=(8, 4), decoder="bilinear")
    model.get_layer("detail3").bias.assign([-1e9] * 3)  # DetailNet off: its last ReLU gives 0
    x = pictures(16, 16)
    coarse = np.asarray(keras.Model(model.input, model.get_layer("global3").output)(x))
    got = np.arctanh(np.asarray(model(x), np.float64))
    weight = (np.arange(16) + 0.5) / 8 - 0.5  # half-pixel centres: pixel 3.5 is block 0, pixel 11.5 is block 1
    weight = np.clip(weight, 0, 1)
    rows = coarse[:, :1] * (1 - weight)[:, None, None] + coarse[:, 1:] * weight[:, None, None]  # (N, 16, 2, 3)
    wanted = rows[:, :, :1] * (1 - weight)[:, None] + rows[:, :, 1:] * weight[:, None]
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_lightfuse_rejects_an_unknown_decoder():
    with pytest.raises(ValueError, match="lightfuse: decoder is 'cubic', expected one of nearest, bilinear, transpos"):
        lightfuse(decoder="cubic")


@pytest.mark.parametrize("build", [lightfuse, t_cnn])
def test_a_float64_model_computes_in_float64(build):
    model = build(hidden=(8, 4), dtype="float64")
    assert {v.dtype for v in model.weights} == {"float64"}
    assert np.asarray(model(pictures(8, 16).astype(np.float64))).dtype == np.float64


@pytest.mark.parametrize("build", [lightfuse, t_cnn])
def test_the_dtype_follows_keras_floatx(build):
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        model = build(hidden=(8, 4))
    finally:
        keras.config.set_floatx(before)
    assert {v.dtype for v in model.weights} == {"float64"}
    assert np.asarray(model(pictures(8, 16).astype(np.float64))).dtype == np.float64


def test_tonefuse_adds_what_lies_further_around_to_what_it_reads():
    assert tonefuse().count_params() == 5380
    model = tonefuse(hidden=(5,), coarse=6, dilations=(1, 3))
    assert [model.get_layer(f"around{n}").dilation_rate for n in (1, 2)] == [(1, 1), (3, 3)]
    for n in (1, 2):
        model.get_layer(f"around{n}").bias.assign([-1e9] * 6)  # their ReLUs give 0: what they read is left
    without = tonefuse(hidden=(5,), coarse=6, dilations=())
    for layer in without.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights() if layer.weights else [])
    inputs = [pictures(16, 24), pictures(16, 24, seed=1)]
    np.testing.assert_allclose(model(inputs), without(inputs), atol=1e-6)


def test_tonefuse_with_surroundings_makes_of_a_crop_what_it_makes_of_the_whole_picture():
    form = {"hidden": (5,), "coarse": 6, "dilations": (1, 2)}
    whole, crops = tonefuse(**form), tonefuse(**form, surroundings=32)
    import_arrays(crops, export_arrays(whole))
    exposures = pictures(96, 128)
    thumbnails = np.random.default_rng(1).uniform(-1, 1, (2, 16, 24, 6)).astype(np.float32)
    expected = np.asarray(whole([exposures, thumbnails]))
    for top, left in ((32, 48), (0, 0), (64, 96)):
        around = np.pad(exposures, [(0, 0), (32, 32), (32, 32), (0, 0)])[:, top : top + 96, left : left + 96]
        inside = np.pad(np.ones((2, 12, 16, 1)), [(0, 0), (4, 4), (4, 4), (0, 0)])
        inside = inside[:, top // 8 : top // 8 + 12, left // 8 : left // 8 + 12]
        got = np.asarray(crops([around, thumbnails, inside]))
        assert got.shape == (2, 32, 32, 3)
        # Within half a cell of a picture's border, the coarse picture is interpolated with a cell that is not there.
        inner = slice(4, 28)
        np.testing.assert_allclose(
            got[:, inner, inner], expected[:, top : top + 32, left : left + 32][:, inner, inner], atol=1e-5
        )
