"""What is found wrong with a pair, and that nothing is found where nothing is wrong."""

import numpy as np
import pytest

from npfuse.examples import SCENES, example_pair
from npfuse.pairs.diagnosis import diagnose, findings
from npfuse.pictures.light import encode_light
from npfuse.pictures.reading import read_picture


def exposure(light, stops, dtype=np.uint8):
    """Expose light by so many stops: sRGB's curve, clipped at white."""
    values = np.clip(encode_light((light * 2.0**stops).astype(np.float32)), 0, 1)
    return values if dtype == np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture(scope="module")
def light():
    """Light of a scene of many edges, three decades wide, (240, 320, 3)."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.uniform(-6.5, -2, (24, 32, 3)), np.ones((10, 10, 1)))
    return 2.0 ** (coarse + rng.normal(0, 0.05, coarse.shape))


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_wrong_with_the_examples(scene):
    assert findings(diagnose(*(read_picture(path).pixels for path in example_pair(scene)))) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("stops", [-3, 2, 4])
def test_stops_are_those_of_the_light(light, dtype, stops):
    found = diagnose(exposure(light, 0, dtype), exposure(light, stops, dtype))
    assert found.stops == pytest.approx(stops, abs=0.15)  # bytes are coarse in the shadows
    assert found.darker == pytest.approx(float(stops > 0), abs=0.02)
    assert findings(found) == []


def test_grey_pictures_are_diagnosed_like_coloured_ones(light):
    grey = diagnose(exposure(light, 0)[..., 1], exposure(light, 3)[..., 1])
    colour = diagnose(exposure(light, 0), exposure(light, 3))
    for name in ("stops", "same", "darker", "black", "white", "moved"):
        assert getattr(grey, name) == getattr(colour, name)
    np.testing.assert_array_equal(grey.motion.matrix, colour.motion.matrix)


def test_the_same_picture_twice_is_told(light):
    again = exposure(light, 0).astype(int) + np.random.default_rng(0).integers(0, 10, (240, 320, 3)) // 9
    again = np.clip(again, 0, 255).astype(np.uint8)
    for other in (exposure(light, 0), again):
        (told,) = findings(diagnose(exposure(light, 0), other))
        assert "both are the same picture; give two exposures" in told


def test_exposures_too_close_are_told(light):
    (told,) = findings(diagnose(exposure(light, 0), exposure(light, 0.5)))
    assert told.startswith("the exposures are 0.5 stops apart, expected at least 1")


def test_an_order_that_no_pixel_tells_is_told(light):
    left_darker, right_darker = exposure(light, 0), exposure(light, 2)
    left_darker[:, 160:], right_darker[:, 160:] = right_darker[:, 160:].copy(), left_darker[:, 160:].copy()
    assert any("is not clear" in told for told in findings(diagnose(left_darker, right_darker)))


@pytest.mark.parametrize(("level", "word", "remedy"), [(0, "black", "brighter"), (255, "white", "darker")])
def test_pixels_lost_in_both_are_told_with_their_share(light, level, word, remedy):
    a, b = exposure(light, 0), exposure(light, 2)
    a[:60], b[:60] = level, level
    (told,) = findings(diagnose(a, b))
    assert told == f"25% of the pixels are {word} in both pictures and stay so; take a {remedy} one"


def test_a_shift_is_told_with_its_size(light):
    a, b = exposure(light, 0), exposure(light, 3)
    (told,) = findings(diagnose(a[5:, 7:], b[:-5, :-7]))
    assert "the second picture is shifted by +5.0 rows and +7.0 columns; use --align" in told


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 4000), (3000, 1, 3), (2, 2), (8, 9, 3)])
def test_pictures_of_any_size_are_diagnosed(shape):
    for level in (0, 90, 255):
        findings(diagnose(np.full(shape, level, np.uint8), np.full(shape, 255 - level, np.uint8)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -5.0])
def test_values_that_are_none_are_left_to_others(light, value):
    a, b = exposure(light, 0, np.float32), exposure(light, 3, np.float32)
    b[7, 9] = value
    assert findings(diagnose(a, b)) == []
    findings(diagnose(np.full_like(a, value), b))


def test_a_pair_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"b is \(3, 4\) uint8, expected \(4, 3\) uint8 as a"):
        diagnose(np.zeros((4, 3), np.uint8), np.zeros((3, 4), np.uint8))
