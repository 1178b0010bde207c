"""Dense convolutions around the edges of what they are cut into: tiles, panels, chunks and strips.

Whole numbers make every comparison exact: a term left out or added twice shows.
"""

import numpy as np
import pytest

from npfuse.engine.layout import PADDED_NUMBERS
from npfuse.fast import FAST
from npfuse.ops import Conv2D, Conv2DTranspose, PointwiseConv2D, conv2d, conv2d_transpose, pointwise_conv2d
from tests.arrays import FLOATS, assert_close, whole


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("features", [1, 2, 7, 8, 9, 16, 17, 24, 25, 32, 33, 40, 41, 48, 64, 72])
def test_window_sums_fast_equals_definition_for_every_cut_into_panels(features, dtype):
    x, kernel, bias = (
        whole(2, 4, 13, 3, dtype=dtype),
        whole(3, 2, 3, features, dtype=dtype),
        whole(features, dtype=dtype),
    )
    assert_close(FAST[Conv2D](x, kernel, bias), conv2d(x, kernel, bias))
    stamps = np.ascontiguousarray(kernel.swapaxes(2, 3))
    expected = conv2d_transpose(x, stamps, bias, stride=(2, 3))
    assert_close(FAST[Conv2DTranspose](x, stamps, bias, stride=(2, 3)), expected)


@pytest.mark.parametrize("features", [1, 5, 16, 24, 32])
@pytest.mark.parametrize("width", range(1, 19))
def test_window_sums_fast_equals_definition_for_every_rest_of_a_tile(width, features):
    x, kernel = whole(1, 2, width, 8), whole(1, 3, 8, features)  # 8 channels: one feature is summed along the lanes
    assert_close(FAST[Conv2D](x, kernel), conv2d(x, kernel))
    assert_close(FAST[PointwiseConv2D](x, kernel[0, 1]), pointwise_conv2d(x, kernel[0, 1]))


@pytest.mark.parametrize("features", [1, 3, 16, 32])
@pytest.mark.parametrize("channels", [127, 128, 129, 200])
def test_window_sums_fast_equals_definition_across_chunks(channels, features):
    x, kernel = whole(1, 3, 7, channels), whole(3, 3, channels, features)
    for dilation in ((1, 1), (2, 3)):
        assert_close(FAST[Conv2D](x, kernel, dilation=dilation), conv2d(x, kernel, dilation=dilation))


@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 2)), ((3, 1), (4, 1))])
def test_window_sums_fast_equals_definition_across_strips(stride, dilation):
    height = 2 * PADDED_NUMBERS // (64 * 66) + 5  # three strips at stride 1
    x, kernel = whole(2, height, 64, 64), whole(3, 3, 64, 1)
    attributes = {"stride": stride, "dilation": dilation}
    assert_close(FAST[Conv2D](x, kernel, **attributes), conv2d(x, kernel, **attributes))


@pytest.mark.parametrize("dilation", [(16, 16), (5, 40)])
def test_window_sums_fast_equals_definition_where_a_window_is_larger_than_the_picture(dilation):
    x, kernel = whole(1, 5, 7, 8), whole(3, 3, 8, 9)
    assert_close(FAST[Conv2D](x, kernel, dilation=dilation), conv2d(x, kernel, dilation=dilation))


@pytest.mark.parametrize("features", [1, 3, 24])
def test_window_sums_of_a_pixel_are_the_same_wherever_it_lies(features):
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((1, 9, 40, 16), (3, 3, 16, features)))
    everywhere = FAST[Conv2D](x, kernel, padding="valid")
    for row, column in ((0, 1), (1, 0), (2, 5), (0, 30)):
        part = FAST[Conv2D](x[:, row:, column:], kernel, padding="valid")
        assert_close(part, everywhere[:, row:, column:])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("features", [1, 3, 17])
def test_window_sums_keep_what_is_not_finite_to_its_windows(features, value):
    x, kernel = whole(1, 6, 11, 8), np.ones((3, 3, 8, features))
    x[0, 2, 4, 5] = value
    with np.errstate(invalid="ignore"):  # some BLAS multiply what they pad with, and so warn of inf * 0
        expected = conv2d(x, kernel), pointwise_conv2d(x, kernel[0, 0])
    assert_close(FAST[Conv2D](x, kernel), expected[0])
    assert_close(FAST[PointwiseConv2D](x, kernel[0, 0]), expected[1])
