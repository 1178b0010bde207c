"""How much memory the values of a graph take at once, from when each is made and when it is last read.

The walk is that of `npfuse.run`: a value is made by its step and dropped after the last step that reads it. The caller
keeps the inputs, so they count to the end. Counted too is what a step needs for itself: the padded copy of a
convolution's input, and the half-resampled picture of a resize. Left out: weights (`GraphCost.parameters`), and the
block of hidden values of a merged step, which is small and does not grow with the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from costmodel.counts import FLOAT32_BYTES
from npfuse import padding as pad
from npfuse.graph import Graph, Node
from npfuse.ops import Resize, Window
from npfuse.run import plan


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The moment at which most memory is in use.

    Parameters
    ----------
    bytes : in use
    during : name of the node whose step it is, the last one where operators are merged
    values : (name, bytes) of everything in use, in the order of its making
    """

    bytes: int
    during: str
    values: tuple[tuple[str, int], ...]


def peak(graph: Graph, *, merge: bool, element_bytes: int = FLOAT32_BYTES) -> Peak:
    """Return the peak of the memory that a graph's values take.

    Parameters
    ----------
    graph : Graph
    merge : whether chains of pointwise operators run in one step, their hidden values never in memory
    element_bytes : size of every number

    Returns
    -------
    Peak

    Examples
    --------
    >>> from npfuse.models import t_cnn
    >>> peak(t_cnn(10, 10), merge=False).values  # padded: (10 + 2)**2 * 256 * 4 bytes
    (('exposures', 2400), ('conv1_relu', 102400), ('conv2_depthwise', 102400), ('conv2_depthwise, padded', 147456))
    """
    moments = _moments(graph, merge=merge)
    scaled = [(node, tuple((name, count * element_bytes) for name, count in values)) for node, values in moments]
    node, values = max(scaled, key=lambda moment: sum(count for _, count in moment[1]))
    return Peak(bytes=sum(count for _, count in values), during=node.name, values=values)


def _moments(graph: Graph, *, merge: bool) -> Iterator[tuple[Node, tuple[tuple[str, int], ...]]]:
    """Yield, for every step, its last node and (name, count of numbers) of what is in memory while it runs."""
    steps = plan(graph, merge=merge)
    last_use = {name: i for i, step in enumerate(steps) for node in step for name in node.inputs}
    kept = {name for name, _ in graph.inputs} | set(graph.outputs)
    alive = {name: prod(shape) for name, shape in graph.inputs}
    for i, step in enumerate(steps):
        made = step[-1].name
        alive[made] = prod(graph.shapes[made])
        yield step[-1], (*alive.items(), *(_scratch(graph, step[0]) if len(step) == 1 else ()))
        for name in list(alive):
            if name not in kept and last_use.get(name, i) <= i:
                del alive[name]


def _scratch(graph: Graph, node: Node) -> Iterator[tuple[str, int]]:
    """Yield what an operator needs beside its inputs and its output."""
    height, width, channels = graph.input_shapes(node)[0]
    if isinstance(node.op, Resize):
        yield f"{node.name}, rows", node.op.height * width * channels
    if isinstance(node.op, Window) and not node.op.transposed:
        rows, columns = (sum(pad.conv_pads(n, *node.op.axis_arguments(axis))) for axis, n in enumerate((height, width)))
        yield f"{node.name}, padded", (height + rows) * (width + columns) * channels
