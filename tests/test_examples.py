"""The example pictures that ship with the package: there, small, paired, under dark and over bright."""

import imageio.v3 as iio
import numpy as np
import pytest

from npfuse.examples import NARROW_SCENE, SCENES, example_pair

NAMES = (*SCENES, NARROW_SCENE)


def read_pair(name):
    return tuple(iio.imread(path) for path in example_pair(name))


@pytest.mark.parametrize("name", NAMES)
def test_example_pictures_exist_and_have_at_most_300_kb(name):
    for path in example_pair(name):
        assert path.is_file(), path
        assert path.stat().st_size <= 300_000, path


@pytest.mark.parametrize("name", NAMES)
def test_example_pair_has_equal_shapes_of_8_bit_rgb(name):
    under, over = read_pair(name)
    assert under.shape == over.shape
    assert under.ndim == 3
    assert under.shape[2] == 3
    assert under.dtype == over.dtype == np.uint8


@pytest.mark.parametrize("name", NAMES)
def test_example_under_is_dark_and_over_is_bright(name):
    under, over = read_pair(name)
    assert 0.08 <= under.mean() / 255 <= 0.22
    assert 0.70 <= over.mean() / 255 <= 0.90


@pytest.mark.parametrize("name", SCENES)
def test_example_under_keeps_what_over_clips(name):
    under, over = read_pair(name)
    clipped = (over == 255).all(axis=2)
    assert clipped.mean() > 0.1  # of all pixels
    assert (under[clipped] < 250).mean() > 0.93  # the sun is beyond both


def test_examples_include_a_portrait_and_a_shape_with_no_side_a_multiple_of_8():
    shapes = [read_pair(name)[0].shape[:2] for name in SCENES]
    assert len(set(shapes)) == len(shapes)
    assert any(height > width for height, width in shapes)
    assert any(height % 8 and width % 8 for height, width in shapes)


def test_examples_credits_name_author_licence_and_every_scene():
    credits = example_pair(SCENES[0])[0].with_name("CREDITS.md").read_text(encoding="utf-8")
    for words in ("Greg Zaal", "HDRI Haven", "CC0", *NAMES):
        assert words in credits, words


def test_example_pair_rejects_unknown_name_and_lists_the_known():
    with pytest.raises(ValueError, match=r"example_pair: name is 'beach', expected one of interior, courtyard, .*city"):
        example_pair("beach")


def test_the_pictures_of_one_scene_do_not_reach_from_black_to_white():
    under, over = read_pair(NARROW_SCENE)
    assert under.max() < 235
    assert over.min() > 20  # after JPEG
