"""What the engine does in a chain of pointwise layers of a picture, in amounts that take time each in its own way.

`npfuse.engine.pixel_groups` looks at blocks of 16x16 pixels, bounds their units, folds those that are on into the next
layer and evaluates the others; blocks of noise are evaluated plainly. How much of each there is depends on the picture,
and is counted while it runs (`costmodel.executed`).
"""

from math import exp

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.rates import Amounts
from costmodel.executed import Executed, count_executed
from npfuse.padding import GRID
from npfuse.strip_form import match_form
from npfuse.weights.weights import Weights

BLOCK_PIXELS = 256


def region_amounts(done: Executed, macs: int) -> Amounts:
    """Return what was executed as amounts.

    Parameters
    ----------
    done : Executed
    macs : multiply-adds of a pixel where no unit is decided

    Returns
    -------
    Amounts : `looked`, layers of blocks that were bounded; `bounding`, `folding` and `evaluation`, their multiply-adds;
        `plain`, those of blocks that were evaluated plainly; `undecided` and `kept`, units that bounds left undecided,
        and that values did, too; `open`, layers of blocks with any of those: as many as if they lay about by chance
    """
    layers = done.layers
    blocks = done.blocks - done.blocks_plain
    plain = done.blocks_plain * BLOCK_PIXELS * macs
    spread = (blocks * (1 - exp(-layer.undecided_by_bounds / max(blocks, 1))) for layer in layers)
    return {
        "looked": float(blocks * len(layers)),
        "bounding": float(sum(layer.bounding_macs for layer in layers)),
        "folding": float(sum(layer.folding_macs for layer in layers)),
        "evaluation": float(max(sum(layer.evaluation_macs for layer in layers) - plain, 0)),
        "plain": float(plain),
        "undecided": float(sum(layer.undecided_by_bounds for layer in layers)),
        "kept": float(sum(layer.undecided_by_values for layer in layers)),
        "open": float(sum(spread)),
    }


def pair_amounts(under: NDArray[np.uint8], over: NDArray[np.uint8], weights: Weights) -> Amounts:
    """Fuse a pair (H, W, 3) by a network of LightFuse's form, and return what the chain of its pixels did."""
    chain = match_form(weights.graph(GRID, GRID)).chain
    kernels = (weights.arrays.get(f"{node.weight_key}/kernel") for node in chain)
    macs = sum(int(np.prod(kernel.shape)) for kernel in kernels if kernel is not None)
    return region_amounts(count_executed(under, over, weights), macs)
