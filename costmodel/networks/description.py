"""What a file's reader fills: the graph of a network, the bytes of its numbers, and the obstacles met on the way.

Every reader collects all obstacles and raises them together: a count is right, or it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from npfuse.graph import Graph, Node
from npfuse.graph_memory import FLOAT32_BYTES
from npfuse.ops import Operator, Shape

MOST_OBSTACLES = 20  # printed; the others are counted
# What a file may ask for: more is no network that anybody runs, and counting it would take the machine's memory.
MOST_NODES = 20_000
MOST_ROWS = 2**24  # and columns, of a value
MOST_CHANNELS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network read from a file.

    Parameters
    ----------
    graph : of operators of `npfuse.ops` and of `costmodel.networks`, for one size of its inputs
    value_bytes : bytes of a number of each value
    weight_bytes : bytes of a number of the weights under each weight key
    arrays : sizes of the arrays that a node reads as weights, by node and array, where nodes may share some of them and
        not others; those of other nodes are told apart by their weight keys
    format : of the file, with the versions that it names
    """

    graph: Graph
    value_bytes: Mapping[str, int]
    weight_bytes: Mapping[str, int]
    arrays: Mapping[str, Mapping[str, int]]
    format: str


class Obstacle(ValueError):  # noqa: N818 (collected, and raised together in the end)
    """What keeps one layer from being counted."""


@dataclass(frozen=True)
class Value:
    """A value of a network under construction.

    Parameters
    ----------
    name : of the input or node
    shape : without the batch, as its framework has it, channels last; of any rank
    """

    name: str
    shape: tuple[int, ...]

    @property
    def picture(self) -> Shape:
        """The shape as (H, W, C)."""
        return picture_shape(self.shape)


def picture_shape(shape: tuple[int, ...]) -> Shape:
    """Return a shape of any rank as (H, W, C).

    Examples
    --------
    >>> picture_shape((4, 6, 8)), picture_shape((10,)), picture_shape((2, 3, 4, 5)), picture_shape(())
    ((4, 6, 8), (1, 1, 10), (1, 24, 5), (1, 1, 1))
    """
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return 1, prod(shape[:-1]), shape[-1] if shape else 1


@dataclass
class Description:
    """A network under construction: nodes, bytes and obstacles.

    Parameters
    ----------
    name : of the network
    where : the file, for messages
    """

    name: str
    where: str
    inputs: list[tuple[str, Shape]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    value_bytes: dict[str, int] = field(default_factory=dict)
    weight_bytes: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, Mapping[str, int]] = field(default_factory=dict)
    obstacles: list[str] = field(default_factory=list)

    def input(self, name: str, shape: tuple[int, ...], number_bytes: int = FLOAT32_BYTES) -> Value:
        """Declare an input."""
        value = Value(name, shape)
        self._check_length(name, value.picture)
        self.inputs.append((name, value.picture))
        self.shapes[name] = value.picture
        self.value_bytes[name] = number_bytes
        return value

    def add(
        self,
        name: str,
        op: Operator,
        inputs: tuple[str, ...],
        *,
        weight_key: str | None = None,
        number_bytes: int = FLOAT32_BYTES,
        weight_bytes: int = FLOAT32_BYTES,
    ) -> Shape:
        """Append a node; return its shape.

        Raises
        ------
        Obstacle : the shapes do not fit the operator
        ValueError : too many nodes, or too long a value
        """
        if len(self.nodes) >= MOST_NODES:
            raise ValueError(f"{self.where}: number of nodes is more than {MOST_NODES:,}, expected at most that")
        try:
            shape = op.output_shape(*(self.shapes[each] for each in inputs))
        except ValueError as error:
            raise Obstacle(f"{name}: {error}") from None
        self._check_length(name, shape)
        key = name if weight_key is None else weight_key
        self.nodes.append(Node(name=name, op=op, inputs=inputs, weight_key=key))
        self.shapes[name] = shape
        self.value_bytes[name] = number_bytes
        self.weight_bytes[key] = weight_bytes
        return shape

    def _check_length(self, name: str, shape: Shape) -> None:
        height, width, channels = shape
        if max(height, width) > MOST_ROWS or channels > MOST_CHANNELS:
            raise ValueError(
                f"{self.where}: shape (H, W, C) of {name} is {shape}, expected at most {MOST_ROWS:,} rows and columns, "
                f"and {MOST_CHANNELS:,} channels"
            )

    def network(self, outputs: list[str], format_name: str) -> Network:
        """Return the network.

        Raises
        ------
        ValueError : there were obstacles; the message names them all
        """
        if self.obstacles:
            found = list(dict.fromkeys(self.obstacles))
            shown = "; ".join(found[:MOST_OBSTACLES])
            more = f"; and {len(found) - MOST_OBSTACLES} more" if len(found) > MOST_OBSTACLES else ""
            count = f"{len(found)} obstacles: " if len(found) > 1 else ""
            hint = "; a rule is a function under costmodel.rule" if "with a rule" in shown else ""
            raise ValueError(f"{self.where}: {count}{shown}{more}{hint}")
        if not outputs:
            raise ValueError(f"{self.where}: number of outputs is 0, expected at least 1")
        graph = Graph(name=self.name, inputs=tuple(self.inputs), nodes=tuple(self.nodes), outputs=tuple(outputs))
        return Network(
            graph=graph,
            value_bytes=self.value_bytes,
            weight_bytes=self.weight_bytes,
            arrays=self.arrays,
            format=format_name,
        )
