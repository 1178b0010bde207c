"""PointwiseConv2D against its definition, the matrix product, Conv2D, exact fractions, TensorFlow and impulses."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, DepthwiseConv2D, PointwiseConv2D, conv2d, depthwise_conv2d, pointwise_conv2d
from tests import windows
from tests.arrays import FLOATS, Call, assert_close, fractions, numbers, unlike
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)


@st.composite
def calls(draw, most=9, **kind):
    """Draw a call with H != W and Cin != Cout; the larger pictures fill more than one block of the fast function."""
    height, width = draw(unlike(most) | st.just((17, 31)) if most > 3 else unlike(most))
    channels, features = draw(unlike(9))
    shapes = (draw(st.integers(0, 2)), height, width, channels), (channels, features)
    arrays, exact = draw(numbers(*shapes, draw(st.sampled_from([None, (features,)])), **kind))
    return Call(op=PointwiseConv2D, arrays=arrays, attributes={}, exact=exact)


def as_conv2d(call):
    """Return the same convolution as a 1x1 Conv2D."""
    x, kernel, bias = call.arrays
    return conv2d(x, kernel[np.newaxis, np.newaxis], bias)


def rounding(call):
    """Return how far two results may be apart, as derived in `windows.rounding`; a sum of Cin products and a bias."""
    if call.exact:
        return 0
    return call.eps * (call.arrays[1].shape[0] + 2) * call.map(np.abs)(pointwise_conv2d)


@given(calls())
def test_pointwise_conv2d_fast_equals_definition(call):
    check_fast_equals_definition(call, rounding(call))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", range(1, 10))
@pytest.mark.parametrize("features", range(1, 10))
def test_pointwise_conv2d_fast_equals_definition_for_every_width(channels, features, dtype):
    """The fast function takes four inputs and four outputs at a time: here are all remainders."""
    x = windows.impulses(1, 1, channels, dtype)
    kernel = windows.powers_of_two((channels, features), dtype)
    assert_close(FAST[PointwiseConv2D](x, kernel), kernel.reshape(channels, 1, 1, features))


@given(calls(most=3))
def test_pointwise_conv2d_definition_is_exact_on_fractions(call):
    x, kernel, bias = call.map(fractions).arrays
    # The matrix product, written out: every pixel's channels times a column of the kernel.
    expected = (x[..., np.newaxis] * kernel).sum(axis=3)
    expected = expected if bias is None else expected + bias
    actual = pointwise_conv2d(x, kernel, bias)
    assert actual.dtype == object
    assert_close(actual, expected)


@given(calls())
def test_pointwise_conv2d_definition_equals_the_matrix_product(call):
    x, kernel, bias = call.arrays
    expected = np.einsum("...i,io->...o", x, kernel) + (0 if bias is None else bias)
    assert_close(call(pointwise_conv2d), expected, rounding(call))


@given(calls())
def test_pointwise_conv2d_definition_equals_conv2d_1x1(call):
    assert_close(call(pointwise_conv2d), as_conv2d(call), rounding(call))


@given(calls())
def test_pointwise_conv2d_definition_equals_tensorflow(tf, call):
    x, kernel, bias = call.map(np.array).arrays
    assume(len(x))  # of no pictures, TensorFlow's result has the channels of x on some processors
    expected = np.asarray(tf.nn.conv2d(x, kernel[np.newaxis, np.newaxis], strides=1, padding="SAME"))
    assert_close(call(pointwise_conv2d), expected + (0 if bias is None else bias), rounding(call))


@both
@given(call=windows.calls(DepthwiseConv2D, exact=True), features=st.integers(1, 5), seed=st.integers(0, 99))
def test_pointwise_conv2d_after_depthwise_conv2d_equals_conv2d_with_the_product_kernel(functions, call, features, seed):
    """The paper's Fig. 1: a separable convolution is one convolution whose kernel is a product."""
    x, kernel, _ = call.arrays
    mix = np.random.default_rng(seed).integers(-8, 8, (x.shape[3], features)).astype(x.dtype)
    coarse = functions[DepthwiseConv2D](x, kernel, **call.attributes)
    expected = conv2d(x, kernel[..., np.newaxis] * mix, **call.attributes)
    assert_close(functions[PointwiseConv2D](coarse, mix), expected)
    assert_close(coarse, depthwise_conv2d(x, kernel, **call.attributes))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_pointwise_conv2d_keeps_every_impulse_in_its_pixel(functions, dtype):
    height, width, channels, features = 3, 4, 2, 5
    kernel = windows.powers_of_two((channels, features), dtype)
    expected = np.zeros((height, width, channels, height, width, features))
    for h in range(height):
        for w in range(width):
            expected[h, w, :, h, w] = kernel
    actual = functions[PointwiseConv2D](windows.impulses(height, width, channels, dtype), kernel)
    assert_close(actual, expected.reshape(actual.shape))


def test_pointwise_conv2d_rejects_what_does_not_fit():
    x, kernel, bias = np.zeros((2, 5, 6, 3)), np.zeros((3, 4)), np.zeros(4)
    check_rejects_pictures(PointwiseConv2D, kernel)
    check_rejects_dtypes(PointwiseConv2D, x, kernel, bias)
    check_rejects_counts(PointwiseConv2D(features=4), (0, 2), "1")
    seen = "input shapes (5, 6, 3)"
    for functions in (DEFINITIONS, FAST):
        function = functions[PointwiseConv2D]
        for wrong in (kernel[0], kernel[np.newaxis]):
            told = f"kernel rank is {wrong.ndim}, expected 2 (Cin, Cout); kernel shape {wrong.shape}"
            check_rejects(function, f"PointwiseConv2D: {told}", x, wrong)
        told = f"kernel shape is (2, 4), expected (3, 4); {seen}"
        check_rejects(function, f"PointwiseConv2D: {told}", x, kernel[:2])
        for wrong in (np.zeros(3), np.zeros((1, 4)), np.zeros(())):
            told = f"bias shape is {wrong.shape}, expected (4,); {seen}"
            check_rejects(function, f"PointwiseConv2D: {told}", x, kernel, wrong)
        told = f"features is 0, expected at least 1; {seen}"
        check_rejects(function, f"PointwiseConv2D: {told}", x, kernel[:, :0])
