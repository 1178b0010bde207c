"""Resize around the ends of arrays, where vectors reach into the next pixel."""

import numpy as np
import pytest

from npfuse.fast import FAST
from npfuse.ops import Resize, resize
from tests.arrays import FLOATS, assert_close


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [1, 3, 7, 8, 9, 17])
def test_resize_fast_equals_definition_for_every_number_of_channels(channels, dtype):
    # Halves and quarters of whole numbers: exact in any order.
    x = np.random.default_rng(0).integers(-8, 8, (2, 4, 6, channels)).astype(dtype)
    for method, height, width in (("nearest", 7, 13), ("bilinear", 8, 12), ("area", 2, 3), ("nearest", 1, 1)):
        attributes = {"height": height, "width": width, "method": method}
        assert_close(FAST[Resize](x, **attributes), resize(x, **attributes), 1e-6 if method == "area" else 0)


def test_resize_keeps_what_is_not_finite_to_its_channel():
    x = np.zeros((1, 4, 5, 3))
    x[0, 1, 2, 1] = np.nan
    result = np.isnan(FAST[Resize](x, height=8, width=10, method="nearest"))
    expected = np.zeros(result.shape, bool)
    expected[0, 2:4, 4:6, 1] = True
    assert (result == expected).all()
