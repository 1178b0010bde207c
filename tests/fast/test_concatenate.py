"""Concatenate for every pair of numbers of channels: vectors reach into what is written afterwards."""

import numpy as np
import pytest

from npfuse.fast import FAST
from npfuse.ops import Concatenate, concatenate
from tests.arrays import FLOATS, assert_close


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("first", [1, 3, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("second", [1, 2, 5, 8, 11, 16])
def test_concatenate_fast_equals_definition_for_every_number_of_channels(first, second, dtype):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 2), (3, 7)):
        xs = [rng.normal(size=(2, height, width, channels)).astype(dtype) for channels in (first, second, 2)]
        assert_close(FAST[Concatenate](*xs), concatenate(*xs))
        assert_close(FAST[Concatenate](*xs[:2]), concatenate(*xs[:2]))
