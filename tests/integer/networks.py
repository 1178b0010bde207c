"""Networks in integers for the tests: the models with random weights, and pictures that reach the ends of ranges."""

import numpy as np

from npfuse.integer import hidden_values
from npfuse.integer_pair import integer_network, measured_ranges
from tests.networks import random_pair, random_weights

CASES = {
    "lightfuse": random_weights(seed=1),
    "lightfuse bilinear": random_weights(seed=2, decoder="bilinear"),
    "lightfuse transposed min-max": random_weights(seed=3, decoder="transposed", normalization="min_max"),
    "tonefuse": random_weights("tonefuse", seed=4),
    "t_cnn": random_weights("t_cnn", seed=5),
}
ARITHMETICS = {
    "int16": ("int16", "single"),
    "int16 double": ("int16", "double"),
    "int16-shift": ("int16-shift", "single"),
    "mixed": ("mixed", "single"),
}


def network_of(weights, case):
    """Return a network; ranges for "mixed" are measured on one small pair, so that others saturate."""
    arithmetic, rounding = ARITHMETICS[case]
    ranges = measured_ranges(weights, [random_pair((16, 24, 3), seed=9)]) if arithmetic == "mixed" else None
    assert ranges is None or set(ranges) == set(hidden_values(weights.graph(8, 8)))
    return integer_network(weights, arithmetic, rounding=rounding, ranges=ranges)


def extreme_pair(shape, seed=0):
    """Draw pictures of 0 and 255 only."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 2, shape).astype(np.uint8) * np.uint8(255) for _ in range(2))
