"""The command `npfuse batch`: all pairs of a folder."""

import argparse
import os
import sys
from pathlib import Path

from npfuse.commands.console import Commands, add_fusion_options
from npfuse.commands.fuse import add_file_options, file_options
from npfuse.fusion import method_and_weights, require_engine
from npfuse.pairs.batch import Outcome, find_pairs, run_batch
from npfuse.pictures.formats import WRITTEN_PICTURES, suffixes

SOME_FAILED = 1


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "batch",
        help="fuse all pairs of a folder",
        description="Fuse all pairs of a folder: folders of two pictures each, or files named a_under.jpg and "
        "a_over.jpg (dark and bright, low and high). What is fused already is left alone, so a run that was cut off "
        "goes on. "
        "Exit status: 0 all is fused, 1 some pairs failed and are listed, 2 nothing could be begun.",
    )
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a folder, made where missing")
    command.add_argument(
        "--pattern", nargs=2, metavar="P", help="patterns of the two names, as '{name}_1.*' '{name}_2.*'"
    )
    command.add_argument(
        "--format",
        choices=sorted(suffix[1:] for suffix in suffixes(WRITTEN_PICTURES)),
        help="of the outputs (the first picture's)",
    )
    command.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="number of pairs fused at once, each in a process (1)"
    )
    command.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a dask.distributed cluster whose workers see the same files"
    )
    add_fusion_options(command)
    add_file_options(command)
    command.set_defaults(run=_batch)


def _batch(arguments: argparse.Namespace) -> int:
    if arguments.jobs < 1:
        raise ValueError(f"--jobs is {arguments.jobs}, expected at least 1")
    if arguments.weights is not None and Path(arguments.weights).exists():
        arguments.weights = str(Path(arguments.weights).resolve())  # workers may stand elsewhere
    method, _ = method_and_weights(arguments.method, arguments.weights)  # bad ones are bad for every pair
    if arguments.scheduler is None:
        require_engine(arguments.engine, method)
    if arguments.jobs > 1 and arguments.threads is None:
        arguments.threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    options = file_options(arguments)
    suffix = f".{arguments.format}" if arguments.format else None
    patterns = tuple(arguments.pattern) if arguments.pattern else None
    pairs = find_pairs(arguments.folder, arguments.output, patterns=patterns, suffix=suffix)
    arguments.output.mkdir(parents=True, exist_ok=True)
    outcomes = run_batch(pairs, options, jobs=arguments.jobs, scheduler=arguments.scheduler, tell=_tell)
    count = {
        status: sum(outcome.status == status for outcome in outcomes) for status in ("fused", "there already", "failed")
    }
    print(", ".join(f"{n} {status}" for status, n in count.items()))
    failed = sorted((outcome for outcome in outcomes if outcome.status == "failed"), key=lambda outcome: outcome.name)
    for outcome in failed:
        print(f"npfuse: {_shown(outcome.name)}: {outcome.message}", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _tell(done: int, total: int, outcome: Outcome) -> None:
    """Print a line a pair."""
    print(f"[{done}/{total}] {_shown(outcome.name)}: {outcome.status}", flush=True)
    for warning in outcome.warnings:
        print(f"npfuse: warning: {_shown(outcome.name)}: {warning}", file=sys.stderr)


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)
