"""Resize against its definition, integrals and interpolation by NumPy, exact fractions and TensorFlow."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Resize, resize
from tests.arrays import FLOATS, WHOLE, assert_close, fractions, pictures, unlike
from tests.checks import (
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)

METHODS = ("nearest", "bilinear", "area")


@st.composite
def sizes(draw, most=20):
    """Draw an output size, height != width."""
    height, width = draw(unlike(most))
    return {"height": height, "width": width, "method": draw(st.sampled_from(METHODS))}


def calls(**kind):
    return pictures(Resize, sizes(), **kind)


def weights_exactly(n, out, method):
    """Return the matrix (out, n) of one axis in fractions, from what each method means.

    An output pixel covers n / out input pixels. nearest: the input pixel under its centre; bilinear: the two input
    centres beside its centre, by distance, the outermost again beyond the border; area: every pixel by its share.
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
        else:
            for i in range(n):
                matrix[o, i] = max(min(end, i + 1) - max(begin, i), 0) / (end - begin)
    return matrix


def rounding(call):
    """Return how far two results may be apart.

    An axis is a sum of at most T = n / out + 2 products with weights that are not negative and add up to 1, themselves
    rounded: off by at most u (T + 1) max|x|, u = eps / 2. Two results, two axes: eps (T_rows + T_columns + 2) max|x|.
    """
    _, height, width, _ = call.arrays[0].shape
    terms = height / call.attributes["height"] + width / call.attributes["width"] + 4
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
            # Centres and shares are differences of numbers up to n, rounded: 2 eps n.
            tolerance = 0 if method == "nearest" else 2 * np.finfo(float).eps * n
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
    terms = x.shape[1] / height + x.shape[2] / width + 4 + 2 * sum(x.shape[1:3])  # as in `rounding`; 2 n eps a weight
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


@given(pictures(Resize, sizes(), dtype=np.float64, exact=True))
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
    return np.asarray(tf.image.resize(np.array(x), (height, width), method=method, antialias=False))


def tensorflow_rounding(x, height, width, method):
    """Return how far TensorFlow's result may be from the exact one; it computes positions in float32.

    The scale and its product with a position are rounded: off by eps n. That is the error of a bilinear weight; an
    area's two ends, divided by the width n / out, are off by 2 eps out. Either changes the result by up to 2 max|x|.
    """
    if method == "nearest":
        return 0
    lengths = sum(x.shape[1:3]) if method == "bilinear" else 2 * (height + width)
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
            message = f"Resize: method is {method!r}, expected one of nearest, bilinear, area; "
            check_rejects(function, message, x, height=4, width=7, method=method)
