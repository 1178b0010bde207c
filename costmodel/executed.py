"""What fusing a pair really executes in the pointwise layers of its pixels, counted while it is done.

How much of a layer `npfuse.engine.pixel_groups` leaves out depends on the picture; so it is not counted from the graph,
as `costmodel` does, but by the compiled function itself, at no cost that shows: a few additions a leaf of 256 pixels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.pixel_groups import BOUNDING, BY_BOUNDS, BY_VALUES, EVALUATION, FOLDING, LEAVES_PLAIN, LEAVES_SEEN
from npfuse.ops import PointwiseConv2D
from npfuse.padding import GRID
from npfuse.strip_form import recognized
from npfuse.strips import fuse_pair
from npfuse.weights.weights import Weights


@dataclass(frozen=True, kw_only=True)
class ExecutedLayer:
    """What was executed for one layer, in all leaves together.

    Parameters
    ----------
    name : of the pointwise convolution in the graph
    bounding_macs : multiply-adds of the bounds of its units; units are padded to a vector, 8 or 16
    folding_macs : of folding the layer before into it; columns are padded likewise
    evaluation_macs : of evaluating units at pixels: undecided ones, all of the last layer's, and all of leaves that
        were evaluated plainly, after what had been evaluated before they were given up
    undecided_by_bounds : units that their bounds left undecided, added up over the leaves
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
    leaves : of 16x16 pixels, those at the edges included
    leaves_plain : of these, evaluated plainly: all units at all pixels
    layers : in the order of execution
    """

    pixels: int
    leaves: int
    leaves_plain: int
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
    >>> done.leaves, [layer.evaluation_macs for layer in done.layers]  # all decided: 6 features to 3 outputs are left
    (1, [0, 0, 4608])
    """
    form = recognized(weights.graph(GRID, GRID))
    if form is None:
        raise ValueError(f"count_executed: weights are for {weights.model}, expected a network of LightFuse's form")
    names = [node.name for node in form.chain if isinstance(node.op, PointwiseConv2D)]
    counts = np.zeros((len(names) + 1, 5), np.int64)
    out = np.empty_like(under, order="C")
    for job in fuse_pair(under, over, out, weights, engine="fast", threads=1, counts=counts):
        job()
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
        pixels=under.shape[0] * under.shape[1],
        leaves=int(counts[0, LEAVES_SEEN]),
        leaves_plain=int(counts[0, LEAVES_PLAIN]),
        layers=tuple(layers),
    )
