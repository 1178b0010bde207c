"""Hostile input: one clear line, exit status 2, nothing left behind, and no more than two gigabytes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.corpus import ABSURD, PICTURES, WEIGHTS
from tests.hostile.situations import SITUATIONS, write_pair

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and limits of the system")

MOST_BYTES = 2 << 30


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of every file, tried one after the other in one process."""
    folder = tmp_path_factory.mktemp("corpus")
    command = [sys.executable, "-m", "tests.hostile.corpus", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""  # what decoders print past Python
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def outcome(outcomes, name):
    if name not in outcomes:
        pytest.skip("an extra is missing")
    found = outcomes[name]
    assert found["peak"] < MOST_BYTES
    assert "Traceback" not in found["told"]
    return found


@pytest.mark.parametrize("name", [*PICTURES, *WEIGHTS])
def test_a_hostile_file_costs_one_line_and_leaves_nothing(outcomes, name):
    found = outcome(outcomes, name)
    if found["status"] == 0:  # the pixels that count are there, and what follows them is not looked at
        assert name == "inflating.png"
        return
    assert found["status"] == 2
    assert found["left"] == []
    assert re.fullmatch(r"npfuse: [^\n]{1,700}\n", found["told"]), found["told"]
    assert found["told"].strip().isprintable()
    if name not in WEIGHTS or not name.endswith(".h5"):
        needs_extra = "pip install" in found["told"]
        assert needs_extra or re.search(found["expected"], found["told"]), found["told"]


@pytest.mark.parametrize("name", [*ABSURD])
def test_what_is_only_strange_is_fused(outcomes, name):
    found = outcome(outcomes, name)
    assert (found["status"], found["told"], found["left"]) == (0, "", ["fused.png"])


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.given)
def test_a_situation_ends_as_it_is_to_end(tmp_path, situation):
    write_pair(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ("a.png", "b.png")}
    status, told = situation.act(tmp_path)
    assert status == situation.status, told
    assert re.fullmatch(rf"npfuse: [^\n]*{situation.told}[^\n]*\n" if situation.told else "", told), told
    left = {path.name for path in tmp_path.iterdir()} - before.keys()
    assert left == {*situation.left}
    if status:
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
        assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 65535, 3), (65535, 1, 3), (1, 1)])
def test_extreme_shapes_stay_what_they_are(tmp_path, monkeypatch, shape):
    from npfuse.cli import main
    from npfuse.pictures.reading import read_picture

    monkeypatch.chdir(tmp_path)
    write_pair(tmp_path, shape)
    for output in ("c.png", "c.tif"):
        assert main(["fuse", "a.png", "b.png", "-o", output, "--no-check"]) == 0
        assert read_picture(output).pixels.shape == shape
