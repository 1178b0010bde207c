"""The default weights on pictures without colour: grey in, grey out; a ramp stays a ramp; highlights stay highest."""

import numpy as np
import pytest

import npfuse
from npfuse.examples import SCENES, example_pair
from npfuse.pictures.reading import read_picture

LUMA = np.array([0.299, 0.587, 0.114])
EXPOSURES = {
    "5 EV apart": (-1, 4),
    "darker": (-2, 3),
    "2 EV apart": (0, 2),
    "8 EV apart": (-2, 6),
    "both bright": (2, 4),
    "both brighter": (3, 6),
    "both dark": (-5, 0),
}


def srgb_encode(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def to_bytes(values):
    return np.rint(values * 255).astype(np.uint8)


def chroma(rgb):
    """CIELAB chroma of sRGB bytes, D65."""
    encoded = rgb / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ (to_xyz / to_xyz.sum(axis=1, keepdims=True)).T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.hypot(500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2]))


def ramp_pair(evs):
    """Ten stops of grey light from left to right, twice exposed."""
    light = np.exp2(np.linspace(-10, 0, 512))[np.newaxis, :, np.newaxis].repeat(64, axis=0).repeat(3, axis=2)
    return [to_bytes(srgb_encode(light * 2.0**ev)) for ev in evs]


def test_chroma_is_that_of_known_colours():
    assert chroma(np.array([[120, 120, 120], [255, 255, 255]])).max() < 0.1
    assert chroma(np.array([255, 0, 0])) == pytest.approx(104.55, abs=0.1)  # a* 80.1, b* 67.2


@pytest.mark.parametrize("name", EXPOSURES)
def test_grey_ramps_stay_grey(name):
    """The weights treat the colours alike; only the order of float32 additions may part them, by a level."""
    fused = npfuse.fuse(*ramp_pair(EXPOSURES[name]), order="given")
    assert np.ptp(fused.astype(int), axis=2).max() <= 1
    assert chroma(fused).mean() <= 0.1


@pytest.mark.parametrize("name", EXPOSURES)
def test_a_ramp_stays_a_ramp(name):
    levels = (npfuse.fuse(*ramp_pair(EXPOSURES[name]), order="given") @ LUMA)[32]
    drop = (np.maximum.accumulate(levels) - levels).max()
    assert drop <= 1.01  # one level of rounding
    assert levels[-16:].mean() > levels[:16].mean() + 100


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_without_colour_stays_without(scene):
    pair = [to_bytes(read_picture(path).pixels @ LUMA / 255) for path in example_pair(scene)]
    under, over = (picture[:, :, np.newaxis].repeat(3, axis=2) for picture in pair)
    fused = npfuse.fuse(under, over, order="given")
    assert chroma(fused).mean() <= 0.1
    # What is white in both exposures is not rendered darker than what is white in one.
    brightest = (under[..., 0] >= 250) & (over[..., 0] >= 250)
    if brightest.sum() > 50:
        only_over = (under[..., 0] < 128) & (over[..., 0] >= 250)
        assert fused[brightest].mean() > fused[only_over].mean()
