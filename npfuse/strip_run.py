"""Runs a network of LightFuse's form over a window of a pair: the coarse branch by the runner, the rest in one pass.

The form is found in a graph by `npfuse.strip_form`. A strip is halved first (`npfuse.engine.halving`); the layers
between halving and enlarging are small and go through the runner; `npfuse.engine.strip_pass` does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import Chain, chain_of
from npfuse.engine.dense_layer import LANES
from npfuse.engine.halving import halve, stage_weights
from npfuse.engine.layout import CELL, CHANNELS
from npfuse.engine.picture_runs import RUN
from npfuse.engine.pixel_groups import GROUP_SIDE, LEAVES
from npfuse.engine.region_bounds import TILES
from npfuse.engine.scratch import Scratch
from npfuse.engine.strip_pass import PIECE, fuse_rows
from npfuse.engine.upsampling import cell_weights
from npfuse.graph import Graph
from npfuse.run import chain_layers, run
from npfuse.strip_form import Form

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a network's passes over one pair have in common.

    Parameters
    ----------
    weights : by full name, of the dtype to compute in
    values : of the form's `before`, and the inputs it reads
    chain : ready to be evaluated
    stages : `npfuse.engine.halving.stage_weights` of each halving
    cells : `npfuse.engine.upsampling.cell_weights`
    spare : arrays to work in that no thread uses just now
    """

    weights: Arrays
    values: Arrays
    chain: Chain
    stages: list[NDArray[Any]]
    cells: NDArray[Any]
    spare: list[Scratch] = field(default_factory=list)


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
    stages = []
    for node in form.halvings:
        kernel = weights[f"{node.weight_key}/kernel"]
        bias = weights.get(f"{node.weight_key}/bias", np.zeros(CHANNELS, kernel.dtype))
        stages.append(stage_weights(kernel, bias))
    cells = cell_weights(form.enlarged or "nearest", chain.memory.dtype)
    return Prepared(weights=weights, values=values, chain=chain, stages=stages, cells=cells)


def _weights_of(graph: Graph, weights: Arrays) -> dict[str, NDArray[Any]]:
    return {name: weights[name] for name in graph.weight_shapes}


def fuse_window(
    graph: Graph,
    form: Form,
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
    graph : of the window's size
    form : of the graph, as it is `recognized`
    prepared : for the pair
    pictures : the window, ndarrays (H, W, 3) in C order, of which the last rows and columns may be missing: they repeat
        the last ones that are there
    scales : (black, scale) of each picture, see `npfuse.engine.picture_runs`
    half : half of the level of white
    keep : rows and columns of the window that are wanted, within the pictures; they begin at a group
    out : array-like (H, W, 3), or (H, W) for the mean of the channels, that is written at `place`
    place : (row, column) of the first pixel
    counts : as `npfuse.engine.pixel_groups.evaluate_groups` takes them
    """
    try:
        scratch = prepared.spare.pop()
    except IndexError:
        scratch = Scratch()
    table, places, memory, lists = prepared.chain
    dtype, (rows, columns) = memory.dtype, keep
    coarse = _coarse(graph, form, prepared, pictures, scales, scratch)
    height, width, channels = rows.stop - rows.start, columns.stop - columns.start, 1 if len(out.shape) == 2 else 3
    direct = isinstance(out, np.ndarray) and out.flags.c_contiguous
    if direct:
        pixels, (top, left) = out.reshape(*out.shape[:2], channels), place
    else:
        pixels, (top, left) = scratch.array("pixels", (height, width, channels), pictures[0].dtype), (0, 0)
    fuse_rows(
        pictures,
        np.array([*scales[0], *scales[1], half], dtype),
        (rows.start, rows.stop, columns.start, columns.stop),
        (table, places, scratch.copy("memory", memory), scratch.copy("lists", lists)),
        coarse,
        form.enlarged is not None,
        prepared.cells,
        (pixels, top, left),
        (
            scratch.array("groups", (PIECE, LEAVES * LEAVES, TILES, CHANNELS, LANES), dtype),
            scratch.array("results", (PIECE, LEAVES * LEAVES, TILES, 3, LANES), dtype),
            scratch.array("line", (3, PIECE * GROUP_SIDE // CELL + 2), dtype),
            scratch.array("edge", (3 * RUN,), pictures[0].dtype),
        ),
        counts,
    )
    if not direct:
        part = pixels[:, :, 0] if channels == 1 else pixels
        out[place[0] : place[0] + height, place[1] : place[1] + width] = part
    prepared.spare.append(scratch)


def _coarse(
    graph: Graph,
    form: Form,
    prepared: Prepared,
    pictures: tuple[NDArray[Any], NDArray[Any]],
    scales: Sequence[tuple[float, float]],
    scratch: Scratch,
) -> NDArray[Any]:
    """Return a window's coarse picture (CH, CW, 3)."""
    height, width, _ = graph.inputs[0][1]
    halved = halve(pictures, list(scales), height, width, prepared.stages, scratch)
    if form.middle is None:
        return halved
    values = {**prepared.values, form.halvings[-1].name: halved[np.newaxis]}
    inputs = {name: values[name] for name, _ in form.middle.inputs}
    # Layer by layer: a chain is evaluated by blocks of 16x16, and windows do not begin where blocks do.
    (coarse,) = run(form.middle, inputs, _weights_of(form.middle, prepared.weights), merge=False).values()
    return np.ascontiguousarray(coarse[0])
