from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from npfuse.ops import resize
from reference.examples import (
    Crops,
    Patches,
    Stack,
    cells_inside,
    draw_jitter,
    draw_pair,
    draw_ramps,
    thumbnail,
    turn,
    with_noise,
)
from reference.recipes import RECIPES, Jitter, Recipe
from reference.scenes import full_range
from tests.reference.recipes import PLAIN_CROPS
from tests.reference.scenes import random_scene


def test_the_eight_turns_of_a_picture_are_all_different_and_keep_its_values():
    picture = np.arange(4 * 4 * 2).reshape(4, 4, 2)
    turned = [turn(picture, way) for way in range(8)]
    assert len({array.tobytes() for array in map(np.ascontiguousarray, turned)}) == 8
    assert all(
        sorted(map(tuple, array.reshape(-1, 2))) == sorted(map(tuple, picture.reshape(-1, 2))) for array in turned
    )


def test_input_and_label_are_turned_alike_and_differently_in_the_next_epoch():
    patches = Patches([random_scene()], Recipe(batch=5, patch=8), seed=1)
    batches = {n: list(patches.epoch(epoch)) for n, epoch in enumerate((1, 2, 1))}
    assert [len(labels) for _, (labels, _, _), _ in batches[0]] == [5, 5, 2]
    for (exposures,), (labels, shares, clean), _ in batches[0] + batches[1]:
        np.testing.assert_array_equal(shares, np.ones(len(labels)))
        np.testing.assert_array_equal(clean, exposures)
        np.testing.assert_allclose(exposures[..., 0:3], labels * 2 - 1, atol=1e-6)
    first, second, again = (np.concatenate([labels for _, (labels, _, _), _ in batches[n]]) for n in range(3))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(first, second)
    every = np.sort(
        np.stack([random_scene().label[i : i + 8, j : j + 8].sum() for i in (0, 8, 16) for j in range(0, 32, 8)])
    )
    for labels in (first, second):  # every patch once
        np.testing.assert_allclose(np.sort(labels.sum(axis=(1, 2, 3))) * 255, every, rtol=1e-5)


def test_crops_are_the_same_places_of_exposures_and_label():
    crops = Crops([random_scene()], replace(PLAIN_CROPS, extremes=1), 1)
    for (exposures, thumbnails), (labels, shares, clean), _ in crops.epoch(1):
        assert (exposures.shape, thumbnails.shape, labels.shape) == ((4, 16, 16, 6), (4, 16, 24, 6), (4, 8, 8, 3))
        np.testing.assert_allclose((exposures[:, :8, :8, 0:3] + 1) / 2, labels, atol=1e-6)  # what follows is context
        np.testing.assert_array_equal(shares, np.ones(4))
        np.testing.assert_array_equal(clean, exposures[:, :8, :8])


def test_noise_is_in_what_the_network_sees_alone():
    crops = Crops([random_scene()], replace(PLAIN_CROPS, extremes=1, noise=(1e3, 1e3)), 1)
    for (exposures, _), (labels, _, clean), _ in crops.epoch(1):
        assert exposures.dtype == np.float32
        np.testing.assert_allclose((clean[..., 0:3] + 1) / 2, labels, atol=1e-6)
        assert np.abs(exposures[:, :8, :8] - clean).max() > 0.005


def test_noise_has_the_deviation_of_counted_electrons():
    values = np.full((1, 200, 200, 3), 0.5, np.float32)
    noisy = (with_noise(np.random.default_rng(0), values * 2 - 1, 1e3, 1e3) + 1) / 2
    light = 0.5**2.2
    expected = np.sqrt(light / 1e3 + (4 / 1e3) ** 2) / (2.2 * 0.5**1.2)
    assert noisy.std() == pytest.approx(expected, rel=0.02)
    assert noisy.mean() == pytest.approx(0.5, abs=1e-3)
    drawn = with_noise(np.random.default_rng(0), np.zeros((200, 9, 9, 3), np.float32), 1e3, 1e5).std(axis=(1, 2, 3))
    assert drawn.max() / drawn.min() == pytest.approx(10, rel=0.25)  # a hundredth of the electrons, ten times the noise


def test_crops_of_made_labels_count_less_and_are_as_many_as_asked():
    made = replace(random_scene(seed=1), given_label=None)
    recipe = replace(PLAIN_CROPS, steps=100, given=0.25, made_label=0.5, extremes=1)
    shares = np.concatenate([shares for _, (_, shares, _), _ in Crops([random_scene(), made], recipe, 1).epoch(1)])
    assert set(shares) == {0.5, 1}
    assert (shares == 1).mean() == pytest.approx(0.25, abs=0.07)  # three deviations of 400 draws
    alone = Crops([made], recipe, 1)
    assert set(next(alone.epoch(1))[1][1]) == {0.5}


