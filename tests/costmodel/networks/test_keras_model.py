"""Networks from `.keras` and `.h5` files: counted as Keras counts them, and refused where not understood."""

import json
import re
import zipfile

import pytest

from costmodel import CONVENTIONS, LayerCount, Work, count, rule
from costmodel.__main__ import main
from costmodel.networks.keras_model import read_keras_model
from costmodel.networks.own_layers import LAYER_RULES
from npfuse.graph import Graph
from npfuse.models import MODELS
from npfuse.ops import LeakyReLU, PointwiseConv2D, ReLU, Resize, Tanh


def write(path, model):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", model if isinstance(model, str) else json.dumps(model))
    return path


def layer(kind, name="layer", **config):
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name, **config}, "registered_name": None}


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
    return read_keras_model(write(tmp_path / "net.keras", sequential(*layers, **arguments)), height, width).graph


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
    saved, ours = count(read_keras_model(path, 16, 24)), count(MODELS[model](16, 24, **arguments))
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
    network = read_keras_model(tmp_path / "siamese.keras", 9, 11)
    graph, cost = network.graph, count(network)
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
    "an unknown layer": (layer("LSTM", "head"), "layer head is a LSTM, expected a layer that is counted"),
    "an own layer under a known name": (
        layer("Conv2D", "conv", **CONV) | {"registered_name": "Mine>Conv2D"},
        "layer conv is an own Mine>Conv2D, expected a layer that is counted, or one with a rule",
    ),
    "a module of one's own": (
        layer("Conv2D", "conv", **CONV) | {"module": "mine.layers"},
        "layer conv is an own Conv2D, expected a layer that is counted",
    ),
    "lora": (
        layer("Dense", "head", units=4, use_bias=True, lora_rank=2),
        "lora_rank of layer head (Dense) is 2, expected None",
    ),
    "groups that do not divide": (
        layer("Conv2D", "conv", **CONV | {"groups": 2}),
        "conv: Conv2D: groups is 2, expected a divisor of both (3 channels, 4 features)",
    ),
    "an unknown activation": (
        layer("Conv2D", "conv", **CONV | {"activation": "glu"}),
        "activation of layer conv (Conv2D) is 'glu', expected a function of keras.activations",
    ),
    "an activation of one's own": (
        layer("Activation", "act", activation={"class_name": "Mine", "config": {"a": 1}}),
        "activation of layer act (Activation) is 'Mine', expected a function of keras.activations",
    ),
    "channels first": (
        layer("Conv2D", "conv", **CONV | {"data_format": "channels_first"}),
        "data_format of layer conv (Conv2D) is 'channels_first', expected 'channels_last'",
    ),
    "an unknown interpolation": (
        layer("UpSampling2D", "up", size=[2, 2], interpolation="area"),
        "interpolation of layer up (UpSampling2D) is 'area', expected one of nearest, bilinear, bicubic",
    ),
    "a softmax of rows": (layer("Softmax", "act", axis=1), "axis of layer act (Softmax) is 1, expected -1 or 3"),
    "a quantized layer": (
        layer("ReLU", "act", dtype={"class_name": "QuantizedDTypePolicy", "config": {}}),
        "dtype of layer act is 'QuantizedDTypePolicy', expected a DTypePolicy",
    ),
    "too much cropped": (
        layer("Cropping2D", "crop", cropping=[[5, 5], [0, 0]]),
        "cropping of layer crop (Cropping2D) is (5, 5, 0, 0), expected less than the input's 10x12",
    ),
    "a missing setting": (
        layer("Conv2D", "conv", **{key: value for key, value in CONV.items() if key != "filters"}),
        "filters of layer conv (Conv2D) is missing, expected a value",
    ),
    "a malformed setting": (
        layer("Conv2D", "conv", **CONV | {"kernel_size": [3, "3"]}),
        "kernel_size of layer conv (Conv2D) is [3, '3'], expected two whole numbers of at least 1",
    ),
}


