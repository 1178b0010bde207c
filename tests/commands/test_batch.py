"""The command `npfuse batch`."""

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
    assert out.splitlines()[-1] == "2 fused, 0 there already, 2 failed"
    assert "npfuse: alone: its files are alone_under.png, expected one of each" in err
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
