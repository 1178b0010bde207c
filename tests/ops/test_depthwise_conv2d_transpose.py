"""DepthwiseConv2DTranspose against its definition, its adjoint, exact fractions, SciPy, TensorFlow, and Resize."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.ops import (
    BOX,
    TENT,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    conv2d_transpose,
    depthwise_conv2d_transpose,
    resize,
)
from npfuse.padding import PADDINGS
from tests import windows
from tests.arrays import FLOATS, assert_close, numbers, picture_shapes
from tests.checks import both, check_fast_equals_definition, check_rejects
from tests.oracles import tensorflow_ops


@given(windows.calls(DepthwiseConv2DTranspose))
def test_depthwise_conv2d_transpose_fast_equals_definition(call):
    check_fast_equals_definition(call, windows.rounding(call))


@given(windows.calls(DepthwiseConv2DTranspose, most=4))
def test_depthwise_conv2d_transpose_definition_is_exact_on_fractions(call):
    windows.check_fractions(call)


@given(windows.calls(DepthwiseConv2DTranspose, least_pictures=1))
def test_depthwise_conv2d_transpose_definition_equals_scipy(call):
    assert_close(call(depthwise_conv2d_transpose), windows.by_scipy(call), windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_depthwise_conv2d_transpose_definition_equals_tensorflow_on_every_length(tf, axis):
    by_tensorflow = partial(tensorflow_ops.depthwise_conv2d_transpose, tf)
    windows.check_every_line(DepthwiseConv2DTranspose, by_tensorflow, axis, most=9)


@given(windows.calls(DepthwiseConv2DTranspose, least_pictures=1, one_stride=True))
def test_depthwise_conv2d_transpose_definition_equals_tensorflow(tf, call):
    expected = tensorflow_ops.depthwise_conv2d_transpose(tf, call)
    assert_close(call(depthwise_conv2d_transpose), expected, windows.rounding(call))


@given(windows.calls(DepthwiseConv2DTranspose))
def test_depthwise_conv2d_transpose_equals_conv2d_transpose_with_a_block_diagonal_kernel(call):
    x, kernel, bias = call.arrays
    block_diagonal = kernel[..., np.newaxis] * np.eye(kernel.shape[2], dtype=kernel.dtype)
    expected = conv2d_transpose(x, block_diagonal, bias, **call.attributes)
    assert_close(call(depthwise_conv2d_transpose), expected, windows.rounding(call))


@both
@pytest.mark.parametrize("axis", [0, 1])
def test_depthwise_conv2d_transpose_is_the_adjoint_of_depthwise_conv2d_on_every_length(functions, axis):
    windows.check_adjoint_on_every_length(functions, DepthwiseConv2DTranspose, DepthwiseConv2D, axis)


@given(windows.calls(DepthwiseConv2DTranspose, exact=True))
def test_depthwise_conv2d_transpose_is_the_adjoint_of_depthwise_conv2d(call):
    windows.check_adjoint(call, DepthwiseConv2D)


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [(3, 2), (1, 3)])
def test_depthwise_conv2d_transpose_puts_every_stamp_where_the_impulse_is(functions, kernel_size, padding, dtype):
    windows.check_impulses(functions, DepthwiseConv2DTranspose, kernel_size, padding, dtype)


def double(function, x, rows, times=1):
    """Apply a fixed kernel at stride 2, as a graph does: the kernel is the operator's constant."""
    size = len(rows), len(rows[0])
    op = DepthwiseConv2DTranspose(kernel_size=size, stride=(2, 2), use_bias=False, fixed=rows)
    for _ in range(times):
        kernel = op.constants(x.shape[1:])["kernel"].astype(x.dtype, copy=False)
        x = function(x, kernel, **op.arguments())
    return x


@both
@given(shape=picture_shapes(), data=st.data())
def test_depthwise_conv2d_transpose_with_a_box_is_nearest(functions, shape, data):
    (x,), _ = data.draw(numbers(shape))
    _, height, width, _ = shape
    function = functions[DepthwiseConv2DTranspose]
    assert_close(double(function, x, BOX), resize(x, height=2 * height, width=2 * width, method="nearest"))
    assert_close(double(function, x, BOX, times=3), resize(x, height=8 * height, width=8 * width, method="nearest"))


@both
@given(shape=picture_shapes(), data=st.data())
def test_depthwise_conv2d_transpose_with_a_tent_is_bilinear_inside(functions, shape, data):
    """The outermost pixels differ: there the tent has nothing to add for the neighbour that bilinear replicates.

    On whole numbers the products with sixteenths are exact, and so is the result. At the border the tent's sum is 3/4
    of the bilinear result along that axis, 9/16 in the corners.
    """
    (x,), _ = data.draw(numbers(shape, exact=True))
    _, height, width, _ = shape
    expected = resize(x, height=2 * height, width=2 * width, method="bilinear")
    for axis in (1, 2):
        ends = [slice(None)] * 4
        ends[axis] = [0, -1]
        expected[tuple(ends)] *= 0.75
    assert_close(double(functions[DepthwiseConv2DTranspose], x, TENT), expected)


def test_depthwise_conv2d_transpose_counts_no_parameters_for_a_fixed_kernel():
    fixed = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), fixed=BOX)
    assert fixed.weight_shapes((4, 5, 3)) == {"bias": (3,)}
    assert fixed.constants((4, 5, 3))["kernel"].tolist() == np.ones((2, 2, 3)).tolist()
    learned = DepthwiseConv2DTranspose(kernel_size=(2, 2))
    assert learned.weight_shapes((4, 5, 3)) == {"kernel": (2, 2, 3), "bias": (3,)}
    assert learned.constants((4, 5, 3)) == {}


def test_depthwise_conv2d_transpose_rejects_what_does_not_fit():
    windows.check_window_rejects(DepthwiseConv2DTranspose)
    message = "DepthwiseConv2DTranspose: fixed kernel shape is (2, 2), expected kernel_size (2, 3); "
    check_rejects(DepthwiseConv2DTranspose, message, kernel_size=(2, 3), fixed=BOX)
