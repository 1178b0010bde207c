"""Tiles: put together, they are the whole picture, byte by byte."""

import numpy as np
import pytest

from bench.runtime import thumbnails
from bench.tiling import fuse_in_tiles, padded, tiles_along, window_shape
from npfuse.models import lightfuse
from npfuse.run import run
from tests.networks import random_weights

NETWORKS = {
    "nearest": random_weights(decoder="nearest"),
    "bilinear": random_weights(decoder="bilinear"),
    "transposed": random_weights(decoder="transposed"),
    "tonefuse": random_weights("tonefuse"),
}


def network_of(weights, sizes):
    """Return a network in float64, where no sum's order reaches a rounded level; it notes the sizes it is given."""
    arrays = {name: array.astype(np.float64) for name, array in weights.arrays.items()}

    def network(under, over, others):
        assert all(picture.flags.c_contiguous for picture in (under, over))
        sizes.add(under.shape[:2])
        exposures = np.concatenate([under, over], axis=2)[np.newaxis] / 127.5 - 1
        inputs = {"exposures": exposures} | {name: value.astype(np.float64) for name, value in others.items()}
        fused = run(weights.graph(*under.shape[:2]), inputs, arrays, engine="definition")["fused"][0]
        return np.rint((fused + 1) * 127.5).astype(np.uint8)

    return network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("height", "width", "side"), [(96, 128, 32), (83, 141, 32), (40, 72, 64), (7, 100, 16)])
def test_tiles_put_together_are_the_whole(name, height, width, side):
    weights = NETWORKS[name]
    rng = np.random.default_rng(0)
    under, over = rng.integers(0, 256, (2, height, width, 3), np.uint8)
    graph = weights.graph(*weights.padded_size(height, width))
    others = thumbnails(under, over, weights)
    sizes = set()
    network = network_of(weights, sizes)
    whole = fuse_in_tiles(network, under, over, others, graph, None, weights.margin)
    assert sizes == {window_shape(graph, None)} == {padded(under, graph).shape[:2]}
    sizes.clear()
    tiled = fuse_in_tiles(network, under, over, others, graph, side, weights.margin)
    assert sizes == {window_shape(graph, side, weights.margin)}
    assert tiled.shape == whole.shape == (height, width, 3)
    assert np.array_equal(tiled, whole)


def test_a_tile_of_lightfuse_needs_eight_pixels_after_it_and_none_before():
    tiles = tiles_along(1, lightfuse(8, 1024), 128)
    assert [tile.window for tile in tiles[:2]] == [(0, 136), (128, 264)]
    assert tiles[-1].keep == (896, 1024)
    assert tiles[-1].window == (888, 1024)  # as long as the others, moved inwards


def test_padding_repeats_the_last_row_and_column():
    picture = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)
    graph = lightfuse(16, 8)
    wide = padded(picture, graph)
    assert wide.shape == (16, 8, 3)
    assert np.array_equal(wide[:9, :7], picture)
    assert (wide[9:, :7] == picture[8]).all()
    assert (wide[:9, 7] == picture[:, 6]).all()
    assert padded(wide, graph) is wide
