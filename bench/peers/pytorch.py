"""PyTorch: the graph walked by a traced, frozen module, its convolutions fused by oneDNN, NCHW.

Of PyTorch's ways, this was by far the fastest for LightFuse in tiles of 128: 0.7 microseconds of CPU time per pixel, on
a busy machine. The same module took 1.5 run eagerly, 2.7 in the channels-last layout (traced, 0.9), and 1.0 or more by
`torch.compile`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.tiling import Network, Others, Picture
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
from npfuse.weights.weights import Weights

TITLE = "PyTorch"
MODULES = ("torch",)
DISTRIBUTIONS = ("torch",)
HALF_WHITE = 127.5


def prepare(weights: Weights, height: int, width: int, threads: int) -> Network:
    """Return the network for pictures of one size."""
    import torch

    torch.set_num_threads(threads)
    graph = weights.graph(height, width)
    _, *others = graph.inputs
    blank = [torch.zeros((1, height, width, 3), dtype=torch.uint8) for _ in range(2)]
    blank += [torch.zeros((1, *shape)) for _, shape in others]
    walk = walk_of(torch, weights, graph)
    with torch.inference_mode():
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(walk, blank)))

    def network(under: Picture, over: Picture, others: Others) -> Picture:
        values = (np.ascontiguousarray(value) for value in (under[np.newaxis], over[np.newaxis], *others.values()))
        with torch.inference_mode():
            return traced(*(torch.from_numpy(_writable(value)) for value in values))[0].numpy()

    return network


def walk_of(torch: Any, weights: Weights, graph: Graph, *, planes: bool = True) -> Any:
    """Return a module from the bytes of a pair, and the network's other inputs, to the bytes of the result.

    Parameters
    ----------
    torch : the package
    weights, graph : Weights and Graph of the network
    planes : whether each channel is a plane; if not, channels stay side by side ("channels last")
    """
    (exposures, _), *others = graph.inputs
    layers = torch.nn.ModuleDict()
    steps: list[Callable[..., Any]] = []
    for node in graph.nodes:
        layer, step = _step(torch, graph, node, weights)
        steps.append(step)
        if layer is not None:
            layers[node.name] = layer

    class Walk(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, under: Any, over: Any, *values: Any) -> Any:
            pair = torch.cat((under, over), -1).permute(0, 3, 1, 2)
            dtype = next(self.parameters()).dtype
            pair = (pair.contiguous() if planes else pair).to(dtype)
            known = {exposures: pair * (1 / HALF_WHITE) - 1}
            known |= {n: value.to(dtype).permute(0, 3, 1, 2) for (n, _), value in zip(others, values, strict=True)}
            for node, step in zip(graph.nodes, steps, strict=True):
                known[node.name] = step(*(known[name] for name in node.inputs))
            levels = torch.round((known[graph.outputs[0]] + 1) * HALF_WHITE).to(torch.uint8)
            return levels.permute(0, 2, 3, 1).contiguous()

    return Walk().eval()


def _writable(array: np.ndarray) -> np.ndarray:
    """Return an array that PyTorch takes without a warning; read-only ones are copied."""
    return array if array.flags.writeable else array.copy()


def _step(torch: Any, graph: Graph, node: Node, weights: Weights) -> tuple[Any, Callable[..., Any]]:
    """Return the layer of a node that has weights, or None, and the function that computes the node."""
    op, (height, width, _) = node.op, graph.shapes[node.name]
    functional = torch.nn.functional
    own = {
        name: torch.from_numpy(weights.arrays[f"{node.weight_key}/{name}"].copy())
        for name in op.weight_shapes(*graph.input_shapes(node))
    }
    match op:
        case PointwiseConv2D():
            layer = _convolution(torch, own["kernel"].T[:, :, None, None], own.get("bias"), 1, 1)
            return layer, layer
        case DepthwiseConv2D():
            kernel = own["kernel"].permute(2, 0, 1)[:, None]
            layer = _convolution(torch, kernel, own.get("bias"), op.stride, len(kernel), op.dilation)
            rows, columns = (
                pad.conv_pads(graph.input_shapes(node)[0][axis], *op.axis_arguments(axis)) for axis in (0, 1)
            )
            return layer, lambda x: layer(functional.pad(x, (*columns, *rows)))
        case DepthwiseConv2DTranspose(fixed=fixed, stride=(2, 2), padding="same", use_bias=False) if fixed == BOX:
            return None, lambda x: functional.interpolate(x, scale_factor=2.0, mode="nearest")
        case Resize(method="bilinear"):
            return None, lambda x: functional.interpolate(x, size=(height, width), mode="bilinear")
        case Resize(method="area", height=1, width=1):
            return None, lambda x: x.mean((2, 3), keepdim=True)
        case ReLU():
            return None, torch.relu
        case Tanh():
            return None, torch.tanh
        case Add() | AddChannels():
            return None, lambda x, *others: sum(others, x)
    raise ValueError(f"{graph.name}/{node.name}: operator {op} has no counterpart in the PyTorch peer")


def _convolution(torch: Any, kernel: Any, bias: Any, stride: Any, groups: int, dilation: Any = 1) -> Any:
    """Return a convolution layer with these weights, kernel (Cout, Cin / groups, kH, kW)."""
    layer = torch.nn.Conv2d(
        kernel.shape[1] * groups,
        len(kernel),
        kernel.shape[2:],
        stride=stride,
        dilation=dilation,
        groups=groups,
        bias=bias is not None,
    )
    with torch.no_grad():
        layer.weight.copy_(kernel)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer
