"""The network in integers as plain data: its layers, and which nodes of a graph make up each of them.

A node that makes sums (a convolution) is taken together with the AddChannels and the ReLU behind it. They are one
layer, which rounds once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npfuse.arithmetics import Arithmetic
from npfuse.graph import Graph, Node
from npfuse.integer.format import Format
from npfuse.integer.ranges import Interval
from npfuse.integer.requantize import Rescale, Rounding
from npfuse.ops import Add, AddChannels, Conv2DTranspose, DepthwiseConv2D, PointwiseConv2D, ReLU

Ranges = Mapping[str, float | tuple[float, ...]]  # of values by name: one for all channels, or one per channel
Summing = PointwiseConv2D | DepthwiseConv2D | Conv2DTranspose


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A layer of the integer network, which makes one value.

    Parameters
    ----------
    name : name of the value, and of the last of the graph's nodes that make it
    nodes : names of those nodes, in order: one node; or a convolution, perhaps with AddChannels and ReLU behind it; or
        Add and ReLU
    inputs : names of the values that it reads
    output : Format
    kernel, bias : ndarray int8 and int32 of a convolution, of the node's shapes; None if there is none. A node without
        a bias may have one here, which makes up for the rounding of its kernel
    sum_scale : ndarray (Cout,), float64: real number that a step of the sum stands for
    rescales : Rescale from the sums to the output, or one per input of an Add; none if the scale stays as it is
    added : Rescale from what AddChannels adds to the scale of the sums; or None
    sum_interval : least and greatest sum, per channel
    sum_bound : greatest magnitude of a partial sum
    interval : least and greatest number of the output, per channel
    levels : ndarray (255,), int16, for tanh: the least number of each level from 1 on
    saturates : whether a rounded number may lie beyond the output's range, and is then brought to its end
    """

    name: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    output: Format
    kernel: NDArray[np.int8] | None = None
    bias: NDArray[np.int32] | None = None
    sum_scale: NDArray[np.float64] | None = None
    rescales: tuple[Rescale, ...] = ()
    added: Rescale | None = None
    sum_interval: Interval | None = None
    sum_bound: int = 0
    interval: Interval
    levels: NDArray[np.int16] | None = None
    saturates: bool = False

    @property
    def sum_bits(self) -> float:
        """Return how many bits the magnitude of the sums takes, without the sign."""
        return math.log2(max(self.sum_bound, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerGraph:
    """A network in integers, for one size; `at` returns it for another size.

    Parameters
    ----------
    graph : Graph, to which the layers' nodes belong
    arithmetic, rounding : names of the arithmetic and of the rule of rounding, see `npfuse.integer.quantize`
    layers : tuple of Layer, in the order of execution
    formats : Format of every value by name, inputs included
    ranges : greatest real numbers of values, which were measured; empty if none are needed
    """

    graph: Graph
    arithmetic: Arithmetic
    rounding: Rounding
    layers: tuple[Layer, ...]
    formats: Mapping[str, Format]
    ranges: Ranges

    def at(self, graph: Graph) -> "IntegerGraph":
        """Return the same network for the graph of another size."""
        if [node.name for node in graph.nodes] != [node.name for node in self.graph.nodes]:
            raise ValueError(f"{graph.name}: nodes differ from the integer network's, expected another size only")
        return replace(self, graph=graph)

    def layer(self, name: str) -> Layer:
        """Return the layer that makes a value."""
        return next(layer for layer in self.layers if layer.name == name)

    def shape(self, name: str) -> tuple[int, int, int]:
        """Return the (H, W, C) of a value."""
        return self.graph.shapes[name]


def layer_nodes(graph: Graph) -> list[tuple[Node, ...]]:
    """Cut a graph into layers: a node, or a convolution with the AddChannels and the ReLU behind it.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> [[node.name for node in nodes] for nodes in layer_nodes(lightfuse(8, 8, hidden=(4,)))][:3]
    [['detail1', 'detail1_relu'], ['detail2', 'detail2_relu'], ['global1']]
    """
    uses: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    layers: list[tuple[Node, ...]] = []
    place: dict[str, int] = {}  # of the layer whose last node has this name
    for node in graph.nodes:
        at = place.get(node.inputs[0])
        if at is not None and uses[node.inputs[0]] == 1 and _continues(layers[at], node):
            layers.append((*layers.pop(at), node))
            place = {nodes[-1].name: i for i, nodes in enumerate(layers)}
        else:
            place[node.name] = len(layers)
            layers.append((node,))
    return layers


def _continues(layer: tuple[Node, ...], node: Node) -> bool:
    """Tell whether a node rounds together with the layer before it."""
    if isinstance(node.op, ReLU):
        return isinstance(layer[-1].op, Summing | AddChannels | Add)
    return isinstance(node.op, AddChannels) and isinstance(layer[-1].op, Summing)


def hidden_values(graph: Graph) -> list[str]:
    """Return the names of the values that "mixed" keeps in 8 bits: ReLUs of full size that a convolution reads.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> hidden_values(lightfuse(8, 8))
    ['detail1_relu', 'detail2_relu']
    """
    (_, (height, width, _)), *_ = graph.inputs
    readers = {name: [node for node in graph.nodes if name in node.inputs] for name in graph.shapes}
    return [
        node.name
        for node in graph.nodes
        if isinstance(node.op, ReLU)
        and graph.shapes[node.name][:2] == (height, width)
        and all(isinstance(reader.op, Summing) for reader in readers[node.name])
    ]
