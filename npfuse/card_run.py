"""Runs a network of a pair on a graphics card, over a window of pictures that lie there.

Networks of LightFuse's form go through two kernels: one halves the pixels three times, the other makes the result from
the pixels and the coarse picture. The layers between them are small and run one by one (`npfuse.run`). Networks of
another form run layer by layer altogether. The kernels are in `npfuse.cuda`; `npfuse.strips` and `npfuse.card_fusion`
cut pictures into windows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.cuda import chain_layers as chains
from npfuse.cuda.card import CardArray, to_card
from npfuse.cuda.fusing_kernel import fuse_on_card
from npfuse.cuda.halving_kernel import STAGES, halve_on_card, halving_weights
from npfuse.cuda.pixel_kernels import mapped, store_levels
from npfuse.engine.layout import CELL
from npfuse.graph import Graph
from npfuse.graph_memory import peak
from npfuse.ops.resize import Resampling, resize_taps
from npfuse.run import chain_layers, run
from npfuse.strip_form import Form, form_or_none

Arrays = Mapping[str, NDArray[Any]]
Cells = tuple[int, CardArray, CardArray]  # as `npfuse.cuda.fusing_kernel.fuse_pixels` takes them


@dataclass(frozen=True, kw_only=True, eq=False)
class CardNetwork:
    """A network with its weights on the card, ready for one pair of pictures.

    Parameters
    ----------
    weights : arrays on the card, by full name
    others : arrays on the card: the inputs besides the exposures, and the values that depend on them alone
    levels : array on the card, (5,): black and scale of each picture, and half of the level of white
    kernels : Kernels; None for a network that runs layer by layer
    """

    weights: Mapping[str, CardArray]
    others: Mapping[str, CardArray]
    levels: CardArray
    kernels: "Kernels | None"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernels:
    """The kernels' arguments besides pixels, on the card: the weights, laid out, and the shares that enlarge cells."""

    chain: tuple[CardArray, int, int]
    halving: CardArray
    cells: Cells


def prepare(
    graph: Graph, others: Arrays, weights: Arrays, scales: list[tuple[float, float]], half: float
) -> CardNetwork:
    """Bring a network to the card.

    Parameters
    ----------
    graph : Graph of any size
    others : inputs besides the exposures, float32, by name
    weights : ndarray by full name, float32
    scales : (black, scale) of each picture: a level is mapped to (level - black) * scale - 1
    half : half of the level of white
    """
    form = _kernels_form(graph)
    values = dict(others)
    if form is not None and form.thumbnail_branch is not None:
        # A few numbers of a thumbnail: sending them to the card would take longer than computing them.
        inputs = {name: others[name] for name, _ in form.thumbnail_branch.inputs}
        own = {name: weights[name] for name in form.thumbnail_branch.weight_shapes}
        values |= run(form.thumbnail_branch, inputs, own, engine="definition")
    return CardNetwork(
        weights={name: to_card(array) for name, array in weights.items()},
        others={name: to_card(array) for name, array in values.items()},
        levels=to_card(np.array([*scales[0], *scales[1], half], np.float32)),
        kernels=None if form is None else _kernels(form, values, weights),
    )


def _kernels_form(graph: Graph) -> Form | None:
    """Return the parts of a network that the kernels can run, or None."""
    form = form_or_none(graph)
    if form is None or len(form.halvings) != STAGES or form.coarse_branch is None:
        return None
    blank = {name: np.zeros(shape, np.float32) for name, shape in graph.weight_shapes.items()}
    return form if chains.fits(chain_layers(form.chain, {}, blank, 0)) else None


def _kernels(form: Form, values: Arrays, weights: Arrays) -> Kernels:
    """Lay everything out for the kernels."""
    layout, parts, steps = chains.packed(chain_layers(form.chain, values, weights, 0))
    stages = [(weights[f"{n.weight_key}/kernel"], weights.get(f"{n.weight_key}/bias")) for n in form.halvings]
    return Kernels(
        chain=(to_card(layout), parts, steps),
        halving=to_card(halving_weights(stages)),
        cells=_cells(form.upsampling),
    )


def _cells(upsampling: Resampling | None) -> Cells:
    """Return the shares by which a coarse picture is enlarged; `upsampling` is None if it has full size already."""
    if upsampling is None:
        return 1, to_card(np.zeros(1, np.int64)), to_card(np.array([[1, 0]], np.float32))
    # Of three cells, the pixels of the one in the middle.
    positions, weights = (taps[CELL : 2 * CELL] for taps in resize_taps(3, 3 * CELL, upsampling))
    shares = np.zeros((CELL, 2), np.float32)
    shares[:, : weights.shape[1]] = weights
    return CELL, to_card(positions[:, 0].astype(np.int64) - 1), to_card(shares)


def fuse_window(
    graph: Graph,
    network: CardNetwork,
    pictures: tuple[CardArray, CardArray],
    place: tuple[int, int],
    out: CardArray,
) -> None:
    """Run a network over a window of a pair; return before the card is done.

    Parameters
    ----------
    graph : Graph of the window's size
    network : CardNetwork
    pictures : window of each picture, (H, W, 3) or (H, W, 1); last rows and columns may be missing, and are then
        repeated from the last ones that are there
    place : row and column of the window where the result begins
    out : array (rows, columns, 3 or 1) for the result, is written
    """
    height, width, _ = graph.inputs[0][1]
    if network.kernels is None:
        inputs = {graph.inputs[0][0]: mapped(*pictures, network.levels, height, width)}
        inputs |= {name: network.others[name] for name, _ in graph.inputs[1:]}
        (fused,) = run(graph, inputs, network.weights, engine="cuda").values()
        store_levels(fused, network.levels, place, out)
        return
    form = _kernels_form(graph)
    assert form is not None
    assert form.coarse_branch is not None
    eighths = halve_on_card(*pictures, network.levels, height, width, network.kernels.halving)
    values = {**network.others, form.halvings[-1].name: eighths.reshape(1, *eighths.shape)}
    inputs = {name: values[name] for name, _ in form.coarse_branch.inputs}
    own = {name: network.weights[name] for name in form.coarse_branch.weight_shapes}
    (coarse,) = run(form.coarse_branch, inputs, own, engine="cuda").values()
    coarse = coarse.reshape(coarse.shape[1:])
    fuse_on_card(*pictures, network.levels, place, network.kernels.chain, coarse, network.kernels.cells, out)


def bytes_a_pixel(graph: Graph) -> float:
    """Return the bytes of the card's memory that a window takes per pixel, besides the pictures.

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> round(bytes_a_pixel(lightfuse(512, 512)), 2)  # eighths: 6 and 3 floats for 64 pixels
    0.56
    """
    height, width, _ = graph.inputs[0][1]
    form = _kernels_form(graph)
    part = graph if form is None or form.coarse_branch is None else form.coarse_branch
    return peak(part, merge=False).bytes / (height * width)
