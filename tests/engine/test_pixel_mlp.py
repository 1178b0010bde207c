"""pixel_mlp: a chain evaluated block by block equals the definitions in turn, for any weights, pixels and sizes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.engine.pixel_groups import BLOCK_SIDE as SIDE
from npfuse.engine.pixel_groups import GROUP_SIDE
from npfuse.engine.pixel_mlp import pixel_mlp
from npfuse.ops import pointwise_conv2d, relu
from tests.arrays import LAYOUTS, assert_close


def by_definition(x, layers):
    """Return the chain's result in float64, and a bound on what its roundings are relative to."""
    value, bound = x.astype(np.float64), np.abs(x.astype(np.float64))
    for kernel, bias, rectified in layers:
        kernel = kernel.astype(np.float64)
        value = pointwise_conv2d(value, kernel, None if bias is None else bias.astype(np.float64))
        # Features of three channels have up to three times their size, and coefficients of four thirds: a factor of 4.
        bound = 4 * pointwise_conv2d(bound, np.abs(kernel), None if bias is None else np.abs(bias.astype(np.float64)))
        value = relu(value) if rectified else value
    return value, bound


def assert_is_the_chain(x, layers, **options):
    expected, bound = by_definition(x, layers)
    # Each sum over n terms is off by at most n eps times the sum of absolute values; updates add as many terms again.
    terms = sum(3 * kernel.shape[0] + 16 for kernel, *_ in layers)
    information = np.finfo(x.dtype)
    tolerance = terms * information.eps * bound + terms * information.tiny
    assert_close(pixel_mlp(x, layers, **options).astype(np.float64), expected, tolerance)


def smooth(rng, height, width, channels):
    """Return pixels that change slowly, with edges and some noise, as in a photograph: most units can be decided."""
    rows, columns = np.mgrid[:height, :width] / 40
    phase = rng.uniform(0, 6, channels)
    waves = np.sin(rows[..., np.newaxis] * rng.normal() + columns[..., np.newaxis] + phase)
    edge = (rows + columns > rng.uniform(0, 3))[..., np.newaxis] * rng.uniform(-1, 1, channels)
    return (waves + edge + rng.normal(size=waves.shape) * 0.01)[np.newaxis]


PIXELS = {
    "smooth": smooth,
    "constant": lambda rng, h, w, c: np.broadcast_to(rng.normal(size=c), (1, h, w, c)),
    "noise": lambda rng, h, w, c: rng.normal(size=(1, h, w, c)),
    "two values": lambda rng, h, w, c: rng.choice([-1.0, 1.0], (1, h, w, c)),
    "zero": lambda rng, h, w, c: np.zeros((1, h, w, c)),
    "huge": lambda rng, h, w, c: smooth(rng, h, w, c) * 1e12,
    "tiny": lambda rng, h, w, c: smooth(rng, h, w, c) * 1e-12,
}
WEIGHTS = {
    "normal": lambda rng, shape: rng.normal(size=shape) / np.sqrt(shape[0]),
    "zero": lambda rng, shape: np.zeros(shape),
    "whole numbers": lambda rng, shape: rng.integers(-2, 3, shape),
    "huge": lambda rng, shape: rng.normal(size=shape) * 1e4,
    "denormal": lambda rng, shape: rng.normal(size=shape) * 1e-40,
    "unlike": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(-4, 4, shape),
    "sparse": lambda rng, shape: rng.normal(size=shape) * (rng.random(shape) < 0.2),
}


