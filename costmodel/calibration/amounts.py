"""What each step of a graph does, in the amounts that take time: by kind of operator, as `npfuse.fast` runs it."""

from math import prod

from costmodel.calibration.rates import Amounts
from costmodel.rules import operator_cost
from npfuse.graph import Graph
from npfuse.ops import Conv2D, Conv2DTranspose, PointwiseConv2D, Resize
from npfuse.run import Step, is_one_layer

LANES = 16  # features are computed in vectors of so many
NEAR_BYTES = 14 * 2**20  # values beyond them come from memory and not from a cache

FUSE = "fuse"  # the kind of a pair network of LightFuse's form, without its coarse steps
FRESH = "fresh pages"  # what the system takes to hand out memory for a large result
FRESH_BYTES = 32 * 2**20  # results from that size on get fresh pages; smaller ones memory that was used before
CHAIN = "chain"  # the kind of a merged chain, whose multiply-adds depend on the picture


def step_kind(step: Step) -> str:
    """Return the kind of a step: the operator's, with a resize's method; a layer with its ReLU, or a chain."""
    op = step[0].op
    if len(step) > 1:
        return "PointwiseConv2D, ReLU" if is_one_layer(step) else CHAIN
    return f"Resize, {op.method}" if isinstance(op, Resize) else op.kind


def fresh_amounts(graph: Graph, step: Step) -> Amounts:
    """Return the bytes of fresh pages of a step's result."""
    written = 4 * prod(graph.shapes[step[-1].name])
    return {"bytes": float(written if written >= FRESH_BYTES else 0)}


def step_amounts(graph: Graph, step: Step) -> Amounts:
    """Return what a step does; of a chain without its multiply-adds.

    Examples
    --------
    >>> from npfuse.models import t_cnn
    >>> from npfuse.run import plan
    >>> graph = t_cnn(10, 10)
    >>> step_amounts(graph, plan(graph, merge=True)[1])["macs"]  # 6 channels to 256 features
    153600.0
    """
    first, last = step[0], step[-1]
    inputs = graph.input_shapes(first)
    output = graph.shapes[last.name]
    read, written = sum(map(prod, inputs)), prod(output)
    amounts = {
        "call": 1.0,
        "read": float(read),
        "written": float(written),
        "far": float(max(0, 4 * (read + written) - NEAR_BYTES)),
    }
    op = first.op
    macs = operator_cost(op, *inputs).work.macs
    if isinstance(op, Conv2D | Conv2DTranspose | PointwiseConv2D):
        macs = macs // op.features * -(-op.features // LANES) * LANES
    if macs and step_kind(step) != CHAIN:
        amounts["macs"] = float(macs)
    return amounts
