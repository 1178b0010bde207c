"""Conv2DTranspose against its definition, the adjoint of Conv2D, exact fractions, SciPy, Keras and impulses."""

from functools import partial

import pytest
from hypothesis import given

from npfuse.ops import Conv2D, Conv2DTranspose, conv2d_transpose
from npfuse.padding import PADDINGS
from tests import windows
from tests.arrays import FLOATS, assert_close
from tests.checks import both, check_fast_equals_definition
from tests.oracles import tensorflow_ops


@given(windows.calls(Conv2DTranspose))
def test_conv2d_transpose_fast_equals_definition(call):
    check_fast_equals_definition(call, windows.rounding(call))


@given(windows.calls(Conv2DTranspose, most=4))
def test_conv2d_transpose_definition_is_exact_on_fractions(call):
    windows.check_fractions(call)


@given(windows.calls(Conv2DTranspose, least_pictures=1))
def test_conv2d_transpose_definition_equals_scipy(call):
    assert_close(call(conv2d_transpose), windows.by_scipy(call), windows.rounding(call))


@pytest.mark.parametrize("axis", [0, 1])
def test_conv2d_transpose_definition_equals_keras_on_every_length(keras, axis):
    by_keras = partial(tensorflow_ops.conv2d_transpose, keras)
    windows.check_every_line(Conv2DTranspose, by_keras, axis, most=9)


@given(windows.calls(Conv2DTranspose, least_pictures=1))
def test_conv2d_transpose_definition_equals_keras(keras, call):
    assert_close(call(conv2d_transpose), tensorflow_ops.conv2d_transpose(keras, call), windows.rounding(call))


@both
@pytest.mark.parametrize("axis", [0, 1])
def test_conv2d_transpose_is_the_adjoint_of_conv2d_on_every_length(functions, axis):
    windows.check_adjoint_on_every_length(functions, Conv2DTranspose, Conv2D, axis)


@given(windows.calls(Conv2DTranspose, exact=True))
def test_conv2d_transpose_is_the_adjoint_of_conv2d(call):
    windows.check_adjoint(call, Conv2D)


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_size", [(3, 2), (1, 3)])
def test_conv2d_transpose_puts_every_stamp_where_the_impulse_is(functions, kernel_size, padding, dtype):
    windows.check_impulses(functions, Conv2DTranspose, kernel_size, padding, dtype)


def test_conv2d_transpose_rejects_what_does_not_fit():
    windows.check_window_rejects(Conv2DTranspose)
