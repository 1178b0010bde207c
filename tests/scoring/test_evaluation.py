"""Evaluation: scores are the metrics' own, results are kept and taken again, failures do not stop the rest."""

import csv
import io
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.scoring.evaluation import Settings, candidates, evaluate, kept, kept_path, leave_scenes_out, trained_on
from npfuse.scoring.metrics import mef_ssim, psnr, ssim
from npfuse.scoring.scenes import find_scenes, read_scene
from npfuse.weights.npz_files import save_weights
from tests.networks import random_weights


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """Two scenes that can be scored, one of three exposures without a label, and one with a damaged picture."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    radiance = rng.random((50, 60, 3))
    for name, gains in {"one": (0.3, 1.5), "two": (0.4, 0.8, 1.6), "broken": (0.3, 1.5)}.items():
        for i, gain in enumerate(gains, 1):
            exposure = (np.clip(radiance * gain, 0, 1) * 255).astype(np.uint8)
            (tmp_path / "scenes" / name).mkdir(parents=True, exist_ok=True)
            write_picture(tmp_path / "scenes" / name / f"exposure_{i:02d}.png", Picture(pixels=exposure))
    label = (radiance * 255).astype(np.uint8)
    write_picture(tmp_path / "scenes" / "one" / "label.png", Picture(pixels=label))
    (tmp_path / "scenes" / "broken" / "exposure_01.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return tmp_path / "scenes"


def run(capsys, *arguments, status=1):
    assert main(["evaluate", "scenes", "--methods", "mertens", *arguments]) == status
    return capsys.readouterr().out


def test_scores_are_those_of_the_metrics_for_the_fused_picture(scenes):
    files = {scene.name: scene for scene in find_scenes(scenes)}
    (mertens,) = candidates([], ["mertens"])
    scene = read_scene(files["one"])
    result, fused = evaluate(scene, mertens, Settings())
    under, over = scene.exposures
    np.testing.assert_array_equal(fused, npfuse.fuse(under, over, method="mertens"))
    assert (result.psnr, result.ssim) == (psnr(scene.label, fused), ssim(scene.label, fused))
    assert result.mef_ssim == mef_ssim([under, over], fused)
    assert (result.height, result.width) == (50, 60)
    scene = read_scene(files["two"])
    result, fused = evaluate(scene, mertens, Settings(all_exposures=True))
    np.testing.assert_array_equal(fused, npfuse.fuse_stack(scene.exposures, method="mertens"))
    assert result.psnr is None
    assert result.mef_ssim == mef_ssim(scene.exposures, fused)


def test_a_table_has_a_row_a_method_and_names_what_failed(scenes, capsys, monkeypatch):
    monkeypatch.setattr("npfuse.scoring.evaluation.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    save_weights("mine.npz", random_weights())
    out = run(capsys, "--weights", "mine.npz", "--pictures")
    lines = out.splitlines()
    assert lines[3].split()[:3] == ["Mertens", "2009", "2"]
    assert lines[2].split()[:3] == ["LightFuse", "(random)", "2"]
    for told in (
        "exposures: the darkest and the brightest exposure by mean",
        "size: as in the files, nothing resampled",
        "pictures (height x width): 50x60",
        "failed: broken: scenes/broken/exposure_01.png: ",
        "DeepFuse is left out: no weights ship; the authors' DF_model_Epoch99.npz is at",
        "19.35           0.857",
        "elsewhere: measured with the authors' published weights of LightFuse and with OpenCV",
        "? not known whether these are test scores: LightFuse (random), no word in their source whether they were "
        "trained on scenes of the folder 'scenes'",
    ):
        assert told in out
    assert out.count("left out") == 1  # not those that were not asked for
    (picture,) = (scenes.parent / "npfuse-evaluation").glob("mertens-*/one.png")
    under, over = (read_picture(scenes / "one" / f"exposure_0{i}.png").pixels for i in (1, 2))
    np.testing.assert_array_equal(read_picture(picture).pixels, npfuse.fuse(under, over, method="mertens"))


def test_csv_json_and_markdown_tell_the_same(scenes, capsys):
    assert main(["evaluate", "scenes", "--methods", "mertens", "--format", "csv"]) == 1
    out, told = capsys.readouterr()
    (header, row) = csv.reader(io.StringIO(out))
    found = json.loads(run(capsys, "--format", "json"))
    markdown = run(capsys, "--format", "markdown").splitlines()
    assert header[:6] == ["method", "scenes", "trained on", "PSNR dB", "SSIM", "MEF-SSIM"]
    assert told.splitlines() == found["notes"]
    assert "exposures: the darkest and the brightest exposure by mean; MEF-SSIM against those" in told
    assert row[:2] == ["Mertens 2009", "2"]
    assert f"{found['rows'][0]['psnr']:.2f}" == row[3]
    of_scenes = found["methods"][0]["scenes"]
    assert set(of_scenes) == {"one", "two"}
    mean = (of_scenes["one"]["mef_ssim"] + of_scenes["two"]["mef_ssim"]) / 2
    assert found["rows"][0]["mef_ssim"] == pytest.approx(mean)
    assert found["rows"][0]["psnr"] == of_scenes["one"]["psnr"]  # the other has no label
    assert [cell.strip() for cell in markdown[2].strip("|").split("|")] == row


def test_tables_and_single_results_are_written_beside_what_is_kept(scenes, capsys):
    markdown = run(capsys, "--format", "markdown")
    written = {path.name: path.read_text() for path in (scenes.parent / "npfuse-evaluation").glob("*.*")}
    assert set(written) == {"table.md", "table.csv", "table.json", "scenes.csv"}
    assert written["table.md"] == markdown
    assert written["table.csv"] == run(capsys, "--format", "csv")
    assert written["table.json"] == run(capsys, "--format", "json")
    header, *lines = csv.reader(io.StringIO(written["scenes.csv"]))
    assert header == ["method", "scene", "trained on", "psnr", "ssim", "mef_ssim", "seconds", "height", "width"]
    assert [line[:3] for line in lines] == [["Mertens 2009", scene, "no"] for scene in ("one", "two")]
    of_scenes = json.loads(written["table.json"])["methods"][0]["scenes"]
    assert [float(line[5]) for line in lines] == [of_scenes[scene]["mef_ssim"] for scene in ("one", "two")]


def test_results_are_kept_and_taken_again_until_something_changes(scenes, capsys, monkeypatch):
    before = run(capsys)
    monkeypatch.setattr("npfuse.commands.evaluate.evaluate", lambda *_: pytest.fail("scored again"))
    assert run(capsys) == before
    (mertens,) = candidates([], ["mertens"])
    files = find_scenes(scenes)[1]
    path = kept_path(scenes.parent / "npfuse-evaluation", "one", mertens)
    assert kept(path, Settings(), files) is not None
    assert kept(path, Settings(long_side=45), files) is None
    first = files.exposures[0].stat()
    os.utime(files.exposures[0], ns=(first.st_atime_ns, first.st_mtime_ns + 1))
    assert kept(path, Settings(), files) is None
    path.write_text("{}")
    assert kept(path, Settings(), files) is None
    path.write_text("[" * 10_000)
    assert kept(path, Settings(), files) is None


def test_another_folders_scene_of_the_same_name_is_scored_anew(scenes, capsys):
    run(capsys)
    shutil.copytree(scenes / "two", scenes.parent / "others" / "one")
    assert main(["evaluate", "others", "--methods", "mertens", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["methods"][0]["scenes"]
    assert found["one"]["psnr"] is None  # it has no label, unlike the first folder's


def test_an_evaluation_that_was_interrupted_goes_on(scenes, capsys, monkeypatch):
    def interrupted(scene, candidate, settings):
        if scene.name == "two":
            raise KeyboardInterrupt
        return evaluate(scene, candidate, settings)

    monkeypatch.setattr("npfuse.commands.evaluate.evaluate", interrupted)
    assert main(["evaluate", "scenes", "--methods", "mertens"]) == 130
    scored = []

    def counted(scene, candidate, settings):
        scored.append(scene.name)
        return evaluate(scene, candidate, settings)

    monkeypatch.setattr("npfuse.commands.evaluate.evaluate", counted)
    run(capsys)
    assert scored == ["two"]


def test_only_the_scenes_that_are_asked_for_are_scored(scenes, capsys):
    run(capsys, "--scenes", "two", status=0)
    assert main(["evaluate", "scenes", "--scenes", "three", "one"]) == 2
    assert "--scenes: no scene named three, expected of broken, one, two" in capsys.readouterr().err


def test_weights_of_one_model_are_kept_apart():
    first, second = (candidates([], ["lightfuse"])[0], candidates([], ["tonefuse"])[0])
    assert first.digest("") != second.digest("")
    assert first.digest("") == candidates([], ["lightfuse"])[0].digest("")
    assert first.digest("") != replace(first, weights=replace(first.weights, margin=0)).digest("")


def test_trained_on_is_what_the_weights_say(scenes):
    (t_cnn,) = candidates([], ["t_cnn"])
    assert trained_on(t_cnn, "sice", ["001", "006", "010", "011"]) == {"001", "011"}
    assert trained_on(t_cnn, "elsewhere", ["001"]) is None
    assert trained_on(candidates([], ["mertens"])[0], "sice", ["001"]) == set()
    save_weights("mine.npz", random_weights())
    assert trained_on(candidates(["mine.npz"], [])[0], "sice", ["001"]) is None
    several = "Data: 9 scenes of the folder first and of second, any pair; held out: b.\nRecipe: none."
    save_weights("mine.npz", replace(random_weights(), source=several), overwrite=True)
    (mine,) = candidates(["mine.npz"], [])
    assert trained_on(mine, "first", ["a", "b"]) == trained_on(mine, "second", ["a", "b"]) == {"a"}
    assert trained_on(mine, "third", ["a"]) is None


def fold(name, held_out, model="lightfuse"):
    """Write random weights that say what they were trained without."""
    seed = sum(map(ord, name))
    weights = random_weights(model, seed=seed)
    source = f"Data: 2 scenes of the folder scenes, all exposures; held out: {held_out}.\nRecipe: none."
    save_weights(f"{name}.npz", replace(weights, source=source, name=name))
    return f"{name}.npz"


def test_each_scene_is_scored_by_the_fold_that_was_not_trained_on_it(scenes, capsys):
    files = [fold("first", "one"), fold("second", "two, broken")]
    names = ["broken", "one", "two"]
    candidate = leave_scenes_out(files, "scenes", names)
    assert trained_on(candidate, "scenes", names) == set()
    assert [candidate.weights_of(name).label for name in names] == ["second", "first", "second"]
    for name in ("one", "two"):
        scene = read_scene(next(scene for scene in find_scenes(scenes) if scene.name == name))
        _, fused = evaluate(scene, candidate, Settings())
        pair = scene.exposures[0], scene.exposures[-1]
        np.testing.assert_array_equal(fused, npfuse.fuse(*pair, candidate.weights_of(name), order="given"))
    out = run(capsys, "--folds", *files)
    assert "LightFuse, leave-scenes-out       2           0 " in out
    assert "trained on it: one by first; broken, two by second" in out
    first = candidates(["first.npz"], [])[0]
    folder = scenes.parent / "npfuse-evaluation"
    assert kept_path(folder, "one", candidate) == kept_path(folder, "one", first)
    assert kept_path(folder, "two", candidate) != kept_path(folder, "two", first)


def test_folds_that_leave_no_scene_out_are_refused(scenes, capsys):
    save_weights("silent.npz", random_weights())
    first = fold("first", "one")
    for files, message in (
        ([first], "--folds: all of the weights were trained on broken, two, expected some that were not"),
        ([first, "silent.npz"], "--folds: the source of random does not say which scenes of the folder scenes it was"),
        ([first, fold("other", "two", "t_cnn")], "--folds: the weights are for lightfuse, t_cnn, expected one method"),
    ):
        assert main(["evaluate", "scenes", "--folds", *files]) == 2
        assert message in capsys.readouterr().err


def test_scenes_that_were_trained_on_are_marked_and_the_others_have_a_row(scenes, capsys):
    scenes.rename(scenes.parent / "sice")
    (scenes.parent / "sice" / "one").rename(scenes.parent / "sice" / "006")
    assert main(["evaluate", "sice", "--methods", "t_cnn"]) == 1
    out = capsys.readouterr().out
    rows = [line.split()[:4] for line in out.splitlines()[2:4]]
    assert rows[0] == ["T_CNN", "*", "2", "1"]
    assert rows[1] == ["T_CNN,", "held-out", "scenes", "1"]
    assert "* no test score: T_CNN, trained on 2 of these 3 scenes: broken, two" in out


def test_evaluate_refuses_what_it_cannot_do(scenes, capsys, monkeypatch):
    monkeypatch.setattr("npfuse.choices.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    monkeypatch.setattr("npfuse.scoring.evaluation.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    for arguments, message in (
        (["nowhere"], "nowhere: no such folder"),
        (["scenes", "--long-side", "43"], "--long-side is 43, expected at least 44"),
        (["scenes", "--methods", "deepfuse"], "no weights of DeepFuse ship with npfuse"),
        (["scenes", "--weights", "missing.npz"], "weights 'missing.npz': No such file"),
    ):
        assert main(["evaluate", *arguments]) == 2
        assert message in capsys.readouterr().err
