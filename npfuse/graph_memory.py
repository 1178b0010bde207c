"""Computes how much memory the values of a graph take at once, from when each is made and when it is last read.

The walk is that of `npfuse.run`: a value is made by its step and dropped after the last step that reads it. The caller
keeps the inputs, so they count to the end. The memory that a step needs for itself, in `npfuse.fast`, is counted, too:
a dense convolution pads a strip of its input at a time, a transposed one all of it, a resize makes a half-resampled
picture, and a merged chain deals pixels out to groups, a row of a few of them at a time; depthwise convolutions need
nothing. Weights (`GraphCost.parameters`) are left out, and so are the hidden values of a chain's block of pixels, which
are few and do not grow with the picture. The memory of `npfuse.fuse`, which cuts pictures into parts, is each method's
own (`npfuse.methods.method.Method.peak`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from npfuse import padding as pad
from npfuse.engine.layout import CHAIN_GROUPS, GROUP_SIDE, PADDED_NUMBERS
from npfuse.graph import Graph, Node
from npfuse.ops import Conv2D, Conv2DTranspose, Resize
from npfuse.run import Step, is_one_layer, plan

FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The moment at which most memory is in use.

    Parameters
    ----------
    bytes : number of bytes in use
    during : name of the step's node; of merged operators, the last one
    values : (name, bytes) of everything in use, in the order in which it was made
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
    >>> peak(t_cnn(10, 10), merge=False).values  # 10 * 10 * 256 channels * 4 bytes
    (('exposures', 2400), ('conv1_pointwise', 102400), ('conv1_relu', 102400))
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
        yield step[-1], (*alive.items(), *(_scratch(graph, step[0]) if len(step) == 1 else _chain_scratch(graph, step)))
        for name in list(alive):
            if name not in kept and last_use.get(name, i) <= i:
                del alive[name]


def _chain_scratch(graph: Graph, chain: Step) -> Iterator[tuple[str, int]]:
    """Yield the groups of pixels and of results that a merged chain works on at a time; a single layer needs none."""
    if is_one_layer(chain):
        return
    _, width, channels = graph.input_shapes(chain[0])[0]
    groups = min(CHAIN_GROUPS, -(-width // GROUP_SIDE) + 1)  # one more where a part begins within a group
    features = graph.shapes[chain[-1].name][2]
    yield f"{chain[-1].name}, groups", groups * GROUP_SIDE**2 * (channels + features)


def _scratch(graph: Graph, node: Node) -> Iterator[tuple[str, int]]:
    """Yield what an operator needs beside its inputs and its output."""
    height, width, channels = graph.input_shapes(node)[0]
    if isinstance(node.op, Resize):
        yield f"{node.name}, rows", node.op.height * width * channels
    if isinstance(node.op, Conv2D):
        arguments = [node.op.axis_arguments(axis) for axis in (0, 1)]
        rows, columns = (sum(pad.conv_pads(n, *a)) for n, a in zip((height, width), arguments, strict=True))
        if rows or columns:
            kernel, stride, dilation, _ = arguments[0]
            along, reach = (width + columns) * channels, pad.extent(kernel, dilation)
            out_rows = min(graph.shapes[node.name][0], max(-(-reach // stride), PADDED_NUMBERS // (along * stride)))
            yield f"{node.name}, padded strip", ((out_rows - 1) * stride + reach) * along
    if isinstance(node.op, Conv2DTranspose):
        # An output position is made of as many input positions as taps meet it: one fewer lie beyond the edge.
        padded = []
        for axis, n in enumerate(graph.shapes[node.name][:2]):
            kernel, stride, dilation, _ = node.op.axis_arguments(axis)
            padded.append(-(-n // stride) + (kernel - 1) * dilation // stride)
        yield f"{node.name}, padded", padded[0] * padded[1] * channels
