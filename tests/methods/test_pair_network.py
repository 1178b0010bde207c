"""Networks of a pair as a method: parts are together the whole, and the graph is that of the weights."""

import numpy as np
import pytest

from npfuse.methods import METHODS
from npfuse.methods.pair_network import pair_phases
from npfuse.weights.loading import load_weights
from tests.arrays import assert_close
from tests.networks import random_pair
from tests.test_fusion import fused_by_hand

PAIR_NETWORKS = [method for method in METHODS.values() if method.parts]


@pytest.mark.parametrize("method", PAIR_NETWORKS, ids=lambda method: method.name)
def test_parts_of_a_pair_are_the_whole(method, monkeypatch):
    monkeypatch.setattr("npfuse.strips.TILE_BYTES", 1)
    monkeypatch.setattr("npfuse.strips.STRIP_ROWS", 1)
    monkeypatch.setattr("npfuse.strips.LOOK_SIDES", (64, 64))
    weights = load_weights(method.name)
    under, over = random_pair((70, 90, 3), np.uint8)
    out = np.empty_like(under)
    (jobs,) = method.phases([under, over], out, weights, engine="fast", threads=1)
    assert method.jobs is pair_phases
    assert len(jobs) > 1
    for job in reversed(jobs):
        job()
    if weights.normalization == "full_range":
        assert_close(out, np.rint(fused_by_hand(under, over, weights) * 255), 1)


@pytest.mark.parametrize("method", PAIR_NETWORKS, ids=lambda method: method.name)
def test_graph_of_the_method_is_that_of_its_bundled_weights(method):
    weights = load_weights(method.name)
    assert method.graph(16, 24) == weights.graph(16, 24)


def test_a_network_without_weights_says_so():
    with pytest.raises(ValueError, match="LightFuse: weights are missing, expected those of lightfuse"):
        METHODS["lightfuse"].phases([], np.zeros((2, 2)), None, engine="fast", threads=1)
