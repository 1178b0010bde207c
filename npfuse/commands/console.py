"""What the commands share: options, lines on stderr, a progress bar, and the rule for existing files."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias, get_args

from npfuse.choices import FusionEngine
from npfuse.jobs import Progress
from npfuse.methods import METHODS
from npfuse.pairs.file_options import Teller
from npfuse.pictures.atomic import TAKEN
from npfuse.pictures.decoder_noise import heard
from npfuse.pictures.stored import is_array
from npfuse.progress import Bar, progress_bar
from npfuse.weights.loading import DEFAULT, bundled_names

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_fusion_options(command: argparse.ArgumentParser) -> None:
    """Add the options of every command that fuses."""
    group = command.add_argument_group("method")
    group.add_argument(
        "--method",
        choices=tuple(METHODS),
        metavar="M",
        help=f"one of {', '.join(METHODS)} (default: {DEFAULT}, or the method of --weights)",
    )
    group.add_argument(
        "--weights",
        metavar="W",
        help=f"weights of the network: a bundled name ({', '.join(bundled_names())}) or a file (default: those that "
        "ship for the method)",
    )
    group.add_argument(
        "--engine",
        choices=get_args(FusionEngine),
        default="fast",
        help="what computes: compiled code (fast, the default), the readable definitions in NumPy (definition), an "
        "NVIDIA card (cuda), or integers as in hardware without floats, for 8-bit pictures (int16, int16-shift, mixed)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="number of threads (default: one per core)")
    command.add_argument("--force", action="store_true", help="replace output that exists")


def add_quiet(command: argparse.ArgumentParser) -> None:
    """Add the option of every command that works for long."""
    command.add_argument("-q", "--quiet", action="store_true", help="show no progress, only warnings and errors")


def check_free(path: Path, force: bool) -> None:
    """Raise ValueError if an output exists and may not be replaced, or is a folder."""
    if path.is_dir() and not is_array(path):
        raise ValueError(f"{path}: is a folder, expected the name of a file; add one")
    if os.path.lexists(path) and not force:
        raise ValueError(f"{path}: {TAKEN}")


def check_folder(path: Path) -> None:
    """Raise ValueError if the folder that an output goes into is missing."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: folder {path.parent} does not exist; make it, or choose another")


class ConsoleTeller(Teller):
    """Prints lines on stderr: warnings always, details if they are asked for."""

    def __init__(self, verbose: bool, quiet: bool = False) -> None:
        self.verbose, self.quiet = verbose, quiet

    def say(self, *lines: str) -> None:
        """Print details if they are asked for."""
        if self.verbose:
            with heard():
                for line in lines:
                    print(line, file=sys.stderr, flush=True)

    def warn(self, line: str) -> None:
        """Print a warning."""
        with heard():
            print(f"npfuse: warning: {line}", file=sys.stderr, flush=True)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Print a step's name and its time."""
        start = time.perf_counter()
        yield
        self.say(f"{what}: {time.perf_counter() - start:.2f} s")

    def progress(self) -> AbstractContextManager[Progress | None]:
        """Draw a bar while pictures are fused."""
        return working("fusing", quiet=self.quiet)


def peak_memory() -> list[str]:
    """Return a line with the peak memory of the process; none on systems that do not tell it."""
    if sys.platform == "win32":
        return []
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return [f"peak memory of the process: {peak_bytes / 2**20:.0f} MiB"]


@contextmanager
def working(task: str, *, quiet: bool = False) -> Iterator[Bar]:
    """Draw a progress bar while a block runs; print a line above it if code has to be compiled first."""
    with progress_bar(task, quiet=quiet) as bar, note_of_compiling(bar) if bar.drawn else nullcontext():
        yield bar


@contextmanager
def note_of_compiling(bar: Bar) -> Iterator[None]:
    """Print a line above a bar, once, when Numba begins to compile; code that was kept is not compiled."""
    from npfuse.engine.compiled import telling_of_compiling

    def note() -> None:
        bar.say("npfuse: compiling for this processor, the first time only: about 10 seconds")

    with telling_of_compiling(note):
        yield
