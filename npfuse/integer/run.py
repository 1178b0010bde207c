"""Runs a network in integers: every value is the same on every machine, whatever the order of sums."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.integer.layers import IntegerGraph, Layer
from npfuse.integer.ops import INTEGER
from npfuse.integer.requantize import Rounding, requantize
from npfuse.ops import Add, AddChannels, Operator, PointwiseConv2D, Tanh

CACHED_SUMS = 1 << 15


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
    sums : dict that is filled with the sums of every layer that has some, before they are requantised; int32

    Returns
    -------
    dict of ndarray (N, H, W, C) by name : the outputs and the values in `keep`, each in the dtype of its format; object
        arrays for object arrays

    Raises
    ------
    ValueError : an input is missing, not expected, of a wrong shape or out of its range, or `keep` has an unknown name
    TypeError : an input does not hold integers

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
    operators = {node.name: node.op for node in network.graph.nodes}
    for i, layer in enumerate(network.layers):
        xs = [values[name] for name in layer.inputs]
        values[layer.name], total = layer_value(
            operators[layer.nodes[0]], layer, xs, network.rounding, keep_sums=sums is not None
        )
        if sums is not None and total is not None:
            sums[layer.name] = _narrow(total, np.dtype(np.int32))
        for name in layer.inputs:
            if last_use[name] == i and name not in wanted:
                values.pop(name, None)
    return {name: values[name] for name in wanted}


def _check_inputs(network: IntegerGraph, inputs: Mapping[str, NDArray[Any]]) -> None:
    """Raise an error if an input does not fit."""
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
    """Return whole numbers in the dtype that holds them; Python integers stay as they are."""
    return x if x.dtype == object else x.astype(dtype)


def layer_value(
    op: Operator, layer: Layer, xs: list[NDArray[Any]], rounding: Rounding, *, keep_sums: bool = False
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return a layer's value in the dtype of its format, and its sums if it has some and `keep_sums` is true.

    A pointwise layer works on a few rows at a time, whose sums stay in the processor's cache.

    Parameters
    ----------
    op : Operator of the layer's first node
    layer : Layer
    xs : ndarray (N, H, W, C) of each input, integers or object
    rounding : rule of rounding
    keep_sums : whether the sums are returned
    """
    total: NDArray[Any] | None = None
    if layer.levels is not None:
        value = INTEGER[Tanh](_wide(xs[0]), layer.levels)
    elif not layer.rescales:  # a copy, or a mean
        x = _wide(xs[0])
        constants = op.constants((x.shape[1], x.shape[2], x.shape[3]))
        whole = {name: array.astype(np.int64).astype(x.dtype) for name, array in constants.items()}
        value = INTEGER[type(op)](x, **whole, **op.arguments())
    elif isinstance(op, Add):
        total = INTEGER[Add](*(requantize(_wide(x), by, rounding) for x, by in zip(xs, layer.rescales, strict=True)))
        value = layer.output.saturated(total)
    else:
        x, *added = xs
        height, width = x.shape[1:3]
        rows = max(CACHED_SUMS // (width * op.features), 1) if isinstance(op, PointwiseConv2D) else height
        parts = [
            _convolved(layer, op, x[:, start : start + rows], added, rounding, keep_sums)
            for start in range(0, height, rows)
        ]
        values, totals = zip(*parts, strict=True)
        value, total = np.concatenate(values, axis=1), np.concatenate(totals, axis=1) if keep_sums else None
    return _narrow(value, layer.output.dtype), total


def _convolved(
    layer: Layer, op: Operator, x: NDArray[Any], added: list[NDArray[Any]], rounding: Rounding, keep_sums: bool
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return a convolution's value, in its dtype, and its sums."""
    x = x if isinstance(op, PointwiseConv2D) else _wide(x)  # which makes floats of any whole numbers
    dtype = object if x.dtype == object else np.int64
    kernel, bias = (a if a is None else a.astype(dtype) for a in (layer.kernel, layer.bias))
    total = INTEGER[type(op)](x, kernel, bias, **op.arguments())
    if layer.added is not None:
        total = INTEGER[AddChannels](total, requantize(_wide(added[0]), layer.added, rounding))
    value = layer.output.saturated(requantize(total, layer.rescales[0], rounding))
    return _narrow(value, layer.output.dtype), total if keep_sums else None


def _wide(x: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers in 64 bits; Python integers stay as they are."""
    return x if x.dtype == object else x.astype(np.int64)
