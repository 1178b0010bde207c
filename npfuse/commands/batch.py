"""The command `npfuse batch`: all brackets of a folder."""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from npfuse.choices import method_and_weights, require_engine
from npfuse.commands.console import Commands, add_fusion_options, add_quiet, working
from npfuse.commands.fuse import add_file_options, file_options
from npfuse.pairs.batch import Outcome, run_batch
from npfuse.pairs.sets import Sorted, find_sets
from npfuse.pictures.formats import WRITTEN_PICTURES, suffixes
from npfuse.progress import Bar

SOME_FAILED = 1
HOW = "say how many files make a set with --count, or how they are named with --pattern"


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "batch",
        help="fuse all brackets of a folder",
        description="Fuse all brackets of a folder, and of the folders in it, such as a camera's card. Files make a "
        "set by their names (a_under.jpg and a_over.jpg, a_-2ev.jpg), else by what the camera wrote (time, exposure, "
        "bracketing), else all in a folder. Pictures of different sizes are never in one set. Files in no set are "
        "listed. Sets that are fused already are left alone, so a run that was cut off can be started again. "
        "Exit status: 0 all is fused; 1 some sets failed, and are listed; 2 nothing could be begun.",
    )
    command.add_argument("folder", type=Path, metavar="DIR", help="folder of photographs")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results, made where missing"
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--pattern",
        nargs="+",
        metavar="P",
        help="patterns of the names of a set's files, such as '{name}_1.*' '{name}_2.*'",
    )
    how.add_argument(
        "--count", type=int, metavar="N", help="number of files in a set, taken in the order of their names"
    )
    command.add_argument(
        "--raw", action="store_true", help="where a frame is there as camera raw and as JPEG, take the raw"
    )
    command.add_argument("--dry-run", action="store_true", help="print the sets as a table, and fuse nothing")
    command.add_argument(
        "--format",
        choices=sorted(suffix[1:] for suffix in suffixes(WRITTEN_PICTURES)),
        help="format of the results (default: the first picture's)",
    )
    command.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="number of sets fused at once, each in a process of its own (default: 1)",
    )
    command.add_argument(
        "--scheduler", metavar="ADDRESS", help="address of a dask.distributed cluster whose workers see the same files"
    )
    add_fusion_options(command)
    add_file_options(command)
    add_quiet(command)
    command.set_defaults(run=_batch)


def _batch(arguments: argparse.Namespace) -> int:
    if arguments.jobs < 1:
        raise ValueError(f"--jobs is {arguments.jobs}, expected at least 1")
    if arguments.weights is not None and Path(arguments.weights).exists():
        arguments.weights = str(Path(arguments.weights).resolve())  # workers may have another current folder
    method, _ = method_and_weights(arguments.method, arguments.weights)  # raises once, not for every set
    if arguments.scheduler is None:
        require_engine(arguments.engine, method)
    if arguments.jobs > 1 and arguments.threads is None:
        arguments.threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    options = file_options(arguments)
    suffix = f".{arguments.format}" if arguments.format else None
    found = find_sets(
        arguments.folder,
        arguments.output,
        patterns=arguments.pattern,
        count=arguments.count,
        raw=arguments.raw,
        suffix=suffix,
    )
    if arguments.dry_run:
        for line in table(found):
            print(line)
        return 0
    for path, reason in found.left:
        print(f"npfuse: {_shown(str(path))}: in no set: {reason}", file=sys.stderr)
    if not found.sets:
        raise ValueError(f"{arguments.folder}: holds no sets; {HOW}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    with working("fusing sets", quiet=arguments.quiet) as bar:
        bar(0, len(found.sets))
        tell = partial(_tell, bar, arguments.quiet)
        outcomes = run_batch(found.sets, options, jobs=arguments.jobs, scheduler=arguments.scheduler, tell=tell)
    count = {
        status: sum(outcome.status == status for outcome in outcomes) for status in ("fused", "there already", "failed")
    }
    print(", ".join(f"{n} {status}" for status, n in count.items()))
    failed = sorted((outcome for outcome in outcomes if outcome.status == "failed"), key=lambda outcome: outcome.name)
    for outcome in failed:
        print(f"npfuse: {_shown(outcome.name)}: {outcome.message}", file=sys.stderr)
    return SOME_FAILED if failed else 0


def table(found: Sorted) -> list[str]:
    """Return the lines of a table of sets: name, number of frames, how they were found, and the frames' names."""
    rows = [("set", "frames", "by", "files")] + [
        (
            _shown(frames.name),
            str(len(frames.files)),
            frames.reason if not frames.fault else "fault",
            " ".join(_shown(file.name) for file in frames.files) if not frames.fault else frames.fault,
        )
        for frames in found.sets
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([*(text.ljust(n) for text, n in zip(row[:3], widths, strict=True)), row[3]]) for row in rows]
    lines.append(f"{len(found.sets)} sets, {sum(len(frames.files) for frames in found.sets)} files")
    if found.left:
        lines.append(f"in no set: {len(found.left)} files")
        lines += [f"  {_shown(str(path))}: {reason}" for path, reason in found.left]
    return lines


def _tell(bar: Bar, quiet: bool, done: int, total: int, outcome: Outcome) -> None:
    """Print a line for each set, above the bar."""
    if not quiet:
        bar.say(f"[{done}/{total}] {_shown(outcome.name)}: {outcome.status}", sys.stdout)
    for warning in outcome.warnings:
        bar.say(f"npfuse: warning: {_shown(outcome.name)}: {warning}", sys.stderr)
    bar(done, total)


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)