def test_crops_are_cut_from_halves_of_large_pictures_too():
    stack = Stack(random_scene(1201, 1300, exposures=2), 128)
    labels = [stack.label((0, 1), size) for size in range(3)]
    assert [label.shape for label in labels] == [(1201, 1300, 3), (600, 650, 3), (300, 325, 3)]
    for full, half in ((stack.sizes[0][1], stack.sizes[1][1]), labels[:2]):
        blocks = full[:1200].reshape(600, 2, 650, 2, 3).mean(axis=(1, 3))
        assert np.abs(half - blocks).max() <= 0.5
    assert len(Stack(random_scene(599, 700, exposures=2), 128).sizes) == 1
    assert len(Stack(random_scene(700, 800, exposures=2), 400).sizes) == 1


def test_a_crop_with_surroundings_shows_what_lies_around_it_in_the_picture():
    scene = random_scene(48, 64)
    recipe = replace(PLAIN_CROPS, surroundings=16, extremes=1, steps=20)
    pair = full_range(np.concatenate([scene.under, scene.over], axis=2))
    around = np.pad(pair, [(16, 16), (16, 16), (0, 0)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, (40, 40), axis=(0, 1))
    for (exposures, _, inside), (labels, _, clean), _ in Crops([scene], recipe, 1).epoch(1):
        assert (exposures.shape, inside.shape) == ((4, 40, 40, 6), (4, 5, 5, 1))
        np.testing.assert_array_equal(clean, exposures[:, 16:24, 16:24])
        np.testing.assert_allclose((clean[..., 0:3] + 1) / 2, labels, atol=1e-6)
        assert inside[:, 2, 2].min() == 1  # the crop itself
        for crop, cells in zip(exposures, inside, strict=True):
            turned = [turn(crop, way) for way in (0, 1, 2, 3, 4, 5, 6, 7)]
            corners = np.stack([each[[0, 0, 39, 39], [0, 39, 0, 39]].ravel() for each in turned])
            found = windows[..., [0, 0, 39, 39], [0, 39, 0, 39]].swapaxes(-1, -2).reshape(*windows.shape[:2], -1)
            places = np.argwhere(np.abs(found[:, :, np.newaxis] - corners).max(axis=-1) < 1e-6)
            assert len(places) >= 1
            near_a_border = [top < 16 or left < 16 or top > 24 or left > 40 for top, left, _ in places]
            assert bool(cells.min()) or all(near_a_border)


def test_noise_leaves_surroundings_as_they_are():
    noisy, plain = (
        Crops([random_scene(48, 64)], replace(PLAIN_CROPS, surroundings=16, extremes=1, noise=noise), 1)
        for noise in ((1e3, 1e3), None)
    )
    (first, *_), (second, *_) = next(noisy.epoch(1))[0], next(plain.epoch(1))[0]
    differs = np.abs(first - second).max(axis=(0, 3)) > 0
    assert differs[16:24, 16:24].all()
    differs[16:24, 16:24] = False
    assert not differs.any()


def test_cells_outside_of_a_picture_are_those_without_a_pixel_of_it_or_of_its_margin():
    pixels = np.zeros((48, 48, 1), bool)
    pixels[16:25, 8:] = True
    expected = np.zeros((6, 6))
    expected[2:5, 1:] = 1  # rows 2 and 3 hold pixels, row 4 the margin of 8
    np.testing.assert_array_equal(cells_inside(pixels, 8)[..., 0], expected)
    assert cells_inside(pixels, 0).sum() == 10


def test_ramps_with_surroundings_are_pictures_of_their_own():
    exposures, thumbnails, inside = draw_ramps(np.random.default_rng(0), 8, 16)
    assert (exposures.shape, inside.shape) == ((4, 64, 64, 6), (4, 8, 8, 1))
    for outside in (exposures[:, :16], exposures[:, 56:], exposures[:, :, :16], exposures[:, :, 56:]):
        assert not outside.any()
    np.testing.assert_allclose(thumbnail(exposures[3, 16:56, 16:56]), thumbnails[3], atol=1e-6)
    np.testing.assert_array_equal(np.argwhere(inside[0, ..., 0])[[0, -1]], [[2, 2], [6, 6]])


def test_red_and_blue_are_exchanged_everywhere_or_nowhere():
    crops, mirrored = (
        Crops([random_scene(40, 56)], replace(PLAIN_CROPS, mirrored_colours=share, extremes=1), 1)
        for share in (1e-9, 1)
    )
    for ((first, small), (label, _, _), _), ((second, tiny), (mirror, _, _), _) in zip(
        crops.epoch(1), mirrored.epoch(1), strict=True
    ):
        np.testing.assert_array_equal(second, first[..., [2, 1, 0, 5, 4, 3]])
        np.testing.assert_allclose(tiny, small[..., [2, 1, 0, 5, 4, 3]], atol=1e-6)
        np.testing.assert_array_equal(mirror, label[..., ::-1])


def test_crops_follow_from_seed_and_epoch_alone():
    crops = Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 1)
    drawn = {name: next(crops.epoch(epoch))[1][0] for name, epoch in (("first", 1), ("second", 2), ("again", 1))}
    np.testing.assert_array_equal(drawn["again"], drawn["first"])
    assert not np.array_equal(drawn["second"], drawn["first"])
    other = next(Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 2).epoch(1))[1][0]
    assert not np.array_equal(other, drawn["first"])


