"""Which input positions each output position reads, found by changing the inputs one position at a time."""

import numpy as np

from npfuse.graph import Graph
from npfuse.run import run


def positions_read(graph: Graph, axis: int) -> np.ndarray:
    """Run the definitions on pictures that differ in one row or column, and see which outputs differ.

    All weights are small and positive, so that nothing cancels, no ReLU is off and no tanh saturates.

    Parameters
    ----------
    graph : with one input and one output
    axis : 0 for rows, 1 for columns

    Returns
    -------
    ndarray (output positions, input positions) of bool
    """
    ((name, shape),) = graph.inputs
    rng = np.random.default_rng(0)
    weights = {key: rng.uniform(0.02, 0.1, wanted) for key, wanted in graph.weight_shapes.items()}
    n = shape[axis]
    changed = np.full((1 + n, *shape), 0.25)
    for i in range(n):
        np.moveaxis(changed[1 + i], axis, 0)[i] = 0.5
    (output,) = run(graph, {name: changed}, weights, engine="definition").values()
    others = tuple(a for a in (1, 2, 3) if a != 1 + axis)
    return (output[1:] != output[0]).any(axis=others).T


def hull(read: np.ndarray, start: int, stop: int) -> tuple[int, int] | None:
    """Return the first and one past the last input position that output positions [start, stop) read; None for none."""
    positions = np.flatnonzero(read[start:stop].any(axis=0))
    return (int(positions[0]), int(positions[-1]) + 1) if len(positions) else None


def check_spans(graph: Graph, axis: int, *, exactly: bool) -> None:
    """Compare `Graph.input_spans` with the positions that are really read, for every run of output positions.

    Parameters
    ----------
    graph : with one input and one output
    axis : 0 for rows, 1 for columns
    exactly : whether no position more may be asked for; otherwise none less
    """
    ((name, shape),) = graph.inputs
    read = positions_read(graph, axis)
    for start in range(len(read)):
        for stop in range(start + 1, len(read) + 1):
            spans, really = graph.input_spans(axis, start, stop), hull(read, start, stop)
            told = f"{graph.name} axis {axis} output [{start}, {stop}): span is {spans.get(name)}, expected {really}"
            if exactly:
                assert spans[name] == really, told
            elif really is not None:
                first, last = spans[name]
                assert 0 <= first <= really[0], told
                assert really[1] <= last <= shape[axis], told
