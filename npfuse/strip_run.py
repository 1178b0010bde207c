"""Runs a network of LightFuse's form over a window of a pair: the coarse picture in one pass, the rest in another.

The form is matched by `npfuse.strip_form`. `npfuse.engine.coarse_pass` makes the coarse picture of a strip; a coarse
branch that it does not know goes through the runner. `npfuse.engine.strip_pass` does the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.chains import Chain, chain_of
from npfuse.engine.coarse_pass import CoarseStep, coarse_planes, halving_step, look_step
from npfuse.engine.finishing import cell_weights
from npfuse.engine.layout import PLANE_START, plane_width
from npfuse.engine.picture_runs import Exposure
from npfuse.engine.pixel_groups import empty_counts
from npfuse.engine.scratch import Scratch, Spare
from npfuse.engine.strip_pass import Coarse, Target, Window, fuse_rows, space_of
from npfuse.graph import Graph, Node
from npfuse.run import chain_layers, run
from npfuse.strip_form import Form, Look

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
    steps : steps of the coarse pass; halvings alone, if the form's coarse branch has other layers than looks
    halved : name of the last halving's value
    branch_of : function that gives the form's coarse branch for rows and columns of a window; None if it is all looks
    is_enlarged : whether the coarse picture has to be enlarged
    cells : `npfuse.engine.finishing.cell_weights`
    spare : arrays to work in that no thread uses at present
    """

    weights: Arrays
    values: Arrays
    chain: Chain
    steps: list[CoarseStep]
    halved: str
    branch_of: Callable[[int, int], Graph | None] | None
    is_enlarged: bool
    cells: NDArray[Any]
    spare: Spare = field(default_factory=Spare)


def prepare(form: Form, form_of: Callable[[int, int], Form], others: Arrays, weights: Arrays) -> Prepared:
    """Compute everything that does not depend on the exposures, once for a pair.

    Parameters
    ----------
    form : Form of the network, for any size
    form_of : function that gives the form for the rows and columns of a window
    others : inputs besides the exposures, by name
    weights : ndarray by full name, of the dtype to compute in
    """
    values = dict(others)
    if form.thumbnail_branch:
        inputs = {name: others[name] for name, _ in form.thumbnail_branch.inputs}
        # By the definitions: it is so small that compiling its operators takes longer than anything else here.
        values |= run(form.thumbnail_branch, inputs, _weights_of(form.thumbnail_branch, weights), engine="definition")
    chain = chain_of(chain_layers(form.chain, values, weights, 0))
    return Prepared(
        weights=weights,
        values=values,
        chain=chain,
        steps=[halving_step(*_kernel(node, weights)) for node in form.halvings] + look_steps(form.looks, weights),
        halved=form.halvings[-1].name,
        branch_of=(lambda *size: form_of(*size).coarse_branch) if form.coarse_branch and not form.looks else None,
        is_enlarged=form.upsampling is not None,
        cells=cell_weights(form.upsampling or "nearest", chain.memory.dtype),
    )


def _kernel(node: Node, weights: Arrays) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return a node's kernel, and its bias or None."""
    return weights[f"{node.weight_key}/kernel"], weights.get(f"{node.weight_key}/bias")


def look_steps(looks: Sequence[Look], weights: Arrays) -> list[CoarseStep]:
    """Return the steps of looks."""
    steps = []
    for look in looks:
        around = _kernel(look.depthwise, weights) if look.depthwise else None
        pointwise = _kernel(look.pointwise, weights)
        steps.append(look_step(around, look.dilation, *pointwise, rectified=look.rectified, added=look.added))
    return steps


def _weights_of(graph: Graph, weights: Arrays) -> dict[str, NDArray[Any]]:
    return {name: weights[name] for name in graph.weight_shapes}


def fuse_window(
    prepared: Prepared,
    size: tuple[int, int],
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
    prepared : Prepared for the pair
    size : rows and columns of the window, multiples of 8
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
    chain = prepared.chain
    dtype, (rows, columns) = chain.memory.dtype, keep
    exposures = exposures_of(pictures, scales, dtype)
    height, width, channels = rows.stop - rows.start, columns.stop - columns.start, 1 if len(out.shape) == 2 else 3
    direct = isinstance(out, np.ndarray) and out.flags.c_contiguous
    counts = empty_counts(chain.places.depth)
    with prepared.spare.one() as scratch:
        coarse = coarse_picture(prepared, exposures, size, scratch)
        if direct:
            pixels, (top, left) = out.reshape(*out.shape[:2], channels), place
        else:
            pixels, (top, left) = scratch.array("pixels", (height, width, channels), pictures[0].dtype), (0, 0)
        fuse_rows(
            *exposures,
            Window(rows.start, rows.stop, columns.start, columns.stop),
            chain._replace(memory=scratch.copy("memory", chain.memory), lists=scratch.copy("lists", chain.lists)),
            coarse,
            Target(pixels, top, left, dtype.type(half)),
            space_of(scratch, dtype, pictures[0].dtype),
            counts,
        )
        if not direct:
            part = pixels[:, :, 0] if channels == 1 else pixels
            out[place[0] : place[0] + height, place[1] : place[1] + width] = part
    return counts


def exposures_of(pictures: Pictures, scales: Scales, dtype: "np.dtype[Any]") -> tuple[Exposure, Exposure]:
    """Return pictures with their scales in the dtype to compute in."""
    under, over = (
        Exposure(picture, dtype.type(black), dtype.type(scale))
        for picture, (black, scale) in zip(pictures, scales, strict=True)
    )
    return under, over


def coarse_picture(
    prepared: Prepared, exposures: tuple[Exposure, Exposure], size: tuple[int, int], scratch: Scratch
) -> Coarse:
    """Return a window's coarse picture; parameters as for `fuse_window`."""
    planes = coarse_planes(exposures, *size, prepared.steps, scratch)
    branch = prepared.branch_of(*size) if prepared.branch_of else None
    if branch is None:
        return Coarse(planes, prepared.cells, np.empty((0, 0, 3), planes.dtype))
    width = size[1] >> len(prepared.steps)
    halved = np.ascontiguousarray(planes[:, :, PLANE_START : PLANE_START + width].transpose(0, 2, 1))
    values = {**prepared.values, prepared.halved: halved[np.newaxis]}
    inputs = {name: values[name] for name, _ in branch.inputs}
    # Layer by layer: a chain is evaluated by blocks of 16x16, and windows do not begin at blocks.
    ((coarse,),) = run(branch, inputs, _weights_of(branch, prepared.weights), merge=False).values()
    if not prepared.is_enlarged:
        return Coarse(planes[:0], prepared.cells, np.ascontiguousarray(coarse))
    ends = PLANE_START, plane_width(coarse.shape[1]) - PLANE_START - coarse.shape[1]
    repeated = np.pad(coarse.transpose(0, 2, 1), ((0, 0), (0, 0), ends), mode="edge")
    return Coarse(repeated, prepared.cells, np.empty((0, 0, 3), planes.dtype))
