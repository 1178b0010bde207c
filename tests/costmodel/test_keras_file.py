"""Networks from `.keras` files: counted as Keras counts them, and refused where not understood."""

import json
import re
import zipfile

import pytest

from costmodel import CONVENTIONS, count
from costmodel.keras_file import LAYERS, read_keras_file
from npfuse.models import MODELS
from npfuse.ops import LeakyReLU, PointwiseConv2D, ReLU, Resize, Tanh


def write(path, model):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", model if isinstance(model, str) else json.dumps(model))
    return path


def layer(kind, name="layer", **config):
    return {"class_name": kind, "config": {"name": name, **config}}


CONV = {
    "filters": 4,
    "kernel_size": [3, 2],
    "strides": [2, 1],
    "dilation_rate": [1, 1],
    "padding": "same",
    "use_bias": True,
    "activation": "linear",
    "data_format": "channels_last",
}


def sequential(*layers, shape=(None, 10, 12, 3)):
    return {
        "class_name": "Sequential",
        "config": {"layers": [layer("InputLayer", "input", batch_shape=shape), *layers]},
    }


def read(tmp_path, *layers, height=6, width=8, **arguments):
    return read_keras_file(write(tmp_path / "net.keras", sequential(*layers, **arguments)), height, width)


@pytest.fixture(scope="module")
def reference(keras):
    """The hand-written Keras models."""
    from reference import keras_models

    return keras_models


SUBJECTS = [
    ("lightfuse", {}),
    ("lightfuse", {"hidden": (32, 32), "decoder": "bilinear"}),
    ("lightfuse", {"hidden": (5,), "decoder": "transposed"}),
    ("t_cnn", {}),
    ("t_cnn", {"hidden": (7, 9)}),
]


@pytest.mark.parametrize(("model", "arguments"), SUBJECTS)
def test_parameters_are_those_that_keras_counts(reference, model, arguments):
    expected = getattr(reference, model)(16, 24, **arguments).count_params()
    assert count(MODELS[model](16, 24, **arguments)).parameters == expected


@pytest.mark.parametrize(("model", "arguments"), SUBJECTS)
def test_a_saved_model_costs_what_its_graph_costs(tmp_path, reference, model, arguments):
    path = tmp_path / "saved.keras"
    getattr(reference, model)(None, None, **arguments).save(path)
    saved, ours = count(read_keras_file(path, 16, 24)), count(MODELS[model](16, 24, **arguments))
    assert saved.parameters == ours.parameters
    for name in ("paper", "flops-all"):
        if name == "paper" or arguments.get("decoder", "nearest") != "nearest" or model == "t_cnn":
            assert saved.amount(CONVENTIONS[name]) == ours.amount(CONVENTIONS[name]), name


def test_a_shared_layer_counts_its_parameters_once_as_keras_does(tmp_path, keras):
    layers = keras.layers
    under, over = keras.Input((None, None, 1), name="under"), keras.Input((None, None, 1), name="over")
    conv = layers.Conv2D(4, 5, padding="same", activation="leaky_relu", use_bias=False, name="conv")
    total = layers.Add(name="sum")([conv(under), conv(over)])
    total = layers.Concatenate(name="both")([total, conv(under)])
    total = layers.Conv2DTranspose(2, 3, strides=2, padding="valid", name="up")(total)
    total = layers.DepthwiseConv2D(3, strides=3, padding="valid", activation="tanh", name="down")(total)
    model = keras.Model([under, over], [layers.ReLU(negative_slope=0.1)(total), total])
    model.save(tmp_path / "siamese.keras")
    graph = read_keras_file(tmp_path / "siamese.keras", 9, 11)
    cost = count(graph)
    assert cost.parameters == model.count_params()
    outputs = [tuple(int(n) for n in keras.ops.shape(y))[1:] for y in model([keras.ops.zeros((1, 9, 11, 1))] * 2)]
    assert [graph.shapes[name] for name in graph.outputs] == outputs
    shared = [row for row in cost.layers if row.name.startswith("conv") and row.operator == "Conv2D"]
    assert [row.work.macs for row in shared] == [9 * 11 * 25 * 4] * 3
    assert [row.shares for row in shared] == [None, "conv", "conv"]


def test_sequential_layers_follow_one_another(tmp_path):
    graph = read(
        tmp_path,
        layer("Conv2D", "conv", **CONV),
        layer("Conv2D", "mix", **CONV | {"kernel_size": [1, 1], "strides": [1, 1], "activation": "relu"}),
        layer("UpSampling2D", "up", size=[2, 3], interpolation="bilinear", data_format="channels_last"),
        layer("LeakyReLU", "leak", negative_slope=0.25),
        layer("Activation", "act", activation="tanh"),
    )
    assert [node.op for node in graph.nodes[1:]] == [
        PointwiseConv2D(features=4),
        ReLU(),
        Resize(height=10, width=36, method="bilinear"),
        LeakyReLU(slope=0.25),
        Tanh(),
    ]
    assert graph.shapes["conv"] == (5, 12, 4)
    assert graph.name == "net"


