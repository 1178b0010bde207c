"""python -m reference score: the table, the folds, the sheet, and mistakes in one line."""

import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras")

from npfuse import fuse
from npfuse.pictures.reading import read_picture
from npfuse.scoring.evaluation import leave_scenes_out
from npfuse.scoring.metrics import blockiness, mef_ssim, psnr, ssim
from npfuse.weights.loading import load_weights
from npfuse.weights.npz_files import save_weights
from reference.__main__ import main
from reference.recipes import RECIPES
from reference.scenes import read_scene
from tests.networks import random_weights
from tests.reference.scenes import write_scene


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    for seed, name in enumerate("ab"):
        write_scene(tmp_path / "scenes" / name, height=48, width=56, seed=seed)
    for seed, name in enumerate(("first", "second")):
        save_weights(f"{name}.npz", random_weights(seed=seed))
    return tmp_path


def numbers(out):
    """Return the numbers of every row of scores, in order."""
    rows = [line.split() for line in out.splitlines() if line.startswith(("a ", "b ", "mean "))]
    return [(row[0], *map(float, row[1:])) for row in rows]


def test_score_prints_every_metric_of_every_scene_and_the_mean(folder, capsys):
    assert main(["score", "--data", "scenes", "--weights", "first.npz"]) == 0
    out = capsys.readouterr().out
    rows = numbers(out)
    assert [row[0] for row in rows] == ["a", "b", "mean"]
    for name, *actual in rows[:2]:
        scene = read_scene(folder / "scenes" / name)
        fused = fuse(scene.under, scene.over, "first.npz", order="given")
        lumas = [picture / 255 @ np.array([[0.299], [0.587], [0.114]]) for picture in (scene.label, fused)]
        expected = psnr(scene.label, fused), ssim(scene.label, fused), ssim(*lumas)
        expected += mef_ssim([scene.under, scene.over], fused), blockiness(fused)
        shifted = (np.ascontiguousarray(picture[4:, 4:]) for picture in (scene.under, scene.over))
        expected += (blockiness(fuse(*shifted, "first.npz", order="given"), besides=4),)
        assert actual == pytest.approx(expected, abs=0.0051)
    assert rows[2][1:] == pytest.approx(np.mean([row[1:] for row in rows[:2]], axis=0), abs=0.011)
    assert "Mertens 2009 is left out: OpenCV is not installed" in out


def test_score_of_folds_takes_each_scene_from_the_weights_that_never_saw_it(folder, capsys):
    both = ["--weights", "first.npz", "second.npz"]
    assert main(["score", "--data", "scenes", *both]) == 0
    (a1, _, _, _, b2, _) = numbers(capsys.readouterr().out)
    assert main(["score", "--data", "scenes", *both, "--folds", "a", "b"]) == 0
    out = capsys.readouterr().out
    assert numbers(out)[:2] == [a1, b2]
    assert "leave-scenes-out" in out


def test_score_trains_the_folds_by_a_recipe_once_a_seed(folder, capsys, monkeypatch):
    tiny = {"hidden": (4,), "patch": 16, "batch": 2, "epochs": 1, "steps": 1, "loss": "plain"}
    monkeypatch.setitem(RECIPES, "tonefuse", replace(RECIPES["tonefuse"], **tiny))
    command = ["score", "--data", "scenes", "--folds", "a", "b"]
    assert main([*command, "--recipe", "tonefuse", "--seeds", "1", "2", "--out", "kept"]) == 0
    out = capsys.readouterr().out
    assert "tonefuse, leave-scenes-out, seed 1\n" in out
    assert "leave-scenes-out, 2 seeds\n" in out
    rows = numbers(out)
    kept = [f"kept/seed2-fold{n}.npz" for n in (1, 2)]
    source = load_weights(kept[0]).source
    assert "Data: 1 scenes of the folder scenes, for a leave-scenes-out; held out: a." in source
    assert "model tonefuse, seed 2." in source
    folds = leave_scenes_out(kept, "scenes", ["a", "b"]).folds  # `npfuse evaluate --folds` understands them
    assert {scene: weights.label for scene, weights in folds.items()} == {"a": "seed2-fold1", "b": "seed2-fold2"}
    assert main([*command, "--weights", *kept]) == 0
    assert numbers(capsys.readouterr().out) == rows[3:6]
    spread = [float(value) for value in out.split("spread")[1].split("\n")[0].split()]
    first, second = rows[2][1:], rows[5][1:]
    assert spread == pytest.approx([abs(a - b) / np.sqrt(2) for a, b in zip(first, second, strict=True)], abs=0.011)


def test_score_puts_mertens_beside_where_opencv_is_installed(folder, capsys, monkeypatch):
    monkeypatch.undo()
    pytest.importorskip("cv2")
    assert main(["score", "--data", str(folder / "scenes"), "--weights", str(folder / "first.npz")]) == 0
    out = capsys.readouterr().out
    assert "Mertens 2009\n" in out
    assert len(numbers(out)) == 6


def test_score_writes_a_sheet_with_the_label_and_overwrites_it_only_where_forced(folder, capsys):
    command = ["score", "--data", "scenes", "--weights", "first.npz", "--sheet", "sheet.png"]
    assert main(command) == 0
    height, width, _ = read_picture("sheet.png").pixels.shape
    assert height > 2 * 48
    assert width > 4 * 56
    capsys.readouterr()
    assert main(command) == 2
    assert "sheet.png: exists already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "a", "b"], "--folds: 2 folds, expected 1, one for each of --weights"),
        (["--folds", "a,a"], "--folds: scenes are a, a, expected some of a, b, each once at most"),
        (["--recipe", "tonefuse"], "--recipe: trains the weights of --folds, expected --folds and no --weights"),
        (["--weights", "nothing"], "weights 'nothing'"),
        (["--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_score_says_in_one_line_what_is_wrong(folder, capsys, options, message):
    assert main(["score", "--data", "scenes", "--weights", "first.npz", *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
