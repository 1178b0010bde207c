"""The benchmark of whole commands: what a process spends, and rows for one checkout."""

from pathlib import Path

import numpy as np
import pytest

from bench import command_time
from npfuse.pictures.picture import Picture
from npfuse.pictures.writing import write_picture

ROOT = Path(__file__).parents[2]


def test_a_process_s_time_is_counted():
    spent = command_time.spend(["-c", "print(sum(range(2_000_000)))"], ROOT, {})
    assert spent.said == f"{sum(range(2_000_000))}\n"
    assert 0 < spent.processor < 60
    assert spent.wall > 0


def test_a_command_that_fails_is_not_timed():
    with pytest.raises(RuntimeError, match="ended with status 2"):
        command_time.spend(["-c", "import sys; sys.exit(2)"], ROOT, {})


def test_rows_of_one_round(tmp_path, monkeypatch, capsys):
    pair = [tmp_path / "under.jpg", tmp_path / "over.jpg"]
    for path, level in zip(pair, (40, 190), strict=True):
        write_picture(path, Picture(pixels=np.full((80, 120, 3), level, np.uint8)))
    monkeypatch.setattr(command_time, "commands", lambda *files: {"nothing": ["-c", "pass"]})
    assert command_time.main([*map(str, pair), "--rounds", "1"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row[:30].strip() for row in rows] == ["decoding both files", "fusing, one thread", "encoding", "nothing"]
