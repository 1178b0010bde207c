"""What two exposures of a scene have in common where both are neither black nor white: their levels, once mapped.

The first picture's levels are brought to the second's exposure (`npfuse.pairs.brightness`) and compared with them, less
their means around. Edges of wide gradients, which exposure moves, stay where they are. That is finer than comparing the
directions of edges, but only where the pictures are aligned already to about a pixel, and where both show something.
"""

import numpy as np
import scipy  # its parts are loaded when they are first used
from numpy.typing import NDArray

from npfuse.pairs.blocks import Blocks, Floats, blocks_of, blurred, likeness_of
from npfuse.pairs.brightness import find_mapping
from npfuse.pairs.edge_fields import Luma

LOW, HIGH = 6, 247  # levels of 255, beyond which they say little
AROUND = 15  # pixels, side of the square whose mean is taken off
MAPPED = 60_000  # pixels that the mapping is found from
LEAST = 500  # pixels that both show


def level_blocks(a: Luma, there: Luma, side: int, floor: float) -> Blocks | None:
    """Find by levels how far the blocks of a picture are from where they are looked for in another.

    Parameters
    ----------
    a : the first picture
    there : the second, seen from where the first is thought to be
    side : of a block, pixels
    floor : pixels, that a block may be off however much it knows

    Returns
    -------
    Blocks; None where too few pixels are exposed in both
    """
    both = _telling(a.levels) & _telling(there.levels) & (a.inner() * there.inner() > 0)
    if np.count_nonzero(both) < LEAST:
        return None
    levels, other = (blurred(luma.levels) * np.float32(1 / 255) for luma in (a, there))
    few = (slice(None, None, max(1, int(np.sqrt(both.size / MAPPED)))),) * 2
    mapping = find_mapping(levels[few], other[few], both[few])
    between = (mapping.levels[1:] + mapping.levels[:-1]) / 2
    steep = np.interp(levels, between, np.diff(mapping.values) / np.diff(mapping.levels)).astype(np.float32)
    # Of the variance of the difference, where both pictures have the same noise
    weight: Floats = (both / (1 + steep**2)).astype(np.float32)
    here, theirs = (_less_means(field * np.float32(255), weight)[None] for field in (mapping.of(levels), other))
    return blocks_of(here, theirs, weight, likeness_of(here, theirs, weight, side), side, floor)


def _telling(levels: Floats) -> NDArray[np.bool_]:
    """Return where neither a pixel nor a neighbour is black or white."""
    low, high = scipy.ndimage.minimum_filter(levels, 3), scipy.ndimage.maximum_filter(levels, 3)
    telling: NDArray[np.bool_] = (low > LOW) & (high < HIGH)
    return telling


def _less_means(values: Floats, weight: Floats) -> Floats:
    """Return values less their weighted means around."""
    sums, weights = (scipy.ndimage.uniform_filter(of, AROUND) for of in (values * weight, weight))
    return np.asarray(values - sums / np.maximum(weights, 1e-6), np.float32)
