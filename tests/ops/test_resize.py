"""Resize against its definition, integrals and interpolation by NumPy, exact fractions and TensorFlow."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Resize, resize
from npfuse.ops.resize import resize_taps
from tests.arrays import FLOATS, WHOLE, Call, assert_close, fractions, lengths, numbers, pictures, unlike
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)

METHODS = ("nearest", "bilinear", "antialiased", "area")  # to any size
PYRAMID = ("pyramid_down", "pyramid_up")


@st.composite
def sizes(draw, most=20, methods=METHODS):
    """Draw an output size, height != width."""
    height, width = draw(unlike(most))
    return {"height": height, "width": width, "method": draw(st.sampled_from(methods))}


def calls(**kind):
    return pictures(Resize, sizes(), **kind)


def weights_exactly(n, out, method):
    """Return the matrix (out, n) of one axis in fractions, from what each method means.

    An output pixel covers n / out input pixels. nearest: the input pixel under its centre; bilinear: the two input
    centres beside its centre, by distance, the outermost again beyond the border; antialiased: the input centres under
    a tent around its centre, two output pixels wide where those are larger than the input's, by height; area: every
    pixel by its share.
    """
    matrix = np.full((out, n), Fraction(0))
    for o in range(out):
        begin, end = Fraction(o * n, out), Fraction((o + 1) * n, out)
        centre = (begin + end) / 2
        if method == "nearest":
            matrix[o, floor(centre)] = Fraction(1)
        elif method == "bilinear":
            below = floor(centre - Fraction(1, 2))
            share = centre - Fraction(1, 2) - below
            matrix[o, max(below, 0)] += 1 - share
            matrix[o, min(below + 1, n - 1)] += share
        elif method == "antialiased":
            radius = max(Fraction(n, out), Fraction(1))
            heights = [max(1 - abs(i + Fraction(1, 2) - centre) / radius, Fraction(0)) for i in range(n)]
            matrix[o] = [height / sum(heights) for height in heights]
        else:
            for i in range(n):
                matrix[o, i] = max(min(end, i + 1) - max(begin, i), 0) / (end - begin)
    return matrix


def rounding(call):
    """Return how far two results may be apart.

    An axis is a sum of at most T = 2 n / out + 3 products with weights that are not negative and add up to 1,
    themselves rounded: off by at most u (T + 1) max|x|, u = eps / 2. Two results, two axes: eps (T_rows + T_columns +
    2) max|x|.
    """
    _, height, width, _ = call.arrays[0].shape
    terms = 2 * height / call.attributes["height"] + 2 * width / call.attributes["width"] + 6
    return call.eps * (terms + 2) * np.abs(call.arrays[0]).max(initial=0)


@given(calls())
def test_resize_fast_equals_definition(call):
    check_fast_equals_definition(call, rounding(call))


@pytest.mark.parametrize("method", METHODS)
def test_resize_fast_equals_definition_on_every_length(method):
    for n in range(1, 18):
        x = np.eye(n).reshape(n, n, 1, 1)
        for out in range(1, 18):
            for picture, size in ((x, (out, 1)), (x.swapaxes(1, 2), (1, out))):
                arguments = {"height": size[0], "width": size[1], "method": method}
                # One product and a weight of the other axis, 1: equal up to the order in which zeros are added.
                assert_close(FAST[Resize](picture, **arguments), resize(picture, **arguments))


@pytest.mark.parametrize("method", METHODS)
def test_resize_definition_has_the_exact_weights_on_every_length(method):
    for n in range(1, 18):
        x = np.eye(n).reshape(n, n, 1, 1)
        for out in range(1, 18):
            expected = weights_exactly(n, out, method).astype(float).T
            # Centres and shares are differences of numbers up to n, rounded: 2 eps n; a tent's are divided by a sum.
            tolerance = {"nearest": 0, "antialiased": 4}.get(method, 2) * np.finfo(float).eps * n
            assert_close(resize(x, height=out, width=1, method=method)[:, :, 0, 0], expected, tolerance)
            assert_close(resize(x.swapaxes(1, 2), height=1, width=out, method=method)[:, 0, :, 0], expected, tolerance)


@given(pictures(Resize, sizes(most=7), most=4))
def test_resize_definition_takes_fractions(call):
    """Weights are float64 numbers: nearest is exact, the others are as near as float64."""
    x = call.map(fractions).arrays[0]
    height, width, method = call.attributes.values()
    rows, columns = weights_exactly(x.shape[1], height, method), weights_exactly(x.shape[2], width, method)
    expected = np.einsum("oh,nhwc,pw->nopc", rows, x, columns)
    actual = resize(x, **call.attributes)
    assert actual.dtype == object
    most = float(max((abs(v) for v in x.flat), default=0))
    # As in `rounding`; 4 n eps a weight.
    terms = 2 * x.shape[1] / height + 2 * x.shape[2] / width + 6 + 4 * sum(x.shape[1:3])
    assert_close(actual, expected, 0 if method == "nearest" else np.finfo(float).eps * terms * most)


def interpolated(row, out, method):
    """Resample a row by NumPy: np.interp at the centres; for an area, differences of the running integral."""
    n = len(row)
    if method == "nearest":
        return row[(2 * np.arange(out) + 1) * n // (2 * out)]
    if method == "bilinear":
        return np.interp((np.arange(out) + 0.5) * n / out, np.arange(n) + 0.5, row)
    edges = np.arange(out + 1) * n / out
    return np.diff(np.interp(edges, np.arange(n + 1), np.concatenate([[0], np.cumsum(row)]))) * out / n


@given(pictures(Resize, sizes(methods=("nearest", "bilinear", "area")), dtype=np.float64, exact=True))
def test_resize_definition_equals_numpy_interpolation(call):
    x, (height, width, method) = call.arrays[0], call.attributes.values()
    expected = x
    for axis, out in ((1, height), (2, width)):
        n = expected.shape[axis]
        resampled = [interpolated(row, out, method) for row in np.moveaxis(expected, axis, -1).reshape(-1, n)]
        moved = np.delete(expected.shape, axis)
        expected = np.moveaxis(np.array(resampled).reshape(*moved, out), -1, axis)
    # Positions up to n are rounded, and integrals up to 8 n, which are divided by n / out: eps * 9 (n + out) an axis.
    tolerance = np.finfo(float).eps * 9 * WHOLE * (sum(x.shape[1:3]) + height + width)
    assert_close(call(resize), expected, tolerance)


def by_tensorflow(tf, x, height, width, method):
    antialias = method == "antialiased"
    method = "bilinear" if antialias else method
    return np.asarray(tf.image.resize(np.array(x), (height, width), method=method, antialias=antialias))


def tensorflow_rounding(x, height, width, method):
    """Return how far TensorFlow's result may be from the exact one; it computes positions in float32.

    The scale and its product with a position are rounded: off by eps n. That is the error of a bilinear weight; an
    area's two ends, divided by the width n / out, are off by 2 eps out. Either changes the result by up to 2 max|x|.
    """
    if method == "nearest":
        return 0
    lengths = 2 * (height + width) if method == "area" else sum(x.shape[1:3])
    return np.finfo(np.float32).eps * (2 * lengths + 8) * np.abs(x).max(initial=0)


@pytest.mark.parametrize("method", METHODS)
def test_resize_definition_equals_tensorflow_on_every_length(tf, method):
    """Nearest agrees up to 22 positions; then TensorFlow's float32 scale takes the wrong pixel at times: 23 from 14."""
    for n in range(1, 18):
        x = np.eye(n, dtype=np.float32).reshape(n, n, 1, 1)
        for out in range(1, 18):
            expected = by_tensorflow(tf, x, out, 1, method)
            actual = resize(x, height=out, width=1, method=method)
            assert_close(actual, expected, tensorflow_rounding(x, out, 1, method))


