"""Times a fusion step by step: ns per pixel on one thread, and how many units of a block are undecided.

    python bench/engine/bench_strip_pass.py [UNDER OVER] [--weights W] [--runs N]

takes a pair of photographs, by default example pictures. Each step of `npfuse.engine.strip_pass` runs on its own over
the whole pair, as a fusion calls it. The time is the thread's own processor time, so that other processes matter
little; the median of the runs is printed. "everything" is `npfuse.fuse` itself, which does more: it makes the graphs,
surveys the whole pictures and allocates the result.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy is imported)
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.executed import count_executed
from npfuse import fuse, load_weights, strip_run
from npfuse.engine.layout import BLOCKS, CELL, CHANNELS, GROUP_SIDE, PAIR_PIXELS, ROW_PAIRS, RUN
from npfuse.engine.picture_runs import load_groups, store_groups
from npfuse.engine.pixel_groups import empty_counts, evaluate_groups
from npfuse.engine.scratch import Scratch
from npfuse.engine.tanh_vectors import tanh_numbers
from npfuse.engine.upsampling import add_upsampled, cell_weights
from npfuse.examples import example_pair
from npfuse.pictures.reading import read_picture
from npfuse.strip_form import match_form
from npfuse.strips import thumbnail_size
from npfuse.survey import survey


def steps(under: Any, over: Any, weights: Any) -> dict[str, Callable[[], object]]:
    """Return each step of a fusion, over a band of one group's height at a time."""
    height, width = (n // GROUP_SIDE * GROUP_SIDE for n in under.shape[:2])
    graph = weights.graph(*weights.padded_size(height, width))
    size = thumbnail_size(graph)
    form = match_form(graph)
    surveys = [survey(picture, *size) for picture in (under, over)]
    scale = 2 / 255
    thumbnails = np.concatenate([found.thumbnail * scale - 1 for found in surveys], axis=2)[np.newaxis]
    others = {"thumbnail": thumbnails.astype(np.float32)} if form.thumbnail_branch else {}
    prepared = strip_run.prepare(form, others, weights.arrays)
    chain = prepared.chain
    count = width // GROUP_SIDE
    shape = (height // GROUP_SIDE, count, BLOCKS, ROW_PAIRS)
    groups, results = (
        np.zeros((*shape, CHANNELS, PAIR_PIXELS), np.float32),
        np.zeros((*shape, 3, PAIR_PIXELS), np.float32),
    )
    pixels, edge = np.empty((height, width, 3), np.uint8), np.empty(3 * RUN, np.uint8)
    line = np.zeros((3, count * GROUP_SIDE // CELL + 2), np.float32)
    taps, scratch, counts = cell_weights(form.upsampling, np.float32), Scratch(), empty_counts(chain.places.depth)
    black, factor, half = np.float32(0), np.float32(scale), np.float32(127.5)
    pair, scales = (under, over), [(0.0, scale)] * 2

    def coarse() -> Any:
        return strip_run.coarse_picture(graph, form, prepared, pair, scales, scratch)

    def load() -> None:
        for band, row in zip(groups, range(0, height, GROUP_SIDE), strict=True):
            load_groups(band, count, GROUP_SIDE, under, row, 0, black, factor, 0, edge)
            load_groups(band, count, GROUP_SIDE, over, row, 0, black, factor, 3, edge)

    def evaluate() -> None:
        for band, out in zip(groups, results, strict=True):
            evaluate_groups(band, GROUP_SIDE, width, chain, out, counts)

    small = coarse()

    def enlarge() -> None:
        for out, row in zip(results, range(0, height, GROUP_SIDE), strict=True):
            add_upsampled(out, count, GROUP_SIDE, small, row, 0, taps, line)

    def squash() -> None:
        for out in results:
            tanh_numbers(out.reshape(-1), out.reshape(-1))

    def store() -> None:
        for out, row in zip(results, range(0, height, GROUP_SIDE), strict=True):
            store_groups(out, GROUP_SIDE, width, half, pixels, row, 0, edge)

    return {
        "look at both pictures": lambda: [survey(picture, *size) for picture in pair],
        "GlobalNet's way down": coarse,
        "pixels to channels": load,
        "DetailNet, block by block": evaluate,
        "enlarge and add": enlarge,
        "tanh": squash,
        "channels to pixels": store,
        "everything": lambda: fuse(under, over, weights, threads=1, order="given"),
    }


def median_ns(step: Callable[[], object], runs: int, pixels: int) -> float:
    """Return the median of a step's processor time, in ns per pixel."""
    step()
    times = []
    for _ in range(runs):
        start = time.thread_time()
        step()
        times.append(time.thread_time() - start)
    return 1e9 * float(np.median(times)) / pixels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", nargs="*", type=Path, help="UNDER OVER (default: the example picture interior)")
    parser.add_argument("--weights", default="lightfuse")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    under, over = (np.array(read_picture(path).pixels) for path in arguments.pictures or example_pair("interior"))
    height, width = (n // GROUP_SIDE * GROUP_SIDE for n in under.shape[:2])
    under, over = (np.ascontiguousarray(picture[:height, :width]) for picture in (under, over))
    weights = load_weights(arguments.weights)
    print(f"{arguments.weights}, {height}x{width}, 1 thread, median of {arguments.runs} runs, ns per pixel")
    for name, step in steps(under, over, weights).items():
        print(f"{name:<24}{median_ns(step, arguments.runs, height * width):>7.2f}")
    done = count_executed(under, over, weights)
    blocks = done.blocks - done.blocks_plain
    for layer in done.layers[:-1]:
        bounded, valued = layer.undecided_by_bounds / blocks, layer.undecided_by_values / blocks
        print(f"{layer.name}: {bounded:.2f} units undecided per block by bounds, {valued:.2f} by values")
    print(f"{done.blocks_plain} of {done.blocks} blocks are plain; {done.macs / done.pixels:.0f} MACs per pixel")


if __name__ == "__main__":
    main()
