"""Runs a graph on arrays, by the NumPy definitions or by the compiled functions.

The fast engine evaluates a chain of pointwise convolutions and ReLUs in one go (`npfuse.engine.pixel_mlp`), so that
hidden values are never written to memory. An AddChannels in a chain becomes part of the bias before it. A chain of a
single layer and its ReLU has no hidden values to leave out: it is convolved as it is, and its ReLU applied in place.
With `merge=False` the engine runs operator by operator. A value is dropped after its last use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph, Node, check_weights
from npfuse.ops import DEFINITIONS, AddChannels, Function, Operator, PointwiseConv2D, ReLU
from npfuse.ops.operator import Pair

if TYPE_CHECKING:
    from npfuse.engine.chains import Layer

Engine = Literal["fast", "definition", "cuda"]

Step = tuple[Node, ...]


def plan(graph: Graph, *, merge: bool) -> list[Step]:
    """Cut a graph into steps of one node, or of a chain of pointwise convolutions and ReLUs.

    A chain begins with a PointwiseConv2D that has a successor in it; the values inside are read by nothing else. Right
    after a PointwiseConv2D there may be an AddChannels, of numbers that were computed before the chain.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> [[node.name for node in step] for step in plan(lightfuse(8, 8, hidden=(4,)), merge=True)][:2]
    [['detail1', 'detail1_relu', 'detail2', 'detail2_relu'], ['global1']]
    """
    uses: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for node in graph.nodes:
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    steps: list[Step] = []
    for node in graph.nodes:
        last = steps[-1] if steps else ()
        follows = bool(last) and node.inputs[0] == last[-1].name and uses[last[-1].name] == 1
        if merge and follows and _continues(last, node.op):
            steps[-1] = (*last, node)
        else:
            steps.append((node,))
    return steps


def _continues(chain: Step, op: Operator) -> bool:
    """Tell whether an operator may go on with a chain."""
    if not isinstance(chain[0].op, PointwiseConv2D):
        return False
    return isinstance(op, PointwiseConv2D | ReLU) or (
        isinstance(op, AddChannels) and isinstance(chain[-1].op, PointwiseConv2D)
    )


def _values_read(step: Step) -> set[str]:
    """Return the names of the values that a step reads and does not compute."""
    return {name for node in step for name in node.inputs} - {node.name for node in step}


def run(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    weights: Mapping[str, NDArray[Any]],
    *,
    engine: Engine = "fast",
    merge: bool = True,
    origin: Pair = (0, 0),
    keep: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """Run a graph.

    Parameters
    ----------
    graph : Graph
    inputs : ndarray (N, H, W, C) by input name; float32 or float64, or, with the engine "definition", object
    weights : ndarray by full name, "<weight key>/<name>", of the dtype of the inputs
    engine : "fast" (compiled), "definition" (NumPy), or "cuda" (inputs, weights and results lie on a graphics card,
        float32)
    merge : whether the fast engine runs chains of pointwise convolutions in one go
    origin : (row, column) of the inputs' first pixel in the picture they are a part of (`npfuse.engine.pixel_mlp`)
    keep : names of further values to return, hidden ones or inputs; a chain is not merged across one of them

    Returns
    -------
    dict of ndarray (N, H, W, C) by name : the outputs, and the values in `keep`

    Raises
    ------
    ValueError : an input or a weight is missing, left over or of a wrong shape; or the engine, or a name in `keep`, is
        unknown
    TypeError : an array holds integers, whose products would wrap

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> graph = lightfuse(8, 8, hidden=(4,))
    >>> weights = {name: np.ones(shape, np.float32) for name, shape in graph.weight_shapes.items()}
    >>> run(graph, {"exposures": np.zeros((1, 8, 8, 6), np.float32)}, weights)["fused"].shape
    (1, 8, 8, 3)
    >>> sorted(run(graph, {"exposures": np.zeros((1, 8, 8, 6), np.float32)}, weights, keep=["detail1", "global1"]))
    ['detail1', 'fused', 'global1']
    """
    functions = _functions(engine)
    for name in keep:
        if name not in graph.shapes:
            raise ValueError(f"{graph.name}: value to keep is {name!r}, expected one of {', '.join(graph.shapes)}")
    graph = replace(graph, outputs=tuple(dict.fromkeys((*graph.outputs, *keep))))
    check_weights(graph, weights)
    _check_dtypes(graph, {**inputs, **weights})
    expected = dict(graph.inputs)
    for name in expected.keys() | inputs.keys():
        actual = inputs[name].shape[1:] if name in inputs else "missing"
        if actual != expected.get(name):
            raise ValueError(f"{graph.name}: input {name} (H, W, C) is {actual}, expected {expected.get(name, 'none')}")
    for node in graph.nodes:
        if type(node.op) not in functions:
            raise ValueError(f"{graph.name}/{node.name}: the engine {engine} has no {node.op.kind}, expected another")
    steps = plan(graph, merge=merge and engine == "fast")
    last_use = {name: i for i, step in enumerate(steps) for name in _values_read(step)}
    values = dict(inputs)
    for i, step in enumerate(steps):
        if len(step) > 1:
            values[step[-1].name] = _run_chain(step, values, weights, origin)
        else:
            values[step[0].name] = _run_node(graph, step[0], functions, values, weights)
        for name in _values_read(step):
            if last_use[name] == i and name not in graph.outputs:
                values.pop(name, None)
    return {name: values[name] for name in graph.outputs}


def _check_dtypes(graph: Graph, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise TypeError if an array holds integers, whose products would wrap in silence."""
    for name, array in arrays.items():
        if array.dtype.kind in "biu":
            raise TypeError(
                f"{graph.name}: dtype of {name} is {array.dtype}, expected float32, float64 or object; "
                "the network in integers is `npfuse.integer`"
            )


