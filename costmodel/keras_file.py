"""Reads the network in a Keras 3 `.keras` file as a graph, from its `config.json` alone: no Keras, no weights.

Functional and Sequential models of the layers in `LAYERS` are understood, with shared layers and several inputs.
Whatever is not understood, a layer or a setting of one, is an error that names it: a cost left out would be a wrong
total.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import (
    Add,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Shape,
    Tanh,
)

MOST_BYTES = 16 * 2**20  # of config.json; those of published networks have less than 1 MiB

KERAS_LEAKY_SLOPE = 0.2  # of the activation named "leaky_relu"

Config = Mapping[str, Any]


def read_keras_file(path: Path, height: int, width: int) -> Graph:
    """Return the graph of the network in a `.keras` file.

    Parameters
    ----------
    path : of the file
    height, width : of the pictures, where the file leaves them open

    Returns
    -------
    Graph, whose weight keys are the layers' names

    Raises
    ------
    ValueError : no `.keras` file, or a model, layer or setting that is not supported; the message names it
    OSError : the file cannot be read
    """
    model = _model(path)
    reader = _Reader(where=str(path), height=height, width=width, builder=GraphBuilder(name=path.stem))
    try:
        if model["class_name"] == "Sequential":
            outputs = [reader.sequential(model["config"])]
        elif model["class_name"] == "Functional":
            outputs = reader.functional(model["config"])
        else:
            raise reader.error("class of the model", repr(model["class_name"]), "Functional or Sequential")
    except KeyError as error:
        raise reader.error("number of entries", f"0 for {error} in config.json", "1") from None
    except (TypeError, AttributeError, IndexError) as error:
        raise reader.error("config.json", f"malformed ({error})", "as Keras 3 writes it") from None
    return reader.builder.build(*outputs)


def _model(path: Path) -> Config:
    """Return config.json, parsed."""
    expected = "a .keras file of Keras 3, a zip archive with config.json"
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("config.json")
            if entry.file_size > MOST_BYTES:
                raise ValueError(f"{path}: config.json has {entry.file_size} bytes, expected at most {MOST_BYTES}")
            text = archive.read(entry)
    except zipfile.BadZipFile:
        raise ValueError(f"{path}: file is no zip archive, expected {expected}") from None
    except KeyError:
        raise ValueError(f"{path}: config.json is missing, expected {expected}") from None
    except (NotImplementedError, RuntimeError) as error:  # compression unknown, encrypted
        raise ValueError(f"{path}: config.json is unreadable ({error}), expected {expected}") from None
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: config.json is no JSON, expected {expected}") from None
    if not isinstance(model, dict) or not {"class_name", "config"} <= model.keys():
        raise ValueError(f"{path}: config.json describes no model, expected {expected}")
    return model


Chain = list[tuple[str, Operator]]  # (suffix of the name, operator), one after another


@dataclass
class _Reader:
    """Collects the nodes of one model.

    Parameters
    ----------
    where : the file, for messages
    height, width : of inputs that leave them open
    builder : receives the nodes
    values : node name by (layer name, index of its call)
    """

    where: str
    height: int
    width: int
    builder: GraphBuilder
    values: dict[tuple[str, int], str] = field(default_factory=dict)

    def error(self, thing: str, actual: str, expected: str) -> ValueError:
        """Build the error that names the file."""
        return ValueError(f"{self.where}: {thing} is {actual}, expected {expected}")

    def sequential(self, config: Config) -> str:
        """Read a Sequential model; return the name of its output."""
        layers = list(config["layers"])
        if layers and layers[0]["class_name"] == "InputLayer":
            value = self.input(layers.pop(0)["config"])
        else:
            value = self.input({"name": "input", "batch_shape": config["build_input_shape"]})
        for layer in layers:
            value = self.call(layer, [value], 0)
        return value

    def functional(self, config: Config) -> list[str]:
        """Read a Functional model; return the names of its outputs."""
        waiting = [
            (layer, index, node) for layer in config["layers"] for index, node in enumerate(layer["inbound_nodes"])
        ]
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer":
                self.values[layer["config"]["name"], 0] = self.input(layer["config"])
        # A shared layer stands once in the file, perhaps before what its later calls read.
        while waiting:
            ready = [(layer, i, node) for layer, i, node in waiting if all(key in self.values for key in _reads(node))]
            if not ready:
                raise self.error(
                    "input of a layer", f"missing for {waiting[0][0]['config']['name']}", "a layer's output"
                )
            for layer, index, node in ready:
                inputs = [self.values[key] for key in _reads(node)]
                self.values[layer["config"]["name"], index] = self.call(layer, inputs, index)
            waiting = [
                (layer, i, node) for layer, i, node in waiting if (layer["config"]["name"], i) not in self.values
            ]
        outputs = config["output_layers"]
        outputs = [outputs] if isinstance(outputs[0], str) else outputs
        return [self.values[name, index] for name, index, _ in outputs]

    def input(self, config: Config) -> str:
        """Declare an input."""
        name, shape = config["name"], config["batch_shape"]
        if len(shape) != 4 or not isinstance(shape[3], int):
            raise self.error(f"shape of input {name}", str(tuple(shape)), "(N, H, W, C) with C given")
        height = self.height if shape[1] is None else int(shape[1])
        width = self.width if shape[2] is None else int(shape[2])
        return self.builder.input(name, (height, width, shape[3]))

    def call(self, layer: Config, inputs: list[str], index: int) -> str:
        """Add the nodes of one call of a layer; return the name of its value."""
        kind, config = layer["class_name"], layer["config"]
        name = config["name"]
        if kind not in LAYERS:
            raise self.error(f"layer {name}", f"a {kind}", f"one of {', '.join(LAYERS)}")
        shapes = self.builder.build(*inputs).shapes
        chain = LAYERS[kind](_Layer(reader=self, kind=kind, config=config), [shapes[value] for value in inputs])
        for suffix, op in chain:
            key = name + suffix
            inputs = [self.builder.add(key + (f"_call{index + 1}" if index else ""), op, *inputs, weight_key=key)]
        return inputs[0]


def _reads(node: Config) -> list[tuple[str, int]]:
    """Return (layer name, index of its call) of every tensor that a call reads."""
    tensors = node["args"][0]
    tensors = tensors if isinstance(tensors, list) else [tensors]
    return [(tensor["config"]["keras_history"][0], tensor["config"]["keras_history"][1]) for tensor in tensors]


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A layer's settings, read strictly."""

    reader: _Reader
    kind: str
    config: Config

    def require(self, setting: str, *allowed: Any) -> None:
        """Raise ValueError unless a setting, where present, has a supported value."""
        actual = self.config.get(setting, allowed[0])
        if actual not in allowed:
            where = f"{setting} of layer {self.config['name']} ({self.kind})"
            raise self.reader.error(where, repr(actual), " or ".join(map(repr, allowed)))

    def pair(self, setting: str) -> tuple[int, int]:
        """Return a setting of two whole numbers."""
        rows, columns = self.config[setting]
        return rows, columns

    def window(self) -> dict[str, Any]:
        """Return what all convolutions have in common."""
        self.require("data_format", "channels_last")
        self.require("padding", "same", "valid")
        return {
            "kernel_size": self.pair("kernel_size"),
            "stride": self.pair("strides"),
            "dilation": self.pair("dilation_rate"),
            "padding": self.config["padding"],
        }

    def activation(self, setting: str = "activation") -> Chain:
        """Return the activation that follows, if any."""
        name = self.config[setting]
        operators: dict[str, Operator] = {
            "relu": ReLU(),
            "tanh": Tanh(),
            "leaky_relu": LeakyReLU(slope=KERAS_LEAKY_SLOPE),
        }
        if name in (None, "linear"):
            return []
        if not isinstance(name, str) or name not in operators:
            where = f"{setting} of layer {self.config['name']} ({self.kind})"
            actual = name.get("class_name", name) if isinstance(name, dict) else name
            raise self.reader.error(where, repr(actual), f"linear, {', '.join(operators)}")
        return [(f"_{name}", operators[name])]


