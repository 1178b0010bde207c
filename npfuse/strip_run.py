"""Runs a network of LightFuse's form over a window of a pair: the coarse branch by the runner, the rest in one pass.

The form is matched by `npfuse.strip_form`. A strip is halved first (`npfuse.engine.halving`); the coarse branch is
small and goes through the runner; `npfuse.engine.strip_pass` does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import Chain, chain_of
from npfuse.engine.halving import halve, stage_weights
from npfuse.engine.layout import CHANNELS
from npfuse.engine.pixel_groups import empty_counts
from npfuse.engine.scratch import Scratch
from npfuse.engine.strip_pass import Coarse, Exposure, Target, Window, fuse_rows, space_of
from npfuse.engine.upsampling import cell_weights
from npfuse.graph import Graph
from npfuse.run import chain_layers, run
from npfuse.strip_form import Form

Arrays = Mapping[str, NDArray[Any]]
Pictures = tuple[NDArray[Any], NDArray[Any]]
Scales = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The common part of a network's passes over one pair.

    Parameters
    ----------
    weights : ndarray by full name, of the dtype to compute in
    values : inputs besides the exposures, and outputs of the form's thumbnail branch, by name
    chain : Chain, ready to be evaluated
    stages : `npfuse.engine.halving.stage_weights` of each halving
    cells : `npfuse.engine.upsampling.cell_weights`
    spare : arrays to work in that no thread uses at present
    """

    weights: Arrays
    values: Arrays
    chain: Chain
    stages: list[NDArray[Any]]
    cells: NDArray[Any]
    spare: list[Scratch] = field(default_factory=list)


def prepare(form: Form, others: Arrays, weights: Arrays) -> Prepared:
    """Compute everything that does not depend on the exposures, once for a pair.

    Parameters
    ----------
    form : Form of the network, for any size
    others : inputs besides the exposures, by name
    weights : ndarray by full name, of the dtype to compute in
    """
    values = dict(others)
    if form.thumbnail_branch:
        inputs = {name: others[name] for name, _ in form.thumbnail_branch.inputs}
        values |= run(form.thumbnail_branch, inputs, _weights_of(form.thumbnail_branch, weights))
    chain = chain_of(chain_layers(form.chain, values, weights, 0))
    stages = []
    for node in form.halvings:
        kernel = weights[f"{node.weight_key}/kernel"]
        bias = weights.get(f"{node.weight_key}/bias", np.zeros(CHANNELS, kernel.dtype))
        stages.append(stage_weights(kernel, bias))
    cells = cell_weights(form.upsampling or "nearest", chain.memory.dtype)
    return Prepared(weights=weights, values=values, chain=chain, stages=stages, cells=cells)


def _weights_of(graph: Graph, weights: Arrays) -> dict[str, NDArray[Any]]:
    return {name: weights[name] for name in graph.weight_shapes}


def fuse_window(
    graph: Graph,
    form: Form,
    prepared: Prepared,
    pictures: Pictures,
    scales: Scales,
    half: float,
    keep: tuple[slice, slice],
    out: Any,
    place: tuple[int, int],
) -> NDArray[np.int64]:
    """Run a network over a window of a pair.

    Parameters
    ----------
    graph : Graph of the window's size
    form : Form of the graph
    prepared : Prepared for the pair
    pictures : window of each picture, ndarrays (H, W, 3) in C order; missing last rows and columns repeat the last ones
    scales : (black, scale) of each picture, see `npfuse.engine.picture_runs`
    half : half of the level of white
    keep : rows and columns of the window to write, within the pictures; they begin at a group
    out : array-like (H, W, 3), or (H, W) for the mean of the channels, that is written at `place`
    place : (row, column) of the first pixel

    Returns
    -------
    counts of the arithmetic that was executed, see `npfuse.engine.pixel_groups`
    """
    try:
        scratch = prepared.spare.pop()
    except IndexError:
        scratch = Scratch()
    chain = prepared.chain
    dtype, (rows, columns) = chain.memory.dtype, keep
    coarse = coarse_picture(graph, form, prepared, pictures, scales, scratch)
    height, width, channels = rows.stop - rows.start, columns.stop - columns.start, 1 if len(out.shape) == 2 else 3
    direct = isinstance(out, np.ndarray) and out.flags.c_contiguous
    if direct:
        pixels, (top, left) = out.reshape(*out.shape[:2], channels), place
    else:
        pixels, (top, left) = scratch.array("pixels", (height, width, channels), pictures[0].dtype), (0, 0)
    under, over = (
        Exposure(picture, dtype.type(black), dtype.type(scale))
        for picture, (black, scale) in zip(pictures, scales, strict=True)
    )
    counts = empty_counts(chain.places.depth)
    fuse_rows(
        under,
        over,
        Window(rows.start, rows.stop, columns.start, columns.stop),
        chain._replace(memory=scratch.copy("memory", chain.memory), lists=scratch.copy("lists", chain.lists)),
        Coarse(coarse, form.upsampling is not None, prepared.cells),
        Target(pixels, top, left, dtype.type(half)),
        space_of(scratch, dtype, pictures[0].dtype),
        counts,
    )
    if not direct:
        part = pixels[:, :, 0] if channels == 1 else pixels
        out[place[0] : place[0] + height, place[1] : place[1] + width] = part
    prepared.spare.append(scratch)
    return counts


def coarse_picture(
    graph: Graph, form: Form, prepared: Prepared, pictures: Pictures, scales: Scales, scratch: Scratch
) -> NDArray[Any]:
    """Return a window's coarse picture (CH, CW, 3); parameters as for `fuse_window`."""
    height, width, _ = graph.inputs[0][1]
    halved = halve(pictures, list(scales), height, width, prepared.stages, scratch)
    if form.coarse_branch is None:
        return halved
    values = {**prepared.values, form.halvings[-1].name: halved[np.newaxis]}
    inputs = {name: values[name] for name, _ in form.coarse_branch.inputs}
    # Layer by layer: a chain is evaluated by blocks of 16x16, and windows do not begin at blocks.
    (coarse,) = run(form.coarse_branch, inputs, _weights_of(form.coarse_branch, prepared.weights), merge=False).values()
    return np.ascontiguousarray(coarse[0])
