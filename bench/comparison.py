"""The comparison itself: results are compared first, then engines take turns on the same pairs.

In a round, every engine fuses the pair once, and npfuse fuses it again right before each of them, so that a ratio is
that of neighbours in time. The peers' time does not depend on the content of a picture. So they fuse all contents only
at the smallest size and with the first number of threads. Elsewhere they fuse the first photograph; npfuse also fuses
it with noise, and random bytes. With further numbers of threads, npfuse with the first number takes part as well.

Each peer, with each number of threads, first fuses the smallest pair whole and in tiles, and continues with the fastest
way. If the whole does not fit into memory, it continues with its fastest tiles.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.machine import available_bytes
from bench.pictures import Content, pair_of
from bench.runtime import NPFUSE
from bench.summary import Difference, Summary, ratios, summarized
from bench.worker import Memory, Run, Worker, WorkerError
from costmodel.counts import count
from npfuse.graph import Graph
from npfuse.graph_memory import peak
from npfuse.padding import on_grid
from npfuse.weights.weights import Weights

SETTLE_S = 0.03  # between two runs, in which threads stop that wait busily for more work
SIDES = (128, 256)  # pixels: sides of the tiles that a peer tries
COPIES = 2  # copies of a graph's largest values that a peer may hold

Size = tuple[int, int]
Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Seat:
    """An engine that takes part, with its number of threads."""

    name: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """The time of one engine for one pair.

    Parameters
    ----------
    network, content : names of the network and of the pair's content
    height, width : size of the pictures
    engine : "npfuse" or a peer's name
    threads : number of threads that it may use
    side : side of its tiles, pixels; None for the whole at once, and for npfuse
    macs : multiply-adds of the network for the whole pair, as the cost model counts them; npfuse needs fewer
    first_s : seconds of preparing for the size (compiling, planning) and running once, on a tile or the whole; what an
        earlier pair has left in caches is used
    runs : Runs, each with its wall time and its CPU time
    wall_s : quartiles of the wall time, seconds
    busy : median of CPU time / wall time: how many threads worked
    ratio : its time / npfuse's, run by run; None for npfuse itself
    apart : Difference from npfuse's result, for npfuse from the definition's; None if that was not computed
    """

    network: str
    content: str
    height: int
    width: int
    engine: str
    threads: int
    side: int | None
    macs: int
    first_s: float
    runs: tuple[Run, ...]
    wall_s: Summary
    busy: float
    ratio: Summary | None
    apart: Difference | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A comparison that is to be made.

    Parameters
    ----------
    network : name of the weights
    weights : Weights
    peers : names of the peers
    sizes : (height, width) of each size, smallest first
    contents : Contents; the peers fuse the first one at every size
    threads : numbers of threads, one after the other
    rounds, large_rounds : number of rounds at the smallest size, and at the others
    folder : path of a folder for the pairs, which all processes read
    """

    network: str
    weights: Weights
    peers: Sequence[str]
    sizes: Sequence[Size]
    contents: Sequence[Content]
    threads: Sequence[int]
    rounds: int
    large_rounds: int
    folder: Path


@dataclass
class Sides:
    """Seconds of each peer, by its number of threads, for each way of cutting the smallest pair."""

    seconds: dict[Seat, dict[int | None, float]] = field(default_factory=dict)

    def of(self, seat: Seat, whole_fits: bool) -> int | None:
        """Return the fastest side that fits into memory; None for the whole."""
        if seat.name == NPFUSE:
            return None
        fitting = {side: s for side, s in self.seconds[seat].items() if side is not None or whole_fits}
        return min(fitting, key=lambda side: fitting[side])


def compare(plan: Plan, sides: Sides, report: Report) -> Iterator[Row]:
    """Measure everything in a plan.

    Parameters
    ----------
    plan : Plan
    sides : Sides, are filled in
    report : function that is called with a line of progress

    Yields
    ------
    Row : as soon as it is finished

    Raises
    ------
    WorkerError : npfuse itself failed; a peer that fails is reported and left out
    """
    for threads in plan.threads:
        first = threads == plan.threads[0]
        seats = [Seat(name=name, threads=threads) for name in (NPFUSE, *plan.peers)]
        if not first:
            seats.insert(1, Seat(name=NPFUSE, threads=plan.threads[0]))
        workers = {seat: Worker(seat.name, plan.weights, seat.threads) for seat in seats}
        try:
            for size in plan.sizes:
                for content in plan.contents:
                    if size != plan.sizes[0] and content.photograph not in (None, plan.contents[0].photograph):
                        continue
                    everyone = content == plan.contents[0] or (first and size == plan.sizes[0])
                    present = {seat: worker for seat, worker in workers.items() if everyone or seat.name == NPFUSE}
                    yield from _rows(plan, sides, size, content, present, workers, first, report)
                for worker in workers.values():
                    worker.forget()
        finally:
            for worker in workers.values():
                worker.stop()


