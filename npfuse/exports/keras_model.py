"""Builds any graph of npfuse as a Keras model, one layer per node: the network alone, from floats to floats.

Keras's files hold layers and no programs, so mapping, margin, thumbnail and rounding stay outside (docs/porting.md says
what they are). Layers have the nodes' names. A separable convolution is two layers, as tools that read Keras's files
expect it. This is the only module of npfuse that imports Keras.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.ops import (
    BOX,
    AdaptiveNorm,
    Add,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    LeakyReLU,
    Operator,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
    Window,
)
from npfuse.ops.operator import Shape

Own = Mapping[str, NDArray[Any]]
Rule = Callable[..., Any]


def keras_model(graph: Graph, arrays: Own, *, any_size: bool = True) -> Any:
    """Build a graph with its weights as a Keras model.

    Parameters
    ----------
    graph : Graph
    arrays : ndarray by full weight name, "<weight key>/<name>"
    any_size : whether the first input, and inputs of its size, may have any size; they must then be resized by whole
        factors only

    Returns
    -------
    keras.Model : its inputs are those of the graph, float32 (N, H, W, C), in their order and under their names

    Raises
    ------
    ValueError : an operator has no rule here
    """
    (_, (height, width, _)), *_ = graph.inputs
    free = (height, width) if any_size else ()
    values: dict[str, Any] = {
        name: keras.Input((None, None, shape[2]) if shape[:2] == free else shape, name=name)
        for name, shape in graph.inputs
    }
    inputs = list(values.values())
    layers: dict[str, Any] = {}  # layers with weights, which nodes may share
    for node in graph.nodes:
        if type(node.op) not in RULES:
            known = ", ".join(sorted(op.__name__ for op in RULES))
            raise ValueError(f"{graph.name}/{node.name}: operator is {node.op.kind}, expected one of {known}")
        xs = [values[name] for name in node.inputs]
        shapes = graph.input_shapes(node)
        own = {name: arrays[f"{node.weight_key}/{name}"] for name in node.op.weight_shapes(*shapes)}
        name = node.weight_key if own else node.name
        layer = layers.get(name) or RULES[type(node.op)](name, node.op, shapes, own)
        if own:
            layers[name] = layer
        values[node.name] = layer(xs[0] if len(xs) == 1 else xs)
    outputs = [values[name] for name in graph.outputs]
    return keras.Model(
        inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], name=graph.name
    )


def keras_file(model: Any) -> bytes:
    """Return a model as the bytes of a `.keras` file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        keras.saving.save_model(model, path)
        return path.read_bytes()


def run_keras_file(content: bytes, inputs: Own) -> NDArray[Any]:
    """Load the bytes of a `.keras` file of one output, run it, and return the output."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        model = keras.saving.load_model(path, compile=False)
    xs = [inputs[tensor.name] for tensor in model.inputs]
    return np.asarray(model(xs if len(xs) > 1 else xs[0]))


def _with(layer: Any, shape: tuple[int | None, ...], *weights: NDArray[Any]) -> Any:
    """Return a layer with its weights, built for inputs of a shape."""
    layer.build(shape)
    layer.set_weights(
        [np.reshape(value, variable.shape) for value, variable in zip(weights, layer.weights, strict=True)]
    )
    return layer


def _pointwise(name: str, op: PointwiseConv2D, shapes: tuple[Shape, ...], own: Own) -> Any:
    layer = keras.layers.Conv2D(op.features, 1, use_bias=op.use_bias, name=name)
    return _with(layer, (None, None, None, shapes[0][2]), *own.values())


def _window(kind: Callable[..., Any], *, features: bool) -> Rule:
    def rule(name: str, op: Window, shapes: tuple[Shape, ...], own: Own) -> Any:
        widths = (op.features,) if features else ()  # type: ignore[attr-defined]
        options = {"strides": op.stride, "dilation_rate": op.dilation, "padding": op.padding, "use_bias": op.use_bias}
        layer = kind(*widths, op.kernel_size, **options, name=name)
        return _with(layer, (None, None, None, shapes[0][2]), *own.values())

    return rule


def _depthwise_transposed(name: str, op: DepthwiseConv2DTranspose, shapes: tuple[Shape, ...], own: Own) -> Any:
    if not (op.fixed == BOX and op.stride == (2, 2) and op.padding == "same" and not op.use_bias):
        raise ValueError(f"{name}: operator is a transposed depthwise convolution, expected one that repeats pixels")
    return keras.layers.UpSampling2D(2, name=name)


def _resize(name: str, op: Resize, shapes: tuple[Shape, ...], own: Own) -> Any:
    rows, columns, _ = shapes[0]
    if op.method == "area" and (op.height, op.width) == (1, 1):
        return keras.layers.GlobalAveragePooling2D(keepdims=True, name=name)
    if op.method in ("nearest", "bilinear") and op.height % rows == op.width % columns == 0:
        factors = op.height // rows, op.width // columns
        return keras.layers.UpSampling2D(factors, interpolation=op.method, name=name)
    raise ValueError(
        f"{name}: operator is a resizing by {op.method} from {rows}x{columns} to {op.height}x{op.width}, expected "
        "nearest or bilinear by a whole factor, or the mean of all"
    )


def _adaptive_norm(name: str, op: AdaptiveNorm, shapes: tuple[Shape, ...], own: Own) -> Any:
    """Return w0 * x + w1 * normal(x) as a model, by Keras's group normalisation with one group per channel."""
    x = keras.Input((None, None, shapes[0][2]), name=f"{name}_input")
    normal = keras.layers.GroupNormalization(groups=-1, epsilon=op.epsilon, name=f"{name}_normal")
    weights = own["w1"] * own["gamma"], own["w1"] * own["beta"]
    normal = _with(normal, (None, None, None, shapes[0][2]), *weights)
    part = keras.layers.Rescaling(float(own["w0"][0]), name=f"{name}_part")
    return keras.Model(x, keras.layers.Add(name=f"{name}_sum")([part(x), normal(x)]), name=name)


def _plain(kind: Callable[..., Any], **options: Any) -> Rule:
    return lambda name, op, shapes, own: kind(name=name, **options)


RULES: Mapping[type[Operator], Rule] = {
    AdaptiveNorm: _adaptive_norm,
    Add: _plain(keras.layers.Add),
    AddChannels: _plain(keras.layers.Add),
    Concatenate: _plain(keras.layers.Concatenate),
    Conv2D: _window(keras.layers.Conv2D, features=True),
    Conv2DTranspose: _window(keras.layers.Conv2DTranspose, features=True),
    DepthwiseConv2D: _window(keras.layers.DepthwiseConv2D, features=False),
    DepthwiseConv2DTranspose: _depthwise_transposed,
    LeakyReLU: lambda name, op, shapes, own: keras.layers.LeakyReLU(negative_slope=op.slope, name=name),
    PointwiseConv2D: _pointwise,
    ReLU: _plain(keras.layers.ReLU),
    Resize: _resize,
    Tanh: _plain(keras.layers.Activation, activation="tanh"),
}
