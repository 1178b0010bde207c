"""Hostile input: one clear line, exit status 2, nothing left behind, and no more than two gigabytes."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from npfuse.images import Picture, write_picture
from tests.hostile.corpus import ABSURD, PICTURES, WEIGHTS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and limits of the system")

MOST_BYTES = 2 << 30


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of every file, tried one after the other in one process."""
    folder = tmp_path_factory.mktemp("corpus")
    command = [sys.executable, "-m", "tests.hostile.corpus", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
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


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 65535, 3), (65535, 1, 3), (1, 1)])
def test_extreme_shapes_are_fused(tmp_path, monkeypatch, shape):
    from npfuse.cli import main
    from npfuse.images import read_picture

    monkeypatch.chdir(tmp_path)
    for name, level in (("a.png", 30), ("b.png", 200)):
        write_picture(name, Picture(pixels=np.full(shape, level, np.uint8)))
    for output in ("c.png", "c.tif"):
        assert main(["fuse", "a.png", "b.png", "-o", output]) == 0
        assert read_picture(output).pixels.shape == shape


FULL_DISK = """
    import resource, signal, sys
    from npfuse.cli import main

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    main(["check", "a.png", "b.png"])
    import npfuse
    import numpy as np
    npfuse.fuse(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))  # compiled code is kept in files
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    sys.exit(main(["fuse", "a.png", "b.png", "-o", sys.argv[1], "--no-check"]))
"""


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    for name, low in (("a.png", 0), ("b.png", 100)):
        write_picture(tmp_path / name, Picture(pixels=rng.integers(low, low + 100, (400, 500, 3), np.uint8)))
    return tmp_path


@pytest.mark.parametrize("output", ["out.png", "out.tif", "out.npy", "out.jpg"])
def test_a_full_disk_is_told_and_nothing_is_left(pair, output):
    code = textwrap.dedent(FULL_DISK)
    done = subprocess.run([sys.executable, "-c", code, output], capture_output=True, text=True, cwd=pair, timeout=300)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf"npfuse: {output}: cannot be written \([^\n]*\); nothing was changed\n", done.stderr)
    assert sorted(os.listdir(pair)) == ["a.png", "b.png"]


INTERRUPTED = """
    import sys
    import npfuse.file_fusion
    from npfuse.cli import main

    fuse_stack = npfuse.file_fusion.fuse_stack

    def fuse_for_ever(*arguments, **options):
        print("fusing", flush=True)
        while True:
            fuse_stack(*arguments, **options)

    npfuse.file_fusion.fuse_stack = fuse_for_ever
    sys.exit(main(["fuse", "a.png", "b.png", "-o", "out.png", "--no-check"]))
"""


def test_ctrl_c_ends_it_with_status_130_and_leaves_nothing(pair):
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=pair)
    assert process.stdout.readline() == "fusing\n"
    time.sleep(0.5)  # somewhere in the middle of it; where does not matter
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told == "npfuse: interrupted; nothing was left half-written\n"
    assert sorted(os.listdir(pair)) == ["a.png", "b.png"]


def test_a_folder_that_is_missing_or_read_only_is_told(pair, capsys, monkeypatch):
    from npfuse.cli import main

    monkeypatch.chdir(pair)
    assert main(["fuse", "a.png", "b.png", "-o", "missing/out.png"]) == 2
    assert "folder missing does not exist" in capsys.readouterr().err
    os.mkdir("locked", 0o500)
    monkeypatch.setattr(os, "access", lambda path, mode: "locked" not in str(path))  # root may write anywhere
    assert main(["fuse", "a.png", "b.png", "-o", "locked/out.png"]) == 2
    assert "folder locked is not writable by this user" in capsys.readouterr().err
    assert os.listdir("locked") == []