def _rows(
    plan: Plan,
    sides: Sides,
    size: Size,
    content: Content,
    present: Mapping[Seat, Worker],
    workers: dict[Seat, Worker],
    first: bool,
    report: Report,
) -> Iterator[Row]:
    """Measure one pair."""
    smallest = size == plan.sizes[0]
    (ours, us), *others = present.items()
    pair = _Pair(
        files=pair_files(plan.folder, content, size),
        reference=plan.folder / "reference.npy",
        workers=workers,
        report=report,
    )
    pair.load_npfuse(ours, us, define=smallest and first)
    fits = whole_fits(plan.weights, size, len(plan.peers))
    for seat, worker in others:
        pair.load(seat, worker, sides, fits=fits, check=smallest)
    quick = smallest or all(seat.name == NPFUSE for seat in pair.taking_part)
    our_runs, pairs = pair.run(us, plan.rounds if quick else plan.large_rounds)
    yield _row(plan, size, content, ours, None, pair.first_s[ours], our_runs, None, pair.apart.get(ours))
    for seat, (_, side) in pair.taking_part.items():
        if pairs[seat]:
            ratio = ratios([ours.wall_s for ours, _ in pairs[seat]], [theirs.wall_s for _, theirs in pairs[seat]])
            runs = [theirs for _, theirs in pairs[seat]]
            yield _row(plan, size, content, seat, side, pair.first_s[seat], runs, ratio, pair.apart.get(seat))


@dataclass(kw_only=True)
class _Pair:
    """One pair of pictures, and the results of each engine for it so far.

    Parameters
    ----------
    files : paths of the two pictures
    reference : path of the result that others are compared with: the definition's, then npfuse's
    workers : all workers that still take part; one that fails is taken out
    report : function that is called with a line about each engine that is left out
    first_s, apart : as in Row
    taking_part : workers that fuse this pair beside npfuse, with the side of their tiles
    """

    files: tuple[Path, Path]
    reference: Path
    workers: dict[Seat, Worker]
    report: Report
    first_s: dict[Seat, float] = field(default_factory=dict)
    apart: dict[Seat, Difference] = field(default_factory=dict)
    taking_part: dict[Seat, tuple[Worker, int | None]] = field(default_factory=dict)

    def load_npfuse(self, seat: Seat, worker: Worker, *, define: bool) -> None:
        """Load npfuse, with whose result the peers' are compared; compare it with the definition's if asked."""
        worker.load(*self.files)
        if define:
            worker.define()
            worker.save(self.reference)
        self.first_s[seat] = worker.prepare(None)
        worker.run(None)
        if define:
            self.apart[seat] = worker.compare(self.reference)
        worker.save(self.reference)

    def load(self, seat: Seat, worker: Worker, sides: Sides, *, fits: bool, check: bool) -> None:
        """Load a peer, after finding its fastest tiles; compare its result if asked."""
        try:
            if seat.name != NPFUSE and seat not in sides.seconds:
                sides.seconds[seat] = _tried(worker, self.files, fits)
            side = sides.of(seat, fits)
            worker.load(*self.files)
            self.first_s[seat] = worker.prepare(side)
            if check:
                worker.run(side)
                self.apart[seat] = worker.compare(self.reference)
            self.taking_part[seat] = worker, side
        except WorkerError as error:
            self._leave(seat, error)

    def run(self, us: Worker, rounds: int) -> tuple[list[Run], dict[Seat, list[tuple[Run, Run]]]]:
        """Return npfuse's runs, and for each peer its runs, each behind that of npfuse right before it."""
        our_runs: list[Run] = []
        pairs: dict[Seat, list[tuple[Run, Run]]] = {seat: [] for seat in self.taking_part}
        seats = list(self.taking_part)
        for turn in range(rounds):
            shift = turn % max(len(seats), 1)  # every engine is first once
            for seat in seats[shift:] + seats[:shift]:
                if seat not in self.workers:
                    continue
                worker, side = self.taking_part[seat]
                try:
                    pair = _settled(us, None), _settled(worker, side)
                    if seat not in self.apart:
                        self.apart[seat] = worker.compare(self.reference)
                except WorkerError as error:
                    if us.failed:
                        raise
                    self._leave(seat, error)
                    continue
                our_runs.append(pair[0])
                pairs[seat].append(pair)
            if not seats:
                our_runs.append(_settled(us, None))
        return our_runs, pairs

    def _leave(self, seat: Seat, error: WorkerError) -> None:
        """Go on without a peer that failed."""
        self.report(f"left out from here on: {error}")
        self.workers.pop(seat).stop()


