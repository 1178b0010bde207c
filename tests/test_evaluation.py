"""Evaluation: scores are the metrics' own, results are kept and taken again, failures do not stop the rest."""

import csv
import io
import json

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.evaluation import Settings, candidates, evaluate, kept, kept_path, trained_on
from npfuse.images import Picture, read_picture, write_picture
from npfuse.metrics import mef_ssim, psnr, ssim
from npfuse.scenes import find_scenes, read_scene
from npfuse.weights import save_weights
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


def test_a_table_has_a_row_a_method_and_names_what_failed(scenes, capsys):
    save_weights("mine.npz", random_weights())
    out = run(capsys, "--weights", "mine.npz", "--pictures")
    lines = out.splitlines()
    assert lines[2].split()[:3] == ["Mertens", "2009", "2"]
    assert lines[3].split()[:3] == ["LightFuse", "(random)", "2"]
    for told in (
        "exposures: the darkest and the brightest exposure by mean",
        "size: as in the files, nothing resampled",
        "pictures (height x width): 50x60",
        "failed: broken: scenes/broken/exposure_01.png: ",
        "DeepFuse is left out: no weights ship; the authors' DF_model_Epoch99.npz is at",
        "19.35           0.857",
    ):
        assert told in out
    (picture,) = (scenes.parent / "npfuse-evaluation").glob("mertens-*/one.png")
    under, over = (read_picture(scenes / "one" / f"exposure_0{i}.png").pixels for i in (1, 2))
    np.testing.assert_array_equal(read_picture(picture).pixels, npfuse.fuse(under, over, method="mertens"))


def test_csv_json_and_markdown_tell_the_same(scenes, capsys):
    (header, row) = csv.reader(io.StringIO(run(capsys, "--format", "csv")))
    found = json.loads(run(capsys, "--format", "json"))
    markdown = run(capsys, "--format", "markdown").splitlines()
    assert header[:5] == ["method", "scenes", "PSNR dB", "SSIM", "MEF-SSIM"]
    assert row[:2] == ["Mertens 2009", "2"]
    assert f"{found['rows'][0]['psnr']:.2f}" == row[2]
    of_scenes = found["methods"][0]["scenes"]
    assert set(of_scenes) == {"one", "two"}
    mean = (of_scenes["one"]["mef_ssim"] + of_scenes["two"]["mef_ssim"]) / 2
    assert found["rows"][0]["mef_ssim"] == pytest.approx(mean)
    assert found["rows"][0]["psnr"] == of_scenes["one"]["psnr"]  # the other has no label
    assert [cell.strip() for cell in markdown[2].strip("|").split("|")] == row


def test_results_are_kept_and_taken_again_until_something_changes(scenes, capsys, monkeypatch):
    before = run(capsys)
    monkeypatch.setattr("npfuse.commands.evaluate.evaluate", lambda *_: pytest.fail("scored again"))
    assert run(capsys) == before
    (mertens,) = candidates([], ["mertens"])
    path = kept_path(scenes.parent / "npfuse-evaluation", "one", mertens)
    assert kept(path, Settings()) is not None
    assert kept(path, Settings(long_side=45)) is None
    path.write_text("{}")
    assert kept(path, Settings()) is None
    path.write_text("[" * 10_000)
    assert kept(path, Settings()) is None


def test_weights_of_one_model_are_kept_apart():
    first, second = (candidates([], ["lightfuse"])[0], candidates([], ["tonefuse"])[0])
    assert first.digest != second.digest
    assert first.digest == candidates([], ["lightfuse"])[0].digest


def test_trained_on_is_what_the_weights_say(scenes):
    (mefnet,) = candidates([], ["mefnet"])
    assert trained_on(mefnet, "sice", ["001", "006", "010", "011"]) == {"001", "011"}
    assert trained_on(mefnet, "elsewhere", ["001"]) == set()
    assert trained_on(candidates([], ["mertens"])[0], "sice", ["001"]) == set()


def test_scenes_that_were_trained_on_are_marked_and_the_others_have_a_row(scenes, capsys):
    scenes.rename(scenes.parent / "sice")
    (scenes.parent / "sice" / "one").rename(scenes.parent / "sice" / "006")
    assert main(["evaluate", "sice", "--methods", "mefnet"]) == 1
    out = capsys.readouterr().out
    rows = [line.split()[:4] for line in out.splitlines()[2:4]]
    assert rows[0][:3] == ["MEF-Net", "*", "2"]
    assert rows[1] == ["MEF-Net,", "held-out", "scenes", "1"]
    assert "* MEF-Net: trained on 2 of these 3 scenes, as the weights say: broken, two" in out


def test_evaluate_refuses_what_it_cannot_do(scenes, capsys, monkeypatch):
    monkeypatch.setattr("npfuse.fusion.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    monkeypatch.setattr("npfuse.evaluation.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    for arguments, message in (
        (["nowhere"], "nowhere: no such folder"),
        (["scenes", "--long-side", "43"], "--long-side is 43, expected at least 44"),
        (["scenes", "--methods", "deepfuse"], "no weights of DeepFuse ship with npfuse"),
        (["scenes", "--weights", "missing.npz"], "weights 'missing.npz': No such file"),
    ):
        assert main(["evaluate", *arguments]) == 2
        assert message in capsys.readouterr().err
