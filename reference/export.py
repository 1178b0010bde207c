"""Converts Keras models to npfuse's weight names and layouts, and back.

npfuse keeps a separable convolution as two operators (`global3_depthwise`, `global3_pointwise`) and drops Keras's
axes of length 1: a pointwise kernel is (Cin, Cout), a depthwise kernel (kH, kW, C). A transposed kernel stays
(kH, kW, Cout, Cin). Layers are matched by name; their values are copied, never rounded except to float32.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from npfuse.weights.npz_files import save_weights
from npfuse.weights.weights import Normalization, Weights
from reference.arrays import Array


def export_arrays(model: keras.Model) -> dict[str, Array]:
    """Take the weights out of a model of `reference.keras_models` or `reference.mef_networks`.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    dict of str to ndarray, float32
        Under npfuse's names: "detail1/kernel", "global3_depthwise/kernel", …
    """
    return {
        name: np.asarray(variable.value, np.float32).reshape(shape) for name, (variable, shape) in _slots(model).items()
    }


def import_arrays(model: keras.Model, arrays: Mapping[str, Array]) -> None:
    """Put weights under npfuse's names into a model: the inverse of `export_arrays`.

    Parameters
    ----------
    model : keras.Model
    arrays : mapping of str to ndarray

    Raises
    ------
    ValueError : a name is missing or left over, or an array has another shape than the layer
    """
    slots = _slots(model)
    if missing := sorted(slots.keys() - arrays.keys()):
        raise ValueError(f"{model.name}: the arrays lack {', '.join(missing)}")
    if left_over := sorted(arrays.keys() - slots.keys()):
        raise ValueError(f"{model.name}: the arrays {', '.join(left_over)} belong to no layer")
    for name, (_, shape) in slots.items():
        if np.shape(arrays[name]) != shape:
            raise ValueError(f"{model.name}: {name} is {np.shape(arrays[name])}, expected {shape}")
    for name, (variable, _) in slots.items():
        variable.assign(np.reshape(arrays[name], variable.shape))


def save_npz(
    path: str | Path,
    model: keras.Model,
    *,
    build: Mapping[str, Any],
    source: str,
    normalization: Normalization = "full_range",
    margin: int = 0,
    overwrite: bool = False,
) -> None:
    """Write a model's weights as npfuse's weights file.

    Parameters
    ----------
    path : path
    model : keras.Model
        Its name is the name of npfuse's model: "lightfuse", "t_cnn", "tonefuse", "deepfuse" or "mefnet".
    build : dict
        Arguments npfuse builds the same network with, e.g. ``{"hidden": [256, 64], "decoder": "nearest"}``.
    source : str
        Where the weights come from: data, recipe, seed, score.
    normalization : {"full_range", "min_max"}
        How pictures were mapped to [-1, 1] in training.
    margin : int
        As of `npfuse.weights.Weights`.
    overwrite : bool
        Whether a file of that name may be replaced.
    """
    weights = Weights(
        model=model.name,
        build=build,
        arrays=export_arrays(model),
        normalization=normalization,
        source=source,
        name=Path(path).stem,
        margin=margin,
    )
    save_weights(path, weights, overwrite=overwrite)


def _slots(model: keras.Model) -> dict[str, tuple[keras.Variable, tuple[int, ...]]]:
    """Return npfuse's names, each with its Keras variable and npfuse's shape."""
    slots = {}
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.SeparableConv2D):
            slots[f"{name}_depthwise/kernel"] = layer.depthwise_kernel, tuple(layer.depthwise_kernel.shape[:3])
            slots[f"{name}_pointwise/kernel"] = layer.pointwise_kernel, tuple(layer.pointwise_kernel.shape[2:])
            slots[f"{name}_pointwise/bias"] = layer.bias, tuple(layer.bias.shape)
        elif isinstance(layer, layers.DepthwiseConv2D):
            slots[f"{name}/kernel"] = layer.kernel, tuple(layer.kernel.shape[:3])
            slots[f"{name}/bias"] = layer.bias, tuple(layer.bias.shape)
        elif isinstance(layer, layers.Conv2DTranspose):
            slots[f"{name}/kernel"] = layer.kernel, tuple(layer.kernel.shape)
            slots[f"{name}/bias"] = layer.bias, tuple(layer.bias.shape)
        elif isinstance(layer, layers.Conv2D):
            shape = tuple(layer.kernel.shape)
            slots[f"{name}/kernel"] = layer.kernel, shape[2:] if shape[:2] == (1, 1) else shape
            if layer.use_bias:
                slots[f"{name}/bias"] = layer.bias, tuple(layer.bias.shape)
        elif all(len(variable.shape) == 1 for variable in layer.weights):  # none, or those of a normalisation
            slots |= {f"{name}/{variable.name}": (variable, tuple(variable.shape)) for variable in layer.weights}
        else:
            raise ValueError(f"{model.name}: layer {name} is a {type(layer).__name__}, which has no npfuse layout")
    return slots
