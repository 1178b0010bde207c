"""Weights out of Keras's own files, through h5py and without Keras.

Three layouts are known: the legacy `.h5` of tf.keras 2 ("<layer>/…/<weight>:0", with the LightFuse authors' own layer
`custconv2d` or plain `conv2d`), the `.weights.h5` of Keras 3 ("layers/<class>[_n]/vars/<i>") and the `.keras` of
Keras 3, a zip of the latter with `config.json`. Layers are told apart by class and order; widths come from the arrays.
Links out of the file are not followed, and sizes are checked before anything is read.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.weights.weights import MAX_BYTES, Normalization, Weights, WeightsError

MAX_ARRAYS = 1000

# The weights of each layer class in the order of Keras 3's vars/<i>.
CLASS_WEIGHTS = {
    "conv2d": ("kernel", "bias"),
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "conv2d_transpose": ("kernel", "bias"),
}
# What the layers of a .keras file must say of themselves; of T_CNN's separable ones, see _decoder_of.
HALVING = {"strides": [2, 2], "padding": "same", "dilation_rate": [1, 1], "activation": "linear"}
LAYER_ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "InputLayer": {},
    "Add": {},
    "Activation": {"activation": "tanh"},
    "Conv2D": {"strides": [1, 1], "dilation_rate": [1, 1], "groups": 1, "activation": "relu"},
    "DepthwiseConv2D": HALVING,
    "SeparableConv2D": HALVING,
    "Conv2DTranspose": HALVING,
    "UpSampling2D": {},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
}
LEGACY_NAME = re.compile(r"(?:model_weights/)?(?P<layer>[^/]+)/(?:.*/)?(?P<weight>[^/:]+)(?::0)?")
KERAS_3_NAME = re.compile(r"layers/(?P<layer>[^/]+)/vars/(?P<index>\d+)")
CLASS_NAME = re.compile(rf"(?P<kind>{'|'.join(CLASS_WEIGHTS)})(?:_(?P<number>\d+))?")
CUSTOM_WEIGHT = re.compile(r"(?P<kind>[wb])(?P<number>[1-9]\d?)")

Layer = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What was found in a file: the layers of each class in order, and how the file was laid out."""

    layers: Mapping[str, Sequence[Layer]]
    layout: str
    decoder: str = "nearest"


def load_keras_file(path: Path, *, decoder: str | None = None, normalization: Normalization | None = None) -> Weights:
    """Load the weights of LightFuse or T_CNN from a Keras file.

    Parameters
    ----------
    path : path of an `.h5`, `.weights.h5` or `.keras` file
    decoder : "nearest" or "bilinear", which only `.keras` files say themselves; None takes "nearest" for the others
    normalization : "full_range" or "min_max"; None takes the authors' "min_max" for the legacy layout, else
        "full_range"

    Returns
    -------
    Weights

    Raises
    ------
    WeightsError : h5py is not installed, or the file is malformed, or arrays are missing, left over or misshapen
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file, expected a Keras .h5, .weights.h5 or .keras file")
    try:
        import h5py
    except ImportError:
        raise WeightsError(f'{path}: Keras files are read with h5py; pip install "npfuse[keras]"') from None
    config = ""
    source: Any = path
    try:
        if zipfile.is_zipfile(path):
            config, source = _unzip(path)
        with h5py.File(source, "r") as file:
            contents = _contents(path, _read(path, file, h5py), config)
    except WeightsError:
        raise
    except Exception as error:  # the libraries raise almost anything on damaged bytes
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: {reason}; expected a Keras .h5, .weights.h5 or .keras file") from None
    if normalization is None:
        normalization = "min_max" if contents.layout == "legacy Keras" else "full_range"
    model, build, arrays = _arrays(path, contents, decoder)
    return Weights(
        model=model,
        build=build,
        arrays=arrays,
        normalization=normalization,
        source=f"{path.name}, a {contents.layout} file",
        name=path.name.split(".")[0],
    )


def _unzip(path: Path) -> tuple[str, io.BytesIO]:
    """Return config.json and the weights of a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        for name in ("config.json", "model.weights.h5"):
            if name not in archive.namelist():
                raise WeightsError(f"{path}: no {name} in the file, expected a Keras 3 .keras file")
            if archive.getinfo(name).file_size > MAX_BYTES:
                raise WeightsError(f"{path}: {name} is larger than {MAX_BYTES} bytes")
        return archive.read("config.json").decode(), io.BytesIO(archive.read("model.weights.h5"))