Reader = Callable[[_Layer, list[Shape]], Chain]


def _conv2d(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("groups", 1)
    window, bias, features = layer.window(), layer.config["use_bias"], layer.config["filters"]
    op: Operator = Conv2D(features=features, use_bias=bias, **window)
    if window["kernel_size"] == window["stride"] == (1, 1):
        op = PointwiseConv2D(features=features, use_bias=bias)
    return [("", op), *layer.activation()]


def _depthwise_conv2d(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("depth_multiplier", 1)
    return [("", DepthwiseConv2D(use_bias=layer.config["use_bias"], **layer.window())), *layer.activation()]


def _separable_conv2d(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("depth_multiplier", 1)
    pointwise = PointwiseConv2D(features=layer.config["filters"], use_bias=layer.config["use_bias"])
    depthwise = DepthwiseConv2D(use_bias=False, **layer.window())
    return [("_depthwise", depthwise), ("_pointwise", pointwise), *layer.activation()]


def _conv2d_transpose(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("output_padding", None)
    op = Conv2DTranspose(features=layer.config["filters"], use_bias=layer.config["use_bias"], **layer.window())
    return [("", op), *layer.activation()]


def _up_sampling2d(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("data_format", "channels_last")
    layer.require("interpolation", "nearest", "bilinear")
    (height, width, _), (rows, columns) = inputs[0], layer.pair("size")
    method = layer.config["interpolation"]
    return [("", Resize(height=height * rows, width=width * columns, method=method))]


def _add(layer: _Layer, inputs: list[Shape]) -> Chain:
    return [("", Add())]


def _concatenate(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("axis", -1, 3)
    return [("", Concatenate())]


def _relu(layer: _Layer, inputs: list[Shape]) -> Chain:
    layer.require("max_value", None)
    layer.require("threshold", 0)
    slope = layer.config.get("negative_slope") or 0
    return [("", LeakyReLU(slope=slope) if slope else ReLU())]


def _leaky_relu(layer: _Layer, inputs: list[Shape]) -> Chain:
    return [("", LeakyReLU(slope=layer.config["negative_slope"]))]


def _activation(layer: _Layer, inputs: list[Shape]) -> Chain:
    return layer.activation()


LAYERS: Mapping[str, Reader] = MappingProxyType(
    {
        "Activation": _activation,
        "Add": _add,
        "Concatenate": _concatenate,
        "Conv2D": _conv2d,
        "Conv2DTranspose": _conv2d_transpose,
        "DepthwiseConv2D": _depthwise_conv2d,
        "LeakyReLU": _leaky_relu,
        "ReLU": _relu,
        "SeparableConv2D": _separable_conv2d,
        "UpSampling2D": _up_sampling2d,
    }
)
