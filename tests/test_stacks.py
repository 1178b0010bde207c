"""Brackets as a pair: curves against curves made by hand, averages against a slow formula, noise, motion, orders."""

import numpy as np
import pytest

import npfuse
from npfuse import stacks
from npfuse.stacks import MergedFrame, RoundedOutput, down_table, fit_curve, merge_bracket, up_table
from tests.arrays import assert_close
from tests.networks import random_weights

LIGHTS = (0.02, 0.08, 0.3, 1.2)


def scene(height=120, width=160, seed=0):
    """Draw light of a scene with dark and bright parts, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / (height, 1)[1]
    smooth = 0.5 + 0.45 * np.sin(columns / 25)[..., np.newaxis] * np.cos(rows / 17 + 1)[..., np.newaxis]
    return smooth**3 * (1 + 0.1 * rng.random((height, width, 1))) * [1.0, 0.9, 0.7]


def encoded(light):
    """Encode light as sRGB does, clipped: levels, floats."""
    x = np.clip(light, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055) * 255


def frames_of(light, *, noise=True, lights=LIGHTS, seed=1, photons=3000.0, read=3.0):
    """Photograph a scene: Poisson noise of so many photons at white, and noise of reading."""
    rng = np.random.default_rng(seed)
    frames = []
    for exposure in lights:
        seen = light * exposure
        if noise:
            seen = (rng.poisson(seen * photons) + rng.normal(size=seen.shape) * read) / photons
        frames.append(np.rint(encoded(seen)).astype(np.uint8))
    return frames


EVERYTHING = (slice(None), slice(None))


def test_curve_is_the_one_between_the_exposures():
    light = scene()
    dark, bright = (encoded(light * x).reshape(-1, 3)[:, 0] for x in (0.25, 1.0))
    curve = fit_curve(np.rint(dark), np.rint(bright))
    levels = np.arange(curve.least, curve.most + 1)
    linear = np.where(levels <= 0.04045 * 255, levels / 255 / 12.92, ((levels / 255 + 0.055) / 1.055) ** 2.4)
    assert_close(curve.levels[levels], encoded(linear * 0.25), 0.5)
    assert (np.diff(curve.levels) >= 0).all()


def test_curve_is_deaf_to_a_tenth_of_the_pixels_that_moved():
    bright = np.repeat(np.arange(20.0, 220), 100)
    dark = bright / 2
    moved = dark.copy()
    moved[::10] = 200
    assert_close(fit_curve(moved, bright).levels[25:215], fit_curve(dark, bright).levels[25:215], 0.5)


def test_no_curve_where_nothing_is_exposed_in_both():
    assert fit_curve(np.zeros(1000), np.full(1000, 255.0)) is None


def test_tables_up_and_down_are_inverse_and_slopes_make_weights():
    every = np.arange(256.0)
    curve = stacks.Curve(levels=every / 2, scatter=np.ones(256), least=0, most=250)
    down, up = down_table(curve), up_table(curve)
    assert_close(down[:, 0], (every / 2).astype(np.float32), 1e-4)
    assert_close(up[10:120, 0], (2 * every[10:120]).astype(np.float32), 0.01)
    # At a slope of a half, in the light: variance is a quarter, so weights near 4 down and 1/4 up.
    assert 3 < down[200, 1] < 5
    assert 0.2 < up[100, 1] < 0.3
    assert down[251, 1] == 0 == up[1, 1]  # near white, and near black


def by_hand(base, frame, table):
    """Return the average of a base and one mapped frame, slowly."""
    height, width, _ = base.shape
    mapped = np.stack([table[c, frame[..., c], 0] for c in range(3)], axis=-1).astype(np.float64)
    weights = np.stack([table[c, frame[..., c], 1] for c in range(3)], axis=-1)
    limits = np.stack([table[c, frame[..., c], 2] for c in range(3)], axis=-1)
    result = np.empty(base.shape)
    for y in range(height):
        for x in range(width):
            window = slice(max(0, y - 2), y + 3), slice(max(0, x - 2), x + 3)
            off = np.abs((mapped[window] - base[window]).mean(axis=(0, 1))) * limits[y, x]
            own = weights[y, x] / (1 + off.max() ** 4)
            result[y, x] = (base[y, x] + own * mapped[y, x]) / (1 + own)
    return result


def test_average_is_the_formula():
    dark, bright = frames_of(scene(40, 50), lights=(0.2, 1.0))
    samples = [x.reshape(-1, 3).astype(np.float32) for x in (dark, bright)]
    tables = np.stack([down_table(fit_curve(samples[0][:, c], samples[1][:, c])) for c in range(3)])
    merged = MergedFrame(base=dark, others=[bright], tables=[tables])
    expected = by_hand(dark.astype(np.float64), bright, tables.astype(np.float64))
    assert_close(merged[EVERYTHING].astype(float) / 257, expected, 0.5 / 257 + 1e-3)


def test_parts_are_those_of_the_whole():
    pair = merge_bracket(frames_of(scene(40, 50)))
    for merged in (pair.under, pair.over):
        whole = merged[EVERYTHING]
        for place in ((slice(0, 7), slice(0, 50)), (slice(7, 40), slice(13, 31)), (slice(39, 90), slice(49, 80))):
            np.testing.assert_array_equal(merged[place], whole[place])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("grey", [False, True])
def test_averages_have_less_noise_and_the_same_levels(dtype, grey):
    light = scene()[..., 1] if grey else scene()
    clean, noisy = (frames_of(light, noise=noise) for noise in (False, True))
    white = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    convert = [(frame / 255 * white).astype(dtype) for frame in noisy]
    pair = merge_bracket(convert)
    for merged, base, own, gain in ((pair.under, clean[0], noisy[0], 2), (pair.over, clean[-1], noisy[-1], 1)):
        levels = merged[EVERYTHING].astype(float) / stacks.WHITE[merged.dtype] * 255
        shown = (base > 4) & (base < 245)
        before, after = (np.std((x - base.astype(float))[shown]) for x in (own, levels))
        assert after * gain < before
        assert abs(np.mean((levels - base)[shown])) < 0.5


def test_shadows_of_the_dark_frame_get_levels_that_it_has_not():
    light = scene() * 0.02  # a few levels in the darkest frame
    frames = frames_of(light, lights=(0.05, 0.4, 3.0), noise=False)
    merged = merge_bracket(frames).under[EVERYTHING].astype(float) / 257
    assert len(np.unique(frames[0])) < 8
    assert np.abs(merged - encoded(light * 0.05)).mean() < np.abs(frames[0] - encoded(light * 0.05)).mean()


def test_a_thing_in_the_middle_frame_alone_is_in_neither():
    frames = frames_of(scene(), noise=False)
    clean = merge_bracket(frames)
    frames[2][40:70, 60:100] = 90
    pair = merge_bracket(frames)
    for merged, alone in ((pair.under, clean.under), (pair.over, clean.over)):
        ghost = (merged[EVERYTHING].astype(float) - alone[EVERYTHING])[45:65, 65:95] / 257
        assert np.abs(ghost).max() < 6, np.abs(ghost).max()
        assert np.abs(ghost).mean() < 1.5


@pytest.mark.parametrize("count", [3, 7])
def test_frames_come_in_any_order_and_two_may_be_alike(count):
    lights = np.geomspace(0.02, 1.2, count)
    frames = frames_of(scene(), lights=lights)
    weights = random_weights("tonefuse")
    expected = npfuse.fuse_stack(frames, weights)
    np.testing.assert_array_equal(npfuse.fuse_stack(frames[::-1], weights), expected)
    np.testing.assert_array_equal(npfuse.fuse_stack(frames[1:] + frames[:1], weights, threads=2), expected)
    alike = npfuse.fuse_stack([*frames, frames[1]], weights)
    assert alike.shape == expected.shape
    assert np.abs(alike.astype(int) - expected).mean() < 3


def test_pair_is_the_extremes_alone_and_two_frames_are_the_pair():
    frames = frames_of(scene())
    weights = random_weights()
    pair = npfuse.fuse(frames[0], frames[-1], weights)
    np.testing.assert_array_equal(npfuse.fuse_stack(frames, weights, pair=True), pair)
    np.testing.assert_array_equal(npfuse.fuse_stack([frames[0], frames[-1]], weights), pair)
    assert (npfuse.fuse_stack(frames, weights) != pair).any()


def test_the_definitions_give_the_same_of_a_bracket():
    frames = frames_of(scene(24, 40))
    weights = random_weights("tonefuse")
    fast, slow = (npfuse.fuse_stack(frames, weights, engine=engine).astype(int) for engine in ("fast", "definition"))
    assert np.abs(fast - slow).max() <= 1


def test_a_frame_with_nothing_in_common_is_left_out():
    frames = frames_of(scene(), lights=(0.05, 0.3, 1.0))
    pair = merge_bracket([frames[0], np.full_like(frames[0], 255), frames[2]])
    assert pair.left_out == (1,)


def test_rounded_output_rounds_to_the_nearest_level():
    out = np.zeros((1, 5), np.uint8)
    RoundedOutput(out)[:, :] = np.array([[0, 128, 129, 257 * 7 + 128, 65535]], np.uint16)
    np.testing.assert_array_equal(out, [[0, 0, 1, 7, 255]])