@pytest.mark.parametrize(("bad", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_understood_is_an_error_that_names_it(tmp_path, bad, message):
    with pytest.raises(ValueError, match=re.escape(f"net.keras: {message}")):
        read(tmp_path, bad)


def test_input_without_channels_is_refused(tmp_path):
    message = "net.keras: shape of input input is (None, 10, 3), expected (N, H, W, C) or (N, C) with C given"
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
        ('{"class_name": "Functional", "config": []}', "its description is malformed"),
        ('{"class_name": "Sequential", "config": {}}', "number of entries is 0 for 'layers' in its description"),
    ],
)
def test_malformed_config_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=re.escape(f"net.keras: {message}")):
        read_keras_model(write(tmp_path / "net.keras", content), 8, 8)


def test_functional_model_with_a_dangling_input_is_refused(tmp_path):
    reads = {"class_name": "__keras_tensor__", "config": {"keras_history": ["nowhere", 0, 0]}}
    config = {
        "layers": [layer("ReLU", "act") | {"inbound_nodes": [{"args": [reads]}]}],
        "output_layers": ["act", 0, 0],
    }
    path = write(tmp_path / "net.keras", {"class_name": "Functional", "config": config})
    with pytest.raises(ValueError, match="input of layer act is \\('nowhere', 0, 0\\), expected a layer's output"):
        read_keras_model(path, 8, 8)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"net\.keras: file is no zip archive, expected a \.keras file of Keras 3"):
        read_keras_model(path, 8, 8)


def test_an_archive_without_a_config_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("other.json", "{}")
    with pytest.raises(ValueError, match=r"net\.keras: config\.json is missing"):
        read_keras_model(tmp_path / "net.keras", 8, 8)


def test_a_config_that_would_unpack_to_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2**24 + 1))
    with pytest.raises(ValueError, match=r"config\.json has 16777217 bytes, expected at most 16777216"):
        read_keras_model(tmp_path / "net.keras", 8, 8)


def test_all_obstacles_are_named_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"2 obstacles: layer a is a LSTM.*; layer b is a GRU.*costmodel\.rule"):
        read(tmp_path, layer("LSTM", "a"), layer("GRU", "b"))


def test_a_rule_counts_an_own_layer(tmp_path):
    own = layer("Swirl", "swirl", turns=3) | {"registered_name": "Mine>Swirl", "module": "mine"}

    @rule("Mine>Swirl")
    def swirl(config, shape):
        weights = {"angles": (config["turns"], shape[2])}
        return LayerCount(output=(*shape[:2], 2 * shape[2]), weights=weights, work=Work(multiplications=7))

    try:
        cost = count(read(tmp_path, own))
    finally:
        LAYER_RULES.pop("Mine>Swirl")
    assert (cost.parameters, cost.work, cost.layers[0].output) == (9, Work(multiplications=7), (10, 12, 6))


def test_a_long_network_is_read_and_counted_in_time_that_grows_with_its_length(tmp_path, monkeypatch):
    calls = []
    built = Graph.__post_init__
    monkeypatch.setattr(Graph, "__post_init__", lambda self: (calls.append(len(self.nodes)), built(self)))
    layers = [layer("Conv2D", f"conv{i}", **CONV | {"strides": [1, 1]}) for i in range(400)]
    assert count(read(tmp_path, *layers)).parameters == 3 * 2 * 3 * 4 + 4 + 399 * (3 * 2 * 4 * 4 + 4)
    assert calls == [400]  # once, not once a layer


def test_mixed_precision_counts_its_bytes(tmp_path):
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    conv = layer("Conv2D", "conv", **CONV | {"strides": [1, 1], "dtype": policy})
    path = write(tmp_path / "net.keras", sequential(conv, layer("ReLU", "act", dtype="float32")))
    first, second = count(read_keras_model(path, 1, 1)).layers
    parameters = 3 * 2 * 3 * 4 + 4
    assert first.bytes_read == 4 * 10 * 12 * 3 + 4 * parameters  # a float32 picture, float32 weights
    assert (first.bytes_written, first.weight_bytes) == (2 * 10 * 12 * 4, 4 * parameters)
    assert (second.bytes_read, second.bytes_written) == (2 * 10 * 12 * 4, 4 * 10 * 12 * 4)


