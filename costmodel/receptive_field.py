"""How much of each of a network's inputs one position of a layer depends on, along rows and columns.

Walked forwards through the graph, from the span that every operator reads (`input_span`), so that resizing, branches of
different depth and normalisation over the whole picture need no rules of their own. Positions whose window reaches
beyond the picture see less; the answer is the most that any of the middle positions sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npfuse.graph import Graph
from npfuse.ops import Operator, Resize
from npfuse.ops.operator import Pair
from npfuse.ops.resize import resize_taps

PHASES = 16  # positions tried; strides and resizing of up to this factor shift the window between neighbours
FIXED_TAPS = ("nearest", "bilinear", "pyramid_down", "pyramid_up")  # resizing that reads as much everywhere


@dataclass(frozen=True, eq=False)
class Reach:
    """The positions of one input that each position of a value depends on, along one axis.

    Parameters
    ----------
    first : ndarray (n,), int64, first position of the input
    stop : ndarray (n,), int64, one past the last position
    """

    first: NDArray[np.int64]
    stop: NDArray[np.int64]


def reaches(graph: Graph, axis: int) -> dict[str, dict[str, Reach]]:
    """Return what the positions of every value depend on.

    Parameters
    ----------
    graph : Graph
    axis : 0 for rows, 1 for columns

    Returns
    -------
    dict by value name, of dicts by the names of the inputs that the value depends on

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> found = reaches(lightfuse(32, 32, hidden=(4,)), 0)["fused"]["exposures"]
    >>> found.first[8:16].tolist() == [8] * 8, found.stop[8:16].tolist()
    (True, [23, 23, 23, 23, 23, 23, 23, 23])
    """
    found: dict[str, dict[str, Reach]] = {}
    for name, shape in graph.inputs:
        positions = np.arange(shape[axis])
        found[name] = {name: Reach(positions, positions + 1)}
    for node in graph.nodes:
        length = graph.shapes[node.name][axis]
        parts: dict[str, list[Reach]] = {}
        for name in dict.fromkeys(node.inputs):
            n = graph.shapes[name][axis]
            first, stop = (end.clip(0, n) for end in spans(node.op, axis, length, n))
            empty = first >= stop  # between the stamps of a transposed convolution
            first = np.where(empty, 0, first)
            stop = np.where(empty, 1, stop)
            for source, reach in found[name].items():
                least, most = reach.first[first], reach.stop[stop - 1]
                parts.setdefault(source, []).append(Reach(np.where(empty, n, least), np.where(empty, 0, most)))
        found[node.name] = {
            source: Reach(
                np.min([reach.first for reach in reads], axis=0), np.max([reach.stop for reach in reads], axis=0)
            )
            for source, reads in parts.items()
        }
    return found


def spans(op: Operator, axis: int, length: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and one past the last input position that each of the output positions reads.

    Parameters
    ----------
    op : Operator
    axis : 0 for rows, 1 for columns
    length, n : of its output and of its input along the axis

    Returns
    -------
    first, stop : ndarray (length,) of int64, which may reach beyond [0, n)
    """
    if isinstance(op, Resize) and op.method in FIXED_TAPS:
        read, _ = resize_taps(n, length, op.method)
        return read.min(axis=1), read.max(axis=1) + 1
    if isinstance(op, Resize):
        found = np.array([op.input_span(axis, i, i + 1, n) for i in range(length)])
        return found[:, 0], found[:, 1]
    positions = np.arange(length)
    # All others work positions out by arithmetic, which arrays do as well.
    first, stop = op.input_span(axis, positions, positions + 1, n)  # type: ignore[arg-type]
    return np.broadcast_to(first, length), np.broadcast_to(stop, length)


def receptive_fields(graph: Graph) -> dict[str, Mapping[str, Pair]]:
    """Return how much of each input one position of each node depends on.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    dict by node name, of (rows, columns) by the names of the inputs that the node depends on, at most the inputs' own

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> fields = receptive_fields(lightfuse(64, 64, hidden=(4,)))
    >>> fields["detail2"], fields["global1"], fields["global3_depthwise"]
    ({'exposures': (1, 1)}, {'exposures': (3, 3)}, {'exposures': (15, 15)})
    """
    rows, columns = (reaches(graph, axis) for axis in (0, 1))
    return {
        node.name: {
            source: (_widest(rows[node.name][source]), _widest(columns[node.name][source]))
            for source in rows[node.name]
        }
        for node in graph.nodes
    }


def _widest(reach: Reach) -> int:
    """Return the widest span that one of the middle positions depends on."""
    n = len(reach.first)
    middle = slice(max((n - PHASES) // 2, 0), max((n - PHASES) // 2, 0) + PHASES)
    return max(0, int(np.max(reach.stop[middle] - reach.first[middle])))