@st.composite
def chains(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    height, width = draw(st.sampled_from([(1, 1), (3, 50), (16, 16), (17, 33), (40, 15), (70, 66), (5, 130)]))
    widths = draw(st.lists(st.sampled_from([1, 2, 3, 4, 6, 7, 11, 29]), min_size=2, max_size=5))
    x = PIXELS[draw(st.sampled_from(sorted(PIXELS)))](rng, height, width, widths[0])
    x = draw(st.sampled_from(LAYOUTS))(x.astype(dtype))
    layers = []
    for shape in pairwise(widths):
        kernel = WEIGHTS[draw(st.sampled_from(sorted(WEIGHTS)))](rng, shape).astype(dtype)
        bias = WEIGHTS[draw(st.sampled_from(sorted(WEIGHTS)))](rng, shape)[0].astype(dtype)
        layers.append((kernel, draw(st.sampled_from([bias, None])), draw(st.booleans())))
    return x, layers


@given(chains(), st.integers(0, 200), st.integers(0, 200))
def test_pixel_mlp_equals_the_definitions_in_turn(chain, row, column):
    assert_is_the_chain(*chain, origin=(row, column))


@pytest.mark.parametrize("kind", sorted(PIXELS))
def test_the_papers_widths_equal_the_definitions(kind):
    rng = np.random.default_rng(0)
    x = PIXELS[kind](rng, 70, 85, 6).astype(np.float32)
    shapes = ((6, 256), (256, 64), (64, 3))
    layers = [
        ((rng.normal(size=s) / np.sqrt(s[0])).astype(np.float32), rng.normal(size=s[1]).astype(np.float32), True)
        for s in shapes
    ]
    assert_is_the_chain(x, layers)


def test_units_on_the_boundary_are_evaluated_and_not_guessed():
    # Every unit of the first layer is exactly 0 at one pixel of the block and of either sign at its neighbours.
    x = np.linspace(-1, 1, SIDE * SIDE - 1, dtype=np.float32)
    x = np.append(x, 0).reshape(1, SIDE, SIDE, 1).astype(np.float32)
    kernel = np.array([[1, -1, 1e-30, -1e-30, 1e30, 0]], np.float32)
    second = np.array([[1], [1], [1e30], [1e30], [1e-30], [1]], np.float32)
    out = pixel_mlp(x, [(kernel, None, True), (second, None, False)])
    assert_close(out, by_definition(x, [(kernel, None, True), (second, None, False)])[0], 1e-5)
    assert out.min() == 0
    assert out.max() > 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parts_that_meet_between_groups_of_blocks_give_the_same_bits(dtype):
    rng = np.random.default_rng(1)
    x = smooth(rng, 3 * GROUP_SIDE + 9, 2 * GROUP_SIDE + 5, 6).astype(dtype)
    layers = [
        ((rng.normal(size=s) / np.sqrt(s[0])).astype(dtype), rng.normal(size=s[1]).astype(dtype), True)
        for s in ((6, 30), (30, 9), (9, 3))
    ]
    whole = pixel_mlp(x, layers)
    for top, bottom, left in ((0, 128, 0), (64, 192, 64), (120, 201, 8)):
        part = pixel_mlp(x[:, top:bottom, left:], layers, origin=(top, left))
        first, start = -(-top // 64) * 64, -(-left // 64) * 64  # before them, groups are cut
        assert_close(part[:, first - top :, start - left :], whole[:, first:bottom, start:])


def test_every_picture_of_a_batch_is_evaluated_alone():
    rng = np.random.default_rng(2)
    x = np.concatenate([smooth(rng, 20, 30, 6) for _ in range(3)]).astype(np.float32)
    layers = [(rng.normal(size=s).astype(np.float32), None, True) for s in ((6, 30), (30, 3))]
    assert_close(pixel_mlp(x, layers), np.concatenate([pixel_mlp(picture[np.newaxis], layers) for picture in x]))


def test_no_pixels_give_none():
    assert pixel_mlp(np.zeros((0, 4, 5, 2)), [(np.ones((2, 3)), None, True)]).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [2, 3])
def test_values_that_are_not_finite_stay_at_their_pixel(value, channels):
    x = np.ones((1, 1, 9, channels), np.float32)
    x[0, 0, 4, 1] = value
    out = pixel_mlp(x, [(np.ones((channels, 5), np.float32), None, True), (np.ones((5, 1), np.float32), None, False)])
    expected = np.full((1, 1, 9, 1), 5 * channels, np.float32)
    expected[0, 0, 4] = {np.inf: np.inf, -np.inf: 0}.get(value, np.nan)
    assert_close(out, expected)


def test_weights_that_overflow_do_as_in_the_definition():
    x = np.ones((1, 20, 20, 3), np.float32)
    layers = [(np.full((3, 4), 3e38, np.float32), None, True), (np.ones((4, 1), np.float32), None, False)]
    with np.errstate(over="ignore"):
        expected = pointwise_conv2d(relu(pointwise_conv2d(x, layers[0][0])), layers[1][0])
    assert np.isinf(expected).all()
    assert_close(pixel_mlp(x, layers), expected)


def test_pixel_mlp_rejects_no_layers():
    with pytest.raises(ValueError, match="number of layers is 0, expected at least 1"):
        pixel_mlp(np.zeros((1, 1, 1, 2)), [])


def test_pixel_mlp_rejects_channels_that_do_not_follow():
    layers = [(np.zeros((2, 3)), None, True), (np.zeros((4, 1)), None, False)]
    with pytest.raises(ValueError, match=r"layer 1 has kernel and bias \(4, 1\) and None, expected Cin of 3"):
        pixel_mlp(np.zeros((1, 1, 1, 2)), layers)


def test_pixel_mlp_rejects_mixed_dtypes():
    with pytest.raises(TypeError, match="dtypes are float32, float64"):
        pixel_mlp(np.zeros((1, 1, 1, 2)), [(np.zeros((2, 3), np.float32), None, True)])
