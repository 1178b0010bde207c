"""Vector functions: the worked example of `npfuse.engine.vectors`, and the layout's index arithmetic."""

import numpy as np
import pytest

from npfuse.engine.compiled import compiled
from npfuse.engine.layout import BLOCKS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, block_place, run_place
from npfuse.engine.vectors import vector_function
from tests.arrays import FLOATS, assert_close


@vector_function
def rectify(v, x, out, count):
    with v.loop(count // v.width) as chunk:
        i = chunk * v.width
        v.store(v.maximum(v.load(x + i), v.number(0)), out + i)


@compiled
def rectify_all(x, out):
    rectify(x, out, len(x) // 16 * 16)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_worked_example_is_numpys_maximum(dtype):
    x = np.random.default_rng(0).normal(size=70).astype(dtype)
    out = np.full(70, 7, dtype)
    rectify_all(x, out)
    assert_close(out[:64], np.maximum(x[:64], 0))
    assert (out[64:] == 7).all()


def test_every_pixel_of_two_groups_has_a_place_of_its_own():
    places = {block_place(row, column) for row in range(GROUP_SIDE) for column in range(2 * GROUP_SIDE)}
    assert len(places) == 2 * GROUP_SIDE**2
    assert tuple(map(max, zip(*places, strict=True))) == (1, BLOCKS - 1, ROW_PAIRS - 1, PAIR_PIXELS - 1)


def test_runs_begin_at_the_place_of_their_first_pixel():
    channels = 5
    for group in range(2):
        for row in range(GROUP_SIDE):
            of_group, block, row_pair, pixel = block_place(row, group * GROUP_SIDE)
            place = np.ravel_multi_index(
                (of_group, block, row_pair, 0, pixel), (2, BLOCKS, ROW_PAIRS, channels, PAIR_PIXELS)
            )
            assert run_place(group, row, channels) == place
