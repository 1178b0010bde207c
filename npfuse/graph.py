"""A network as plain data: named operators, each reading named values. No weights inside, nothing runs here.

The runner executes a graph, the cost model counts it, and people read it (`print(graph)`). Nodes are in the order of
execution, so a graph has no cycles. Two nodes with the same weight key share their weights (siamese branches).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Pair, Shape
from npfuse.ops.window import Window


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operator in a graph.

    Parameters
    ----------
    name : name of the node, and of the value that it computes
    op : Operator
    inputs : names of the values that it reads
    weight_key : prefix of its weights' names; the node's own name unless it shares another node's weights
    """

    name: str
    op: Operator
    inputs: tuple[str, ...]
    weight_key: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A network for one picture size.

    Parameters
    ----------
    name : name of the network
    inputs : (name, (H, W, C)) of every input
    nodes : Nodes, in the order of execution
    outputs : names of the values that the network returns

    Raises
    ------
    ValueError : a name is used twice or unknown, shapes do not fit, or nodes that share weights want different shapes

    Examples
    --------
    >>> from npfuse.ops import ReLU, PointwiseConv2D
    >>> b = GraphBuilder("tiny")
    >>> x = b.input("picture", (4, 5, 3))
    >>> y = b.add("mix", PointwiseConv2D(features=2), x)
    >>> graph = b.build(b.add("act", ReLU(), y))
    >>> graph.shapes["act"], graph.parameter_count
    ((4, 5, 2), 8)
    """

    name: str
    inputs: tuple[tuple[str, Shape], ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check names, shapes and shared weights."""
        known: set[str] = set()
        for name in (*(name for name, _ in self.inputs), *(node.name for node in self.nodes)):
            if name in known:
                raise ValueError(f"{self.name}: the name {name!r} is used twice, expected every name once")
            known.add(name)
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"{self.name}: output is {name!r}, expected one of {', '.join(sorted(known))}")
        _ = self.shapes, self.weight_shapes

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Return the (H, W, C) of every value by name, inputs included."""
        shapes = dict(self.inputs)
        for node in self.nodes:
            for name in node.inputs:
                if name not in shapes:
                    raise ValueError(
                        f"{self.name}/{node.name}: input is {name!r}, expected an earlier value: {', '.join(shapes)}"
                    )
            try:
                shapes[node.name] = node.op.output_shape(*(shapes[name] for name in node.inputs))
            except ValueError as error:
                raise ValueError(f"{self.name}/{node.name}: {error}") from None
        return shapes

    @cached_property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight by its full name, "<weight key>/<name>"."""
        weights: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            for name, shape in node.op.weight_shapes(*self.input_shapes(node)).items():
                full_name = f"{node.weight_key}/{name}"
                if weights.setdefault(full_name, shape) != shape:
                    raise ValueError(
                        f"{self.name}/{node.name}: shared weight {full_name} has shape {shape}, "
                        f"expected {weights[full_name]} as where it is first used"
                    )
        return weights

    @property
    def parameter_count(self) -> int:
        """Return the number of learned parameters; shared ones count once."""
        return sum(prod(shape) for shape in self.weight_shapes.values())

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Return the shapes of the values that a node reads."""
        return tuple(self.shapes[name] for name in node.inputs)

    def input_spans(self, axis: int, start: int, stop: int) -> dict[str, Pair]:
        """Return the positions of each value that the output positions [start, stop) depend on.

        Parameters
        ----------
        axis : 0 for rows, 1 for columns
        start, stop : positions of the outputs

        Returns
        -------
        (start, stop) by value name, clipped to the value; only the values that are needed
        """
        spans: dict[str, Pair] = dict.fromkeys(self.outputs, (start, stop))
        for node in reversed(self.nodes):
            if node.name not in spans:
                continue
            for name in node.inputs:
                n = self.shapes[name][axis]
                first, last = node.op.input_span(axis, *spans[node.name], n)
                first, last = max(first, 0), min(last, n)
                if first >= last:
                    continue  # a transposed convolution with a stride beyond its kernel leaves gaps that read nothing
                seen = spans.get(name, (first, last))
                spans[name] = min(first, seen[0]), max(last, seen[1])
        return spans

    def __str__(self) -> str:
        """Return the network as a table, one row per operator."""
        header = ("layer", "operator", "kernel", "stride", "input", "output", "parameters")
        rows = [header, *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        rule = "-" * max(map(len, lines))
        total = f"{self.name}: {self.parameter_count:,} parameters"
        return "\n".join([lines[0], rule, *lines[1:], rule, total])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the table."""
        for node in self.nodes:
            op = node.op
            kernel = stride = ""
            if isinstance(op, Window):
                kernel = "x".join(map(str, op.kernel_size))
                kernel += "" if op.dilation == (1, 1) else f" dilation {'x'.join(map(str, op.dilation))}"
                stride = "x".join(map(str, op.stride))
            inputs = self.input_shapes(node)
            parameters = sum(prod(shape) for shape in op.weight_shapes(*inputs).values())
            shared = "" if node.weight_key == node.name else f" (of {node.weight_key})"
            yield (
                node.name,
                op.kind,
                kernel,
                stride,
                " + ".join("x".join(map(str, shape)) for shape in inputs),
                "x".join(map(str, self.shapes[node.name])),
                (f"{parameters:,}" if parameters else "0") + shared,
            )


@dataclass
class GraphBuilder:
    """Collects nodes, so that a model's function reads like the paper's table."""

    name: str
    inputs: list[tuple[str, Shape]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def input(self, name: str, shape: Shape) -> str:
        """Declare an input of shape (H, W, C) and return its name."""
        self.inputs.append((name, shape))
        return name

    def add(self, name: str, op: Operator, *inputs: str, weight_key: str | None = None) -> str:
        """Append an operator that reads the named values, and return its name."""
        self.nodes.append(Node(name=name, op=op, inputs=inputs, weight_key=name if weight_key is None else weight_key))
        return name

    def build(self, *outputs: str) -> Graph:
        """Return the checked graph."""
        return Graph(name=self.name, inputs=tuple(self.inputs), nodes=tuple(self.nodes), outputs=outputs)


def check_weights(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError if a weight is missing, left over or of the wrong shape; the message names each one."""
    faults = [
        f"{name} is missing, expected {shape}" for name, shape in graph.weight_shapes.items() if name not in weights
    ]
    faults += [
        f"{name} {array.shape} is left over" for name, array in weights.items() if name not in graph.weight_shapes
    ]
    faults += [
        f"{name} has shape {weights[name].shape}, expected {shape}"
        for name, shape in graph.weight_shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    if faults:
        raise ValueError(f"{graph.name}: weights do not fit: {'; '.join(faults)}")
