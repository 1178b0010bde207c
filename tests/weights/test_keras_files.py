"""Keras's own files: every layout gives the arrays that went in, and what does not fit is named."""

import json
import re
import zipfile

import numpy as np
import pytest

from npfuse.weights.loading import load_weights
from npfuse.weights.weights import WeightsError
from tests.arrays import assert_close
from tests.networks import random_weights

h5py = pytest.importorskip("h5py")

from npfuse.weights.keras_files import load_keras_file  # noqa: E402 (after the skip)


def layers_of(weights):
    """Return [(class, [array in Keras's order and shape])] in the order of the layers."""
    arrays = weights.arrays
    layers = []
    for name in weights.arrays:
        layer, weight = name.split("/")
        array = arrays[name]
        if layer.endswith("_depthwise"):
            base = layer.removesuffix("_depthwise")
            pointwise = arrays[f"{base}_pointwise/kernel"][np.newaxis, np.newaxis]
            layers.append(("separable_conv2d", [array[..., np.newaxis], pointwise, arrays[f"{base}_pointwise/bias"]]))
        elif weight == "kernel" and not layer.endswith("_pointwise"):
            bias = arrays[f"{layer}/bias"]
            if layer.startswith("detail"):
                layers.append(("conv2d", [array[np.newaxis, np.newaxis], bias]))
            elif layer.startswith("global"):
                layers.append(("depthwise_conv2d", [array[..., np.newaxis], bias]))
            else:
                layers.append(("conv2d_transpose", [array, bias]))
    return layers


def numbered(layers):
    """Number layers of a class as Keras does: conv2d, conv2d_1, …"""
    seen = {}
    for kind, arrays in layers:
        n = seen[kind] = seen.get(kind, -1) + 1
        yield f"{kind}_{n}" if n else kind, arrays


def write_keras_3(path, weights):
    with h5py.File(path, "w") as file:
        file.create_group("layers/add/vars")
        for layer, arrays in numbered(layers_of(weights)):
            for i, array in enumerate(arrays):
                file[f"layers/{layer}/vars/{i}"] = array
        file["optimizer/vars/0"] = np.array(7)


WEIGHT_NAMES = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "conv2d_transpose": ("kernel", "bias"),
}


def write_legacy(path, weights, *, custom=False, prefix=""):
    with h5py.File(path, "w") as file:
        number = 0
        for layer, arrays in numbered(layers_of(weights)):
            kind = re.sub(r"_\d+$", "", layer)
            if custom and kind == "conv2d":
                number += 1
                for letter, array in zip("wb", arrays, strict=True):
                    file[f"{prefix}custconv2d/{letter}{number}:0"] = array
            else:
                for name, array in zip(WEIGHT_NAMES[kind], arrays, strict=True):
                    file[f"{prefix}{layer}/{layer}/{name}:0"] = array


def assert_same(loaded, weights):
    assert (loaded.model, list(loaded.build["hidden"])) == (weights.model, weights.build["hidden"])
    assert loaded.arrays.keys() == weights.arrays.keys()
    for name, array in weights.arrays.items():
        assert_close(loaded.arrays[name], array)


@pytest.mark.parametrize(("hidden", "parameters"), [([256, 64], 18_630), ([32, 32], 1_574)])
def test_both_widths_of_the_authors_files_are_read(tmp_path, hidden, parameters):
    weights = random_weights(hidden=hidden)
    write_legacy(tmp_path / "authors.h5", weights, custom=True)
    loaded = load_weights(tmp_path / "authors.h5")
    assert_same(loaded, weights)
    assert loaded.parameter_count == parameters  # Table III; the authors' second file
    assert loaded.normalization == "min_max"
    assert loaded.build["decoder"] == "nearest"


@pytest.mark.parametrize("prefix", ["", "model_weights/"])
def test_legacy_files_of_plain_layers_are_read(tmp_path, prefix):
    weights = random_weights(hidden=[7, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4])  # more than ten, which sort badly as text
    write_legacy(tmp_path / "w.h5", weights, prefix=prefix)
    assert_same(load_weights(tmp_path / "w.h5"), weights)


