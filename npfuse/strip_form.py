"""Matches a graph with LightFuse's form: networks that `npfuse.strip_run` evaluates over a strip in one pass.

Such a network is tanh of a sum of two branches. The chain (DetailNet) is pointwise layers of the exposures themselves.
The coarse part (GlobalNet) halves the exposures by depthwise convolutions, evaluates any small graph of the result, the
coarse branch, and enlarges it again. Inputs besides the exposures may feed both, through a thumbnail branch.
Numba is not imported here, because the cost model uses this module too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from npfuse.engine.layout import CELL, CHANNELS, PLANE_START, TAPS
from npfuse.graph import Graph, Node
from npfuse.ops import BOX, Add, AddChannels, DepthwiseConv2D, DepthwiseConv2DTranspose, PointwiseConv2D, ReLU, Tanh
from npfuse.ops.operator import Operator
from npfuse.ops.resize import Resampling, Resize
from npfuse.run import Step, plan

HALVING = DepthwiseConv2D(kernel_size=(TAPS, TAPS), stride=(2, 2))
MOST_HALVINGS = 3
DOUBLING = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)


class NotLightFuseForm(ValueError):  # noqa: N818 (no fault of anybody: such networks run operator by operator)
    """A network of another form; the message names the first node that differs, and the expected one."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A layer of a coarse branch that `npfuse.engine.coarse_pass` knows: what a pixel sees, and what it makes of it.

    Parameters
    ----------
    depthwise : 3x3 DepthwiseConv2D, or None
    dilation : of that; 0 without one
    pointwise : PointwiseConv2D
    rectified, added : whether ReLU follows, and whether the look's own input is added then
    """

    depthwise: Node | None
    dilation: int
    pointwise: Node
    rectified: bool
    added: bool


@dataclass(frozen=True, kw_only=True)
class Form:
    """A network's parts.

    Parameters
    ----------
    chain : the pointwise layers of the exposures
    halvings : the depthwise convolutions of the exposures, one after another, at most MOST_HALVINGS
    coarse_branch : graph from the last halving's value, and values of the thumbnail branch, to the coarse picture; None
        if the last halving's value is the coarse picture
    looks : the coarse branch, if it consists of nothing else; or none
    upsampling : way of making the coarse picture CELL times as large; None if the coarse branch has done it
    thumbnail_branch : graph of the inputs besides the exposures, or None
    """

    chain: Step
    halvings: Step
    coarse_branch: Graph | None
    looks: tuple[Look, ...]
    upsampling: Resampling | None
    thumbnail_branch: Graph | None


def match_form(graph: Graph) -> Form:
    """Match a network with LightFuse's form.

    Returns
    -------
    Form

    Raises
    ------
    NotLightFuseForm : the network is of another form; the message says why

    Examples
    --------
    >>> from npfuse.models import lightfuse, t_cnn
    >>> form = match_form(lightfuse(16, 16, decoder="bilinear"))
    >>> [node.name for node in form.halvings], form.upsampling
    (['global1', 'global2', 'global3_depthwise'], 'bilinear')
    >>> match_form(t_cnn(16, 16))
    Traceback (most recent call last):
    npfuse.strip_form.NotLightFuseForm: conv3_pointwise is a PointwiseConv2D, expected Add
    """
    exposures, total, last = _ending(graph)
    chain = _chain(graph, exposures, total)
    halvings = _halvings(graph, exposures, chain)
    (enlarged,) = set(total.inputs) - {chain[-1].name}
    coarse, upsampling, ups = _upsampling(graph, enlarged)
    taken = {node.name for node in (*chain, *halvings, *ups, total, last)}
    coarse_nodes, thumbnail_nodes = _branches(graph, exposures, taken)
    _check_coarse_branch(graph, coarse_nodes, coarse, halvings, thumbnail_nodes)
    read = {name for node in (*coarse_nodes, *chain) for name in node.inputs}
    handed_on = tuple(node.name for node in thumbnail_nodes if node.name in read)
    return Form(
        chain=chain,
        halvings=halvings,
        coarse_branch=_part(graph, coarse_nodes, (coarse,)) if coarse_nodes else None,
        looks=_looks(coarse_nodes, halvings[-1].name),
        upsampling=upsampling,
        thumbnail_branch=_part(graph, thumbnail_nodes, handed_on) if handed_on else None,
    )


def form_or_none(graph: Graph) -> Form | None:
    """Return a network's form, or None for a network of another form."""
    try:
        return match_form(graph)
    except NotLightFuseForm:
        return None


