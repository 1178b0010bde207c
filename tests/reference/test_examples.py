from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from npfuse.ops import resize
from reference.examples import Crops, Patches, draw_jitter, draw_pair, draw_ramps, turn
from reference.recipes import RECIPES, Jitter, Recipe
from reference.sice import full_range
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
    assert [len(labels) for _, labels, _ in batches[0]] == [5, 5, 2]
    for (exposures,), labels, _ in batches[0] + batches[1]:
        np.testing.assert_allclose(exposures[..., 0:3], labels * 2 - 1, atol=1e-6)
    first, second, again = (np.concatenate([labels for _, labels, _ in batches[n]]) for n in range(3))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(first, second)
    every = np.sort(
        np.stack([random_scene().label[i : i + 8, j : j + 8].sum() for i in (0, 8, 16) for j in range(0, 32, 8)])
    )
    for labels in (first, second):  # every patch once
        np.testing.assert_allclose(np.sort(labels.sum(axis=(1, 2, 3))) * 255, every, rtol=1e-5)


PLAIN_CROPS = replace(RECIPES["tonefuse"], patch=8, context=4, steps=3, batch=4, jitter=Jitter())


def test_crops_are_the_same_places_of_exposures_and_label():
    for (exposures, thumbnails), labels, _ in Crops([random_scene()], replace(PLAIN_CROPS, inner_pairs=0), 1).epoch(1):
        assert (exposures.shape, thumbnails.shape, labels.shape) == ((4, 16, 16, 6), (4, 16, 24, 6), (4, 8, 8, 3))
        np.testing.assert_allclose((exposures[:, 4:-4, 4:-4, 0:3] + 1) / 2, labels, atol=1e-6)


def test_crops_follow_from_seed_and_epoch_alone():
    crops = Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 1)
    drawn = {name: next(crops.epoch(epoch))[1] for name, epoch in (("first", 1), ("second", 2), ("again", 1))}
    np.testing.assert_array_equal(drawn["again"], drawn["first"])
    assert not np.array_equal(drawn["second"], drawn["first"])
    other = next(Crops([random_scene(), random_scene(seed=1)], RECIPES_SMALL, 2).epoch(1))[1]
    assert not np.array_equal(other, drawn["first"])


RECIPES_SMALL = replace(PLAIN_CROPS, jitter=RECIPES["tonefuse"].jitter)


def test_a_crops_thumbnail_is_that_of_the_whole_pictures():
    scene = random_scene(40, 56)
    ((_, thumbnails), _, _) = next(Crops([scene], replace(PLAIN_CROPS, inner_pairs=0), 1).epoch(1))
    whole = full_range(np.concatenate([scene.under, scene.over], axis=2))
    expected = resize(whole[np.newaxis].astype(np.float64), height=16, width=24, method="area")[0]
    np.testing.assert_allclose(thumbnails[0], expected, atol=1 / 255)  # the copy it is made of is rounded to levels


def test_inner_pairs_are_one_of_the_darkest_third_and_one_of_the_brightest_half():
    rng = np.random.default_rng(0)
    for count in (2, 3, 7, 17):
        pairs = {draw_pair(rng, count, 1.0) for _ in range(2000)}
        assert {under for under, _ in pairs} == set(range(-(-count // 3)))
        assert {over for _, over in pairs} >= set(range(max(count // 2, -(-count // 3)), count))
        assert all(under < over for under, over in pairs)
        assert {draw_pair(rng, count, 0.0) for _ in range(20)} == {(0, count - 1)}


def test_jitter_varies_the_exposures_and_shares_the_white_balance_with_the_label():
    values = np.full((1, 1, 3), 0.25, np.float32)
    jitter = draw_jitter(np.random.default_rng(3), Jitter(white_balance=0.1))
    np.testing.assert_array_equal(jitter(values, 0), jitter(values, None))
    np.testing.assert_array_equal(jitter(values, 1), jitter(values, None))
    assert len(np.unique(jitter(values, None))) == 3
    jitter = draw_jitter(np.random.default_rng(3), Jitter(gain=(0.1, 0.1), gamma=(0.1, 0.1)))
    np.testing.assert_array_equal(jitter(values, None), values)
    assert len({float(jitter(values, i)[0, 0, 0]) for i in (0, 1, None)}) == 3


def test_ramps_are_grey_and_rise_in_the_exposures_and_in_their_thumbnails():
    exposures, thumbnails = draw_ramps(np.random.default_rng(0), 8)
    assert (exposures.shape, thumbnails.shape) == ((2, 24, 144, 6), (2, 16, 24, 6))
    for values in (exposures, thumbnails):
        assert np.diff(values, axis=2).min() >= 0
        np.testing.assert_array_equal(values[..., 0:6:3], values[..., 2:6:3])
        assert np.abs(values).max() <= 1
    means = exposures.mean(axis=(1, 2))
    assert (means[:, 3] > means[:, 0] + 0.1).all()
