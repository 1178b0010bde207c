"""Runs a graph on arrays, by the NumPy definitions or by the compiled functions.

The fast engine evaluates a chain of pointwise convolutions and ReLUs in one go (`npfuse.fast.pixel_mlp`), so that
hidden values are never written to memory; with `merge=False` it runs operator by operator. A value is dropped after its
last use.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from npfuse.graph import Graph, Node
from npfuse.ops import DEFINITIONS, Function, Operator, PointwiseConv2D, ReLU

Engine = Literal["fast", "definition"]

Step = tuple[Node, ...]


def check_weights(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError where a weight is missing, left over or of the wrong shape; the message names each one."""
    faults = [
        f"{name} is missing, expected {shape}" for name, shape in graph.weight_shapes.items() if name not in weights
    ]
    faults += [
        f"{name} {array.shape} is left over" for name, array in weights.items() if name not in graph.weight_shapes
    ]
    faults += [
        f"{name} has shape {weights[name].shape}, expected {shape}"
        for name, shape in graph.weight_shapes.items()
        if name in weights and weights[name].shape != shape
    ]
    if faults:
        raise ValueError(f"{graph.name}: weights do not fit: {'; '.join(faults)}")


def plan(graph: Graph, *, merge: bool) -> list[Step]:
    """Cut a graph into steps of one node, or of a chain of pointwise convolutions and ReLUs.

    A chain begins with a PointwiseConv2D that has a successor in it; the values inside are read by nothing else.

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
        follows = bool(last) and node.inputs == (last[-1].name,) and uses[last[-1].name] == 1
        chain = bool(last) and isinstance(last[0].op, PointwiseConv2D) and isinstance(node.op, PointwiseConv2D | ReLU)
        if merge and follows and chain:
            steps[-1] = (*last, node)
        else:
            steps.append((node,))
    return steps


def run(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    weights: Mapping[str, NDArray[Any]],
    *,
    engine: Engine = "fast",
    merge: bool = True,
) -> dict[str, NDArray[Any]]:
    """Run a graph.

    Parameters
    ----------
    graph : Graph
    inputs : ndarray (N, H, W, C) by input name; float32 or float64, with the definition engine object too
    weights : ndarray by full name, "<weight key>/<name>", of the dtype of the inputs
    engine : "fast" (compiled) or "definition" (NumPy)
    merge : whether the fast engine runs chains of pointwise convolutions in one go

    Returns
    -------
    dict of ndarray (N, H, W, C) by output name

    Raises
    ------
    ValueError : an input or a weight is missing, left over or misshapen, or an unknown engine

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> graph = lightfuse(8, 8, hidden=(4,))
    >>> weights = {name: np.ones(shape, np.float32) for name, shape in graph.weight_shapes.items()}
    >>> run(graph, {"exposures": np.zeros((1, 8, 8, 6), np.float32)}, weights)["fused"].shape
    (1, 8, 8, 3)
    """
    functions = _functions(engine)
    check_weights(graph, weights)
    expected = dict(graph.inputs)
    for name in expected.keys() | inputs.keys():
        actual = inputs[name].shape[1:] if name in inputs else "missing"
        if actual != expected.get(name):
            raise ValueError(f"{graph.name}: input {name} (H, W, C) is {actual}, expected {expected.get(name, 'none')}")
    steps = plan(graph, merge=merge and engine == "fast")
    last_use = {name: i for i, step in enumerate(steps) for name in step[0].inputs}
    values = dict(inputs)
    for i, step in enumerate(steps):
        if len(step) > 1:
            values[step[-1].name] = _run_chain(step, values, weights)
        else:
            values[step[0].name] = _run_node(graph, step[0], functions, values, weights)
        for name in step[0].inputs:
            if last_use[name] == i and name not in graph.outputs:
                values.pop(name, None)
    return {name: values[name] for name in graph.outputs}


def _functions(engine: str) -> Mapping[type[Operator], Function]:
    """Return the function of every operator; Numba is imported only for the fast engine."""
    if engine == "definition":
        return DEFINITIONS
    if engine == "fast":
        from npfuse.fast import FAST

        return FAST
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


def _run_chain(step: Step, values: Mapping[str, NDArray[Any]], weights: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    from npfuse.fast.pixel_mlp import Layer, pixel_mlp

    layers: list[Layer] = []
    for node in step:
        if isinstance(node.op, PointwiseConv2D):
            bias = weights[f"{node.weight_key}/bias"] if node.op.use_bias else None
            layers.append((weights[f"{node.weight_key}/kernel"], bias, False))
        else:
            layers[-1] = (*layers[-1][:2], True)
    return pixel_mlp(values[step[0].inputs[0]], layers)