def _read(path: Path, file: Any, h5py: Any) -> dict[str, NDArray[Any]]:
    """Read every array of an HDF5 file by its path; the optimizer's state is no layer and is left out."""
    datasets: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:  # h5py visits each object once and follows no link out of the file
        if isinstance(item, h5py.Dataset) and not name.startswith(("optimizer/", "optimizer_weights/")):
            datasets[name] = item

    file.visititems(visit)
    if len(datasets) > MAX_ARRAYS:
        raise WeightsError(f"{path}: {len(datasets)} arrays in the file, expected at most {MAX_ARRAYS}")
    total = 0
    for name, dataset in datasets.items():
        if dataset.is_virtual or dataset.external is not None:
            raise WeightsError(f"{path}: {name} lies in another file, expected all arrays in this one")
        if dataset.dtype.kind != "f" or dataset.shape is None:
            raise WeightsError(f"{path}: {name} has dtype {dataset.dtype}, expected a floating-point array")
        total += prod(dataset.shape) * dataset.dtype.itemsize
        if total > MAX_BYTES:
            raise WeightsError(f"{path}: {name} declares shape {dataset.shape}; more than {MAX_BYTES} bytes in all")
    return {name: np.asarray(dataset[()]) for name, dataset in datasets.items()}


def _contents(path: Path, arrays: Mapping[str, NDArray[Any]], config: str) -> Contents:
    """Sort the arrays by layer class and order."""
    if not arrays:
        raise WeightsError(f"{path}: no arrays in the file")
    if any(name.startswith("layers/") for name in arrays):
        decoder = _decoder_of(path, config) if config else "nearest"
        return Contents(layers=_keras_3_layers(path, arrays), layout="Keras 3", decoder=decoder)
    return Contents(layers=_legacy_layers(path, arrays), layout="legacy Keras")


def _decoder_of(path: Path, config: str) -> str:
    """Return the decoder that config.json describes, after checking that the layers compute what ours do."""
    try:
        described = json.loads(config)["config"]["layers"]
        layers = [(layer["class_name"], layer["config"]) for layer in described]
        rectified = {name for layer in described if layer["class_name"] == "ReLU" for name in _read_by(layer)}
        enlarging = [(tuple(c["size"]), str(c["interpolation"])) for kind, c in layers if kind == "UpSampling2D"]
        t_cnn = not any(kind == "Conv2D" for kind, _ in layers)
        for position, (kind, attributes) in enumerate(layers):
            expected = LAYER_ATTRIBUTES.get(kind)
            if expected is None:
                raise WeightsError(f"{path}: layer {attributes['name']} is a {kind}; LightFuse and T_CNN have none")
            if kind == "SeparableConv2D" and t_cnn:
                last = position == len(layers) - 1
                expected = {**expected, "strides": [1, 1], "activation": "tanh" if last else "relu"}
            if attributes.get("activation") == "linear" and attributes["name"] in rectified:
                attributes = {**attributes, "activation": "relu"}  # in a layer of its own
            for key, value in expected.items():
                if attributes[key] != value:
                    raise WeightsError(
                        f"{path}: {key} of layer {attributes['name']} is {attributes[key]!r}, expected {value!r}"
                    )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, RecursionError):
        raise WeightsError(f"{path}: config.json is not that of a Keras 3 model") from None
    decoders = {(): "nearest", (((2, 2), "nearest"),) * 3: "nearest", (((8, 8), "bilinear"),): "bilinear"}
    if tuple(enlarging) not in decoders:
        raise WeightsError(
            f"{path}: the upsampling layers are {enlarging}, expected 3 of (2, 2) nearest, or 1 of (8, 8) bilinear"
        )
    return decoders[tuple(enlarging)]


