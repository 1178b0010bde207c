"""Measures where a network of LightFuse's form spends its time: processor time per step of one thread; arithmetic.

    python -m bench.steps UNDER OVER [--weights W] [--megapixels N] [--rounds N] [--methods M ...]

Each round fuses the pair once whole and once step by step, so that a busy machine slows all of them alike. The steps
are those of `npfuse.strips.fuse_pair`, called from here one after another over the whole picture. Halving is run once
by itself, and once with the wider view, from whose time it is taken off. --methods times other methods as well.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import npfuse
from bench.pictures import Content, Photograph, pair_of, size_of
from bench.summary import summarized
from npfuse.engine.coarse_pass import HALVES, coarse_planes
from npfuse.engine.finishing import finish_groups
from npfuse.engine.layout import BLOCKS, CELL, CHANNELS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, RUN
from npfuse.engine.picture_runs import Exposure, load_groups
from npfuse.engine.pixel_groups import BLOCKS_PLAIN, BLOCKS_SEEN, BY_BOUNDS, empty_counts, evaluate_groups
from npfuse.engine.scratch import Scratch
from npfuse.strip_form import match_form
from npfuse.strip_run import coarse_picture, exposures_of, prepare
from npfuse.strips import pair_of as pair_for
from npfuse.strips import thumbnail_size
from npfuse.survey import survey
from npfuse.weights.weights import Weights

Pictures = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Clock:
    """Processor time of a thread, by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Call a function and add its time to a step's."""
        start = time.thread_time()
        result = function(*arguments, **more)
        self.seconds[step] = self.seconds.get(step, 0.0) + time.thread_time() - start
        return result


def by_steps(pair: Pictures, weights: Weights, clock: Clock) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Fuse a pair, darker first, and return the result and the arithmetic's counts."""
    height, width, _ = pair[0].shape
    out = np.empty_like(pair[0])
    padded = weights.padded_size(height, width)
    graph = weights.graph(*padded)
    surveys = clock("thumbnails and ranges", lambda: tuple(survey(x, *thumbnail_size(graph)) for x in pair))
    of_pair = pair_for(*pair, out, weights, graph, surveys)
    form = match_form(graph)
    arguments = form, lambda *size: match_form(weights.graph(*size)), of_pair.others, of_pair.arrays()
    prepared = clock("preparing the weights", prepare, *arguments)
    scratch, dtype = Scratch(), of_pair.dtype
    exposures = exposures_of(pair, of_pair.scales, dtype)
    halvings = [step for step in prepared.steps if step.dilation == HALVES]
    clock("halving", coarse_planes, exposures, *padded, halvings, Scratch())
    both = time.thread_time()
    coarse = coarse_picture(prepared, exposures, padded, scratch)
    clock.seconds["the wider view"] = time.thread_time() - both - clock.seconds["halving"]
    chain, half = prepared.chain, dtype.type(of_pair.half)
    counts = empty_counts(chain.places.depth)
    count = -(-width // GROUP_SIDE)
    groups = scratch.array("groups", (count, BLOCKS, ROW_PAIRS, CHANNELS, PAIR_PIXELS), dtype)
    results = scratch.array("results", (count, BLOCKS, ROW_PAIRS, 3, PAIR_PIXELS), dtype)
    line = scratch.array("line", (3, count * GROUP_SIDE // CELL + RUN), dtype)
    edge = scratch.array("edge", (3 * RUN,), np.uint8)
    for row in range(0, height, GROUP_SIDE):
        rows = min(GROUP_SIDE, height - row)
        for k, exposure in enumerate(exposures):
            clock("loading pixels", load_groups, groups, count, -(-rows // 16) * 16, *_at(exposure, row), 3 * k, edge)
        clock("DetailNet", evaluate_groups, groups, rows, width, chain, results, counts)
        clock(
            "enlarging, tanh, storing", finish_groups, results, rows, width, coarse.planes, row, 0, coarse.weights,
            line, half, out, row, 0, edge,
        )  # fmt: skip
    return out, counts


def _at(exposure: Exposure, row: int) -> tuple[Any, ...]:
    """Return what `load_groups` takes of an exposure, from a row on."""
    return exposure.pixels, row, 0, exposure.black, exposure.scale


def measure(
    pair: Pictures, weights: Weights, rounds: int, methods: Sequence[str]
) -> tuple[dict[str, list[float]], Any]:
    """Return the seconds of each step and of whole fusions, round by round, and the arithmetic's counts."""
    found: dict[str, list[float]] = {}
    counts = empty_counts(0)
    for turn in range(rounds + 1):
        clock = Clock()
        fused, counts = by_steps(pair, weights, clock)
        whole = clock("npfuse.fuse, the order given", npfuse.fuse, *pair, weights, order="given", threads=1)
        clock("npfuse.fuse", npfuse.fuse, *pair, weights, threads=1)
        for method in methods:
            clock(f"npfuse.fuse, {method}", npfuse.fuse, *pair, method=method, threads=1)
        if not np.array_equal(fused, whole):
            raise RuntimeError(f"steps: the result differs from that of npfuse.fuse in {(fused != whole).sum()} bytes")
        for step, seconds in clock.seconds.items() if turn else ():  # the first round may compile
            found.setdefault(step, []).append(seconds)
    return found, counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("under", type=Path)
    parser.add_argument("over", type=Path)
    parser.add_argument("--weights", default="tonefuse", help="(tonefuse)")
    parser.add_argument("--megapixels", type=float, default=1.2, help="(1.2)")
    parser.add_argument("--rounds", type=int, default=15, help="(15)")
    parser.add_argument("--methods", nargs="*", default=[], metavar="M", help="others that are timed as wholes")
    options = parser.parse_args(arguments)
    weights = npfuse.load_weights(options.weights)
    photograph = Photograph(under=options.under, over=options.over)
    under, over = sorted(pair_of(Content(photograph=photograph), *size_of(options.megapixels)), key=np.mean)
    found, counts = measure((under, over), weights, options.rounds, options.methods)
    print(f"{weights.label}, {under.shape[0]}x{under.shape[1]}: processor time of one thread, ms")
    print(f"{'':<32}{'median':>9}{'least':>9}")
    for step, seconds in found.items():
        print(f"{step:<32}{1e3 * summarized(seconds).median:>9.2f}{1e3 * min(seconds):>9.2f}")
    blocks, plain = int(counts[0, BLOCKS_SEEN]), int(counts[0, BLOCKS_PLAIN])
    undecided = ", ".join(f"{count / blocks:.2f}" for count in counts[1:-1, BY_BOUNDS])
    print(f"undecided units per block, by layer: {undecided}; blocks evaluated plainly: {plain} of {blocks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
