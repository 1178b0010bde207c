"""What fusing a pair really executes in the pointwise layers of its pixels, counted while it is done.

How much of a layer `npfuse.engine.pixel_groups` leaves out depends on the picture; so it is not counted from the graph,
as `costmodel` does, but by the compiled function itself, at no cost that shows: a few additions a block of 256 pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.pixel_groups import (
    BLOCKS_PLAIN,
    BLOCKS_SEEN,
    BOUNDING,
    BY_BOUNDS,
    BY_VALUES,
    EVALUATION,
    FOLDING,
    empty_counts,
)
from npfuse.ops import PointwiseConv2D
from npfuse.padding import GRID
from npfuse.strip_form import NotLightFuseForm, match_form
from npfuse.strips import fuse_pair
from npfuse.weights.weights import Weights


@dataclass(frozen=True, kw_only=True)
class ExecutedLayer:
    """What was executed for one layer, in all blocks together.

    Parameters
    ----------
    name : of the pointwise convolution in the graph
    bounding_macs : multiply-adds of the bounds of its units; units are padded to a vector, 8 or 16
    folding_macs : of folding the layer before into it; columns are padded likewise
    evaluation_macs : of evaluating units at pixels: undecided ones, all of the last layer's, and all of blocks that
        were evaluated plainly, after what had been evaluated before they were given up
    undecided_by_bounds : units that their bounds left undecided, added up over the blocks
    undecided_by_values : those of them whose values then had both signs
    """

    name: str
    bounding_macs: int
    folding_macs: int
    evaluation_macs: int
    undecided_by_bounds: int
    undecided_by_values: int

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return self.bounding_macs + self.folding_macs + self.evaluation_macs


@dataclass(frozen=True, kw_only=True)
class Executed:
    """What was executed for a pair.

    Parameters
    ----------
    pixels : of the pair
    blocks : of 16x16 pixels, those at the edges included
    blocks_plain : of these, evaluated plainly: all units at all pixels
    layers : in the order of execution
    """

    pixels: int
    blocks: int
    blocks_plain: int
    layers: tuple[ExecutedLayer, ...]

    @property
    def macs(self) -> int:
        """All multiply-adds of all layers."""
        return sum(layer.macs for layer in self.layers)


def count_executed(under: NDArray[Any], over: NDArray[Any], weights: Weights) -> Executed:
    """Fuse a pair on one thread and count what its pointwise layers execute.

    Parameters
    ----------
    under, over : ndarray (H, W, 3) or (H, W), as `npfuse.fuse` takes them, the under-exposed one first
    weights : of LightFuse or ToneFuse

    Returns
    -------
    Executed

    Raises
    ------
    ValueError : the network is not of LightFuse's form

    Examples
    --------
    >>> from npfuse import load_weights
    >>> flat = np.full((16, 16, 3), 128, np.uint8)
    >>> done = count_executed(flat, flat, load_weights("lightfuse"))
    >>> done.blocks, [layer.evaluation_macs for layer in done.layers]  # all decided: 6 features to 3 outputs are left
    (1, [0, 0, 4608])
    """
    try:
        form = match_form(weights.graph(GRID, GRID))
    except NotLightFuseForm as reason:
        raise ValueError(
            f"count_executed: weights are for {weights.model}, expected a network of LightFuse's form: {reason}"
        ) from None
    names = [node.name for node in form.chain if isinstance(node.op, PointwiseConv2D)]
    counts = empty_counts(len(names))
    out = np.empty_like(under, order="C")
    for job in fuse_pair(under, over, out, weights, engine="fast", threads=1):
        counts += job()
    return executed_of(counts, names, under.shape[0] * under.shape[1])


def executed_of(counts: NDArray[np.int64], names: Sequence[str], pixels: int) -> Executed:
    """Return what the engine counted.

    Parameters
    ----------
    counts : ndarray as of `npfuse.engine.pixel_groups.empty_counts`
    names : of the layers
    pixels : that were evaluated
    """
    layers = [
        ExecutedLayer(
            name=name,
            bounding_macs=int(row[BOUNDING]),
            folding_macs=int(row[FOLDING]),
            evaluation_macs=int(row[EVALUATION]),
            undecided_by_bounds=int(row[BY_BOUNDS]),
            undecided_by_values=int(row[BY_VALUES]),
        )
        for name, row in zip(names, counts[1:], strict=True)
    ]
    return Executed(
        pixels=pixels,
        blocks=int(counts[0, BLOCKS_SEEN]),
        blocks_plain=int(counts[0, BLOCKS_PLAIN]),
        layers=tuple(layers),
    )