def _read_by(layer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the layers whose outputs a layer of a config reads."""
    values = [layer["inbound_nodes"]]
    while values:
        value = values.pop()
        if isinstance(value, Mapping) and "keras_history" in value:
            yield str(value["keras_history"][0])
        values += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _keras_3_layers(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, list[Layer]]:
    """Sort arrays named layers/<class>[_n]/vars/<i>."""
    named: dict[str, Layer] = {}
    for name, array in arrays.items():
        match = KERAS_3_NAME.fullmatch(name)
        kind = match and CLASS_NAME.fullmatch(match["layer"])
        weights = CLASS_WEIGHTS[kind["kind"]] if kind else ()
        if not match or int(match["index"]) >= len(weights):
            raise WeightsError(f"{path}: {name} {array.shape} is left over: no layer of LightFuse or T_CNN has it")
        named.setdefault(match["layer"], {})[weights[int(match["index"])]] = array
    return _in_order(path, named, first=0)


def _legacy_layers(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, list[Layer]]:
    """Sort arrays named <layer>/…/<weight>:0; the authors' custconv2d becomes so many conv2d."""
    named: dict[str, Layer] = {}
    is_custom = False
    for name, array in arrays.items():
        match = LEGACY_NAME.fullmatch(name)
        layer, weight = (match["layer"], match["weight"]) if match else ("", "")
        custom = CUSTOM_WEIGHT.fullmatch(weight)
        if layer == "custconv2d" and custom:
            is_custom = True
            layer = f"conv2d_{custom['number']}"
            weight = {"w": "kernel", "b": "bias"}[custom["kind"]]
        kind = CLASS_NAME.fullmatch(layer)
        if not kind or weight not in CLASS_WEIGHTS[kind["kind"]] or weight in named.get(layer, {}):
            raise WeightsError(f"{path}: {name} {array.shape} is left over: no layer of LightFuse or T_CNN has it")
        named.setdefault(layer, {})[weight] = array
    return _in_order(path, named, first=1 if is_custom else None)


def _in_order(path: Path, named: Mapping[str, Layer], first: int | None) -> dict[str, list[Layer]]:
    """Group layers named <class>[_n] by class, in the order of n.

    A number that is missing is a layer that is missing. `first` is the first number of conv2d; None where that is free:
    tf.keras 2 counts the layers of a whole session.
    """
    layers: dict[str, list[tuple[int, Layer]]] = {}
    for name, layer in named.items():
        match = CLASS_NAME.fullmatch(name)
        assert match  # the callers took only such names
        layers.setdefault(match["kind"], []).append((int(match["number"] or 0), layer))
    for kind, found in layers.items():
        found.sort(key=lambda pair: pair[0])
        numbers = [number for number, _ in found]
        start = first if first is not None and (kind == "conv2d" or first == 0) else numbers[0]
        expected = list(range(start, start + len(numbers)))
        if numbers != expected:
            missing = next(number for number, wanted in zip(expected, numbers, strict=True) if number != wanted)
            raise WeightsError(f"{path}: layer {missing} of {kind} is missing; the layers are numbered {numbers}")
    return {kind: [layer for _, layer in found] for kind, found in layers.items()}


def _arrays(path: Path, contents: Contents, decoder: str | None) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the model, its build arguments and its arrays under the graph's names."""
    count = {kind: len(layers) for kind, layers in contents.layers.items()}
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(count.items()))
    separable = contents.layers.get("separable_conv2d", [])
    if set(count) == {"separable_conv2d"} and len(separable) > 1:
        arrays: dict[str, NDArray[Any]] = {}
        for i, layer in enumerate(separable, 1):
            arrays |= _separable(path, f"conv{i}", layer)
        return "t_cnn", {"hidden": _hidden(arrays, "conv{}_pointwise/kernel")}, arrays
    transposed = contents.layers.get("conv2d_transpose", [])
    known = set(count) - {"conv2d_transpose"} == {"conv2d", "depthwise_conv2d", "separable_conv2d"}
    if not known or count["depthwise_conv2d"] != 2 or len(separable) != 1 or len(transposed) not in (0, 3):
        raise WeightsError(
            f"{path}: the layers are {found}; expected those of LightFuse (conv2d or custconv2d, 2 depthwise_conv2d, "
            "1 separable_conv2d, 0 or 3 conv2d_transpose) or of T_CNN (separable_conv2d alone)"
        )
    arrays = {}
    for i, layer in enumerate(contents.layers["conv2d"], 1):
        arrays |= {f"detail{i}/{name}": _pointwise(path, f"detail{i}", name, a) for name, a in layer.items()}
    for i, layer in enumerate(contents.layers["depthwise_conv2d"], 1):
        names = {"depthwise_kernel": "kernel", "bias": "bias"}
        arrays |= {f"global{i}/{names[name]}": _depthwise(path, f"global{i}", name, a) for name, a in layer.items()}
    arrays |= _separable(path, "global3", separable[0])
    for i, layer in enumerate(transposed, 1):
        arrays |= {f"up{i}/{name}": array for name, array in layer.items()}
    build = {
        "hidden": _hidden(arrays, "detail{}/kernel"),
        "decoder": "transposed" if transposed else decoder or contents.decoder,
    }
    return "lightfuse", build, arrays


def _hidden(arrays: Mapping[str, NDArray[Any]], pattern: str) -> list[int]:
    """Return the widths of all layers but the last."""
    widths: list[int] = []
    while (name := pattern.format(len(widths) + 1)) in arrays:
        widths.append(arrays[name].shape[-1])
    return widths[:-1]


def _separable(path: Path, name: str, layer: Layer) -> dict[str, NDArray[Any]]:
    """Cut a separable convolution into its depthwise and its pointwise half."""
    arrays = {}
    for weight, array in layer.items():
        if weight == "depthwise_kernel":
            arrays[f"{name}_depthwise/kernel"] = _depthwise(path, name, weight, array)
        elif weight == "pointwise_kernel":
            arrays[f"{name}_pointwise/kernel"] = _pointwise(path, name, "kernel", array)
        else:
            arrays[f"{name}_pointwise/bias"] = array
    return arrays


def _pointwise(path: Path, layer: str, weight: str, array: NDArray[Any]) -> NDArray[Any]:
    """Drop the two 1x1 axes of a pointwise kernel."""
    if weight == "bias":
        return array
    if array.ndim != 4 or array.shape[:2] != (1, 1):
        raise WeightsError(f"{path}: {layer}/{weight} has shape {array.shape}, expected (1, 1, Cin, Cout)")
    matrix: NDArray[Any] = array[0, 0]
    return matrix


def _depthwise(path: Path, layer: str, weight: str, array: NDArray[Any]) -> NDArray[Any]:
    """Drop the depth-multiplier axis of a depthwise kernel."""
    if weight == "bias":
        return array
    if array.ndim != 4 or array.shape[3] != 1:
        raise WeightsError(f"{path}: {layer}/{weight} has shape {array.shape}, expected (kH, kW, C, 1)")
    return array[..., 0]
