"""Pairs of pictures through the networks in integers: how far from floats, whatever the tiles, and what is refused."""

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.examples import SCENES, example_pair
from npfuse.integer import run_integers
from npfuse.integer_pair import fuse_integer_pair, integer_inputs, integer_network, mapped_levels, mapped_means
from npfuse.pictures.reading import read_picture
from npfuse.strips import network_inputs
from npfuse.weights.loading import load_weights
from tests.integer.networks import CASES
from tests.networks import random_pair, random_weights

# All examples or two: worst level, least PSNR in dB.
BUDGETS = [
    ("lightfuse", "int16", SCENES, 1, 57),
    ("tonefuse", "int16", SCENES, 2, 53),
    ("lightfuse", "mixed", SCENES[:2], 3, 53),
    ("tonefuse", "mixed", SCENES[:2], 5, 48),
    ("lightfuse", "int16-shift", SCENES[:2], 2, 50),
    ("tonefuse", "int16-shift", SCENES[:2], 4, 50),
]


@pytest.mark.parametrize(("name", "engine", "scenes", "worst", "least"), BUDGETS)
def test_error_budget_over_the_example_pictures(name, engine, scenes, worst, least):
    weights = load_weights(name)
    network = integer_network(weights, engine)
    for scene in scenes:
        under, over = (read_picture(path).pixels for path in example_pair(scene))
        floats = npfuse.fuse(under, over, weights, order="given")
        fused = np.empty_like(under)
        for job in fuse_integer_pair(under, over, fused, weights, network):
            job()
        difference = np.abs(fused.astype(int) - floats)
        psnr = 10 * np.log10(255**2 / np.mean(difference**2.0))
        assert difference.max() <= worst, scene
        assert psnr >= least, scene


@pytest.mark.parametrize("case", CASES)
def test_tiles_give_the_integers_of_the_whole(case, monkeypatch):
    weights = CASES[case]
    under, over = random_pair((90, 75, 3))
    monkeypatch.setattr("npfuse.integer_pair.tile_side", lambda *_: 64)
    fused = npfuse.fuse(under, over, weights, order="given", engine="int16")
    network = integer_network(weights).at(weights.graph(*weights.padded_size(90, 75)))
    whole = run_integers(network, integer_inputs(under, over, weights))["fused"][0, :90, :75]
    assert np.array_equal(fused, whole)


def test_a_margin_of_8_is_enough_where_pixels_are_repeated():
    under, over = random_pair((21, 30, 3))
    results = []
    for margin in (8, 16):
        weights = npfuse.Weights(
            model="lightfuse",
            build={"hidden": [12, 5]},
            arrays=CASES["lightfuse"].arrays,
            normalization="full_range",
            source="drawn at random",
            margin=margin,
        )
        results.append(npfuse.fuse(under, over, weights, order="given", engine="int16"))
    assert np.array_equal(*results)


def test_inputs_are_exact_or_rounded_once():
    levels = np.arange(256, dtype=np.uint8)
    assert (mapped_levels(levels, (0, 255)) == 2 * levels.astype(int) - 255).all()
    stretched = mapped_levels(levels[20:201], (20, 200))
    assert np.abs(stretched - (510 * (levels[20:201] - 20.0) / 180 - 255)).max() <= 0.5
    assert (stretched[0], stretched[-1]) == (-255, 255)
    assert mapped_means(np.array([0, 3 * 255, 383]), 3, (0, 255)).tolist() == [-32640, 32640, 43]  # 42.67


def test_thumbnails_are_those_of_the_float_network():
    weights = CASES["tonefuse"]
    under, over = random_pair((37, 45, 3))
    floats = network_inputs(under, over, weights)
    whole = integer_inputs(under, over, weights)
    assert np.array_equal(whole["exposures"], np.rint(floats["exposures"] * 255))
    assert np.abs(whole["thumbnail"] / 32640 - floats["thumbnail"]).max() <= 0.51 / 32640


def test_grey_pictures_and_batches_are_fused():
    weights = CASES["lightfuse"]
    under, over = random_pair((20, 17))
    colours = npfuse.fuse(*(np.repeat(p[..., None], 3, axis=2) for p in (under, over)), weights, engine="int16")
    grey = npfuse.fuse(under, over, weights, engine="int16")
    assert np.array_equal(grey, np.floor(colours.mean(axis=2) + 0.5))
    batches = (np.stack([picture] * 2)[..., np.newaxis].repeat(3, axis=3) for picture in (under, over))
    batch = npfuse.fuse(*batches, weights, engine="int16")
    assert np.array_equal(batch[1], colours)


def test_min_max_weights_stretch_each_picture():
    weights = random_weights(normalization="min_max")
    under, over = random_pair((16, 16, 3))
    floats = npfuse.fuse(under, over, weights, order="given")
    fused = npfuse.fuse(under, over, weights, order="given", engine="int16")
    assert np.abs(floats.astype(int) - fused).max() <= 3


def test_refused():
    under, over = random_pair((8, 8, 3), np.uint16)
    with pytest.raises(TypeError, match="network in integers: dtype of a picture is uint16, expected uint8"):
        npfuse.fuse(under, over, "lightfuse", engine="int16")
    with pytest.raises(ValueError, match="fuse: engine of Mertens 2009 is 'mixed', expected one of fast, definition"):
        npfuse.fuse(*random_pair((8, 8, 3)), method="mertens", engine="mixed")
    with pytest.raises(
        ValueError, match="fuse: engine is 'int4', expected one of fast, definition, cuda, int16, int16-shift"
    ):
        npfuse.fuse(*random_pair((8, 8, 3)), engine="int4")


def test_the_command_fuses_in_integers(tmp_path, capsys):
    under, over = example_pair("city")
    output = tmp_path / "fused.png"
    assert main(["fuse", str(under), str(over), "-o", str(output), "--engine", "int16-shift", "--no-check"]) == 0
    expected = npfuse.fuse(*(read_picture(path).pixels for path in (under, over)), engine="int16-shift")
    assert np.array_equal(read_picture(output).pixels, expected)
    stored = tmp_path / "fused.tif"
    arguments = ["fuse", str(under), str(over), "-o", str(stored), "--engine", "int16", "--max-memory", "2G"]
    assert main(arguments) == 2
    assert "--max-memory is given with the engine int16, expected fast or definition" in capsys.readouterr().err