@given(calls(dtype=np.float32))
def test_resize_definition_equals_tensorflow(tf, call):
    x = call.arrays[0]
    if not x.shape[0]:
        return  # TensorFlow wants a picture
    expected = by_tensorflow(tf, x, **call.attributes)
    assert_close(call(resize), expected, rounding(call) + tensorflow_rounding(x, **call.attributes))


@given(calls())
def test_resize_keeps_a_constant(call):
    x = np.ones_like(call.arrays[0])
    for functions in (DEFINITIONS, FAST):
        result = functions[Resize](x, **call.attributes)
        assert_close(result, np.ones_like(result), rounding(call.map(np.ones_like)))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_resize_puts_every_impulse_where_the_method_says(functions, dtype):
    """The weights of x2, x3 and /2 are sixteenths, ninths and quarters; times those, all results are whole."""
    x = np.eye(24, dtype=dtype).reshape(24, 4, 6, 1)
    for method, (height, width) in ((m, size) for m in METHODS for size in ((8, 12), (12, 18), (2, 3), (4, 12))):
        rows, columns = (weights_exactly(n, out, method).astype(float) for n, out in ((4, height), (6, width)))
        expected = np.einsum("oh,pw->hwop", rows, columns).reshape(24, height, width, 1)
        tolerance = np.finfo(dtype).eps * 16  # 2 eps n a weight, as above, n = 6; and the rounding of both products
        assert_close(functions[Resize](x, height=height, width=width, method=method), expected, tolerance)


