"""What a network costs: `count` walks a graph with the rules of `costmodel.rules`, one row per layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from costmodel.conventions import Convention, Work
from costmodel.networks.description import Network
from costmodel.networks.windows import SlidingWindow
from costmodel.receptive_field import receptive_fields
from costmodel.rules import OperatorCost, operator_cost
from npfuse.graph import Graph, Node
from npfuse.graph_memory import FLOAT32_BYTES
from npfuse.ops import PointwiseConv2D, Shape, Window
from npfuse.ops.operator import Pair

ALIKE: Mapping[str, int] = MappingProxyType({})  # no number has bytes of its own
NONE: Mapping[str, Mapping[str, int]] = MappingProxyType({})  # no arrays are shared in part


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One row of the table of layers.

    Parameters
    ----------
    name, operator : of the node
    reads : names of the values that it reads
    inputs, output : shapes (H, W, C)
    kernel_layout : axes of the learned kernel, in order; empty where there is none
    pads : zeros around the input (top, bottom, left, right), or what a transposed convolution cuts off; None where the
        operator has no window
    kernel_size, stride, dilation : (rows, columns), or None where the operator has none
    parameters : learned numbers, 0 where they are another layer's
    shares : weight key of that other layer, or None
    work : arithmetic by kind
    bytes_read, bytes_written : in execution operator by operator
    weight_bytes : of its parameters, 0 where they are another layer's
    receptive_field : (rows, columns) of each of the network's inputs that one position of the output depends on
    """

    name: str
    operator: str
    reads: tuple[str, ...]
    inputs: tuple[Shape, ...]
    output: Shape
    kernel_layout: tuple[str, ...]
    pads: tuple[int, int, int, int] | None
    kernel_size: Pair | None
    stride: Pair | None
    dilation: Pair | None
    parameters: int
    shares: str | None
    work: Work
    bytes_read: int
    bytes_written: int
    weight_bytes: int
    receptive_field: Mapping[str, Pair]

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written."""
        return self.bytes_read + self.bytes_written

    @property
    def operations(self) -> int:
        """Multiply-adds and all other operations, each as one: what occupies an arithmetic unit for one slot."""
        return self.work.macs + self.work.other


@dataclass(frozen=True, kw_only=True)
class GraphCost:
    """What a network costs for one picture.

    Parameters
    ----------
    name : of the graph
    layers : in the order of execution
    pixels : H * W of the first output
    element_bytes : of every number in memory
    """

    name: str
    layers: tuple[LayerCost, ...]
    pixels: int
    element_bytes: int

    @property
    def parameters(self) -> int:
        """Learned numbers, shared ones once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def work(self) -> Work:
        """Arithmetic of all layers, by kind."""
        return sum((layer.work for layer in self.layers), Work())

    @property
    def weight_bytes(self) -> int:
        """Bytes of the parameters, shared ones once."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def bytes_read(self) -> int:
        """Bytes read by all layers."""
        return sum(layer.bytes_read for layer in self.layers)

    @property
    def bytes_written(self) -> int:
        """Bytes written by all layers."""
        return sum(layer.bytes_written for layer in self.layers)

    def amount(self, convention: Convention) -> int:
        """Return the total under a convention."""
        return convention.amount(self.work)

    def per_pixel(self, convention: Convention) -> Fraction:
        """Return the total under a convention for one pixel of the output, exactly."""
        return Fraction(self.amount(convention), self.pixels)


def count(
    graph: Graph | Network,
    *,
    element_bytes: int = FLOAT32_BYTES,
) -> GraphCost:
    """Return what a network costs, layer by layer.

    Parameters
    ----------
    graph : Graph, or a network read from a file, whose numbers have the bytes that the file gives them
    element_bytes : size of every number of a graph in memory; 4 for float32

    Returns
    -------
    GraphCost

    Raises
    ------
    ValueError : an operator has no rule, element_bytes < 1, or the graph has no nodes

    Examples
    --------
    >>> from costmodel.conventions import CONVENTIONS
    >>> from npfuse.models import lightfuse
    >>> cost = count(lightfuse(64, 96))
    >>> cost.parameters, int(cost.per_pixel(CONVENTIONS["paper"]))
    (18630, 36260)
    """
    values, weights, arrays = ALIKE, ALIKE, NONE
    if isinstance(graph, Network):
        values, weights, arrays = graph.value_bytes, graph.weight_bytes, graph.arrays
        graph = graph.graph
    if element_bytes < 1:
        raise ValueError(f"{graph.name}: element_bytes is {element_bytes}, expected at least 1")
    if not graph.nodes or not graph.outputs:
        raise ValueError(f"{graph.name}: number of nodes is {len(graph.nodes)}, expected at least 1 and an output")
    fields = receptive_fields(graph)
    counted: set[str] = set()
    layers = []
    for node in graph.nodes:
        sizes = _Sizes(
            inputs=tuple(values.get(name, element_bytes) for name in node.inputs),
            output=values.get(node.name, element_bytes),
            weights=weights.get(node.weight_key, element_bytes),
        )
        cost = operator_cost(node.op, *graph.input_shapes(node))
        stored = arrays.get(node.name) or {node.weight_key: cost.parameters}
        new = {name: size for name, size in stored.items() if name not in counted}
        counted |= new.keys()
        layers.append(_layer(graph, node, cost, fields[node.name], sum(new.values()), sizes))
    height, width, _ = graph.shapes[graph.outputs[0]]
    return GraphCost(name=graph.name, layers=tuple(layers), pixels=height * width, element_bytes=element_bytes)


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Bytes of a number of a node's inputs, output and weights."""

    inputs: tuple[int, ...]
    output: int
    weights: int


def _layer(
    graph: Graph, node: Node, cost: OperatorCost, field: Mapping[str, Pair], parameters: int, sizes: _Sizes
) -> LayerCost:
    """Return a node's row with the parameters that no earlier node has counted."""
    inputs = graph.input_shapes(node)
    op = node.op
    window = op if isinstance(op, Window | SlidingWindow) else None
    alone = (1, 1) if isinstance(op, PointwiseConv2D) else None
    read = sum(count * size for count, size in zip(cost.inputs_read, sizes.inputs, strict=True))
    return LayerCost(
        name=node.name,
        operator=op.kind,
        reads=node.inputs,
        inputs=inputs,
        output=graph.shapes[node.name],
        kernel_layout=op.kernel_axes if "kernel" in op.weight_shapes(*inputs) else (),
        pads=window.pads(inputs[0]) if window else None,
        kernel_size=window.kernel_size if window else alone,
        stride=window.stride if window else alone,
        dilation=window.dilation if window else alone,
        parameters=parameters,
        shares=None if parameters or not cost.parameters else node.weight_key,
        work=cost.work,
        bytes_read=read + cost.parameters * sizes.weights,
        bytes_written=cost.values_written * sizes.output,
        weight_bytes=parameters * sizes.weights,
        receptive_field=field,
    )