@pytest.fixture(scope="module")
def layered(keras):
    """A model with every way in which Keras writes calls: nested, shared, functions, dicts of inputs and outputs."""
    layers, ops = keras.layers, keras.ops
    inner = keras.Sequential(
        [
            layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.1), name="same"),
            layers.PReLU(shared_axes=[1, 2]),
        ],
        name="inner",
    )
    x, y = keras.Input((None, None, 8), name="x"), keras.Input((16, 16, 8), name="y")
    z = keras.Input((None, None, 8), name="z")
    two = keras.Model(z, {"p": layers.ReLU(6.0)(z), "q": layers.Conv2D(2, 1)(z)}, name="two")(x)
    shuffled = ops.transpose(ops.reshape(y, (-1, 16, 16, 2, 2, 2)), (0, 1, 3, 2, 4, 5))
    outputs = {
        "a": inner(x),
        "b": inner(x),
        "c": ops.reshape(shuffled, (-1, 32, 32, 2)),
        "d": ops.mean(x, axis=[1, 2], keepdims=True) * x + 3.0,
        "e": x[:, :, 2:, :3],
        "f": layers.Dense(5)(ops.mean(x, axis=(1, 2))),
    }
    return keras.Model({"x": x, "y": y}, outputs | two)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_nested_models_functions_and_dicts_are_read(tmp_path, layered, suffix):
    path = tmp_path / f"layered{suffix}"
    layered.save(path)
    network = read_keras_model(path, 10, 12)
    graph = network.graph
    assert count(network).parameters == layered.count_params()
    shapes = [graph.shapes[name] for name in graph.outputs]
    assert shapes == [
        (8, 10, 4),
        (8, 10, 4),
        (32, 32, 2),
        (10, 12, 8),
        (10, 10, 3),
        (1, 1, 5),
        (10, 12, 8),
        (10, 12, 2),
    ]
    rows = {row.name: row for row in count(network).layers}
    assert rows["inner_call2/same"].shares == "inner/same"


def test_an_input_may_have_a_size_of_its_own(tmp_path, layered):
    layered.save(tmp_path / "layered.keras")
    with pytest.raises(ValueError, match=r"size of input y is 9x9 as asked for, expected 16x16, which the file fixes"):
        read_keras_model(tmp_path / "layered.keras", 10, 12, {"y": (9, 9)})
    with pytest.raises(ValueError, match=r"input is 'w', expected one of x, y"):
        read_keras_model(tmp_path / "layered.keras", 10, 12, {"w": (9, 9)})
    graph = read_keras_model(tmp_path / "layered.keras", 10, 12, {"x": (20, 30)}).graph
    assert dict(graph.inputs) == {"x": (20, 30, 8), "y": (16, 16, 8)}


def test_an_h5_file_whose_weights_are_another_network_s_is_refused(tmp_path, keras):
    h5py = pytest.importorskip("h5py")
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")])
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = model.to_json().replace('"module": "keras.layers", ', "")
        file["model_weights/conv/kernel"] = [0.0] * 113
    with pytest.raises(ValueError, match=r"parameters that its layers make is 112, expected 113, which it stores"):
        read_keras_model(path, 8, 8)


def test_an_empty_h5_file_is_told_what_it_should_be(tmp_path):
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"net\.h5: file is empty, expected an \.h5 file of a whole"):
        read_keras_model(tmp_path / "net.h5", 8, 8)


@pytest.mark.parametrize("length", [0, 8, 100, 900])
def test_a_cut_h5_file_is_one_line(tmp_path, length):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        file["model_weights/a"] = [1.0] * 100
    content = (tmp_path / "whole.h5").read_bytes()[:length]
    (tmp_path / "net.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.h5: [^\n]*expected [^\n]*$"):
        read_keras_model(tmp_path / "net.h5", 8, 8)


