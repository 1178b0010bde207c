"""Networks walked in the functions that NumPy, CuPy and JAX share, against the definition."""

import numpy as np
import pytest

from bench.array_walk import walk_of
from bench.runtime import thumbnails
from npfuse import fuse
from tests.networks import random_pair, random_weights


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
def test_array_walk_equals_definition(model):
    weights = random_weights(model)
    under, over = random_pair((16, 24, 3))
    height, width = weights.padded_size(16, 24)
    padded = [np.pad(x, ((0, height - 16), (0, width - 24), (0, 0)), mode="edge")[np.newaxis] for x in (under, over)]
    walk = walk_of(np, weights.graph(height, width), weights.arrays)
    found = walk(*padded, *thumbnails(under, over, weights).values())[0, :16, :24]
    expected = fuse(under, over, weights, order="given", engine="definition")
    # Sums of float32 in another order may end on the other side of a half.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert np.count_nonzero(found != expected) <= 0.005 * expected.size