def _functions(engine: str) -> Mapping[type[Operator], Function]:
    """Return the function of every operator; Numba is imported only for the fast engine."""
    if engine == "definition":
        return DEFINITIONS
    if engine == "fast":
        from npfuse.fast import FAST

        return FAST
    if engine == "cuda":
        from npfuse.cuda.operators import CARD

        return CARD
    raise ValueError(f"engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")


def _run_node(
    graph: Graph,
    node: Node,
    functions: Mapping[type[Operator], Function],
    values: Mapping[str, NDArray[Any]],
    weights: Mapping[str, NDArray[Any]],
) -> NDArray[Any]:
    xs = [values[name] for name in node.inputs]
    shapes = graph.input_shapes(node)
    constants = {name: array.astype(xs[0].dtype) for name, array in node.op.constants(*shapes).items()}
    own = {name: weights[f"{node.weight_key}/{name}"] for name in node.op.weight_shapes(*shapes)}
    return functions[type(node.op)](*xs, **constants, **own, **node.op.arguments())


def _run_chain(
    step: Step, values: Mapping[str, NDArray[Any]], weights: Mapping[str, NDArray[Any]], origin: Pair
) -> NDArray[Any]:
    from npfuse.engine.pixel_mlp import pixel_mlp

    x = values[step[0].inputs[0]]
    if is_one_layer(step):
        return _run_layer(x, *chain_layers(step, values, weights, 0)[0])
    if not any(isinstance(node.op, AddChannels) for node in step):
        return pixel_mlp(x, chain_layers(step, values, weights, 0), origin=origin)
    # The added numbers, and with them the biases, are each picture's own.
    pictures = [pixel_mlp(x[n : n + 1], chain_layers(step, values, weights, n), origin=origin) for n in range(len(x))]
    return np.concatenate(pictures) if pictures else pixel_mlp(x, chain_layers(step, {}, weights, 0))


def is_one_layer(step: Step) -> bool:
    """Tell whether a chain is one pointwise convolution and a ReLU: nothing in it can be left out."""
    return len(step) == 2 and isinstance(step[0].op, PointwiseConv2D) and isinstance(step[1].op, ReLU)


def _run_layer(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None, rectified: bool) -> NDArray[Any]:
    """Return a pointwise convolution and ReLU, which is applied in place."""
    from npfuse.fast.pointwise_conv2d import pointwise_conv2d
    from npfuse.fast.relu import rectify

    assert rectified
    out = pointwise_conv2d(x, kernel, bias)
    rectify(out.reshape(-1), out.reshape(-1))
    return out


def chain_layers(
    step: Step, values: Mapping[str, NDArray[Any]], weights: Mapping[str, NDArray[Any]], n: int
) -> "list[Layer]":
    """Return the layers of a chain for one picture of a batch."""
    layers: list[Layer] = []
    for node in step:
        if isinstance(node.op, PointwiseConv2D):
            bias = weights[f"{node.weight_key}/bias"] if node.op.use_bias else None
            layers.append((weights[f"{node.weight_key}/kernel"], bias, False))
        elif isinstance(node.op, ReLU):
            layers[-1] = (*layers[-1][:2], True)
        elif node.inputs[1] in values:  # AddChannels; a batch of none has nothing to add
            kernel, bias, _ = layers[-1]
            added = values[node.inputs[1]][n, 0, 0]
            layers[-1] = (kernel, added if bias is None else bias + added, False)
    return layers
