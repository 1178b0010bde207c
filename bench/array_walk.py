"""Runs a network of a pair operator by operator, in the functions that NumPy, CuPy and JAX have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npfuse import padding as pad
from npfuse.graph import Graph, Node
from npfuse.ops import (
    BOX,
    Add,
    AddChannels,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)
from npfuse.ops.resize import resize_taps

HALF_WHITE = 127.5


def walk_of(xp: Any, graph: Graph, weights: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function from the bytes of a pair, and the network's other inputs, to the bytes of the result.

    Parameters
    ----------
    xp : module: numpy, cupy or jax.numpy
    graph : Graph of the pictures' size
    weights : arrays of that library by full name
    """
    (exposures, _), *others = graph.inputs

    def walk(under: Any, over: Any, *values: Any) -> Any:
        pair = xp.concatenate((under, over), axis=-1).astype(xp.float32)
        known = {exposures: pair / np.float32(HALF_WHITE) - 1}
        known |= {name: value for (name, _), value in zip(others, values, strict=True)}
        for node in graph.nodes:
            known[node.name] = _computed(xp, graph, node, weights, [known[name] for name in node.inputs])
        return xp.rint((known[graph.outputs[0]] + 1) * np.float32(HALF_WHITE)).astype(xp.uint8)

    return walk


def _computed(xp: Any, graph: Graph, node: Node, weights: Mapping[str, Any], xs: list[Any]) -> Any:
    op, x = node.op, xs[0]
    own = {name: weights[f"{node.weight_key}/{name}"] for name in op.weight_shapes(*graph.input_shapes(node))}
    match op:
        case PointwiseConv2D():
            return x @ own["kernel"] + own.get("bias", np.float32(0))
        case DepthwiseConv2D():
            pads = [pad.conv_pads(x.shape[1 + axis], *op.axis_arguments(axis)) for axis in (0, 1)]
            padded = xp.pad(x, ((0, 0), *pads, (0, 0)))
            height, width = op.output_lengths(x.shape[1:])
            total = own.get("bias", np.float32(0))
            for i in range(op.kernel_size[0]):
                for j in range(op.kernel_size[1]):
                    rows, columns = (
                        slice(tap * op.dilation[axis], tap * op.dilation[axis] + (n - 1) * op.stride[axis] + 1,
                              op.stride[axis])
                        for axis, (tap, n) in enumerate(((i, height), (j, width)))
                    )  # fmt: skip
                    total = total + padded[:, rows, columns] * own["kernel"][i, j]
            return total
        case DepthwiseConv2DTranspose(fixed=fixed, stride=(2, 2), padding="same", use_bias=False) if fixed == BOX:
            return xp.repeat(xp.repeat(x, 2, axis=1), 2, axis=2)
        case Resize(height=height, width=width, method=method):
            for axis, out in ((1, height), (2, width)):
                positions, shares = resize_taps(x.shape[axis], out, method)
                along = [1, 1, 1, 1]
                along[axis] = out
                x = sum(
                    xp.take(x, xp.asarray(positions[:, t]), axis=axis)
                    * xp.asarray(shares[:, t].reshape(along).astype(np.float32))
                    for t in range(positions.shape[1])
                )
            return x
        case ReLU():
            return xp.maximum(x, 0)
        case Tanh():
            return xp.tanh(x)
        case Add() | AddChannels():
            return sum(xs[1:], x)
    raise ValueError(f"{graph.name}/{node.name}: operator {op} has no counterpart in arrays")
