"""Networks of LightFuse's form in one pass over a strip: pixels in, pixels out, nothing of the strip's size between.

What the form is, and how it is found in a graph, is in `npfuse.strip_form`. A strip is halved first
(`npfuse.fast.halving`); what lies between halving and enlarging is small and goes through the runner. Then, a few
groups at a time: pixels are dealt out to groups (`npfuse.fast.picture_runs`), the chain is evaluated
(`npfuse.fast.pixel_groups`), the coarse picture is enlarged and added (`npfuse.fast.upsampling`), and the tanh of the
sum is rounded and stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.fast.chains import Chain, chain_of
from npfuse.fast.halving import halve
from npfuse.fast.picture_runs import RUN, load_groups, store_groups
from npfuse.fast.pixel_groups import GROUP_SIDE, LEAF_SIDE, LEAVES, evaluate_groups
from npfuse.fast.region_bounds import TILES
from npfuse.fast.tanh import tanh_in_place
from npfuse.fast.upsampling import add_upsampled, add_whole, cell_weights
from npfuse.graph import Graph
from npfuse.run import chain_layers, run
from npfuse.strip_form import CELL, CHANNELS, Form, recognized

PIECE = 4  # groups that are evaluated at a time: their pixels and results then take half a megabyte

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a network's passes over one pair have in common.

    Parameters
    ----------
    weights : by full name, of the dtype to compute in
    values : of the form's `before`, and the inputs it reads
    chain : ready to be evaluated
    """

    weights: Arrays
    values: Arrays
    chain: Chain


def prepare(form: Form, others: Arrays, weights: Arrays) -> Prepared:
    """Compute what does not depend on the exposures, once for a pair.

    Parameters
    ----------
    form : of the network, for any size
    others : the inputs besides the exposures
    weights : by full name, of the dtype to compute in
    """
    values = dict(others)
    if form.before:
        inputs = {name: others[name] for name, _ in form.before.inputs}
        values |= run(form.before, inputs, _weights_of(form.before, weights))
    chain = chain_of(chain_layers(form.chain, values, weights, 0))
    return Prepared(weights=weights, values=values, chain=chain)


def _weights_of(graph: Graph, weights: Arrays) -> dict[str, NDArray[Any]]:
    return {name: weights[name] for name in graph.weight_shapes}


def fuse_window(
    graph: Graph,
    prepared: Prepared,
    pictures: tuple[NDArray[Any], NDArray[Any]],
    scales: Sequence[tuple[float, float]],
    half: float,
    keep: tuple[slice, slice],
    out: Any,
    place: tuple[int, int],
    counts: NDArray[np.int64],
) -> None:
    """Run a network over a window of a pair.

    Parameters
    ----------
    graph : of the window's size, of a form that is `recognized`
    prepared : for the pair
    pictures : the window, ndarrays (H, W, 3) in C order, of which the last rows and columns may be missing: they repeat
        the last ones that are there
    scales : (black, scale) of each picture, see `npfuse.fast.picture_runs`
    half : half of the level of white
    keep : rows and columns of the window that are wanted, within the pictures; they begin at a group
    out : array-like (H, W, 3), or (H, W) for the mean of the channels, that is written at `place`
    place : (row, column) of the first pixel
    counts : as `npfuse.fast.pixel_groups.evaluate_groups` takes them
    """
    form = recognized(graph)
    assert form is not None
    table, places, memory, lists = prepared.chain
    memory, lists, dtype = memory.copy(), lists.copy(), memory.dtype.type
    coarse = _coarse(graph, form, prepared, pictures, scales)
    grey = len(out.shape) == 2
    groups = np.zeros((PIECE, LEAVES * LEAVES, TILES, CHANNELS, RUN), dtype)
    results = np.zeros((PIECE, LEAVES * LEAVES, TILES, 3, RUN), dtype)
    pixels = np.empty((GROUP_SIDE, PIECE * GROUP_SIDE, 1 if grey else 3), pictures[0].dtype)
    edge = np.empty(3 * RUN, pictures[0].dtype)
    line = np.zeros((3, PIECE * GROUP_SIDE // CELL + 2), dtype)
    weights = cell_weights(form.enlarged or "nearest", dtype)
    rows, columns = keep
    for row in range(rows.start, rows.stop, GROUP_SIDE):
        height = min(GROUP_SIDE, rows.stop - row)
        whole = -(-height // LEAF_SIDE) * LEAF_SIDE
        for column in range(columns.start, columns.stop, PIECE * GROUP_SIDE):
            width = min(PIECE * GROUP_SIDE, columns.stop - column)
            count = -(-width // GROUP_SIDE)
            for i, (picture, (black, scale)) in enumerate(zip(pictures, scales, strict=True)):
                load_groups(groups, count, whole, picture, row, column, dtype(black), dtype(scale), 3 * i, edge)
            evaluate_groups(groups[:count], height, width, table, places, memory, lists, results, counts)
            if form.enlarged:
                add_upsampled(results, count, height, coarse, row, column, weights, line)
            else:
                add_whole(results, count, height, coarse, row, column)
            tanh_in_place(results[:count])
            store_groups(results, count, height, dtype(half), pixels)
            top, left = place[0] + row - rows.start, place[1] + column - columns.start
            part = pixels[:height, :width]
            out[top : top + height, left : left + width] = part[:, :, 0] if grey else part


def _coarse(
    graph: Graph,
    form: Form,
    prepared: Prepared,
    pictures: tuple[NDArray[Any], NDArray[Any]],
    scales: Sequence[tuple[float, float]],
) -> NDArray[Any]:
    """Return a window's coarse picture (CH, CW, 3)."""
    height, width, _ = graph.inputs[0][1]
    stages = []
    for node in form.halvings:
        kernel = prepared.weights[f"{node.weight_key}/kernel"]
        bias = prepared.weights.get(f"{node.weight_key}/bias", np.zeros(CHANNELS, kernel.dtype))
        stages.append((kernel, bias))
    halved = halve(pictures, list(scales), height, width, stages)
    if form.middle is None:
        return halved
    values = {**prepared.values, form.halvings[-1].name: halved[np.newaxis]}
    inputs = {name: values[name] for name, _ in form.middle.inputs}
    (coarse,) = run(form.middle, inputs, _weights_of(form.middle, prepared.weights)).values()
    return np.ascontiguousarray(coarse[0])