@pytest.mark.parametrize("build", [{}, {"decoder": "transposed"}, {"hidden": list(range(2, 14))}])
def test_keras_3_weights_files_are_read(tmp_path, build):
    weights = random_weights(**build)
    write_keras_3(tmp_path / "w.weights.h5", weights)
    loaded = load_weights(tmp_path / "w.weights.h5")
    assert_same(loaded, weights)
    assert loaded.build["decoder"] == build.get("decoder", "nearest")
    assert loaded.normalization == "full_range"


def test_t_cnn_is_told_by_its_layers(tmp_path):
    weights = random_weights("t_cnn")
    write_keras_3(tmp_path / "w.weights.h5", weights)
    assert_same(load_weights(tmp_path / "w.weights.h5"), weights)


def test_decoder_and_normalization_may_be_said(tmp_path):
    write_keras_3(tmp_path / "w.weights.h5", random_weights())
    loaded = load_keras_file(tmp_path / "w.weights.h5", decoder="bilinear", normalization="min_max")
    assert (loaded.build["decoder"], loaded.normalization) == ("bilinear", "min_max")


def write_keras_archive(path, weights, config):
    write_keras_3(path.with_suffix(".h5"), weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.write(path.with_suffix(".h5"), "model.weights.h5")


def config_of(*layers):
    """Return a config.json with an Add and these layers, (class, attributes)."""
    return {
        "config": {
            "layers": [
                {"class_name": kind, "config": {"name": kind.lower(), **attributes}}
                for kind, attributes in (("Add", {}), *layers)
            ]
        }
    }


def upsampling(size, interpolation):
    return "UpSampling2D", {"size": [size, size], "interpolation": interpolation}


POINTWISE = {"strides": [1, 1], "dilation_rate": [1, 1], "groups": 1, "activation": "relu"}


@pytest.mark.parametrize(
    ("decoder", "layers"), [("nearest", [upsampling(2, "nearest")] * 3), ("bilinear", [upsampling(8, "bilinear")])]
)
def test_the_decoder_of_a_keras_file_is_in_its_config(tmp_path, decoder, layers):
    config = config_of(("Conv2D", POINTWISE), *layers)
    write_keras_archive(tmp_path / "w.keras", random_weights(), config)
    loaded = load_weights(tmp_path / "w.keras")
    assert_same(loaded, random_weights())
    assert loaded.build["decoder"] == decoder


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([upsampling(2, "bilinear")] * 3, "the upsampling layers are"),
        ([upsampling(2, "bicubic")] * 3, "the upsampling layers are"),
        ([upsampling(2, "nearest")] * 2, "the upsampling layers are"),
        ([upsampling(8, "bilinear"), upsampling(2, "nearest")], "the upsampling layers are"),
        ([("Conv2D", POINTWISE | {"activation": "gelu"})], "activation of layer conv2d is 'gelu', expected 'relu'"),
        ([("Conv2D", POINTWISE | {"strides": [2, 2]})], "strides of layer conv2d is [2, 2], expected [1, 1]"),
        ([("Dropout", {})], "layer dropout is a Dropout; LightFuse and T_CNN have none"),
    ],
)
def test_a_keras_file_of_another_network_is_refused(tmp_path, layers, message):
    write_keras_archive(tmp_path / "w.keras", random_weights(), config_of(*layers))
    with pytest.raises(WeightsError, match=re.escape(message)):
        load_weights(tmp_path / "w.keras")


@pytest.mark.parametrize("config", ["{", "[]", '{"config": 3}', '{"config": {"layers": [{}]}}', "[" * 100_000])
def test_a_keras_file_with_a_broken_config_is_refused(tmp_path, config):
    write_keras_archive(tmp_path / "w.keras", random_weights(), config)
    with pytest.raises(WeightsError, match=r"config\.json is not that of a Keras 3 model"):
        load_weights(tmp_path / "w.keras")


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_a_keras_file_without_a_part_is_refused(tmp_path, missing):
    write_keras_archive(tmp_path / "w.keras", random_weights(), {"config": {"layers": []}})
    with zipfile.ZipFile(tmp_path / "w.keras") as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != missing}
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(WeightsError, match=f"no {re.escape(missing)} in the file"):
        load_weights(tmp_path / "w.keras")


