"""count_executed: against a count by hand on a constant picture, and in the extremes."""

import numpy as np
import pytest

from costmodel.executed import count_executed
from npfuse.engine.processor import VECTOR_NUMBERS
from tests.networks import random_pair, random_weights

BLOCK = 256  # pixels


def test_on_a_constant_picture_all_is_decided_and_the_count_is_that_by_hand():
    weights = random_weights(hidden=[8, 8])
    under, over = np.full((64, 64, 3), 50, np.uint8), np.full((64, 64, 3), 180, np.uint8)
    done = count_executed(under, over, weights)
    x = np.repeat([50, 180], 3) / 127.5 - 1
    first = x @ weights.arrays["detail1/kernel"] + weights.arrays["detail1/bias"]
    second = np.maximum(first, 0) @ weights.arrays["detail2/kernel"] + weights.arrays["detail2/bias"]
    assert min(np.abs(first).min(), np.abs(second).min()) > 1e-3  # nothing is near enough to 0 to be left undecided
    on = [int((z > 0).sum()) for z in (first, second)]
    assert (done.pixels, done.blocks, done.blocks_plain) == (64 * 64, 16, 0)
    detail1, detail2, detail3 = done.layers
    padded = VECTOR_NUMBERS
    bounds = 16 * 3 * 6 * padded  # blocks, three sums of six features, the eight units and what fills a vector
    rows = 6 + 1  # features and the constant
    assert (detail1.bounding_macs, detail1.folding_macs, detail1.evaluation_macs) == (bounds, 0, 0)
    # The first block folds the units that are on; the others find them folded.
    assert (detail2.bounding_macs, detail2.folding_macs, detail2.evaluation_macs) == (bounds, on[0] * rows * padded, 0)
    assert (detail3.bounding_macs, detail3.folding_macs) == (0, 16 * on[1] * rows * padded)
    assert detail3.evaluation_macs == 16 * BLOCK * 6 * 3
    assert [layer.undecided_by_bounds + layer.undecided_by_values for layer in done.layers] == [0, 0, 0]
    assert done.macs == sum(layer.macs for layer in done.layers)


def test_on_random_bytes_all_is_evaluated_plainly():
    rng = np.random.default_rng(0)
    pair = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    done = count_executed(*pair, random_weights(hidden=[64, 32]))
    assert done.blocks_plain == done.blocks == 16
    plain = 64 * 64 * (6 * 64 + 64 * 32 + 32 * 3)
    assert plain <= sum(layer.evaluation_macs for layer in done.layers) <= 1.1 * plain


def test_networks_of_another_form_are_refused():
    message = "weights are for t_cnn, expected a network of LightFuse's form: conv3_pointwise is a PointwiseConv2D"
    with pytest.raises(ValueError, match=message):
        count_executed(*random_pair((8, 8, 3)), random_weights("t_cnn"))
