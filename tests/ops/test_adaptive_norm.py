"""AdaptiveNorm: the definition against TensorFlow and by hand, and the compiled function against the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, AdaptiveNorm, adaptive_norm
from tests.arrays import Call, assert_close, fractions, numbers, picture_shapes
from tests.checks import (
    PICTURE,
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)

ONES = np.ones(1)
WEIGHTS = (ONES, ONES, np.ones(3), np.zeros(3))


@st.composite
def calls(draw, *, least_pictures: int = 0) -> Call:
    """Draw a call whose epsilon is small or dominates."""
    shape = draw(picture_shapes().filter(lambda shape: shape[0] >= least_pictures))
    arrays, _ = draw(numbers(shape, (1,), (1,), (shape[3],), (shape[3],)))
    return Call(op=AdaptiveNorm, arrays=arrays, attributes={"epsilon": draw(st.sampled_from([1e-5, 1.0]))})


def rounding(call: Call) -> np.ndarray:
    """Return how far two results of one call may be apart, one number for each channel of a picture.

    Let n pixels hold values of at most m, u = eps / 2, and s = |gamma| / sqrt(variance + epsilon). A mean of n values,
    added in any order, is off by at most n u m to first order (Higham, 3.1), and a deviation from it, at most 2 m, by
    (n + 4) u m. The variance is a mean of squares, each off by twice a deviation times its error; a relative error r of
    variance + epsilon makes one of r / 2 in s, and s times a deviation d is at most |gamma| d / sqrt(epsilon). With
    |d| <= 2 m and 8 roundings of the rest, each relative to w0 x, w1 normal and w1 beta, the sum below follows; two
    results are twice that apart, so u becomes eps.
    """
    x, w0, w1, gamma, beta = (np.abs(array.astype(np.float64)) for array in call.arrays)
    epsilon = call.attributes["epsilon"]
    pixels = x.shape[1] * x.shape[2]
    most = x.max(axis=(1, 2), keepdims=True)
    variance = call.arrays[0].astype(np.float64).var(axis=(1, 2), keepdims=True) + epsilon
    deviation_error = (pixels + 4) * most
    variance_error = 4 * most * deviation_error + (pixels + 4) * 4 * most**2
    scale = gamma / np.sqrt(variance)
    normal_error = scale * deviation_error + scale * 2 * most * (variance_error / variance + 8)
    return call.eps * (8 * (w0 * most + w1 * beta) + w1 * normal_error)


@given(call=calls(least_pictures=1))
def test_adaptive_norm_fast_equals_definition(call):
    check_fast_equals_definition(call, rounding(call))


def test_adaptive_norm_takes_no_pictures_at_all():
    check_fast_equals_definition(Call(op=AdaptiveNorm, arrays=(PICTURE[:0], *WEIGHTS), attributes={}))


@given(call=calls(least_pictures=1))
def test_adaptive_norm_definition_equals_tensorflow(tf, call):
    x, w0, w1, gamma, beta = call.arrays
    mean, variance = tf.nn.moments(tf.constant(x), axes=(1, 2), keepdims=True)
    normal = tf.nn.batch_normalization(tf.constant(x), mean, variance, beta, gamma, call.attributes["epsilon"]).numpy()
    assert_close(call(adaptive_norm), w0 * x + w1 * normal, 2 * rounding(call))


@both
def test_adaptive_norm_mixes_a_picture_with_its_normalisation(functions):
    # Channel 0 holds 1 and 3: mean 2, variance 1. Channel 1 holds 5 and 5: deviation 0.
    x = np.array([[[[1.0, 5.0], [3.0, 5.0]]]])
    weights = np.array([100.0]), np.array([10.0]), np.array([2.0, 3.0]), np.array([0.5, 0.25])
    expected = np.array([[[[100 - 20 + 5, 500 + 2.5], [300 + 20 + 5, 500 + 2.5]]]])
    assert_close(functions[AdaptiveNorm](x, *weights, epsilon=1e-12), expected, 1e-9)


@both
def test_adaptive_norm_treats_each_picture_of_a_batch_alone(functions):
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 3))
    together = functions[AdaptiveNorm](x, *WEIGHTS)
    apart = np.concatenate([functions[AdaptiveNorm](x[n : n + 1], *WEIGHTS) for n in range(3)])
    assert_close(together, apart, 1e-14)


def test_adaptive_norm_fast_keeps_digits_where_the_mean_is_far_from_zero():
    x = (1000 + np.random.default_rng(0).normal(size=(1, 32, 24, 2))).astype(np.float32)
    weights = [np.array(w, np.float32) for w in ([0.0], [1.0], [1.0, 1.0], [0.0, 0.0])]
    exact = adaptive_norm(x.astype(np.float64), *(w.astype(np.float64) for w in weights))
    # Mean and deviation are made in float64, so only the result and its scale, with deviations below 8, are rounded.
    assert_close(FAST[AdaptiveNorm](x, *weights), exact, 2 * 2**-24 * 8)


def test_adaptive_norm_definition_runs_on_fractions():
    x = np.arange(6.0).reshape(1, 1, 3, 2)
    weights = [np.array(w) for w in ([0.5], [2.0], [1.0, 4.0], [0.0, 1.0])]
    actual = adaptive_norm(fractions(x), *map(fractions, weights))
    assert actual.dtype == object
    assert_close(actual.astype(float), adaptive_norm(x, *weights), 1e-13)


def test_adaptive_norm_reads_the_whole_picture():
    assert AdaptiveNorm().input_span(0, 3, 4, 17) == (0, 17)


def test_adaptive_norm_has_weights_for_the_mixture_and_each_channel():
    shapes = AdaptiveNorm().weight_shapes((4, 5, 7))
    assert shapes == {"w0": (1,), "w1": (1,), "gamma": (7,), "beta": (7,)}


def test_adaptive_norm_rejects_bad_input():
    check_rejects_pictures(AdaptiveNorm, *WEIGHTS)
    check_rejects_dtypes(AdaptiveNorm, PICTURE, *WEIGHTS)
    check_rejects_counts(AdaptiveNorm(), (0, 2), "1")
    for functions in (DEFINITIONS, FAST):
        function = functions[AdaptiveNorm]
        told = "AdaptiveNorm: gamma shape is (4,), expected (3,); input shapes (5, 6, 3)"
        check_rejects(function, told, PICTURE, ONES, ONES, np.ones(4), np.zeros(3))
        told = "AdaptiveNorm: w0 shape is (3,), expected (1,); input shapes (5, 6, 3)"
        check_rejects(function, told, PICTURE, np.ones(3), ONES, np.ones(3), np.zeros(3))
        check_rejects(function, "AdaptiveNorm: epsilon is 0, expected above 0", PICTURE, *WEIGHTS, epsilon=0)


@pytest.mark.parametrize("epsilon", [0.0, -1e-5, float("nan")])
def test_adaptive_norm_operator_rejects_an_epsilon_not_above_zero(epsilon):
    check_rejects(AdaptiveNorm, f"AdaptiveNorm: epsilon is {epsilon}, expected above 0", epsilon=epsilon)
