"""Measures how long commands take: processor time and wall-clock time of whole processes, and of their parts.

    python -m bench.command_time UNDER OVER [--rounds N] [--against FOLDER] [--first]

runs each command in processes of its own, in turn, and prints medians: processor time of all threads, and wall-clock
time, in seconds. With --against, another checkout of the project runs in turn with this one, which compares before and
after in one run on one machine. The parts (decoding both files, fusing, encoding) are timed in a process that has done
each before. --first adds the very first run, which compiles: its machine code goes to an empty folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.summary import Summary, summarized

SMALL = (448, 672)  # rows and columns of the small pair, 0.3 megapixels
PARTS = """
import sys, time
import npfuse
from npfuse.pictures.reading import Picture, read_picture, write_picture
under, over, out = sys.argv[1:]
for warm in (False, True):
    starts = [time.process_time()]
    pictures = [read_picture(path).pixels for path in (under, over)]
    starts.append(time.process_time())
    fused = npfuse.fuse(*pictures, order="given", threads=1)
    starts.append(time.process_time())
    write_picture(out, Picture(pixels=fused), overwrite=True)
    starts.append(time.process_time())
print(*(b - a for a, b in zip(starts, starts[1:])))
"""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Seconds of a process: processor time of all threads together, and wall-clock time."""

    processor: float
    wall: float
    said: str


def spend(command: Sequence[str], checkout: Path, more: dict[str, str]) -> Spent:
    """Run Python with arguments, on the project of a checkout, and return the time that it took.

    Raises
    ------
    RuntimeError : the process ended with a status other than 0, or 1, with which `check` reports faults
    """
    environment = os.environ | {"PYTHONPATH": str(checkout)} | more
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its byte code
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, *command], cwd=checkout, env=environment, stdout=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
        said.seek(0)
        return Spent(processor=usage.ru_utime + usage.ru_stime, wall=wall, said=said.read().decode())


def commands(under: Path, over: Path, folder: Path) -> dict[str, list[str]]:
    """Return the commands that are timed, by their titles; a small pair is made in a folder."""
    small = [folder / f"small_{name}.jpg" for name in ("under", "over")]
    for source, target in zip((under, over), small, strict=True):
        with Image.open(source) as picture:
            picture.convert("RGB").resize(SMALL[::-1], Image.Resampling.BOX).save(target, quality=95)
    out = ["-o", str(folder / "out.jpg"), "--force", "-q"]
    fuse = ["-m", "npfuse", "fuse"]
    return {
        "Python and NumPy alone": ["-c", "import numpy"],
        "npfuse --version": ["-m", "npfuse", "--version"],
        "fuse, 0.3 megapixels": [*fuse, *map(str, small), *out],
        "fuse": [*fuse, str(under), str(over), *out],
        "fuse --no-check": [*fuse, str(under), str(over), *out, "--no-check"],
        "fuse --threads 1": [*fuse, str(under), str(over), *out, "--threads", "1"],
        "check": ["-m", "npfuse", "check", str(under), str(over)],
    }


def measure(
    under: Path, over: Path, checkouts: Sequence[Path], rounds: int
) -> Iterator[tuple[str, list[tuple[Summary, Summary]]]]:
    """Yield each row: its title, and each checkout's processor and wall-clock time; parts have the former twice."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        parts = ["-c", PARTS, str(under), str(over), str(folder / "out.jpg")]
        seconds = [[spend(parts, checkout, {}).said.split() for checkout in checkouts] for _ in range(rounds)]
        for i, what in enumerate(("  decoding both files", "  fusing, one thread", "  encoding")):
            spent = [summarized([float(each[place][i]) for each in seconds]) for place in range(len(checkouts))]
            yield what, [(summary, summary) for summary in spent]
        for what, command in commands(under, over, folder).items():
            # The first round, which may have to compile, is not counted.
            turns = [[spend(command, checkout, {}) for checkout in checkouts] for _ in range(rounds + 1)][1:]
            found = []
            for place in range(len(checkouts)):
                processor, wall = [turn[place].processor for turn in turns], [turn[place].wall for turn in turns]
                found.append((summarized(processor), summarized(wall)))
            yield what, found


def first_run(under: Path, over: Path, checkout: Path) -> Spent:
    """Fuse a pair with nothing compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        command = commands(under, over, Path(folder))["fuse, 0.3 megapixels"]
        caches = Path(folder, "caches")
        caches.mkdir(mode=0o700)
        return spend(command, checkout, {"NUMBA_CACHE_DIR": str(caches)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.command_time", description=__doc__.split("\n")[0])
    parser.add_argument("under", type=Path)
    parser.add_argument("over", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, timed in turn")
    parser.add_argument("--first", action="store_true", help="time the first run ever as well, once")
    options = parser.parse_args(arguments)
    own = Path(__file__).parents[1]
    checkouts = [own] if options.against is None else [options.against.resolve(), own]
    under, over = options.under.resolve(), options.over.resolve()
    headings = "".join(f"{('before', 'after')[place]:>18}" for place in range(2)) if options.against else ""
    print(f"{'processor time / wall, seconds, medians':<40}{headings}")
    for what, found in measure(under, over, checkouts, options.rounds):
        print(f"{what:<40}" + "".join(f"{cpu.median:>9.3f} /{wall.median:>7.3f}" for cpu, wall in found), flush=True)
    if options.first:
        found = [first_run(under, over, checkout) for checkout in checkouts]
        print(f"{'first run ever':<40}" + "".join(f"{one.processor:>9.3f} /{one.wall:>7.3f}" for one in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
