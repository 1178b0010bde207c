"""The prediction of a command's memory: its parts by hand, and against commands in processes of their own."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.memory import Case, measure
from npfuse.methods import METHODS
from npfuse.pairs.file_options import FileOptions, Teller
from npfuse.pairs.memory_plan import (
    ALIGNING,
    BASE_BYTES,
    CODE_BYTES,
    COMPILING_BYTES,
    LOOKING,
    SCIPY_BYTES,
    SPARE,
    demand_of,
    threads_within,
)
from npfuse.pictures.reading import Picture, write_picture
from npfuse.weights.loading import load_weights

MIB = 1 << 20


def demand(method="mertens", shape=(2000, 3000, 3), frames=2, dtype=np.uint8, suffix=".jpg", **options):
    pixels = np.broadcast_to(dtype(0), shape)
    paths = [Path(f"{k}{suffix}") for k in range(frames)]
    weights = None if method == "mertens" else load_weights(method)
    options = FileOptions(threads=2, **options)
    found = demand_of(pixels, paths, Path("out.jpg"), METHODS[method], weights, options, held=frames)
    return replace(found, compiling=False)


@pytest.mark.parametrize("method", METHODS)
def test_more_frames_wider_samples_and_alpha_take_more(method):
    picture = 4000 * 6000 * 3
    least = demand(method, (4000, 6000, 3), check=False).bytes
    assert least > BASE_BYTES + 3 * picture
    assert demand(method, (4000, 6000, 3), check=False, frames=3).bytes >= least + picture
    assert demand(method, (4000, 6000, 3), check=False, dtype=np.uint16).bytes >= least + 2 * picture
    assert demand(method, (4000, 6000, 3), check=False, align="crop").bytes > least


def test_the_fullest_of_all_steps_counts():
    def steps(**parts):
        return replace(demand(check=False), **parts).steps()

    picture, loaded = 18_000_000, BASE_BYTES + CODE_BYTES
    assert steps(decoding=9.0)["reading"] == BASE_BYTES + 11 * picture
    assert steps(encoding=9.0)["writing"] == loaded + 10 * picture
    assert replace(demand(check=False), encoding=9.0).bytes == int((loaded + 10 * picture) * SPARE)
    only_looked_at = {"method": None, "decoding": 0.0, "result_held": False}
    assert steps(**only_looked_at) == {"reading": BASE_BYTES + 2 * picture}
    # 2000x3000 pixels are compared by means over 4x4 for faults, over 2x2 for motions; strips have 256 rows.
    strip = 256 * 3000 * 3
    found = steps(**only_looked_at, checked=True, aligned=True, frames=2)
    assert found["checking"] == loaded + SCIPY_BYTES + 2 * picture + 500 * 750 * LOOKING + strip
    assert found["aligning"] == loaded + SCIPY_BYTES + 2 * picture + 1000 * 1500 * ALIGNING + strip
    found = steps(**only_looked_at, checked=True, mended=True, frames=3)
    assert found["checking"] == loaded + 2 * picture + 500 * 750 * (LOOKING + 4 * 3) + strip
    assert found["mending"] == found["checking"] + SCIPY_BYTES
    assert steps(compiling=True)["fusing"] == steps()["fusing"] + COMPILING_BYTES


def test_threads_are_given_up_to_keep_to_a_limit():
    told = []

    class Listener(Teller):
        def say(self, *lines):
            told.extend(lines)

    two = demand("tonefuse", shape=(1200, 8000, 3), check=False)
    assert threads_within(two, two.bytes, Listener()) == 2
    assert threads_within(two, two.bytes - 1, Listener()) == 1
    assert "predicted on 1 threads" in told[1]
    with pytest.raises(ValueError, match=r"2 pictures of 1200x8000 need about \d+ MiB, expected at most 50 MiB"):
        threads_within(two, 50 * MIB, Listener())


@pytest.mark.parametrize("command", ["fuse", "check"])
def test_every_command_that_reads_refuses_what_does_not_fit(tmp_path, monkeypatch, capsys, command):
    from npfuse.cli import main

    monkeypatch.chdir(tmp_path)
    for name, level in (("a", 40), ("b", 200)):
        write_picture(f"{name}.png", Picture(pixels=np.full((30, 40, 3), level, np.uint8)))
    more = ["-o", "c.png", "--method", "mertens"] if command == "fuse" else []
    assert main([command, "a.png", "b.png", *more, "--max-memory", "60M"]) == 2
    assert "2 pictures of 30x40 need about" in capsys.readouterr().err
    assert main([command, "a.png", "b.png", *more, "--max-memory", "1G"]) < 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "case", ["mertens 7 jpeg 600x900", "tonefuse 2 png16 1000x1500", "mertens 2 jpeg 1000x1600 --align"]
)
def test_a_command_takes_no_more_than_is_predicted(case, tmp_path):
    taken = measure(Case.parse(case), tmp_path)
    assert taken.measured <= taken.predicted