@pytest.mark.parametrize("decoder", ["nearest", "bilinear", "transposed"])
def test_files_saved_by_keras_itself_are_read(tmp_path, decoder):
    pytest.importorskip("keras")
    from reference.export import import_arrays
    from reference.keras_models import lightfuse

    weights = random_weights(decoder=decoder)
    model = lightfuse(hidden=(12, 5), decoder=decoder)
    import_arrays(model, weights.arrays)
    model.compile(optimizer="adam", loss="mse")  # an optimizer's state is saved too
    for name in ("m.keras", "m.weights.h5"):
        (model.save if name.endswith(".keras") else model.save_weights)(tmp_path / name)
        loaded = load_weights(tmp_path / name)
        assert_same(loaded, weights)
    assert load_weights(tmp_path / "m.keras").build["decoder"] == decoder


def saved_by_keras(path, **layer_options):
    """Save a LightFuse whose convolutions have options of their own, e.g. a ReLU inside; return its weights."""
    import keras
    from keras import layers

    x = inputs = keras.Input((None, None, 6))
    for n, features in enumerate((12, 5, 3), 1):
        x = layers.Conv2D(features, 1, name=f"detail{n}", **layer_options)(x)
    half = {"strides": 2, "padding": "same"}
    g = layers.DepthwiseConv2D(3, **half, name="global1")(inputs)
    g = layers.DepthwiseConv2D(3, **half, name="global2")(g)
    g = layers.SeparableConv2D(3, 3, **half, name="global3")(g)
    g = layers.UpSampling2D(8, interpolation="bilinear", name="up")(g)
    model = keras.Model(inputs, layers.Activation("tanh", name="fused")(layers.Add(name="sum")([x, g])))
    model.save(path)
    return model


def test_relus_inside_the_convolutions_are_read_too(tmp_path):
    pytest.importorskip("keras")
    model = saved_by_keras(tmp_path / "m.keras", activation="relu")
    loaded = load_weights(tmp_path / "m.keras")
    assert_close(loaded.arrays["detail2/kernel"], np.asarray(model.get_layer("detail2").kernel)[0, 0])


def test_convolutions_without_a_relu_are_refused(tmp_path):
    pytest.importorskip("keras")
    saved_by_keras(tmp_path / "m.keras")
    with pytest.raises(WeightsError, match="activation of layer detail1 is 'linear', expected 'relu'"):
        load_weights(tmp_path / "m.keras")


def test_t_cnn_saved_by_keras_itself_is_read(tmp_path):
    pytest.importorskip("keras")
    from reference.export import import_arrays
    from reference.keras_models import t_cnn

    weights = random_weights("t_cnn")
    model = t_cnn(hidden=(12, 5))
    import_arrays(model, weights.arrays)
    model.save(tmp_path / "m.keras")
    assert_same(load_weights(tmp_path / "m.keras"), weights)


def edit(path, change):
    with h5py.File(path, "a") as file:
        change(file)


def delete(name):
    return lambda file: file.__delitem__(name)


def put(name, array):
    def change(file):
        if name in file:
            del file[name]
        file[name] = array

    return change


def link_elsewhere(file):
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars/1"] = h5py.ExternalLink("elsewhere.h5", "/secret")


def keep_elsewhere(file):
    del file["layers/conv2d/vars/1"]
    file.create_dataset("layers/conv2d/vars/1", (12,), "f4", external=[("elsewhere.raw", 0, 48)])