KERAS_2 = {
    "class_name": "Functional",
    "config": {
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"name": "x", "batch_input_shape": [None, None, None, 4], "dtype": "float32"},
                "inbound_nodes": [],
            },
            {
                "class_name": "Conv2D",
                "config": {**CONV, "name": "conv", "trainable": True, "filters": 12, "strides": [1, 1]},
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
            {
                "class_name": "TFOpLambda",
                "config": {"name": "shuffle", "trainable": True, "function": "nn.depth_to_space"},
                "inbound_nodes": [["conv", 0, 0, {"block_size": 2, "data_format": "NHWC"}]],
            },
            {
                "class_name": "TFOpLambda",
                "config": {"name": "plus", "trainable": True, "function": "__operators__.add"},
                "inbound_nodes": [["shuffle", 0, 0, {"y": ["shuffle", 0, 0], "name": None}]],
            },
            {
                "class_name": "TFOpLambda",
                "config": {"name": "half", "trainable": True, "function": "math.multiply"},
                "inbound_nodes": [["plus", 0, 0, {"y": 0.5, "name": None}]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["half", 0, 0]],
    },
}


def test_keras_2_writes_calls_in_another_way(tmp_path):
    network = read_keras_model(write(tmp_path / "net.keras", KERAS_2), 6, 8)
    cost = count(network)
    assert cost.parameters == 3 * 2 * 4 * 12 + 12
    assert [(row.operator, row.output) for row in cost.layers][1:] == [
        ("depth_to_space", (12, 16, 3)),
        ("Add", (12, 16, 3)),
        ("multiply", (12, 16, 3)),
    ]
    assert cost.work.multiplications == 12 * 16 * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": 10**30}, "filters of layer layer .* expected at most"),
        ({"kernel_size": [10**30, 3]}, "kernel_size of layer layer .* expected at most"),
        ({"dilation_rate": [10**30, 1]}, "dilation_rate of layer layer .* expected at most"),
    ],
)
def test_numbers_that_no_network_has_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, layer("Conv2D", **CONV | settings))


def test_values_that_no_machine_holds_are_refused(tmp_path):
    huge = layer("UpSampling2D", size=[10**8, 1], interpolation="nearest", data_format="channels_last")
    with pytest.raises(ValueError, match=r"shape \(H, W, C\) of layer is .* expected at most 16,777,216 rows"):
        read(tmp_path, huge)
    with pytest.raises(ValueError, match=r"shape \(H, W, C\) of input is"):
        read(tmp_path, shape=(None, 10**30, 8, 3))


def test_models_that_multiply_in_each_other_are_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("costmodel.networks.description.MOST_NODES", 3)
    with pytest.raises(ValueError, match="number of nodes is more than 3, expected at most that"):
        read(tmp_path, *(layer("ReLU", f"relu{i}") for i in range(4)))


def test_a_model_without_outputs_is_refused(tmp_path):
    model = {"class_name": "Functional", "config": {"layers": [], "input_layers": [], "output_layers": []}}
    with pytest.raises(ValueError, match="number of outputs is 0, expected at least 1"):
        read_keras_model(write(tmp_path / "net.keras", model), 8, 8)


def test_a_name_moves_no_terminal_and_a_view_moves_no_bytes(tmp_path, capsys):
    path = write(tmp_path / "net.keras", sequential(layer("Flatten", "a\x1b]0;b\x07"), shape=(None, 2, 2, 3)))
    assert main(["report", "--network", str(path), "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "a?]0;b?" in printed
    assert "\x1b" not in printed
    path = write(tmp_path / "other.keras", sequential(layer("Other\x1b[2J", "a\nb")))
    assert main(["report", "--network", str(path)]) == 2
    error = capsys.readouterr().err
    assert "layer a b is a Other?[2J" in error
    assert error.count("\n") == 1


def test_damaged_bzip2_is_refused_by_name(tmp_path):
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("config.json", "{}" * 50)
    damaged = bytearray(path.read_bytes())
    damaged[60:80] = b"\xff" * 20
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"net\.keras: config\.json is unreadable"):
        read_keras_model(path, 8, 8)