def lone_looks(graph: Graph) -> tuple[Look, ...]:
    """Return the looks of a network that is tanh of looks at two exposures and nothing else; none for other networks.

    Examples
    --------
    >>> from npfuse.models import lightfuse, t_cnn
    >>> [look.pointwise.name for look in lone_looks(t_cnn(16, 16))], lone_looks(lightfuse(16, 16))
    (['conv1_pointwise', 'conv2_pointwise', 'conv3_pointwise'], ())
    """
    (exposures, (_, _, channels)), *others = graph.inputs
    last = graph.nodes[-1]
    fits = channels == CHANNELS and not others and isinstance(last.op, Tanh) and graph.outputs == (last.name,)
    looks = _looks(graph.nodes[:-1], exposures) if fits else ()
    return looks if looks and graph.shapes[last.name][2] == 3 and last.inputs == (graph.nodes[-2].name,) else ()


def _ending(graph: Graph) -> tuple[str, Node, Node]:
    """Return the name of the exposures, and the last two nodes: Add and Tanh."""
    (exposures, (_, _, channels)), *_ = graph.inputs
    if channels != CHANNELS:
        raise NotLightFuseForm(f"{exposures} has {channels} channels, expected {CHANNELS}")
    if len(graph.outputs) != 1:
        raise NotLightFuseForm(f"number of outputs is {len(graph.outputs)}, expected 1")
    nodes = {node.name: node for node in graph.nodes}
    last = _expected(nodes, graph.outputs[0], Tanh)
    total = _expected(nodes, last.inputs[0], Add)
    if len(total.inputs) != 2 or total.inputs[0] == total.inputs[1]:
        raise NotLightFuseForm(f"{total.name} adds {', '.join(total.inputs)}, expected two values")
    return exposures, total, last


def _expected(nodes: dict[str, Node], name: str, op: type) -> Node:
    """Return a node of an expected operator."""
    if name not in nodes:
        raise NotLightFuseForm(f"{name} is an input, expected {op.__name__}")
    if not isinstance(nodes[name].op, op):
        raise NotLightFuseForm(f"{name} is a {nodes[name].op.kind}, expected {op.__name__}")
    return nodes[name]


def _chain(graph: Graph, exposures: str, total: Node) -> Step:
    """Return the pointwise layers from the exposures to the sum."""
    found = [path for name in total.inputs if (path := _pointwise_path(graph, exposures, name))]
    if len(found) != 1:
        raise NotLightFuseForm(
            f"{total.name} adds {len(found)} chains that begin with a PointwiseConv2D of {exposures}, expected 1"
        )
    (path,) = found
    for node in path:
        if not isinstance(node.op, PointwiseConv2D | ReLU | AddChannels):
            weights = node.op.weight_shapes(*graph.input_shapes(node))
            expected = PointwiseConv2D if weights else ReLU
            raise NotLightFuseForm(f"{node.name} is a {node.op.kind}, expected {expected.__name__}")
    merged = {step[-1].name: step for step in plan(graph, merge=True)}.get(path[-1].name, ())
    if tuple(path) != merged:
        raise NotLightFuseForm(f"{path[0].name} to {path[-1].name} are not one chain, expected no other readers inside")
    height, width, _ = graph.shapes[exposures]
    if graph.shapes[path[-1].name] != (height, width, 3):
        shape = graph.shapes[path[-1].name]
        raise NotLightFuseForm(f"{path[-1].name} is {shape} (height, width, channels), expected {(height, width, 3)}")
    return merged


def _pointwise_path(graph: Graph, exposures: str, name: str) -> list[Node]:
    """Return the nodes from the exposures to a value, by first inputs; none if the first is no PointwiseConv2D."""
    nodes = {node.name: node for node in graph.nodes}
    path: list[Node] = []
    while name in nodes:
        path.append(nodes[name])
        name = path[-1].inputs[0]
    return path[::-1] if name == exposures and path and isinstance(path[-1].op, PointwiseConv2D) else []


def _halvings(graph: Graph, exposures: str, chain: Step) -> Step:
    """Return the depthwise convolutions that halve the exposures, one after another."""
    halvings: list[Node] = []
    value = exposures
    while len(halvings) < MOST_HALVINGS:
        readers = [node for node in graph.nodes if value in node.inputs and node is not chain[0]]
        if len(readers) != 1 or not _halves(readers[0]):
            break
        halvings += readers
        value = readers[0].name
    if not halvings:
        found = ", ".join(f"{node.name} ({node.op.kind})" for node in readers) or "nothing"
        raise NotLightFuseForm(
            f"besides {chain[0].name}, {exposures} is read by {found}, expected a 3x3 DepthwiseConv2D with stride 2"
        )
    return tuple(halvings)


