"""Every peer that is installed computes the network, whole and in tiles, in a process of its own."""

import numpy as np
import pytest

from bench import peers
from bench.worker import Worker, WorkerError
from npfuse.fusion import fuse
from tests.networks import random_pair, random_weights


@pytest.mark.parametrize("name", peers.NAMES)
def test_a_peer_fuses_as_npfuse_does(name, tmp_path):
    if absent := peers.missing(name):
        pytest.skip(f"not installed: {', '.join(absent)}")
    pair = random_pair((45, 70, 3))
    files = [tmp_path / "under.npy", tmp_path / "over.npy"]
    for file, picture in zip(files, pair, strict=True):
        np.save(file, picture)
    weights = random_weights("tonefuse")
    np.save(tmp_path / "expected.npy", fuse(*pair, weights, order="given", engine="definition"))
    worker = Worker(name, weights, 2)
    try:
        worker.load(*files)
        for side in (None, 16):
            worker.prepare(side)
            run = worker.run(side)
            assert run.wall_s > 0
            found = worker.compare(tmp_path / "expected.npy")
            # Sums of float32 in another order may end on the other side of a half.
            assert found.levels <= 1
            assert found.share < 0.005
    finally:
        worker.stop()


def test_a_worker_tells_what_went_wrong(tmp_path):
    worker = Worker("npfuse", random_weights(), 1)
    try:
        with pytest.raises(WorkerError, match="npfuse: ValueError: no pair is loaded"):
            worker.run(None)
        with pytest.raises(WorkerError, match=r"npfuse: FileNotFoundError: .*under\.npy"):
            worker.load(tmp_path / "under.npy", tmp_path / "over.npy")
    finally:
        worker.stop()


def test_a_worker_that_is_gone_is_told_from_one_that_failed():
    worker = Worker("npfuse", random_weights(), 1)
    worker._process.kill()
    with pytest.raises(WorkerError, match="npfuse: the process ended with status -9 in forget"):
        worker.forget()
    worker.stop()