def test_resize_rejects_what_does_not_fit():
    x = np.zeros((2, 5, 6, 3))
    attributes = {"height": 4, "width": 7, "method": "area"}
    check_rejects_pictures(Resize, attributes=attributes)
    check_rejects_dtypes(Resize, x, **attributes)
    check_rejects_counts(Resize(**attributes), (0, 2), "1")
    for functions in (DEFINITIONS, FAST):
        function = functions[Resize]
        for size in ((0, 7), (4, -1)):
            message = f"Resize: size is {size}, expected (height, width) of at least 1 each; "
            check_rejects(function, message, x, height=size[0], width=size[1], method="area")
        for method in ("bicubic", "Nearest", None):
            told = "nearest, bilinear, antialiased, area, pyramid_down, pyramid_up"
            message = f"Resize: method is {method!r}, expected one of {told}; "
            check_rejects(function, message, x, height=4, width=7, method=method)


def halved(n):
    return (n + 1) // 2


def pyramid_weights(n, out, method):
    """Return the matrix (out, n) of one axis in fractions.

    Down: the kernel (1, 4, 6, 4, 1) / 16 around every other position, the positions mirrored at the border. Up: zeros
    between the positions, and twice the kernel; the position before the first is the second, the one after the last is
    the last again.
    """
    matrix = np.full((out, n), Fraction(0))
    mirrored = np.pad(np.arange(n), 2, mode="reflect")
    extended = np.concatenate([[min(1, n - 1)], np.arange(n), [n - 1]])
    for o in range(out):
        for tap, weight in zip(range(-2, 3), (1, 4, 6, 4, 1), strict=True):
            if method == "pyramid_down":
                matrix[o, mirrored[2 * o + tap + 2]] += Fraction(weight, 16)
            elif (o + tap) % 2 == 0:
                matrix[o, extended[(o + tap) // 2 + 1]] += Fraction(weight, 8)
    return matrix


@both
@pytest.mark.parametrize("method", PYRAMID)
def test_resize_has_the_exact_weights_of_a_pyramid_on_every_length(functions, method):
    for large in range(1, 18):
        n, out = (large, halved(large)) if method == "pyramid_down" else (halved(large), large)
        x = np.eye(n).reshape(n, n, 1, 1)
        expected = pyramid_weights(n, out, method).astype(float).T  # sixteenths: exact
        rows = functions[Resize](x, height=out, width=1, method=method)
        columns = functions[Resize](x.swapaxes(1, 2), height=1, width=out, method=method)
        assert_close(rows[:, :, 0, 0], expected)
        assert_close(columns[:, 0, :, 0], expected)


@st.composite
def pyramid_calls(draw):
    height, width = draw(unlike(14))
    method = draw(st.sampled_from(PYRAMID))
    small, large = (halved(height), halved(width)), (height, width)
    before, after = (large, small) if method == "pyramid_down" else (small, large)
    arrays, exact = draw(numbers((draw(st.integers(0, 2)), *before, draw(lengths(4)))))
    attributes = {"height": after[0], "width": after[1], "method": method}
    return Call(op=Resize, arrays=arrays, attributes=attributes, exact=exact)


@given(pyramid_calls())
def test_resize_fast_equals_definition_on_pyramids(call):
    # Two axes of 5 products at most, of weights that are exact.
    check_fast_equals_definition(call, call.eps * 12 * np.abs(call.arrays[0]).max(initial=0))


def test_resize_definition_equals_opencv_on_pyramids():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for height in range(1, 12):
        for width in range(1, 12):
            x = rng.random((height, width, 3))
            small = cv2.pyrDown(x)
            large = cv2.pyrUp(small, dstsize=(width, height))
            down = {"height": halved(height), "width": halved(width), "method": "pyramid_down"}
            up = {"height": height, "width": width, "method": "pyramid_up"}
            # OpenCV computes in float64 too: two axes of 5 products of numbers up to 1.
            assert_close(resize(x[np.newaxis], **down)[0], small.reshape(halved(height), halved(width), 3), 1e-14)
            assert_close(resize(small.reshape(1, *small.shape[:2], 3), **up)[0], large.reshape(x.shape), 1e-14)


def test_resize_rejects_sizes_that_a_pyramid_does_not_have():
    x = np.zeros((1, 5, 6, 3))
    for functions in (DEFINITIONS, FAST):
        told = "Resize: size is (2, 3), expected (3, 3), half of the input's; input shapes (5, 6, 3)"
        check_rejects(functions[Resize], told, x, height=2, width=3, method="pyramid_down")
        told = "Resize: input (H, W) is (5, 6), expected (6, 6), half of the output's; input shapes (5, 6, 3)"
        check_rejects(functions[Resize], told, x, height=11, width=12, method="pyramid_up")


@settings(max_examples=300)
@given(method=st.sampled_from(METHODS + PYRAMID), n=st.integers(1, 40), out=st.integers(1, 40), data=st.data())
def test_taps_of_a_span_are_those_of_the_whole_and_its_ends_tell_what_it_reads(method, n, out, data):
    if method == "pyramid_down":
        out = (n + 1) // 2
    if method == "pyramid_up":
        n = (out + 1) // 2
    start = data.draw(st.integers(0, out - 1))
    stop = data.draw(st.integers(start + 1, out))
    op = Resize(height=out, width=1, method=method)
    positions, weights = resize_taps(n, out, method)
    some_positions, some_weights = resize_taps(n, out, method, span=(start, stop))
    taps = some_positions.shape[1]  # an area may cover fewer pixels within the span
    np.testing.assert_array_equal(some_positions, positions[start:stop, :taps])
    np.testing.assert_array_equal(some_weights, weights[start:stop, :taps])
    assert not weights[start:stop, taps:].any()
    assert op.input_span(0, start, stop, n) == (some_positions.min(), some_positions.max() + 1)


def test_taps_beyond_a_narrow_area_stay_within_it():
    """Of 21 areas of 27 / 21 pixels, the 8th ends at 10.29; the widest ones cover three pixels, which it does not."""
    positions, weights = resize_taps(27, 21, "area", span=(0, 8))
    assert positions.shape == (8, 3)
    assert (positions.max(), weights[7, 2]) == (10, 0)
    assert Resize(height=21, width=1, method="area").input_span(0, 0, 8, 27) == (0, 11)