def be_virtual(file):
    del file["layers/conv2d/vars/1"]
    layout = h5py.VirtualLayout((12,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "secret", (12,))
    file.create_virtual_dataset("layers/conv2d/vars/1", layout)


def declare(shape):
    def change(file):
        del file["layers/conv2d/vars/0"]
        file.create_dataset("layers/conv2d/vars/0", shape, "f4", chunks=(1, 1, 1, 1), fillvalue=0)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (delete("layers/conv2d_1/vars/1"), "detail2/bias is missing, expected (5,)"),
        (delete("layers/depthwise_conv2d_1"), "the layers are 3 conv2d, 1 depthwise_conv2d, 1 separable_conv2d"),
        (delete("layers/conv2d"), "layer 0 of conv2d is missing"),
        (delete("layers"), "no arrays in the file"),
        (put("layers/dense/vars/0", np.zeros(3)), "layers/dense/vars/0 (3,) is left over"),
        (put("layers/conv2d/vars/2", np.zeros(3)), "layers/conv2d/vars/2 (3,) is left over"),
        (put("layers/conv2d_3/vars/0", np.zeros((1, 1, 3, 3))), "detail4/bias is missing, expected (3,)"),
        (put("stray", np.zeros(3)), "stray (3,) is left over"),
        (put("layers/conv2d/vars/0", np.zeros((3, 3, 6, 12))), "detail1/kernel has shape (3, 3, 6, 12), expected (1"),
        (put("layers/conv2d/vars/0", np.zeros((1, 1, 7, 12))), "detail1/kernel has shape (7, 12), expected (6, 12)"),
        (put("layers/depthwise_conv2d/vars/0", np.zeros((3, 3, 6, 2))), "has shape (3, 3, 6, 2), expected (kH"),
        (put("layers/conv2d/vars/1", np.full(12, np.nan)), "detail1/bias has 12 values that are no finite float32"),
        (put("layers/conv2d/vars/1", np.zeros(12, int)), "layers/conv2d/vars/1 has dtype int64, expected a"),
        (put("layers/conv2d/vars/1", "text"), "layers/conv2d/vars/1 has dtype object, expected a"),
        (link_elsewhere, "detail1/bias is missing, expected (12,)"),
        (keep_elsewhere, "layers/conv2d/vars/1 lies in another file, expected all arrays in this one"),
        (be_virtual, "layers/conv2d/vars/1 lies in another file, expected all arrays in this one"),
        (declare((1, 1, 6, 10**12)), "layers/conv2d/vars/0 declares shape (1, 1, 6, 1000000000000)"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_by_name(tmp_path, change, message):
    path = tmp_path / "w.weights.h5"
    write_keras_3(path, random_weights())
    with h5py.File(tmp_path / "elsewhere.h5", "w") as other:
        other["secret"] = np.zeros(12, np.float32)
    edit(path, change)
    with pytest.raises(WeightsError, match=re.escape(message)):
        load_weights(path)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_missing_layer_of_the_authors_is_named(tmp_path, missing):
    weights = random_weights(hidden=[32, 32, 32])
    write_legacy(tmp_path / "w.h5", weights, custom=True)
    edit(tmp_path / "w.h5", lambda file: [file.__delitem__(f"custconv2d/{letter}{missing}:0") for letter in "wb"])
    with pytest.raises(WeightsError, match=f"layer {missing} of conv2d is missing"):
        load_weights(tmp_path / "w.h5")


def test_a_missing_layer_of_keras_3_is_named(tmp_path):
    write_keras_3(tmp_path / "w.weights.h5", random_weights(hidden=[32, 32, 32]))
    edit(tmp_path / "w.weights.h5", delete("layers/conv2d_2"))
    with pytest.raises(WeightsError, match="layer 2 of conv2d is missing; the layers are numbered \\[0, 1, 3\\]"):
        load_weights(tmp_path / "w.weights.h5")


def test_a_loop_of_groups_is_walked_once(tmp_path):
    path = tmp_path / "w.weights.h5"
    write_keras_3(path, random_weights())
    edit(path, lambda file: file.__setitem__("layers/conv2d/again", file["layers"]))
    assert_same(load_weights(path), random_weights())


@pytest.mark.parametrize("keep", [8, 100, 2000])
def test_truncated_files_are_refused(tmp_path, keep):
    path = tmp_path / "w.weights.h5"
    write_keras_3(path, random_weights())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"expected a Keras \.h5, \.weights\.h5 or \.keras file"):
        load_weights(path)


def test_a_missing_h5py_names_the_extra(tmp_path, monkeypatch):
    write_keras_3(tmp_path / "w.weights.h5", random_weights())
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(WeightsError, match=re.escape('pip install "npfuse[keras]"')):
        load_weights(tmp_path / "w.weights.h5")
