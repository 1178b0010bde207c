"""The command `npfuse batch`."""

from pathlib import Path

import pytest

from npfuse.cli import main
from npfuse.pictures.reading import read_picture
from tests.pairs.test_batch import write_pairs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "in", 3)
    return tmp_path


def batch(*arguments):
    return main(["batch", "in", "-o", "out", "--weights", "in/small.npz", "--no-check", *arguments])


def test_batch_fuses_and_a_second_run_finds_all_done(folder, capsys):
    assert batch() == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "[1/3] p0: fused", "[2/3] p1: fused", "[3/3] p2: fused", "3 fused, 0 there already, 0 failed"
    ]  # fmt: skip
    (folder / "out" / "p1.png").unlink()
    assert batch() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 fused, 2 there already, 0 failed"


def test_bad_pairs_are_listed_with_status_1(folder, capsys):
    (folder / "in" / "p0_under.png").write_bytes(b"")
    (folder / "in" / "alone_under.png").write_bytes(b"")
    assert batch("--format", "tif", "--jobs", "2") == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "2 fused, 0 there already, 1 failed"
    assert f"npfuse: {Path('in', 'alone_under.png')}: in no set: neither its file nor its name tells an exposure" in err
    assert "p0_under.png: is empty" in err
    assert read_picture("out/p2.tif").pixels.shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs is 0, expected at least 1"),
        (["--weights", "nothing"], "weights 'nothing'"),
        (["--quality", "0"], "--quality is 0"),
        (["--pattern", "a", "b"], "--pattern is 'a', expected {name} in it once"),
    ],
)
def test_what_is_wrong_for_all_is_told_before_anything_is_made(folder, capsys, arguments, message):
    assert batch(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_a_dry_run_prints_the_sets_and_makes_nothing(folder, capsys):
    (folder / "in" / "alone.png").write_bytes(b"")
    assert batch("--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "set  frames  by    files",
        "p0   2       name  p0_under.png p0_over.png",
        "p1   2       name  p1_under.png p1_over.png",
        "p2   2       name  p2_under.png p2_over.png",
        "3 sets, 6 files",
        "in no set: 1 files",
        f"  {Path('in', 'alone.png')}: neither its file nor its name tells an exposure",
    ]
    assert not (folder / "out").exists()


def test_a_folder_without_sets_is_refused_with_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert main(["batch", "in", "-o", "out"]) == 2
    assert "in: holds no sets; say how many files make a set with --count" in capsys.readouterr().err
