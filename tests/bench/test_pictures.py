"""The pairs that are measured: sizes, repetition, noise."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.pictures import Content, Photograph, fitted, noisy, pair_of, read_rgb, size_of
from npfuse.examples import example_pair


def test_the_published_size_is_exact():
    assert size_of(1.2) == (896, 1344)
    assert size_of(12) == (2832, 4240)


def test_a_small_photograph_is_repeated_mirrored_not_enlarged():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    large = fitted(picture, 12, 16)
    assert np.array_equal(large[:5, :7], picture)
    assert np.array_equal(large[5:10, :7], picture[::-1])
    assert np.array_equal(large[:5, 7:14], picture[:, ::-1])
    assert np.array_equal(large[10:12, 14:16], picture[:2, :2])


def test_a_large_photograph_is_cropped_around_its_middle():
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 20:80] = np.linspace(10, 249, 60, dtype=np.uint8)[:, np.newaxis]  # what is left at 3:2
    small = fitted(picture, 20, 30)
    assert small.shape == (20, 30, 3)
    pairs = picture[0, 20:80].reshape(30, 2, 3).mean(axis=1)
    assert np.abs(small[:, 2:-2] - pairs[2:-2]).max() <= 1  # the filter rings at the black beside it


def test_a_photograph_of_the_size_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    assert np.array_equal(fitted(picture, 16, 24), picture)


def test_noise_has_the_standard_deviation_asked_for():
    grey = np.full((200, 200, 3), 128, np.uint8)
    apart = noisy(grey, 5.0, np.random.default_rng(0)).astype(float) - 128
    # Rounding adds a variance of 1/12; the deviation of 120,000 values is known to 1 in 490.
    assert abs(apart.std() - np.sqrt(25 + 1 / 12)) < 5 * 5 / 490
    assert abs(apart.mean()) < 5 * 5 / np.sqrt(apart.size)


def test_noise_clips_and_none_changes_nothing():
    white = np.full((70, 4, 3), 255, np.uint8)
    assert noisy(white, 20.0, np.random.default_rng(0)).max() == 255
    assert noisy(white, 0.0, np.random.default_rng(0)) is white


def test_pairs_are_the_same_every_time():
    photograph = Photograph(**dict(zip(("under", "over"), example_pair("city"), strict=True)))
    for content in (Content(photograph=photograph, sigma=5.0), Content(photograph=None)):
        first, second = pair_of(content, 16, 24), pair_of(content, 16, 24)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        assert not np.array_equal(*first)
        assert first[0].shape == (16, 24, 3)


def test_contents_are_named_after_folder_and_files():
    photograph = Photograph(under=Path("scenes/006/exposure_01.jpg"), over=Path("scenes/006/exposure_07.jpg"))
    assert Content(photograph=photograph).label == "006/exposure"
    assert Content(photograph=photograph, sigma=2.0).label == "006/exposure + noise 2"
    assert Content(photograph=None).label == "random bytes"
    assert Photograph(under=Path("a/x.jpg"), over=Path("a/y.jpg")).name == "a"


def test_grey_pictures_are_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match=r"grey.png: pixels are uint8 \(8, 8\), expected 8-bit colour"):
        read_rgb(tmp_path / "grey.png")


def test_a_side_that_rounding_makes_too_long_is_the_picture_s_own():
    """4000 / 2832 * 2832 is more than 4000 in floating point."""
    assert 2832 * (4000 / 2832) > 4000
    assert fitted(np.zeros((4000, 6000, 3), np.uint8), 2832, 4240).shape == (2832, 4240, 3)