def _halves(node: Node) -> bool:
    """Tell whether a node is one of the depthwise convolutions that halve, with or without a bias."""
    return isinstance(node.op, DepthwiseConv2D) and replace(node.op, use_bias=True) == HALVING


def _upsampling(graph: Graph, name: str) -> tuple[str, Resampling | None, list[Node]]:
    """Return the coarse picture, the way of making it CELL times as large, and the nodes that do so."""
    nodes = {node.name: node for node in graph.nodes}
    if name not in nodes:
        raise NotLightFuseForm(f"{name} is an input, expected a value of the exposures")
    node = nodes[name]
    height, width, _ = graph.shapes[node.inputs[0]]
    if isinstance(node.op, Resize) and (CELL * height, CELL * width) == graph.shapes[name][:2]:
        if node.op.method == "area":
            raise NotLightFuseForm(f"{name} enlarges by method area, expected nearest or bilinear")
        return node.inputs[0], node.op.method, [node]
    ups: list[Node] = []
    factor = 1
    while factor < CELL and name in nodes and nodes[name].op == DOUBLING:
        ups.append(nodes[name])
        name = nodes[name].inputs[0]
        factor *= 2
    return (name, "nearest", ups) if factor == CELL else (node.name, None, [])


def _branches(graph: Graph, exposures: str, taken: set[str]) -> tuple[list[Node], list[Node]]:
    """Return the other nodes: those that depend on the exposures, and those that do not."""
    dependent = {exposures}
    for node in graph.nodes:
        if dependent & set(node.inputs):
            dependent.add(node.name)
    others = [node for node in graph.nodes if node.name not in taken]
    return (
        [node for node in others if node.name in dependent],
        [node for node in others if node.name not in dependent],
    )


def _check_coarse_branch(
    graph: Graph, nodes: Sequence[Node], coarse: str, halvings: Step, thumbnail_nodes: Sequence[Node]
) -> None:
    """Check that the coarse branch reads the last halving, other inputs and itself only, and has three channels."""
    _, *others = graph.inputs
    known = {node.name for node in (*nodes, *thumbnail_nodes, halvings[-1])} | dict(others).keys()
    for node in nodes:
        for name in node.inputs:
            if name not in known:
                raise NotLightFuseForm(f"{node.name} reads {name}, expected {halvings[-1].name} or what follows it")
    if coarse not in known:
        raise NotLightFuseForm(f"the coarse picture is {coarse}, expected {halvings[-1].name} or what follows it")
    if graph.shapes[coarse][2] != 3:
        raise NotLightFuseForm(f"{coarse} has {graph.shapes[coarse][2]} channels, expected 3")


def _looks(nodes: Sequence[Node], value: str) -> tuple[Look, ...]:
    """Return the looks that nodes consist of, one after another from a value on; none if there is anything else."""
    looks: list[Look] = []
    left = list(nodes)

    def take(kind: type, *inputs: str) -> Node | None:
        """Take the next node if it is of a kind and reads these values, in any order."""
        fits = left and isinstance(left[0].op, kind) and sorted(left[0].inputs) == sorted(inputs)
        return left.pop(0) if fits else None

    while left:
        depthwise = take(DepthwiseConv2D, value)
        pointwise = take(PointwiseConv2D, depthwise.name if depthwise else value)
        dilation = _dilation(depthwise.op) if depthwise else 0
        if pointwise is None or dilation is None:
            return ()
        relu = take(ReLU, pointwise.name)
        result = relu or pointwise
        added = take(Add, value, result.name)
        last = {"rectified": relu is not None, "added": added is not None}
        looks.append(Look(depthwise=depthwise, dilation=dilation, pointwise=pointwise, **last))
        value = (added or result).name
    return tuple(looks)


def _dilation(op: Operator) -> int | None:
    """Return the dilation of an operator that is the depthwise convolution of a look; None for others."""
    if not isinstance(op, DepthwiseConv2D):
        return None
    dilation = op.dilation[0]
    plain = DepthwiseConv2D(kernel_size=(TAPS, TAPS), dilation=(dilation, dilation), use_bias=op.use_bias)
    return dilation if op == plain and dilation <= PLANE_START else None


def _part(graph: Graph, nodes: Sequence[Node], outputs: tuple[str, ...]) -> Graph:
    """Return a graph of some nodes, whose inputs are the values that they read of others."""
    own = {node.name for node in nodes}
    inputs = dict.fromkeys(name for node in nodes for name in node.inputs if name not in own)
    return Graph(
        name=graph.name,
        inputs=tuple((name, graph.shapes[name]) for name in inputs),
        nodes=tuple(nodes),
        outputs=outputs,
    )
