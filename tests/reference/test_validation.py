import numpy as np
import pytest

pytest.importorskip("keras")

from npfuse.scoring.metrics import mef_ssim
from reference.__main__ import main
from reference.recipes import VALIDATION
from reference.scenes import Scene
from reference.validation import (
    PairScores,
    better_exposed,
    chroma,
    hue_difference,
    linear,
    lost,
    measure,
    noise_ratio,
    pairs_of,
    table,
    with_noise,
)
from tests.reference.scenes import write_scene


def grey(*levels):
    return tuple(np.full((2, 2, 3), level, np.uint8) for level in levels)


def of(under, over):
    """Exposures of one pixel each."""
    return np.array([[under]], np.uint8), np.array([[over]], np.uint8)


def scene_of(*levels):
    return Scene(name="made up", exposures=grey(*levels))


def test_pairs_are_all_that_differ_by_25_levels_and_are_grouped_by_how_far_they_are_apart():
    assert pairs_of(scene_of(0, 24, 49)) == [(0, 2, 1), (1, 2, 0)]
    every = pairs_of(scene_of(0, 50, 100, 150, 200))
    assert len(every) == 10
    assert all(group == j - i - 1 for i, j, group in every)
    # Seven exposures are 1 EV apart where five are 2: two of them are a step.
    seven = {(i, j): group for i, j, group in pairs_of(scene_of(*range(0, 210, 30)))}
    assert [seven[0, j] for j in range(1, 7)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("under", "over", "fused", "expected"),
    [
        ((3, 3, 3), (90, 90, 90), (5, 5, 5), True),
        ((3, 3, 3), (90, 90, 90), (6, 5, 5), False),
        ((90, 90, 90), (255, 255, 255), (250, 250, 250), True),
        ((90, 90, 90), (255, 255, 255), (250, 249, 250), False),
        ((3, 3, 3), (255, 255, 255), (255, 255, 255), False),
        ((30, 30, 30), (230, 230, 230), (0, 0, 0), False),
    ],
)
def test_lost_is_black_or_white_although_an_exposure_shows_it(under, over, fused, expected):
    assert lost(of(under, over), np.array([[fused]], np.uint8)).tolist() == [[expected]]


def test_each_pixel_is_taken_from_where_it_is_nearer_to_the_middle():
    assert better_exposed(*of((10, 10, 10), (200, 190, 180))).tolist() == [[[200, 190, 180]]]
    assert better_exposed(*of((80, 90, 70), (250, 250, 250))).tolist() == [[[80, 90, 70]]]


def test_chroma_is_that_of_known_colours():
    assert chroma(np.array([[[120, 120, 120], [255, 255, 255]]], np.uint8)).max() < 0.1
    assert chroma(np.array([[[0, 0, 255]]], np.uint8))[0, 0] == pytest.approx(133.8, abs=0.1)


def test_noise_is_that_of_the_electrons_counted():
    picture = np.full((400, 400, 3), 188, np.uint8)  # half of white's light
    light = linear(picture)[0, 0, 0]
    assert light == pytest.approx(0.5, abs=0.005)
    drawn = linear(with_noise(picture))
    assert drawn.mean() == pytest.approx(light, rel=0.005)
    assert drawn.std() == pytest.approx(np.sqrt(light * 2000 + 16) / 2000, rel=0.02)


def test_noise_ratio_is_of_the_places_that_the_brighter_exposure_shows_well():
    rng = np.random.default_rng(0)
    over = np.full((100, 100, 3), 120, np.uint8)
    over[:50] = 250
    noise = rng.integers(-3, 4, over.shape)
    noisy = (over + noise).clip(0, 255).astype(np.uint8)
    fused = np.full_like(over, 100)
    noisy_fused = (fused + 2 * noise).astype(np.uint8)
    noisy_fused[:50] = 0  # not looked at
    assert noise_ratio(over, noisy, fused, noisy_fused) == pytest.approx(2)
    assert noise_ratio(np.full_like(over, 255), noisy, fused, noisy_fused) is None


def test_a_fusion_is_measured_on_every_pair():
    rng = np.random.default_rng(0)
    light = rng.uniform(0.05, 0.9, (64, 64, 1)).repeat(3, axis=2)
    stack = tuple(np.rint(np.clip(light * gain, 0, 1) * 255).astype(np.uint8) for gain in (0.25, 1, 4))
    found = measure(Scene(name="s", exposures=stack), lambda under, over: under)
    assert [pair.group for pair in found] == [0, 1, 0]
    assert found[0].mef_ssim == mef_ssim(stack[:2], stack[0])
    assert found[0].noise > 0
    assert (found[0].neutral, found[0].chroma) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=1))


def test_the_difference_of_hue_is_none_between_colours_of_one_hue_and_chroma_between_opposite_ones():
    pale, vivid = (np.array([[colour]], np.uint8) for colour in ((150, 100, 100), (100, 150, 149)))
    assert hue_difference(pale, pale)[0, 0] == pytest.approx(0, abs=1e-4)
    # Opposite hues: the difference is twice the geometric mean of their chromas.
    between = 2 * np.sqrt(chroma(pale) * chroma(vivid))
    assert hue_difference(pale, vivid)[0, 0] == pytest.approx(between[0, 0], rel=0.01)


def test_the_table_has_means_and_the_worst():
    found = [
        PairScores(group=0, mef_ssim=0.9, lost=0.0, neutral=1.0, chroma=0.8, hue=1.0, noise=1.0),
        PairScores(group=0, mef_ssim=0.8, lost=0.02, neutral=None, chroma=1.0, hue=2.0, noise=None),
        PairScores(group=3, mef_ssim=0.95, lost=0.01, neutral=2.0, chroma=1.2, hue=4.5, noise=2.0),
    ]
    header, row = table({"some": found}).splitlines()
    assert header.split()[:2] == ["neighbours", "2"]
    expected = "some 0.8500 - - 0.9500 0.8833 0.8500 1.000% 2.00% 1.500 1.000 2.500 1.500"
    assert row.split() == expected.split()


def test_validate_prints_a_line_for_each_of_the_weights_and_methods(tmp_path, capsys):
    for name in VALIDATION:
        write_scene(tmp_path / name, height=48, width=48)
    arguments = ["validate", "--data", str(tmp_path), "--weights"]
    assert main([*arguments, "tonefuse", "mertens"]) == 0
    said, _, *rows = capsys.readouterr().out.splitlines()
    assert said.endswith(" pairs of 15 scenes")
    assert [row.split()[0] for row in rows] == ["tonefuse", "mertens"]
    assert main([*arguments, "mertens", "--scenes", "empa/Cafe,cwz/building1"]) == 0
    assert " pairs of 2 scenes" in capsys.readouterr().out


def test_validate_says_which_scenes_are_missing(tmp_path, capsys):
    write_scene(tmp_path / VALIDATION[0])
    arguments = ["validate", "--data", str(tmp_path)]
    assert main(arguments) == 2
    assert "--data: 1 scenes for validation in it, expected 15" in capsys.readouterr().err
    assert main([*arguments, "--scenes", "empa/Cafe"]) == 2
    assert "--scenes: no scene is called empa/Cafe" in capsys.readouterr().err