def test_open_sizes_are_the_caller_s_and_fixed_ones_the_file_s(tmp_path):
    relu = layer("ReLU", "act", max_value=None, negative_slope=0.0, threshold=0.0)
    assert read(tmp_path, relu, shape=(None, None, None, 3)).shapes["act"] == (6, 8, 3)
    assert read(tmp_path, relu, shape=(None, 10, None, 3)).shapes["act"] == (10, 8, 3)


REFUSED = {
    "an unknown layer": (layer("Dense", "head"), f"layer head is a Dense, expected one of {', '.join(LAYERS)}"),
    "groups": (
        layer("Conv2D", "conv", **CONV | {"groups": 3}),
        "groups of layer conv (Conv2D) is 3, expected 1",
    ),
    "an unknown activation": (
        layer("Conv2D", "conv", **CONV | {"activation": "gelu"}),
        "activation of layer conv (Conv2D) is 'gelu', expected linear, relu, tanh, leaky_relu",
    ),
    "an activation with settings": (
        layer("Activation", "act", activation={"class_name": "Mine"}),
        "activation of layer act (Activation) is 'Mine', expected linear",
    ),
    "channels first": (
        layer("Conv2D", "conv", **CONV | {"data_format": "channels_first"}),
        "data_format of layer conv (Conv2D) is 'channels_first', expected 'channels_last'",
    ),
    "depth multiplier": (
        layer("DepthwiseConv2D", "deep", **CONV | {"depth_multiplier": 2}),
        "depth_multiplier of layer deep (DepthwiseConv2D) is 2, expected 1",
    ),
    "output padding": (
        layer("Conv2DTranspose", "up", **CONV | {"output_padding": [1, 1]}),
        "output_padding of layer up (Conv2DTranspose) is [1, 1], expected None",
    ),
    "bicubic": (
        layer("UpSampling2D", "up", size=[2, 2], interpolation="bicubic"),
        "interpolation of layer up (UpSampling2D) is 'bicubic', expected 'nearest' or 'bilinear'",
    ),
    "a capped ReLU": (
        layer("ReLU", "act", max_value=6.0),
        "max_value of layer act (ReLU) is 6.0, expected None",
    ),
    "a missing setting": (
        layer("Conv2D", "conv", **{key: value for key, value in CONV.items() if key != "filters"}),
        "number of entries is 0 for 'filters' in config.json, expected 1",
    ),
    "a malformed setting": (
        layer("Conv2D", "conv", **CONV | {"kernel_size": 3}),
        "config.json is malformed",
    ),
}


@pytest.mark.parametrize(("bad", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_understood_is_an_error_that_names_it(tmp_path, bad, message):
    with pytest.raises(ValueError, match=re.escape(f"net.keras: {message}")):
        read(tmp_path, bad)


def test_input_without_channels_is_refused(tmp_path):
    message = "net.keras: shape of input input is (None, 10, 3), expected (N, H, W, C) with C given"
    with pytest.raises(ValueError, match=re.escape(message)):
        read(tmp_path, shape=(None, 10, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "config.json is no JSON"),
        ("[" * 100_000, "config.json is no JSON"),
        ("[]", "config.json describes no model"),
        ('{"class_name": "Sequential"}', "config.json describes no model"),
        ('{"class_name": "Mine", "config": {}}', "class of the model is 'Mine', expected Functional or Sequential"),
        ('{"class_name": "Functional", "config": []}', "config.json is malformed"),
        ('{"class_name": "Sequential", "config": {}}', "number of entries is 0 for 'layers' in config.json"),
    ],
)
def test_malformed_config_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=re.escape(f"net.keras: {message}")):
        read_keras_file(write(tmp_path / "net.keras", content), 8, 8)


def test_functional_model_with_a_dangling_input_is_refused(tmp_path):
    reads = {"config": {"keras_history": ["nowhere", 0, 0]}}
    config = {
        "layers": [layer("ReLU", "act") | {"inbound_nodes": [{"args": [reads]}]}],
        "output_layers": ["act", 0, 0],
    }
    path = write(tmp_path / "net.keras", {"class_name": "Functional", "config": config})
    with pytest.raises(ValueError, match="input of a layer is missing for act, expected a layer's output"):
        read_keras_file(path, 8, 8)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"net\.keras: file is no zip archive, expected a \.keras file of Keras 3"):
        read_keras_file(path, 8, 8)


def test_an_archive_without_a_config_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("other.json", "{}")
    with pytest.raises(ValueError, match=r"net\.keras: config\.json is missing"):
        read_keras_file(tmp_path / "net.keras", 8, 8)


def test_a_config_that_would_unpack_to_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2**24 + 1))
    with pytest.raises(ValueError, match=r"config\.json has 16777217 bytes, expected at most 16777216"):
        read_keras_file(tmp_path / "net.keras", 8, 8)
