"""Small copies of pictures."""

import numpy as np
import pytest

from npfuse.pairs.small_copies import block_means, small_shares


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(37, 150), (37, 150, 3), (5, 6, 3), (2, 200)])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_block_means_equal_the_means_of_all_blocks(dtype, shape, k):
    random = np.random.default_rng(1)
    whole = np.issubdtype(dtype, np.integer)
    x = random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True) if whole else random.random(shape, dtype)
    high, wide = shape[0] // k, shape[1] // k
    blocks = x[: high * k, : wide * k].astype(np.float64).reshape(high, k, wide, k, *shape[2:])
    expected = blocks.mean(axis=(1, 3))
    actual = block_means(x, k)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=k * k * float(np.finfo(np.float32).eps))


def test_means_of_ones_are_one():
    assert (block_means(np.ones((30, 42), np.float32), 7) == 1).all()  # nothing is transparent


def test_small_shares_of_grey_and_colour_are_shares_of_white():
    white = np.full((20, 30), 65535, np.uint16)
    assert small_shares(white, 4).shape == (5, 7, 1)
    colour = np.dstack([white, white // 3, white * 0])
    np.testing.assert_allclose(small_shares(colour, 4)[2, 3], [1, 1 / 3, 0], rtol=1e-6)
