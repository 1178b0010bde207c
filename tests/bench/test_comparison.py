"""Who fuses what, and what becomes of the times: with engines that only pretend."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import comparison
from bench.comparison import Plan, Sides, compare, measure_memory
from bench.pictures import Content, Photograph
from bench.summary import Difference
from bench.worker import Memory, Run, WorkerError
from npfuse.examples import example_pair
from tests.networks import random_weights

PHOTOGRAPH = Photograph(**dict(zip(("under", "over"), example_pair("city"), strict=True)))
PHOTO, NOISE, RANDOM = (
    Content(photograph=PHOTOGRAPH),
    Content(photograph=PHOTOGRAPH, sigma=5.0),
    Content(photograph=None),
)
SMALL, LARGE = (16, 24), (32, 48)
SECONDS = {"npfuse": 1.0, "quick": 4.0, "slow": 30.0, "broken": 9.0}


class PretendWorker:
    """Takes a second for npfuse on one thread, half of it on two; peers take 4 and 30, twice that in tiles of 256."""

    def __init__(self, name, weights, threads):
        self.name, self.threads, self.failed = name, threads, False

    def run(self, side):
        if self.name == "broken" and side is None:
            self.failed = True
            raise WorkerError("broken: fell over")
        wall = SECONDS[self.name] / self.threads * {None: 1.0, 128: 1.5, 256: 2.0}[side]
        return Run(wall_s=wall, cpu_s=wall * self.threads)

    def compare(self, path):
        assert Path(path).exists()
        return Difference(levels=1, share=0.5)

    def save(self, path):
        np.save(path, np.zeros(1))

    def load(self, under, over):
        assert np.load(under).shape == np.load(over).shape

    def prepare(self, side):
        return 0.25

    def measure_memory(self, under, over, side):
        return Memory(beyond_bytes=len(self.name), process_bytes=100, exact=True)

    def nothing(self, *arguments):
        pass

    define = forget = stop = nothing


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "Worker", PretendWorker)
    monkeypatch.setattr(comparison, "SETTLE_S", 0)
    monkeypatch.setattr(comparison, "whole_fits", lambda weights, size, processes: size == SMALL)
    return Plan(
        network="random",
        weights=random_weights(),
        peers=["quick", "slow"],
        sizes=[SMALL, LARGE],
        contents=[PHOTO, NOISE, RANDOM],
        threads=[1, 2],
        rounds=3,
        large_rounds=2,
        folder=tmp_path,
    )


def rows_of(plan, report=print):
    return list(compare(plan, Sides(), report))


def test_peers_fuse_everything_at_the_smallest_size_and_the_photograph_elsewhere(plan):
    seen = {(row.threads, row.height, row.content, row.engine) for row in rows_of(plan) if row.engine != "npfuse"}
    expected = {(1, 16, content.label, peer) for content in plan.contents for peer in plan.peers}
    expected |= {
        (threads, height, PHOTO.label, peer) for threads in (1, 2) for height in (16, 32) for peer in plan.peers
    }
    assert seen == expected


def test_npfuse_fuses_everything_with_every_number_of_threads(plan):
    seen = {(row.threads, row.height, row.content) for row in rows_of(plan) if row.engine == "npfuse" and not row.ratio}
    assert seen == {(t, height, content.label) for t in (1, 2) for height in (16, 32) for content in plan.contents}


def test_ratios_are_those_of_the_same_number_of_threads(plan):
    for row in rows_of(plan):
        if row.engine == "npfuse":
            if row.ratio:  # one thread among those of two
                assert (row.threads, row.ratio.median) == (1, 2.0)
            continue
        slower = 1.0 if row.height == 16 else 1.5  # whole where it fits, in the faster tiles where not
        assert row.ratio.median == SECONDS[row.engine] * slower
        assert row.side == (None if row.height == 16 else 128)
        assert row.ratio.count == len(row.runs) == (3 if row.height == 16 else 2)
        assert row.busy == row.threads


def test_results_are_compared_wherever_two_engines_met(plan):
    for row in rows_of(plan):
        if row.ratio or (row.threads == 1 and row.height == 16):
            assert row.apart == Difference(levels=1, share=0.5)


def test_a_further_photograph_is_fused_at_the_smallest_size_only(plan):
    other = Content(photograph=Photograph(**dict(zip(("under", "over"), example_pair("forest"), strict=True))))
    rows = rows_of(replace(plan, contents=[PHOTO, other]))
    assert {row.height for row in rows if row.content == other.label} == {16}


def test_a_peer_that_fails_is_reported_and_left_out(plan):
    notes = []
    rows = rows_of(replace(plan, peers=["broken", "quick"]), notes.append)
    assert {row.engine for row in rows} == {"npfuse", "quick"}
    assert set(notes) == {"left out from here on: broken: fell over"}


def test_memory_is_that_of_npfuse_at_every_size_and_of_peers_whole_and_in_tiles(plan):
    sides = Sides()
    list(compare(plan, sides, print))
    found = [(row.engine, row.height, row.side) for row in measure_memory(plan, sides, print)]
    peers = [(peer, 16, side) for peer in plan.peers for side in (None, 128)]
    assert found == [("npfuse", 16, None), *peers, ("npfuse", 32, None)]


def test_npfuse_failing_ends_the_comparison(plan, monkeypatch):
    monkeypatch.setattr(PretendWorker, "define", PretendWorker.nothing)

    def run(self, side):
        if self.name == "npfuse":
            self.failed = True
            raise WorkerError("npfuse: no")
        return Run(wall_s=1.0, cpu_s=1.0)

    monkeypatch.setattr(PretendWorker, "run", run)
    with pytest.raises(WorkerError, match="npfuse: no"):
        rows_of(plan)
