"""The plausible levels of one exposure beside another: those of the light, within what noise does."""

import numpy as np
import pytest

from npfuse.pairs.plausible_levels import find_plausible, levels_of
from npfuse.pictures.light import decode_light, encode_light


def exposures(stops, noise, seed=0):
    rng = np.random.default_rng(seed)
    light = 2.0 ** rng.uniform(-9, 0, 60_000)

    def exposed(by):
        clean = encode_light(np.clip(light * 2.0**by, 0, 1).astype(np.float32))
        return levels_of(clean + rng.normal(0, noise / 255, light.shape).astype(np.float32))

    return exposed(-stops), exposed(0)


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("stops", [2, 4])
def test_what_light_and_noise_make_is_plausible_and_little_else(stops, noise):
    a, b = exposures(stops, noise)
    b[:3000] = 128  # a twentieth has moved
    found = find_plausible(a, b, np.ones(a.shape, bool))
    shares = b[3000:] / 255
    inside = (found.lowest[a[3000:]] < shares) & (shares < found.highest[a[3000:]])
    assert inside.mean() > 0.98
    level = np.arange(30, 120)
    light = decode_light((level / 255).astype(np.float32)) * np.float32(2.0**stops)
    expected = encode_light(np.clip(light, 0, 1))
    seen = expected < 0.9
    assert (found.highest[level] - expected)[seen].max() < 0.15 + 0.06 * noise
    assert (expected - found.lowest[level])[seen].max() < 0.15 + 0.06 * noise


def test_black_and_white_say_only_no_brighter_and_no_darker():
    a, b = exposures(3, 0)
    found = find_plausible(a, b, np.ones(a.shape, bool))
    assert found.lowest[0] < 0 < found.highest[0] < 0.6
    back = find_plausible(b, a, np.ones(a.shape, bool))
    assert back.highest[255] > 1 > back.lowest[255] > 0.2
    assert (np.diff(back.lowest) >= 0).all()
    assert (np.diff(back.highest) >= 0).all()


def test_too_few_pixels_tell_nothing():
    levels = np.full(50, 90, np.uint8)
    assert find_plausible(levels, levels, np.ones(50, bool)) is None
    assert find_plausible(levels, levels, np.zeros(50, bool)) is None
