"""Conv2D against its definition, exact fractions, SciPy, TensorFlow and impulses."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given

from npfuse.ops import Conv2D, conv2d
from npfuse.padding import PADDINGS
from tests import windows
from tests.arrays import FLOATS, assert_close
from tests.checks import both, check_fast_equals_definition
from tests.oracles import tensorflow_ops


@given(windows.calls(Conv2D))
def test_conv2d_fast_equals_definition(call):
    check_fast_equals_definition(call, windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_conv2d_fast_equals_definition_on_every_length(axis):
    windows.check_every_line(Conv2D, windows.fast, axis)


@given(windows.calls(Conv2D, most=4))
def test_conv2d_definition_is_exact_on_fractions(call):
    windows.check_fractions(call)


@given(windows.calls(Conv2D, least_pictures=1))
def test_conv2d_definition_equals_scipy(call):
    assert_close(call(conv2d), windows.by_scipy(call), windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_conv2d_definition_equals_tensorflow_on_every_length(tf, axis):
    windows.check_every_line(Conv2D, partial(tensorflow_ops.conv2d, tf), axis)


@given(windows.calls(Conv2D, least_pictures=1))
def test_conv2d_definition_equals_tensorflow(tf, call):
    assert_close(call(conv2d), tensorflow_ops.conv2d(tf, call), windows.rounding(call))


@given(windows.calls(Conv2D, least_pictures=1))
def test_conv2d_definition_equals_keras(keras, call):
    assert_close(call(conv2d), tensorflow_ops.conv2d_dilated_by_hand(keras, call), windows.rounding(call))


@both
def test_conv2d_strides_beyond_the_only_column(functions):
    """By hand; the second tap lies on the padding."""
    x, kernel = np.array([[6.0, 2.0], [0.0, -4.0]]).reshape(2, 2, 1, 1), np.array([[-3.0, -8.0], [-7.0, -8.0]])
    y = functions[Conv2D](x, kernel.reshape(1, 2, 1, 2), stride=(1, 2), padding="same")
    assert y.reshape(4, 2).tolist() == [[-18, -48], [-6, -16], [0, 0], [12, 32]]


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [(3, 2), (1, 3)])
def test_conv2d_puts_every_impulse_where_the_taps_are(functions, kernel_size, padding, dtype):
    windows.check_impulses(functions, Conv2D, kernel_size, padding, dtype)


def test_conv2d_rejects_what_does_not_fit():
    windows.check_window_rejects(Conv2D)


def test_conv2d_correlates_and_does_not_flip_the_kernel():
    x, kernel = np.zeros((1, 3, 3, 1)), windows.powers_of_two((3, 3, 1, 1))
    x[0, 1, 1] = 1
    # The tap above the middle meets the impulse from the pixel below it.
    assert conv2d(x, kernel)[0, :, :, 0].tolist() == [[256, 128, 64], [32, 16, 8], [4, 2, 1]]
