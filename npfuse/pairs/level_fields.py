"""Finds how far blocks of a picture are from their place in another exposure, by comparing levels.

The first picture's levels are mapped to the second's exposure (`npfuse.pairs.brightness`). From both, the local mean is
taken off, and the rest is compared. A change of exposure moves the apparent edge of a wide gradient, but not its mapped
levels. So this is more precise than comparing the directions of edges, if the pictures are aligned to about a pixel
already, and where neither is black or white.
"""

import numpy as np

from npfuse.pairs.blocks import Blocks, blocks_of, likeness_of
from npfuse.pairs.brightness import find_mapping
from npfuse.pairs.edge_fields import Luma
from npfuse.pairs.plane_filters import Floats, means_around

AROUND = 15  # pixels: side of the square whose mean is taken off
MAPPED = 60_000  # pixels from which the mapping is found
LEAST = 500  # pixels that must be exposed in both


def level_blocks(a: Luma, there: Luma, side: int, floor: float) -> Blocks | None:
    """Find by levels how far the blocks of a picture are from where they are looked for in another.

    Parameters
    ----------
    a : Luma of the first picture
    there : Luma of the second picture, moved to where the first is thought to be
    side : side of a block, pixels
    floor : least error of a block's place, pixels, however well it is known

    Returns
    -------
    Blocks, or None if too few pixels are exposed in both
    """
    both = a.telling & there.telling
    if np.count_nonzero(both) < LEAST:
        return None
    levels, other = (luma.smooth * np.float32(1 / 255) for luma in (a, there))
    few = (slice(None, None, max(1, int(np.sqrt(both.size / MAPPED)))),) * 2
    mapping = find_mapping(levels[few], other[few], both[few])
    between = (mapping.levels[1:] + mapping.levels[:-1]) / 2
    steep = np.interp(levels, between, np.diff(mapping.values) / np.diff(mapping.levels)).astype(np.float32)
    # The variance of the difference is proportional to 1 + steep**2 if both pictures have the same noise.
    weight: Floats = (both / (1 + steep**2)).astype(np.float32)
    around = np.maximum(means_around(weight, AROUND), np.float32(1e-6))
    mapped = mapping.of(levels) * np.float32(255)
    here, theirs = (
        np.asarray(values - means_around(values * weight, AROUND) / around, np.float32)[None]  # less the local mean
        for values in (mapped, there.smooth)
    )
    return blocks_of(here, theirs, weight, likeness_of(here, theirs, weight, side), side, floor)
