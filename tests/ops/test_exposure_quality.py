"""ExposureQuality against its definition, SciPy, numbers made by hand, and fractions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from npfuse.fast import FAST
from npfuse.graph import GraphBuilder
from npfuse.ops import DEFINITIONS, ExposureQuality, exposure_quality
from npfuse.ops.exposure_quality import MEASURES
from tests.arrays import FLOATS, LAYOUTS, Call, assert_close, fractions, unlike
from tests.checks import (
    PICTURE,
    both,
    check_fast_equals_definition,
    check_rejects,
    check_rejects_counts,
    check_rejects_dtypes,
    check_rejects_pictures,
)
from tests.spans import check_spans

SUBSETS = [measures for n in (1, 2, 3) for measures in combinations(MEASURES, n)]


@st.composite
def calls(draw, dtypes=FLOATS):
    """Draw pictures in [0, 1] of 1 or 3 channels, and measures."""
    channels, measures = draw(st.sampled_from([(c, m) for c in (1, 3) for m in SUBSETS if (c, m) != (1, SUBSETS[1])]))
    height, width = draw(unlike(9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.random((draw(st.integers(0, 2)), height, width, channels)).astype(draw(st.sampled_from(dtypes)))
    return Call(op=ExposureQuality, arrays=(draw(st.sampled_from(LAYOUTS))(x),), attributes={"measures": measures})


def rounding(call):
    """Return how far two results may be apart.

    No measure is above 4. The Laplacian is a sum of 4 differences of lumas, each right to 3 u: off by at most 8 (3 + 4)
    u, u = eps / 2. The sum of squared differences S is off by 12 u S + 8 u sqrt(S), and its root by 10 u. The exponent,
    between -9.4 and 0, is off by 10 u times itself, and the exponential by that times itself, at most 4 u, and by its
    own 2 u. A product of the three is off by 4 * 2 * (56 + 10 + 6) u at most, and two results by twice that.
    """
    return 576 * call.eps


@given(calls())
def test_exposure_quality_fast_equals_definition(call):
    check_fast_equals_definition(call, rounding(call))


def by_scipy(x, measures):
    """Return the weights of one picture (H, W, C), float64, by convolution and by NumPy's statistics."""
    luma = x @ [0.299, 0.587, 0.114] if x.shape[2] == 3 else x[..., 0]
    laplacian = ndimage.correlate(luma, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mode="mirror")
    total = np.ones(luma.shape)
    if "contrast" in measures:
        total *= np.abs(laplacian)
    if "saturation" in measures and x.shape[2] == 3:
        total *= np.std(x, axis=2) * np.sqrt(3)
    if "exposedness" in measures:
        total *= np.prod(np.exp(-((x - 0.5) ** 2) / (2 * 0.2**2)), axis=2)
    return total + 1e-12


@given(calls(dtypes=(np.float64,)))
def test_exposure_quality_definition_equals_scipy(call):
    expected = [by_scipy(x, call.attributes["measures"]) for x in call.arrays[0]]
    shape = (len(expected), *call.arrays[0].shape[1:3], 1)
    assert_close(call(exposure_quality), np.reshape(expected, shape), rounding(call))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_exposure_quality_equals_numbers_made_by_hand(functions, dtype):
    x = np.array([[0.5, 0.5, 0.5], [1.0, 0.5, 0.0]], dtype).reshape(1, 1, 2, 3)
    function, tolerance = functions[ExposureQuality], 8 * np.finfo(dtype).eps + 1e-12  # the floor
    # Luma 0.5 and 0.299 + 0.2935 = 0.5925, each the other's neighbour on both sides.
    assert_close(function(x, measures=("contrast",)).ravel(), np.array([0.185, 0.185]), tolerance)
    assert_close(function(x, measures=("saturation",)).ravel(), np.array([0, np.sqrt(0.5)]), tolerance)
    assert_close(function(x, measures=("exposedness",)).ravel(), np.array([1, np.exp(-0.5 / 0.08)]), tolerance)
    assert_close(function(x).ravel(), np.array([0, 0.185 * np.sqrt(0.5) * np.exp(-6.25)]), tolerance)


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_exposure_quality_of_a_flat_picture_is_the_floor_exactly(functions, dtype):
    for level in np.arange(256, dtype=dtype) / 255:
        weights = functions[ExposureQuality](np.full((1, 3, 4, 3), level, dtype), measures=("contrast",))
        assert_close(weights, np.full((1, 3, 4, 1), 1e-12, dtype))


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_exposure_quality_of_even_slopes_of_bytes_is_the_floor_exactly(functions, dtype):
    """Slopes have no Laplacian but what rounding leaves, in float32 up to 1e-7."""
    columns, starts = np.arange(60)[:, np.newaxis], np.arange(40)[:, np.newaxis, np.newaxis]
    x = (columns * [1, 2, 3] + starts + [3, 20, 7]).astype(dtype) / dtype(255)  # (40, 60, 3)
    weights = functions[ExposureQuality](x[:, np.newaxis], measures=("contrast",))
    assert_close(weights[:, :, 1:-1], np.full((40, 1, 58, 1), 1e-12, dtype))
    bent = x[:1, np.newaxis].copy()
    bent[..., 30, 2] += dtype(1 / 255)  # the least that bytes can do: a level of blue, 0.114 of one of luma
    least = functions[ExposureQuality](bent, measures=("contrast",))[0, 0, 29:32, 0]
    assert_close(least, np.array([1, 2, 1], dtype) * dtype(0.114 / 255), 2e-7)


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_exposure_quality_of_a_grey_picture_is_the_floor_exactly(functions, dtype):
    x = np.random.default_rng(0).random((1, 9, 8, 1)).astype(dtype).repeat(3, axis=3)
    assert_close(functions[ExposureQuality](x), np.full((1, 9, 8, 1), 1e-12, dtype))


def test_exposure_quality_definition_runs_on_fractions():
    x = np.random.default_rng(0).random((1, 3, 4, 3))
    actual = exposure_quality(fractions(x))
    assert actual.dtype == object
    assert_close(actual.astype(float), exposure_quality(x), 1e-14)


@pytest.mark.parametrize("measures", [("contrast",), ("exposedness",)])
def test_exposure_quality_reads_the_positions_that_it_says(measures):
    for shape, axis in (((7, 1, 1), 0), ((1, 6, 1), 1)):
        b = GraphBuilder("alone")
        graph = b.build(b.add("quality", ExposureQuality(measures=measures), b.input("x", shape)))
        check_spans(graph, axis, exactly=False)


def test_exposure_quality_rejects_what_does_not_fit():
    check_rejects_pictures(ExposureQuality)
    check_rejects_dtypes(ExposureQuality, PICTURE)
    check_rejects_counts(ExposureQuality(), (0, 2), "1")
    for functions in (DEFINITIONS, FAST):
        function = functions[ExposureQuality]
        told = "ExposureQuality: number of channels is 2, expected 3 (RGB) or 1 (luma); input shapes (5, 6, 2)"
        check_rejects(function, told, PICTURE[..., :2])
        told = "ExposureQuality: measures is ('saturation',), expected more than saturation, which"
        check_rejects(function, told, PICTURE[..., :1], measures=("saturation",))
        for wrong in ((), ("sharpness",), ("contrast", "contrast"), ["contrast"], "contrast"):
            known = "one or more of contrast, saturation, exposedness, each once"
            told = f"ExposureQuality: measures is {wrong}, expected {known}; "
            check_rejects(function, told, PICTURE, measures=wrong)
