"""The cost model's times beside measured ones, from one interleaved run: `python -m bench.predictions`.

Every method, its graph alone and the whole of `npfuse.fuse`, at three sizes, on one and two threads. The benchmarks of
the calibration and the methods are timed in turn, five times, in processor time (of both threads together); what takes
longer than a few seconds is run fewer times, as the last column says. Before them, networks of other people that
npfuse's operators run (`bench.other_networks`). Prints Markdown.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import numpy as np

from bench.machine import description
from bench.other_networks import NETWORKS
from costmodel import count
from costmodel.calibration.amounts import graph_parts
from costmodel.calibration.calibration import Session
from costmodel.execution import steps
from costmodel.machine import predicted_s
from costmodel.measure import (
    Case,
    Timing,
    counts_of,
    example_pixels,
    fuse_case,
    graph_case,
    least_s,
    timed_cases,
    weights_of,
)
from costmodel.report import model_subject
from costmodel.this_machine import this_machine
from npfuse.graph import Graph
from npfuse.methods import METHODS
from npfuse.run import run

SIZES = {"448x672": (448, 672), "896x1344": (896, 1344), "4000x6000": (4000, 6000)}
LARGE = 20e6  # pixels
LEFT_OUT = {  # beyond LARGE
    ("graph", "t_cnn"): "does not fit: 256 channels of the whole picture are 25 GB",
    ("graph", "deepfuse"): "does not fit: 64 channels of the whole picture are 6 GB, and there are several",
    ("fuse", "deepfuse"): "left out: takes minutes",
    ("fuse", "t_cnn"): "left out: takes a minute",
}
HEADER = "| method | size | run | least ms | expected ms | +- | measured ms | off by | runs |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.predictions", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="height x width (default all)")
    parser.add_argument("--models", nargs="+", choices=METHODS, default=list(METHODS), help="(default all)")
    parser.add_argument("--no-networks", action="store_true", help="leave out other people's networks")
    options = parser.parse_args(arguments)
    about = description([])
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{date.today()}, {about['processor']}, {about['cores']} cores, commit {about['commit']}; load {load}\n")
    session = Session()
    print(HEADER + "\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    if not options.no_networks:
        for line in network_lines(session):
            print(line, flush=True)
    for size in options.sizes:
        for line in method_lines(options.models, size, session):
            print(line, flush=True)
    print(f"\nload at the end {', '.join(f'{one:.1f}' for one in os.getloadavg())}")
    return 0


def method_lines(models: Sequence[str], size: str, session: Session) -> list[str]:
    """Return a row for each method's graph, and for `npfuse.fuse` on one and two threads."""
    height, width = SIZES[size]
    pair = example_pixels(height, width)
    cases: dict[str, Case] = {}
    subjects = {model: model_subject(model, height, width) for model in models}
    rows: list[tuple[str, str, str]] = []
    for model in models:
        counts = counts_of(model, pair)
        for what, threads in (("graph", 1), ("fuse", 1), ("fuse", 2)):
            label = "graph" if what == "graph" else f"fuse, {threads} thread{'s' if threads > 1 else ''}"
            if height * width > LARGE and (what, model) in LEFT_OUT:
                rows.append((model, label, LEFT_OUT[what, model]))
                continue
            graph = what == "graph"
            cases[f"{model}, {label}"] = (
                graph_case(subjects[model], pair, counts) if graph else fuse_case(model, pair, counts, threads)
            )
            rows.append((model, label, ""))
    _, timings = timed_cases(cases, session, lambda name: print(f"{size}: {name}", file=sys.stderr))
    machine = this_machine()
    lines = []
    for model, label, without in rows:
        subject = subjects[model]
        if without:
            lines.append(f"| {subject.name} | {size} | {label} | {without} | | | | | |")
            continue
        least = least_s(subject, pair, machine) if label == "graph" else None
        lines.append(_line(subject.name, size, label, least, timings[f"{model}, {label}"]))
    return lines


def network_lines(session: Session) -> list[str]:
    """Return a row for each network of other people."""
    graphs = {graph.name: graph for graph in (build() for build in NETWORKS)}
    random = np.random.default_rng(0)

    def ready(graph: Graph) -> Callable[[], object]:
        inputs = {name: random.random((1, *shape), np.float32) for name, shape in graph.inputs}
        return partial(run, graph, inputs, weights_of(graph))

    cases = {name: Case(parts=graph_parts(graph), ready=partial(ready, graph)) for name, graph in graphs.items()}
    _, timings = timed_cases(cases, session, lambda name: print(name, file=sys.stderr))
    machine = this_machine()
    lines = []
    for name, graph in graphs.items():
        height, width, _ = graph.inputs[0][1]
        least = predicted_s(steps(graph, count(graph), merge=True), machine)
        lines.append(_line(name, f"{height}x{width}", "graph", least, timings[name]))
    return lines


def _line(name: str, size: str, label: str, least: float | None, timing: Timing) -> str:
    """Return a row."""
    expected = timing.expected
    bound = "" if least is None else f"{1e3 * least:,.1f}"
    return (
        f"| {name} | {size} | {label} | {bound} | {1e3 * expected.seconds:,.1f} | {expected.error:.0%} | "
        f"{1e3 * timing.seconds:,.1f} | {timing.error:+.0%} | {timing.runs} |"
    )


if __name__ == "__main__":
    sys.exit(main())
