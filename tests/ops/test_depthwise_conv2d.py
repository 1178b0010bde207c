"""DepthwiseConv2D against its definition, Conv2D, exact fractions, SciPy, TensorFlow and impulses."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given

from npfuse.ops import DepthwiseConv2D, conv2d, depthwise_conv2d
from npfuse.padding import PADDINGS
from tests import windows
from tests.arrays import FLOATS, assert_close
from tests.checks import both, check_fast_equals_definition
from tests.oracles import tensorflow_ops


@given(windows.calls(DepthwiseConv2D))
def test_depthwise_conv2d_fast_equals_definition(call):
    check_fast_equals_definition(call, windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_depthwise_conv2d_fast_equals_definition_on_every_length(axis):
    windows.check_every_line(DepthwiseConv2D, windows.fast, axis)


@given(windows.calls(DepthwiseConv2D, most=4))
def test_depthwise_conv2d_definition_is_exact_on_fractions(call):
    windows.check_fractions(call)


@given(windows.calls(DepthwiseConv2D, least_pictures=1))
def test_depthwise_conv2d_definition_equals_scipy(call):
    assert_close(call(depthwise_conv2d), windows.by_scipy(call), windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_depthwise_conv2d_definition_equals_tensorflow_on_every_length(tf, axis):
    windows.check_every_line(DepthwiseConv2D, partial(tensorflow_ops.depthwise_conv2d, tf), axis)


@given(windows.calls(DepthwiseConv2D, least_pictures=1, one_stride=True))
def test_depthwise_conv2d_definition_equals_tensorflow(tf, call):
    assert_close(call(depthwise_conv2d), tensorflow_ops.depthwise_conv2d(tf, call), windows.rounding(call))


@given(windows.calls(DepthwiseConv2D))
def test_depthwise_conv2d_equals_conv2d_with_a_block_diagonal_kernel(call):
    x, kernel, bias = call.arrays
    block_diagonal = kernel[..., np.newaxis] * np.eye(kernel.shape[2], dtype=kernel.dtype)
    expected = conv2d(x, block_diagonal, bias, **call.attributes)
    # The other channels add exact zeros, so the terms that are rounded are the same.
    assert_close(call(depthwise_conv2d), expected, windows.rounding(call))


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [(3, 2), (1, 3)])
def test_depthwise_conv2d_puts_every_impulse_where_the_taps_are(functions, kernel_size, padding, dtype):
    windows.check_impulses(functions, DepthwiseConv2D, kernel_size, padding, dtype)


def test_depthwise_conv2d_rejects_what_does_not_fit():
    windows.check_window_rejects(DepthwiseConv2D)
