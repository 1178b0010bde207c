"""Runs a network in integers: every value is the same on every machine, whatever the order of sums."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.integer.ops import INTEGER
from npfuse.integer.quantize import IntegerGraph, Layer
from npfuse.integer.requantize import requantize
from npfuse.ops import Add, AddChannels, Tanh


def run_integers(
    network: IntegerGraph,
    inputs: Mapping[str, NDArray[Any]],
    *,
    keep: Sequence[str] = (),
    sums: dict[str, NDArray[Any]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Run a network in integers.

    Parameters
    ----------
    network : IntegerGraph
    inputs : ndarray (N, H, W, C) of integers by input name, or object arrays of Python integers
    keep : names of further values to return, of inputs or layers
    sums : takes the sums of every layer that has some, by the layer's name, before they are requantised; int32

    Returns
    -------
    dict of ndarray (N, H, W, C) by name, of the outputs and of the values in `keep`, each in the dtype of its format;
    object for objects

    Raises
    ------
    ValueError : an input is missing, left over, misshapen or out of its range, or an unknown name in `keep`
    TypeError : an input is not of integers

    Examples
    --------
    >>> from npfuse.integer import quantized
    >>> from npfuse.weights.loading import load_weights
    >>> weights = load_weights("lightfuse")
    >>> network = quantized(weights.graph(8, 8), weights.arrays)
    >>> grey = np.full((1, 8, 8, 6), -55, np.int16)
    >>> found = run_integers(network, {"exposures": grey}, keep=["detail1_relu"])
    >>> found["fused"].dtype, found["detail1_relu"].dtype
    (dtype('uint8'), dtype('int16'))
    """
    for name in keep:
        if name not in network.formats:
            raise ValueError(
                f"{network.graph.name}: value to keep is {name!r}, expected one of {', '.join(network.formats)}"
            )
    _check_inputs(network, inputs)
    wanted = tuple(dict.fromkeys((*network.graph.outputs, *keep)))
    last_use = {name: i for i, layer in enumerate(network.layers) for name in layer.inputs}
    values: dict[str, NDArray[Any]] = dict(inputs)
    for i, layer in enumerate(network.layers):
        value, total = _layer(network, layer, [values[name] for name in layer.inputs])
        values[layer.name] = _narrow(value, layer.output.dtype)
        if sums is not None and total is not None:
            sums[layer.name] = _narrow(total, np.dtype(np.int32))
        for name in layer.inputs:
            if last_use[name] == i and name not in wanted:
                values.pop(name, None)
    return {name: values[name] for name in wanted}


def _check_inputs(network: IntegerGraph, inputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise where an input does not fit."""
    graph = network.graph
    expected = dict(graph.inputs)
    for name in expected.keys() | inputs.keys():
        actual = inputs[name].shape[1:] if name in inputs else "missing"
        if actual != expected.get(name):
            raise ValueError(f"{graph.name}: input {name} (H, W, C) is {actual}, expected {expected.get(name, 'none')}")
        x, form = inputs[name], network.formats[name]
        if x.dtype.kind not in "iuO":
            raise TypeError(f"{graph.name}: dtype of {name} is {x.dtype}, expected integers; shape {x.shape}")
        if x.size and (x.min() < form.low or x.max() > form.high):
            raise ValueError(
                f"{graph.name}: input {name} is {x.min()} to {x.max()}, expected {form.low} to {form.high}; "
                f"shape {x.shape}"
            )


def _narrow(x: NDArray[Any], dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Return whole numbers in the dtype that holds them; Python integers as they are."""
    return x if x.dtype == object else x.astype(dtype)


def _layer(
    network: IntegerGraph, layer: Layer, xs: list[NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return a layer's value, and its sums where it has some; neither narrowed yet."""
    op = next(node.op for node in network.graph.nodes if node.name == layer.nodes[0])
    wide = [x if x.dtype == object else x.astype(np.int64) for x in xs]
    if layer.table is not None:
        return INTEGER[Tanh](wide[0], layer.table), None
    if not layer.rescales:  # a copy, or a mean
        _, height, width, channels = wide[0].shape
        constants = op.constants((height, width, channels))
        arrays = {name: array.astype(wide[0].dtype) for name, array in constants.items()}
        return INTEGER[type(op)](wide[0], **arrays, **op.arguments()), None
    if isinstance(op, Add):
        terms = [requantize(x, by, network.rounding) for x, by in zip(wide, layer.rescales, strict=True)]
        total = INTEGER[Add](*terms)
        return layer.output.saturated(total), total
    kernel, bias = (a if a is None else a.astype(wide[0].dtype) for a in (layer.kernel, layer.bias))
    total = INTEGER[type(op)](wide[0], kernel, bias, **op.arguments())
    if layer.added is not None:
        total = INTEGER[AddChannels](total, requantize(wide[1], layer.added, network.rounding))
    return layer.output.saturated(requantize(total, layer.rescales[0], network.rounding)), total