RECIPES_SMALL = replace(PLAIN_CROPS, jitter=RECIPES["tonefuse"].jitter)


def test_a_crops_thumbnail_is_that_of_the_whole_pictures():
    scene = random_scene(40, 56)
    ((_, thumbnails), _, _) = next(Crops([scene], replace(PLAIN_CROPS, extremes=1), 1).epoch(1))
    whole = full_range(np.concatenate([scene.under, scene.over], axis=2))
    expected = resize(whole[np.newaxis].astype(np.float64), height=16, width=24, method="area")[0]
    np.testing.assert_allclose(thumbnails[0], expected, atol=1 / 255)  # the copy it is made of is rounded to levels


def test_pairs_are_the_extremes_or_any_two_that_differ_enough():
    rng = np.random.default_rng(0)
    means = [10, 30, 40, 55]
    assert {draw_pair(rng, means, 0.0) for _ in range(200)} == {(0, 2), (0, 3), (1, 3)}
    assert {draw_pair(rng, means, 1.0) for _ in range(20)} == {(0, 3)}
    drawn = [draw_pair(rng, means, 0.4) for _ in range(2000)]
    assert drawn.count((0, 3)) / 2000 == pytest.approx(0.4 + 0.6 / 3, abs=0.04)
    assert {draw_pair(rng, [10, 20], 0.0) for _ in range(20)} == {(0, 1)}  # none differ enough
    around = {draw_pair(rng, [10, 60, 100, 140, 200, 250], 0.0, around_middle=40) for _ in range(400)}
    assert around == {(0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (2, 3), (2, 4)}


def test_jitter_varies_the_exposures_and_shares_the_white_balance_with_the_label():
    values = np.full((1, 1, 3), 0.25, np.float32)
    jitter = draw_jitter(np.random.default_rng(3), Jitter(white_balance=0.1))
    np.testing.assert_array_equal(jitter(values, 0), jitter(values, None))
    np.testing.assert_array_equal(jitter(values, 1), jitter(values, None))
    assert len(np.unique(jitter(values, None))) == 3
    jitter = draw_jitter(np.random.default_rng(3), Jitter(gain=(0.1, 0.1), gamma=(0.1, 0.1)))
    np.testing.assert_array_equal(jitter(values, None), values)
    assert len({float(jitter(values, i)[0, 0, 0]) for i in (0, 1, None)}) == 3


def test_ramps_are_grey_and_rise_to_the_right_or_downwards_in_the_exposures_and_in_their_thumbnails():
    exposures, thumbnails, inside = draw_ramps(np.random.default_rng(0), 8)
    assert (exposures.shape, thumbnails.shape) == ((4, 72, 72, 6), (4, 16, 24, 6))
    np.testing.assert_array_equal(inside, np.ones((4, 9, 9, 1)))
    for values in (exposures, thumbnails):
        for half, along, across in ((values[:2], 2, 1), (values[2:], 1, 2)):
            assert np.diff(half, axis=along).min() >= -1e-5  # sums of float32, in the thumbnails
            assert np.abs(np.diff(half, axis=across)).max() <= 1e-5
        np.testing.assert_array_equal(values[..., 0:6:3], values[..., 2:6:3])
        assert np.abs(values).max() <= 1
    means = exposures.mean(axis=(1, 2))
    assert (means[:, 3] > means[:, 0]).all()
