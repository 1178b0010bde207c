"""What each part of a computation does, in amounts that take time: by kind of operator, as `npfuse.fast` runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from costmodel.calibration.rates import Amounts
from costmodel.rules import operator_cost
from npfuse.graph import Graph
from npfuse.ops import (
    AdaptiveNorm,
    AddChannels,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Operator,
    PointwiseConv2D,
    Resize,
    Shape,
    WeightedSum,
)
from npfuse.ops.resize import resize_taps
from npfuse.run import Step, is_one_layer, plan

LANES = 16  # numbers of a vector
NEAR_BYTES = 14 * 2**20  # values beyond them come from memory and not from a cache

CHAIN = "chain"  # the kind of a merged chain, but for
REGIONS = "regions"  # what it executes, which depends on the picture, here and in strips of a pair


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a computation, whose time is predicted.

    Parameters
    ----------
    name : of the graph's last node in it, or of the work
    kind : whose rates hold
    amounts : what it does
    """

    name: str
    kind: str
    amounts: Amounts


def filled(channels: int) -> int:
    """Return the lanes that channels take, whole vectors.

    Examples
    --------
    >>> filled(3), filled(16), filled(17)
    (16, 16, 32)
    """
    return -(-channels // LANES) * LANES


def far(values: float) -> float:
    """Return the bytes of values beyond those that a cache holds."""
    return float(max(0, 4 * values - NEAR_BYTES))


def step_kind(step: Step) -> str:
    """Return the kind of a step: the operator's, with a resize's method; a layer with its ReLU, or a chain."""
    op = step[0].op
    if len(step) > 1:
        return "PointwiseConv2D, ReLU" if is_one_layer(step) else CHAIN
    return f"Resize, {op.method}" if isinstance(op, Resize) else op.kind


def _feature_lanes(op: Conv2D | Conv2DTranspose | PointwiseConv2D, channels: int) -> int:
    """Return the lanes that features take: a single one takes its own only, where whole vectors of inputs fill them."""
    beside = op.kernel_size[1] if isinstance(op, Conv2D) and op.dilation[1] == 1 else 1
    return 1 if op.features == 1 and beside * channels % LANES == 0 else filled(op.features)


def _arithmetic(op: Operator, inputs: Sequence[Shape], output: Shape) -> Amounts:
    """Return an operator's multiply-adds, with lanes filled up; nothing for one whose values tell its time."""
    if isinstance(op, Resize):
        (height, width, channels), (rows, columns, _) = inputs[0], output
        row_taps, column_taps = (
            resize_taps(n, out, op.method)[0].shape[1] for n, out in ((height, rows), (width, columns))
        )
        return {
            "columns": float(height * columns * column_taps * filled(channels)),
            "rows": float(rows * columns * channels * row_taps),
        }
    macs = operator_cost(op, *inputs).work.macs
    if isinstance(op, Conv2D | Conv2DTranspose | PointwiseConv2D):
        return {"macs": float(macs // op.features * _feature_lanes(op, inputs[0][2]))}
    if isinstance(op, DepthwiseConv2D | DepthwiseConv2DTranspose):
        vectors = float(prod(output[:2]) * filled(output[2]))
        return {"vectors": vectors, "macs": float(macs // output[2] * filled(output[2]))}
    if isinstance(op, AdaptiveNorm | AddChannels | Concatenate | WeightedSum):
        return {"pixels": float(prod(output[:2]))}  # a loop over each one's channels
    return {}


def step_amounts(graph: Graph, step: Step) -> Amounts:
    """Return what a step does; of a chain without its multiply-adds.

    Examples
    --------
    >>> from npfuse.models import t_cnn
    >>> graph = t_cnn(10, 10)
    >>> step_amounts(graph, plan(graph, merge=True)[1])["macs"]  # 6 channels to 256 features
    153600.0
    """
    inputs, output = graph.input_shapes(step[0]), graph.shapes[step[-1].name]
    moved = sum(map(prod, inputs)) + prod(output)
    amounts = {"call": 1.0, "moved": float(moved), "far": far(moved)}
    return amounts if step_kind(step) == CHAIN else {**amounts, **_arithmetic(step[0].op, inputs, output)}


def graph_parts(graph: Graph, chain: Amounts | None = None, *, merge: bool = True) -> list[Part]:
    """Return the parts of a graph that `npfuse.run` executes, named after each step's last node.

    Parameters
    ----------
    graph : Graph
    chain : what its merged chain does, as for a picture that was counted; None takes every multiply-add
    merge : whether chains run in one step
    """
    parts = []
    for step in plan(graph, merge=merge):
        kind, amounts, name = step_kind(step), step_amounts(graph, step), step[-1].name
        parts.append(Part(name=name, kind=kind, amounts=amounts))
        if kind == CHAIN:
            static = sum(
                prod(graph.input_shapes(node)[0]) * node.op.features
                for node in step
                if isinstance(node.op, PointwiseConv2D)
            )
            parts.append(Part(name=name, kind=REGIONS, amounts=chain or {"plain": float(static)}))
    return parts
