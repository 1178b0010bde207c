"""Every integer operator equals the same computed in Python's integers, which cannot overflow or round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npfuse.integer.ops import INTEGER
from npfuse.integer.ops.tanh import tanh_levels
from npfuse.ops import (
    BOX,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)

sides = st.integers(1, 6)
EXTREMES = (-32767, -1, 0, 1, 32767)


def whole(rng, shape, low=-32767, high=32767):
    """Draw numbers, a third of them at the ends of the range."""
    x = rng.integers(low, high + 1, shape)
    ends = rng.integers(0, 3, shape)
    return np.where(ends == 0, rng.choice([low, 0, high], shape), x)


def check(op, arrays, **arguments):
    """Compare int64 with Python integers."""
    actual = INTEGER[op](*arrays, **arguments)
    exact = INTEGER[op](*(None if a is None else a.astype(object) for a in arrays), **arguments)
    assert actual.dtype == np.int64
    assert actual.shape == exact.shape
    assert all(isinstance(number, int) for number in exact.ravel().tolist())
    assert actual.tolist() == exact.tolist()
    return actual


@settings(deadline=None, max_examples=40)
@given(sides, sides, st.integers(1, 40), st.integers(1, 9), st.integers(0, 999), st.booleans())
def test_pointwise_conv2d(height, width, reads, features, seed, biased):
    rng = np.random.default_rng(seed)
    x, kernel = whole(rng, (1, height, width, reads)), whole(rng, (reads, features), -127, 127)
    bias = whole(rng, features, -(2**30), 2**30) if biased else None
    sums = check(PointwiseConv2D, (x, kernel, bias))
    by_hand = [sum(int(a) * int(b) for a, b in zip(x[0, 0, 0], kernel[:, 0], strict=True))]
    assert sums[0, 0, 0, 0] == by_hand[0] + (0 if bias is None else bias[0])


@settings(deadline=None, max_examples=40)
@given(sides, sides, st.integers(1, 3), st.integers(1, 2), st.integers(0, 999), st.sampled_from(["same", "valid"]))
def test_depthwise_conv2d(height, width, stride, dilation, seed, padding):
    rng = np.random.default_rng(seed)
    x = whole(rng, (2, height + 4, width + 4, 3))
    arrays = x, whole(rng, (3, 2, 3), -127, 127), whole(rng, 3, -(2**30), 2**30)
    check(DepthwiseConv2D, arrays, stride=(stride, 1), dilation=(dilation, 1), padding=padding)


@settings(deadline=None, max_examples=30)
@given(sides, sides, st.integers(1, 4), st.integers(0, 999))
def test_conv2d_transpose(height, width, kernel, seed):
    rng = np.random.default_rng(seed)
    arrays = whole(rng, (1, height, width, 2)), whole(rng, (kernel, 4, 3, 2), -127, 127), whole(rng, 3)
    check(Conv2DTranspose, arrays, stride=(2, 2))


@settings(deadline=None, max_examples=30)
@given(sides, sides, st.sampled_from([1, 2, 4, 8]), st.sampled_from(["nearest", "bilinear"]), st.integers(0, 999))
def test_resize_enlarges(height, width, factor, method, seed):
    x = whole(np.random.default_rng(seed), (1, height, width, 2))
    size = {"height": height * factor, "width": width * factor}
    found = check(Resize, (x,), method=method, **size)
    exact = INTEGER[Resize](x.astype(object), method=method, **size)
    real = _floats(x, method, **size)
    assert np.abs(found - real).max() <= 0.5  # rounded once
    assert found.tolist() == exact.tolist()


def _floats(x, method, **size):
    from npfuse.ops import DEFINITIONS

    return DEFINITIONS[Resize](x.astype(np.float64), method=method, **size)


@settings(deadline=None, max_examples=30)
@given(sides, sides, st.integers(0, 999))
def test_resize_means_are_rounded_to_the_nearest_ties_upwards(height, width, seed):
    x = whole(np.random.default_rng(seed), (1, height, width, 2), -9, 9)
    found = check(Resize, (x,), method="area", height=1, width=1)
    mean = x.sum(axis=(1, 2)) / (height * width)
    assert np.array_equal(found[:, 0, 0], np.floor(mean + 0.5))


def test_resize_refuses_what_has_no_integer_form():
    x = np.zeros((1, 4, 4, 1), np.int64)
    for method, height in (("bilinear", 12), ("nearest", 2), ("area", 2), ("antialiased", 8)):
        with pytest.raises(
            ValueError, match=rf"Resize: {method} to .* is \({height}, {height}\), expected an area mean"
        ):
            INTEGER[Resize](x, method=method, height=height, width=height)


@settings(deadline=None, max_examples=20)
@given(sides, sides, st.integers(0, 999))
def test_elementwise_operators(height, width, seed):
    rng = np.random.default_rng(seed)
    x, y = (whole(rng, (2, height, width, 3)) for _ in range(2))
    assert (check(Add, (x, y)) == x + y).all()
    v = whole(rng, (2, 1, 1, 3))
    assert (check(AddChannels, (x, v)) == x + v).all()
    assert (check(ReLU, (x,)) == np.where(x > 0, x, 0)).all()
    box = np.ones((2, 2, 3), np.int64)
    doubled = check(DepthwiseConv2DTranspose, (x, box), stride=(2, 2))
    assert (doubled == x.repeat(2, axis=1).repeat(2, axis=2)).all()
    assert BOX == ((1.0, 1.0), (1.0, 1.0))


def test_tanh_is_that_of_every_number_of_16_bits_rounded_to_the_nearest_level():
    x = np.arange(-32768, 32768).reshape(1, 256, 256, 1)
    found = INTEGER[Tanh](x, tanh_levels()).ravel()
    assert np.array_equal(found, np.rint((np.tanh(x.ravel() / 4096) + 1) * 127.5))
    assert INTEGER[Tanh](x.astype(object), tanh_levels()).ravel().tolist() == found.tolist()


def test_no_level_of_tanh_hangs_on_the_last_bit_of_a_logarithm():
    odd = 2 * np.arange(1, 256) - 1
    begins = np.log(odd / (510 - odd)) * 2048
    near = np.abs(begins - np.rint(begins))
    assert begins[127] == 0  # the logarithm of 1, exact everywhere
    assert np.delete(near, 127).min() > 1e-4  # in numbers of up to 12,764; a libm is off by 1e-12
