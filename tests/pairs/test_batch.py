"""Many sets: each is fused whatever happens to the others."""

import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import npfuse
from npfuse.pairs.batch import Outcome, fuse_one, run_batch, run_in_processes
from npfuse.pairs.file_fusion import FileOptions
from npfuse.pairs.sets import FrameSet, find_sets
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.weights.npz_files import save_weights
from tests.networks import random_pair, random_weights


def write_pairs(folder, count, shape=(40, 50, 3)):
    """Write pairs named p0, p1, … and the weights they are fused with."""
    folder.mkdir(exist_ok=True)
    save_weights(folder / "small.npz", random_weights())
    for i in range(count):
        for word, pixels in zip(("under", "over"), random_pair(shape, seed=i), strict=True):
            write_picture(folder / f"p{i}_{word}.png", Picture(pixels=pixels))
    return FileOptions(weights=str(folder / "small.npz"), check=False, threads=1)


def assert_fused(folder, out, count, shape=(40, 50, 3)):
    assert sorted(path.name for path in out.iterdir()) == sorted(f"p{i}.png" for i in range(count))
    for i in range(count):
        expected = npfuse.fuse(*random_pair(shape, seed=i), random_weights())
        np.testing.assert_array_equal(read_picture(out / f"p{i}.png").pixels, expected)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_batch_fuses_what_the_api_fuses_and_goes_on_past_bad_pairs(tmp_path, jobs):
    options = write_pairs(tmp_path / "in", 4)
    (tmp_path / "in" / "p1_over.png").write_bytes(b"no picture")
    (tmp_path / "out").mkdir()
    told = []
    outcomes = run_batch(
        find_sets(tmp_path / "in", tmp_path / "out").sets, options, jobs=jobs, tell=lambda *call: told.append(call)
    )
    assert [call[:2] for call in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert [outcome.name for outcome in failed] == ["p1"]
    assert "p1_over.png: is not a picture known here" in failed[0].message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p0.png", "p2.png", "p3.png"]
    for i in (0, 2, 3):
        expected = npfuse.fuse(*random_pair((40, 50, 3), seed=i), random_weights())
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / f"p{i}.png").pixels, expected)


def test_a_set_that_fails_in_its_middle_leaves_nothing_behind(tmp_path):
    options = write_pairs(tmp_path / "in", 2)
    (tmp_path / "in" / "p0_normal.png").write_bytes((tmp_path / "in" / "p0_over.png").read_bytes()[:60])
    (tmp_path / "out").mkdir()
    sets = find_sets(tmp_path / "in", tmp_path / "out").sets
    assert [len(frames.files) for frames in sets] == [3, 2]
    outcomes = [fuse_one(frames, options) for frames in sets]
    assert [outcome.status for outcome in outcomes] == ["failed", "fused"]
    assert "p0_normal.png" in outcomes[0].message
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p1.png"]


def test_what_is_finished_is_left_alone_unless_forced(tmp_path):
    options = write_pairs(tmp_path / "in", 1)
    (pair,) = find_sets(tmp_path / "in", tmp_path).sets
    (tmp_path / "p0.png").write_bytes(b"finished before")
    assert fuse_one(pair, options) == Outcome(name="p0", status="there already")
    assert (tmp_path / "p0.png").read_bytes() == b"finished before"
    forced = FileOptions(weights=options.weights, overwrite=True)
    assert fuse_one(pair, forced).status == "fused"
    assert read_picture(tmp_path / "p0.png").pixels.shape == (40, 50, 3)


def die(pair, options):
    """Stand in for `fuse_one`: the first process that meets p1 dies."""
    if pair.name == "p1" and not pair.output.with_suffix(".died").exists():
        pair.output.with_suffix(".died").write_bytes(b"")
        os._exit(9)
    return Outcome(name=pair.name, status="fused")


def always_die(pair, options):
    os._exit(9)


def test_a_process_that_dies_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setattr("npfuse.pairs.batch.fuse_one", die)
    pairs = [FrameSet(name=f"p{i}", output=tmp_path / f"p{i}.png") for i in range(4)]
    outcomes = list(run_in_processes(pairs, FileOptions(), 2))
    assert sorted((outcome.name, outcome.status) for outcome in outcomes) == [(f"p{i}", "fused") for i in range(4)]


def test_a_pair_whose_process_always_dies_fails_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("npfuse.pairs.batch.fuse_one", always_die)
    (outcome,) = run_in_processes([FrameSet(name="p0")], FileOptions(), 2)
    assert outcome.status == "failed"
    assert "its process died 3 times" in outcome.message


CLUSTER = """
    import os, signal, sys, threading, time
    from pathlib import Path

    from distributed import LocalCluster
    from npfuse.cli import main

    def watch(out, pids):
        while len(list(out.glob("*.png"))) < 4:
            time.sleep(0.002)
        os.kill(pids[0], signal.SIGKILL)
        print("killed worker 0, process", pids[0], "with", len(list(out.glob("*.png"))), "outputs there", flush=True)

    if __name__ == "__main__":
        folder = Path(sys.argv[1])
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            pids = [nanny.process.process.pid for nanny in cluster.workers.values()]
            print("workers: processes", *pids, flush=True)
            watcher = threading.Thread(target=watch, args=(folder / "out", pids))
            watcher.start()
            options = ["--weights", str(folder / "in" / "small.npz"), "--no-check", "--threads", "1"]
            address = ["--scheduler", cluster.scheduler_address]
            status = main(["batch", str(folder / "in"), "-o", str(folder / "out"), *options, *address])
            watcher.join()
            now = [nanny.process.process.pid for nanny in cluster.workers.values()]
        print("workers in the end: processes", *now, flush=True)
        sys.exit(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_on_a_cluster_every_output_is_there_and_whole_though_a_worker_is_killed(tmp_path):
    pytest.importorskip("distributed")
    shape, count = (600, 800, 3), 12
    write_pairs(tmp_path / "in", count, shape)
    (tmp_path / "cluster.py").write_text(textwrap.dedent(CLUSTER))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "cluster.py"), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    print(done.stdout)  # the log: pytest -rA shows it
    assert done.returncode == 0, done.stderr
    there = int(re.search(r"^killed worker 0, process \d+ with (\d+) outputs there$", done.stdout, re.MULTILINE)[1])
    assert there < count  # there was work left for it
    fused = re.findall(rf"^\[\d+/{count}\] p\d+: fused$", done.stdout, re.MULTILINE)
    again = re.findall(rf"^\[\d+/{count}\] p\d+: there already$", done.stdout, re.MULTILINE)
    assert len(fused) + len(again) == count, done.stdout
    for left in (tmp_path / "out").glob(".npfuse-*.part"):  # what a killed process was writing never gets its name
        left.unlink()
    assert_fused(tmp_path / "in", tmp_path / "out", count, shape)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        ValueError, match=r'needs the package distributed; install it with: pip install "npfuse\[dask\]"'
    ):
        run_batch([FrameSet(name="a")], FileOptions(), scheduler="tcp://127.0.0.1:1", tell=print)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("npfuse.pairs.batch.TIMEOUT_S", 1)
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=r"--scheduler tcp://127\.0\.0\.1:1: does not answer"):
        run_batch([FrameSet(name="a")], FileOptions(), scheduler="tcp://127.0.0.1:1", tell=print)
