"""Tone: formulas by hand, neutral for nothing, no clipping, no change of hue, and the inverse undoes it."""

import colorsys

import numpy as np
import pytest

import npfuse
from npfuse.tone import Tone, toned
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights


def colours(dtype=np.float64, shape=(40, 50, 3), seed=0):
    x = np.random.default_rng(seed).random(shape)
    return x.astype(dtype) if np.dtype(dtype).kind == "f" else np.rint(x * np.iinfo(dtype).max).astype(dtype)


def test_brightness_multiplies_dark_light_and_rolls_off_bright_light():
    def light(v):
        return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4

    grey = np.array([[0.01, 0.05, 0.5, 0.9, 1.0]])
    for stops in (-1.5, 0.5, 2):
        actual = [light(v) for v in toned(grey, Tone(brightness=stops))[0]]
        expected = [1 - (1 - light(v)) ** 2**stops for v in grey[0]]
        assert_close(np.array(actual), np.array(expected), 1e-6)
    assert actual[0] == pytest.approx(4 * light(0.01), rel=0.01)  # 2 stops in the dark
    assert actual[-1] == pytest.approx(1)


def test_contrast_bends_about_the_middle():
    grey = np.array([[0.0, 0.1, 0.5, 0.8, 1.0]])
    # 0.1: (2 * 0.1) ** 2 / 2; 0.8: 1 - (2 * 0.2) ** 2 / 2
    assert_close(toned(grey, Tone(contrast=2)), np.array([[0, 0.02, 0.5, 0.92, 1]]), 1e-12)


def test_saturation_keeps_luma_and_stops_at_the_gamut():
    x = np.array([[[0.5, 0.4, 0.4], [0.9, 0.1, 0.1]]])
    luma = x @ [0.299, 0.587, 0.114]
    more = toned(x, Tone(saturation=3))
    assert_close(more @ [0.299, 0.587, 0.114], luma, 1e-12)
    assert_close(more[0, 0], luma[0, 0] + 3 * (x[0, 0] - luma[0, 0]), 1e-12)
    assert more[0, 1].max() == pytest.approx(1)  # (1 - luma) / (0.9 - luma) is less than 3
    assert_close(toned(x, Tone(saturation=0)), np.repeat(luma[..., np.newaxis], 3, axis=2), 1e-12)


TONES = [Tone(brightness=1.3), Tone(brightness=-2), Tone(contrast=1.7), Tone(contrast=0.5), Tone(saturation=1.8)]


@pytest.mark.parametrize("tone", TONES)
def test_hue_stays_and_nothing_is_clipped_that_was_not(tone):
    x = colours(shape=(1, 500, 3)) * 0.98 + 0.01
    y = toned(x, tone)
    if tone.saturation == 1:
        assert y.min() > 0
        assert y.max() < 1
    for before, after in zip(x[0], y[0], strict=True):
        a, b = colorsys.rgb_to_hsv(*before), colorsys.rgb_to_hsv(*after)
        turned = abs(a[0] - b[0])
        assert min(turned, 1 - turned) < 1e-5


@pytest.mark.parametrize(
    ("tone", "inverse"),
    [
        (Tone(brightness=1.5), Tone(brightness=-1.5)),
        (Tone(contrast=2), Tone(contrast=0.5)),
        (Tone(saturation=0.4), Tone(saturation=2.5)),
    ],
)
def test_the_inverse_undoes_a_tone(tone, inverse):
    x = colours() * 0.9 + 0.05
    assert_close(toned(toned(x, tone), inverse), x, 2e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 50, 3), (40, 50)])
def test_dtypes_and_shapes_stay_and_all_levels_are_one_picture(dtype, shape):
    x = colours(dtype, shape)
    tone = Tone(brightness=0.7, contrast=1.2, saturation=1.3)
    white = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    y = toned(x, tone)
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    assert_close(y / white, toned(x / white, tone), 0.5 / white + 2e-5 if white != 1 else 2e-5)
    assert toned(x, Tone()) is x


@pytest.mark.parametrize("method", ["tonefuse", "mertens"])
def test_fuse_with_a_tone_is_the_toned_result(method):
    under, over = random_pair((70, 90, 3))
    tone = {"brightness": -0.5, "contrast": 1.3, "saturation": 0.6}
    plain = npfuse.fuse(under, over, method=method)
    np.testing.assert_array_equal(npfuse.fuse(under, over, method=method, **tone), toned(plain, Tone(**tone)))
    np.testing.assert_array_equal(npfuse.fuse(under, over, method=method, brightness=0.0, contrast=1.0), plain)


def test_batches_brackets_and_grey_pictures_take_a_tone():
    under, over = random_pair((2, 40, 50, 3))
    weights, tone = random_weights("tonefuse"), {"brightness": 0.5}
    for a, b in ((under, over), (under[0, ..., 0], over[0, ..., 0])):
        expected = toned(npfuse.fuse(a, b, weights), Tone(**tone))
        np.testing.assert_array_equal(npfuse.fuse(a, b, weights, **tone), expected)
    stack = [under[0], over[0] // 2, over[0]]
    expected = toned(npfuse.fuse_stack(stack, weights), Tone(**tone))
    np.testing.assert_array_equal(npfuse.fuse_stack(stack, weights, **tone), expected)


def test_tone_of_another_pair_is_that_pairs_and_thumbnails_do():
    weights = random_weights("tonefuse")
    under, over = random_pair((256, 384, 3))
    part = np.s_[:240, :320]
    whole = npfuse.fuse(under, over, weights)
    given = npfuse.fuse(under[part], over[part], weights, tone=(over, under))
    assert (given != npfuse.fuse(under[part], over[part], weights)).any()
    # Further from the cut than GlobalNet sees, nothing else of the picture counts.
    np.testing.assert_array_equal(given[:64, :128], whole[:64, :128])
    small = [x.reshape(16, 16, 24, 16, 3).mean(axis=(1, 3)) / 255 for x in (under, over)]
    thumbnails = npfuse.fuse(under[part], over[part], weights, tone=tuple(small))
    assert np.abs(thumbnails.astype(int) - given).max() <= 1


def test_tone_is_refused_where_it_would_do_nothing():
    under, over = random_pair((16, 16, 3))
    with pytest.raises(ValueError, match="tone is given, but random sees no whole pictures; leave it out"):
        npfuse.fuse(under, over, random_weights(), tone=(under, over))
    with pytest.raises(ValueError, match="tone is given, but Mertens 2009 takes none; leave it out"):
        npfuse.fuse(under, over, method="mertens", tone=(under, over))


@pytest.mark.parametrize(
    ("tone", "message"),
    [
        ({"brightness": 5}, "brightness is 5, expected -4 to 4"),
        ({"contrast": 0}, "contrast is 0, expected 0.25 to 4"),
        ({"saturation": float("nan")}, "saturation is nan, expected 0 to 4"),
    ],
)
def test_tones_out_of_range_are_refused(tone, message):
    under, over = random_pair((8, 8, 3))
    with pytest.raises(ValueError, match=message):
        npfuse.fuse(under, over, **tone)
