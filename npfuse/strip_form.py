"""Finds in a graph what a strip is fused with in one pass (`npfuse.strip_run`): networks of LightFuse's form.

Such a network is tanh of the sum of a chain of pointwise layers, which reads the pixels themselves (DetailNet), and of
something coarse, which reads them after they were halved by depthwise convolutions (GlobalNet) and is enlarged again.
Numba is not imported here: the cost model asks too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from npfuse.engine.layout import CELL, CHANNELS, TAPS
from npfuse.graph import Graph, Node
from npfuse.ops import BOX, Add, DepthwiseConv2D, DepthwiseConv2DTranspose, PointwiseConv2D, Resize, Tanh
from npfuse.ops.resize import Resampling
from npfuse.run import Step, plan

HALVING = DepthwiseConv2D(kernel_size=(TAPS, TAPS), stride=(2, 2))
DOUBLING = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)


@dataclass(frozen=True, kw_only=True)
class Form:
    """A network's parts.

    Parameters
    ----------
    chain : the pointwise layers of the exposures
    halvings : the depthwise convolutions of the exposures, one after another, at most three
    middle : what follows, a graph of the last one's value (and of values of `before`); its output is the coarse picture
    enlarged : how the coarse picture is made CELL times as large; None where the middle has done it
    before : a graph of the other inputs alone, or None
    """

    chain: Step
    halvings: Step
    middle: Graph | None
    enlarged: Resampling | None
    before: Graph | None


def recognized(graph: Graph) -> Form | None:
    """Find the parts of a network, or None where it is of another form.

    Examples
    --------
    >>> from npfuse.models import lightfuse, t_cnn
    >>> form = recognized(lightfuse(16, 16, decoder="bilinear"))
    >>> [node.name for node in form.halvings], form.enlarged, recognized(t_cnn(16, 16))
    (['global1', 'global2', 'global3_depthwise'], 'bilinear', None)
    """
    (exposures, (height, width, channels)), *_ = graph.inputs
    nodes = {node.name: node for node in graph.nodes}
    readers: dict[str, list[Node]] = {name: [] for name in graph.shapes}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name].append(node)
    depend: set[str] = {exposures}
    for node in graph.nodes:
        if depend & set(node.inputs):
            depend.add(node.name)

    last = nodes.get(graph.outputs[0])
    total = nodes.get(last.inputs[0]) if last else None
    if channels != CHANNELS or len(graph.outputs) != 1 or last is None or total is None:
        return None
    if not isinstance(last.op, Tanh) or not isinstance(total.op, Add) or len(total.inputs) != 2:
        return None
    by_end = {step[-1].name: step for step in plan(graph, merge=True)}
    chains = [
        by_end[name]
        for name in total.inputs
        if name in by_end and by_end[name][0].inputs == (exposures,) and isinstance(by_end[name][0].op, PointwiseConv2D)
    ]
    if len(chains) != 1 or graph.shapes[chains[0][-1].name] != (height, width, 3):
        return None
    (chain,) = chains
    (coarse,) = set(total.inputs) - {chain[-1].name} or {""}
    if coarse not in nodes:
        return None

    halvings: list[Node] = []
    value = exposures
    while len(halvings) < 3:
        reading = [node for node in readers[value] if node is not chain[0]]
        if len(reading) != 1 or not _halves(reading[0]):
            break
        halvings += reading
        value = reading[0].name
    coarse, enlarged, ups = _before_enlarging(graph, nodes, coarse)
    taken = {node.name for node in (*chain, *halvings, *ups, total, last)}
    middle = [node for node in graph.nodes if node.name in depend - taken]
    before = [node for node in graph.nodes if node.name not in depend]
    read = {name for node in (*middle, *chain) for name in node.inputs}
    known = {*(node.name for node in (*middle, *before, *halvings[-1:])), *dict(graph.inputs)} - {exposures}
    if not halvings or any(name not in known for node in middle for name in node.inputs):
        return None
    if coarse not in known or graph.shapes[coarse][2] != 3 or enlarged == "area":
        return None
    early = tuple(node.name for node in before if node.name in read)
    return Form(
        chain=chain,
        halvings=tuple(halvings),
        middle=_part(graph, middle, (coarse,)) if middle else None,
        enlarged=enlarged,
        before=_part(graph, before, early) if early else None,
    )


def _halves(node: Node) -> bool:
    """Tell whether a node is one of the depthwise convolutions that halve, with or without a bias."""
    return isinstance(node.op, DepthwiseConv2D) and replace(node.op, use_bias=True) == HALVING


def _before_enlarging(graph: Graph, nodes: Mapping[str, Node], name: str) -> tuple[str, Resampling | None, list[Node]]:
    """Return the value that is made CELL times as large, how, and the nodes that do it."""
    node = nodes[name]
    height, width, _ = graph.shapes[node.inputs[0]]
    if isinstance(node.op, Resize) and (CELL * height, CELL * width) == graph.shapes[name][:2]:
        return node.inputs[0], node.op.method, [node]
    ups: list[Node] = []
    factor = 1
    while factor < CELL and name in nodes and nodes[name].op == DOUBLING:
        ups.append(nodes[name])
        name = nodes[name].inputs[0]
        factor *= 2
    return (name, "nearest", ups) if factor == CELL else (node.name, None, [])


def _part(graph: Graph, nodes: Sequence[Node], outputs: tuple[str, ...]) -> Graph:
    """Return a graph of some nodes; what they read and do not compute are its inputs."""
    own = {node.name for node in nodes}
    inputs = dict.fromkeys(name for node in nodes for name in node.inputs if name not in own)
    return Graph(
        name=graph.name,
        inputs=tuple((name, graph.shapes[name]) for name in inputs),
        nodes=tuple(nodes),
        outputs=outputs,
    )
