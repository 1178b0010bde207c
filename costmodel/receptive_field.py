"""How much of a network's inputs one position of a layer depends on, along rows and columns.

Walked backwards through the graph, from what every operator says about its own reading (`input_span`), so that
resizing, branches of different depth and normalisation over the whole picture need no rules of their own. Positions
whose window reaches beyond the picture see less; the answer is the most that any of the middle positions sees.
"""

from npfuse.graph import Graph
from npfuse.ops.operator import Pair

PHASES = 16  # positions tried; strides and resizing of up to this factor shift the window between neighbours


def receptive_fields(graph: Graph) -> dict[str, Pair]:
    """Return (rows, columns) of the inputs that one position of each node depends on.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    (rows, columns) by node name, at most the inputs' own (H, W)

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> fields = receptive_fields(lightfuse(64, 64, hidden=(4,)))
    >>> fields["detail2"], fields["global1"], fields["global3_depthwise"]
    ((1, 1), (3, 3), (15, 15))
    """
    inputs = tuple(name for name, _ in graph.inputs)
    fields = {}
    for i, node in enumerate(graph.nodes):
        part = Graph(name=graph.name, inputs=graph.inputs, nodes=graph.nodes[: i + 1], outputs=(node.name,))
        rows, columns = (_field(part, axis, inputs) for axis in (0, 1))
        fields[node.name] = rows, columns
    return fields


def _field(part: Graph, axis: int, inputs: tuple[str, ...]) -> int:
    """Return the widest span of the inputs that one of the middle positions of the only output needs."""
    n = part.shapes[part.outputs[0]][axis]
    first = max((n - PHASES) // 2, 0)
    widest = 0
    for position in range(first, min(first + PHASES, n)):
        spans = part.input_spans(axis, position, position + 1)
        read = [spans[name] for name in inputs if name in spans]
        widest = max(widest, max(stop for _, stop in read) - min(start for start, _ in read))
    return widest
