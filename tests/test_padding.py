"""The lengths and borders of npfuse.padding, on every small length, against counting positions one by one."""

from itertools import product

import numpy as np
import pytest

from npfuse import padding as pad
from npfuse.padding import PADDINGS
from tests.arrays import assert_close, fractions
from tests.oracles.index_formulas import convolution_meetings, same_before, transposed_meetings

LENGTHS = range(1, 18)
GRID = tuple(product(range(1, 8), range(1, 4), range(1, 4)))  # kernel, stride, dilation


def padded_grid():
    yield from product(LENGTHS, GRID, PADDINGS)


def test_extent_is_the_distance_from_the_first_tap_to_the_last():
    for k, _, d in GRID:
        assert pad.extent(k, d) == [tap * d for tap in range(k)][-1] + 1


def test_conv_length_counts_the_places_of_the_kernel():
    for n, (k, s, d), padding in padded_grid():
        assert pad.conv_length(n, k, s, d, padding) == convolution_meetings(n, k, s, d, padding)[0], (n, k, s, d)


def test_conv_pads_same_are_tensorflows():
    for n, (k, s, d), _ in padded_grid():
        before, after = pad.conv_pads(n, k, s, d, "same")
        assert before == same_before(n, pad.extent(k, d), s), (n, k, s, d)
        # The odd position goes after, and the last place of the kernel ends at the end of the padding or inside.
        assert after - before in (0, 1)
        last = (pad.conv_length(n, k, s, d, "same") - 1) * s - before + pad.extent(k, d)
        assert last == n + after if before + after else last <= n


def test_conv_pads_valid_are_none():
    for n, (k, s, d), _ in padded_grid():
        assert pad.conv_pads(n, k, s, d, "valid") == (0, 0)


@pytest.mark.parametrize(("n", "pads"), [(8, (0, 1)), (7, (1, 1)), (2, (0, 1)), (1, (1, 1))])
def test_conv_pads_same_move_with_the_length_at_stride_2(n, pads):
    """The paper's 3x3 kernels at stride 2: even lengths pad (0, 1), odd ones (1, 1)."""
    assert pad.conv_pads(n, 3, 2, 1, "same") == pads


def test_transposed_length_is_the_one_that_the_convolution_maps_back():
    for n, (k, s, d), padding in padded_grid():
        out = pad.transposed_length(n, k, s, d, padding)
        assert out == transposed_meetings(n, k, s, d, padding)[0]
        assert pad.conv_length(out, k, s, d, padding) == n, (n, k, s, d, padding)


def test_transposed_crop_and_length_keep_exactly_what_the_convolution_reads():
    for n, (k, s, d), padding in padded_grid():
        crop = pad.transposed_crop(n, k, s, d, padding)
        out = pad.transposed_length(n, k, s, d, padding)
        stamped = {(position * s + tap * d - crop, position, tap) for position, tap in product(range(n), range(k))}
        kept = {meeting for meeting in stamped if 0 <= meeting[0] < out}
        _, read = convolution_meetings(out, k, s, d, padding)
        assert kept == {(i, o, tap) for o, i, tap in read}, (n, k, s, d, padding)
        if padding == "valid":
            assert kept == stamped


def test_pad_zeros_equals_numpy_pad():
    x = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 2, 2)
    for rows, columns in product(product(range(3), repeat=2), repeat=2):
        actual = pad.pad_zeros(x, rows, columns)
        assert_close(actual, np.pad(x, [(0, 0), rows, columns, (0, 0)]))
        assert actual.dtype == np.float32


def test_pad_zeros_keeps_fractions():
    x = fractions(np.arange(12.0).reshape(1, 3, 2, 2) / 4)
    actual = pad.pad_zeros(x, (1, 2), (0, 1))
    assert actual.dtype == object
    assert actual.sum() == x.sum()
    assert actual[0, 1, 1, 0] == x[0, 0, 1, 0]
