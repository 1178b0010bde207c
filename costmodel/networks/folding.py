"""Folds normalisation by stored moments into the convolution before it, as whoever deploys a network does.

A factor and an addend a channel after a linear operator are another kernel and a bias: the normalisation then costs
nothing. Folded is BatchNormalization right after a convolution or dense layer whose result nothing else reads. Where
the normalisation comes first, padding keeps it from being folded exactly, and it stays.
"""

from dataclasses import replace

from costmodel.networks.description import Network
from costmodel.networks.operators import Dense, Elementwise
from costmodel.networks.windows import Convolution
from npfuse.graph import Graph, Node
from npfuse.ops import Operator, PointwiseConv2D, Window


def folded(network: Network) -> Network:
    """Return a network whose normalisation is folded into the convolutions before it.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Network, without the folded nodes; their moments are no parameters any more, the biases are
    """
    graph = network.graph
    uses: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    keys: dict[str, int] = {}
    for node in graph.nodes:
        keys[node.weight_key] = keys.get(node.weight_key, 0) + 1
    kept: dict[str, Node] = {}
    stands_for: dict[str, str] = {}  # the convolution of each folded node
    for node in graph.nodes:
        before = kept.get(stands_for.get(node.inputs[0], node.inputs[0]))
        alone = keys[node.weight_key] == 1 and uses[node.inputs[0]] == 1
        if _is_normalisation(node.op) and before is not None and alone and keys[before.weight_key] == 1:
            with_bias = _with_bias(before.op)
            if with_bias is not None:
                kept[before.name] = replace(before, op=with_bias)
                stands_for[node.name] = before.name
                continue
        kept[node.name] = replace(node, inputs=tuple(stands_for.get(name, name) for name in node.inputs))
    outputs = tuple(stands_for.get(name, name) for name in graph.outputs)
    nodes = tuple(kept.values())
    return replace(network, graph=Graph(name=graph.name, inputs=graph.inputs, nodes=nodes, outputs=outputs))


def _is_normalisation(op: Operator) -> bool:
    return isinstance(op, Elementwise) and "moving_mean" in dict(op.stored)


def _with_bias(op: Operator) -> Operator | None:
    """Return a linear operator with a bias; None for another operator."""
    if isinstance(op, Window | PointwiseConv2D | Convolution | Dense) and getattr(op, "fixed", None) is None:
        return replace(op, use_bias=True)
    return None
