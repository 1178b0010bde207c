"""Depthwise convolutions around the ends of tiles, rows and arrays, where vectors reach into the next pixel.

Whole numbers make every comparison exact.
"""

import numpy as np
import pytest

from npfuse.engine import channel_sums
from npfuse.fast import FAST
from npfuse.ops import DepthwiseConv2D, DepthwiseConv2DTranspose, depthwise_conv2d, depthwise_conv2d_transpose
from tests.arrays import FLOATS, assert_close, whole


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", range(1, 26))
def test_channel_sums_fast_equals_definition_for_every_number_of_channels(channels, dtype):
    x, kernel, bias = (whole(*shape, dtype=dtype) for shape in ((2, 5, 23, channels), (3, 2, channels), (channels,)))
    for stride in ((1, 1), (2, 2), (1, 3)):
        assert_close(
            FAST[DepthwiseConv2D](x, kernel, bias, stride=stride), depthwise_conv2d(x, kernel, bias, stride=stride)
        )
        expected = depthwise_conv2d_transpose(x, kernel, bias, stride=stride)
        assert_close(FAST[DepthwiseConv2DTranspose](x, kernel, bias, stride=stride), expected)


@pytest.mark.parametrize("channels", [1, 3, 6, 8, 11])
@pytest.mark.parametrize("width", range(1, 21))
def test_channel_sums_fast_equals_definition_for_every_width(width, channels):
    x, kernel = whole(1, 3, width, channels), whole(3, 3, channels)
    for attributes in ({}, {"stride": (2, 2)}, {"dilation": (1, 2)}, {"dilation": (9, 30)}):
        expected = depthwise_conv2d(x, kernel, **attributes)
        assert_close(FAST[DepthwiseConv2D](x, kernel, **attributes), expected)
        expected = depthwise_conv2d_transpose(x, kernel, **attributes)
        assert_close(FAST[DepthwiseConv2DTranspose](x, kernel, **attributes), expected)


@pytest.mark.parametrize("channels", [1, 3, 6, 8, 11])
def test_channel_sums_write_nothing_beyond_the_array(channels):
    for columns in (np.array([[0]]), np.array([[0], [0]]), np.array([[-1], [1], [0]])):
        phases = len(columns)
        for width in (1, 2, 5, 24):
            x = np.ones((1, 2, width, channels))
            roomy = np.full(2 * width * phases * channels + 100, np.nan)
            out = roomy[:-100].reshape(1, 2, width * phases, channels)
            rows = np.array([[0], [1]])
            channel_sums.sum_channels(x, np.ones((1, 1, channels)), np.zeros(channels), rows, columns, 1, out)
            assert not np.isnan(out).any()
            assert np.isnan(roomy[-100:]).all()


def test_channel_sums_of_a_pixel_are_the_same_wherever_it_lies():
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((1, 9, 40, 6), (3, 3, 6)))
    everywhere = FAST[DepthwiseConv2D](x, kernel, padding="valid")
    for row, column in ((0, 1), (1, 0), (2, 5), (6, 37)):
        part = FAST[DepthwiseConv2D](x[:, row:, column:], kernel, padding="valid")
        assert_close(part, everywhere[:, row:, column:])


@pytest.mark.parametrize("channels", [3, 11])
def test_channel_sums_keep_what_is_not_finite_to_its_channel(channels):
    x, kernel = whole(1, 6, 11, channels), np.ones((3, 3, channels))
    x[0, 2, 4, 1] = np.nan
    expected = np.zeros(x.shape, bool)
    expected[0, 1:4, 3:6, 1] = True
    assert (np.isnan(FAST[DepthwiseConv2D](x, kernel)) == expected).all()
    assert (np.isnan(FAST[DepthwiseConv2DTranspose](x, kernel)) == expected).all()