def _row(
    plan: Plan,
    size: Size,
    content: Content,
    seat: Seat,
    side: int | None,
    first_s: float,
    runs: Sequence[Run],
    ratio: Summary | None,
    apart: Difference | None,
) -> Row:
    return Row(
        network=plan.network,
        content=content.label,
        height=size[0],
        width=size[1],
        engine=seat.name,
        threads=seat.threads,
        side=side,
        macs=macs_of(plan.weights, size),
        first_s=first_s,
        runs=tuple(runs),
        wall_s=summarized([run.wall_s for run in runs]),
        busy=summarized([run.cpu_s / run.wall_s for run in runs]).median,
        ratio=ratio,
        apart=apart,
    )


def _settled(worker: Worker, side: int | None) -> Run:
    """Run after a moment of rest."""
    time.sleep(SETTLE_S)
    return worker.run(side)


def _tried(worker: Worker, files: tuple[Path, Path], fits: bool) -> dict[int | None, float]:
    """Return how long a peer takes for each way of cutting a pair."""
    seconds: dict[int | None, float] = {}
    for side in (*SIDES, *((None,) if fits else ())):
        worker.load(*files)
        worker.prepare(side)
        seconds[side] = _settled(worker, side).wall_s
        worker.forget()
    return seconds


def padded_graph(weights: Weights, size: Size) -> Graph:
    """Return the graph for a size, padded."""
    return weights.graph(*weights.padded_size(*size))


def macs_of(weights: Weights, size: Size) -> int:
    """Return the number of multiply-adds of the network for a pair: all of them, without a margin."""
    return count(weights.graph(*on_grid(*size))).work.macs


def whole_fits(weights: Weights, size: Size, processes: int) -> bool:
    """Tell whether `processes` processes can each hold a whole pair's values, as the cost model counts them, twice."""
    needed = COPIES * processes * peak(padded_graph(weights, size), merge=False).bytes
    available = available_bytes()
    return available is None or needed <= available


def pair_files(folder: Path, content: Content, size: Size) -> tuple[Path, Path]:
    """Return the files of a pair, written when they are first asked for."""
    stem = f"{content.label.replace('/', ' ')} {size[0]}x{size[1]}"
    files = folder / f"{stem} under.npy", folder / f"{stem} over.npy"
    if not all(file.exists() for file in files):
        for file, picture in zip(files, pair_of(content, *size), strict=True):
            np.save(file, picture)
    return files


@dataclass(frozen=True, kw_only=True)
class MemoryRow:
    """The memory of one engine for one pair, with the first number of threads."""

    network: str
    height: int
    width: int
    engine: str
    side: int | None
    memory: Memory


def measure_memory(plan: Plan, sides: Sides, report: Report) -> Iterator[MemoryRow]:
    """Measure each engine in a process of its own: npfuse for every size, the peers for the smallest.

    A peer is measured whole, if that fits, and in its tiles, whose memory does not depend on the picture's size.
    """
    for size in plan.sizes:
        fits = whole_fits(plan.weights, size, len(plan.peers))
        cases: list[tuple[str, int | None]] = [(NPFUSE, None)]
        if size == plan.sizes[0]:
            seats = (Seat(name=name, threads=plan.threads[0]) for name in plan.peers)
            for seat in (seat for seat in seats if seat in sides.seconds):
                cases += [(seat.name, side) for side in ((None,) if fits else ()) + (sides.of(seat, False),)]
        files = pair_files(plan.folder, plan.contents[0], size)
        for name, side in cases:
            worker = Worker(name, plan.weights, plan.threads[0])
            try:
                found = worker.measure_memory(*files, side)
            except WorkerError as error:
                report(f"memory not measured: {error}")
                continue
            finally:
                worker.stop()
            yield MemoryRow(network=plan.network, height=size[0], width=size[1], engine=name, side=side, memory=found)
