"""`python -m bench`: npfuse beside the runtimes that people would otherwise use, on the same weights and pictures.

Every engine gets two 8-bit pictures and returns one; padding, conversion, normalization and rounding are part of its
time. Results are compared before times are taken. The extra `bench` is needed; a peer that is not installed is left
out.
On Linux, plain `pip install torch` brings gigabytes for graphics cards; to avoid that, install PyTorch's CPU-only build
before the extra.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bench import command_share, peers, tables
from bench.comparison import MemoryRow, Plan, Row, Sides, compare, measure_memory, pair_files
from bench.machine import description
from bench.pictures import Content, Photograph, read_rgb, repeats, size_of
from bench.plot import plot
from bench.runtime import check_weights
from npfuse.examples import example_pair
from npfuse.pictures.atomic import written_in_place
from npfuse.weights.loading import load_weights

JPEG_QUALITY = 95  # of the files for timing the command that are written if the photograph has another size
RANDOM = "random"
DEFAULTS: dict[str, dict[str, Any]] = {
    "full": {"sizes": [1.2, 12.0, 24.0], "noise": [2.0, 5.0, 10.0, 20.0, RANDOM], "rounds": 4, "large_rounds": 1},
    "quick": {"sizes": [1.2], "noise": [5.0, RANDOM], "rounds": 3, "large_rounds": 1},
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the files that are asked for."""
    options = _parsed(arguments)
    photographs = [
        Photograph(under=under, over=over)
        for under, over in zip(options.pictures[::2], options.pictures[1::2], strict=True)
    ] or [Photograph(**dict(zip(("under", "over"), example_pair("forest"), strict=True)))]
    networks = {name: load_weights(name) for name in options.weights}
    for weights in networks.values():
        check_weights(weights)
    present = [name for name in options.peers if not _named_if_missing(name)]
    sizes = sorted(size_of(megapixels) for megapixels in options.sizes)
    _print_pictures(photographs, sizes)
    measured = Measured(about=description(present))
    _print_machine(measured.about)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="npfuse-bench-") as folder:
        for network, weights in networks.items():
            plan = Plan(
                network=network,
                weights=weights,
                peers=present,
                sizes=sizes,
                contents=_contents(photographs, options.noise),
                threads=options.threads,
                rounds=options.rounds,
                large_rounds=options.large_rounds,
                folder=Path(folder),
            )
            _measure(plan, photographs[0], measured, options)
    _print_summary(measured)
    print(f"\n{time.perf_counter() - started:.0f} s in all")
    if options.json:
        measured.write_json(options.json)
    if options.plot:
        plot(measured.rows, options.plot)
    return 0


@dataclass(kw_only=True)
class Measured:
    """All measurements so far: the machine, the comparison, the memory, and the command's shares by network."""

    about: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    memory: list[MemoryRow] = field(default_factory=list)
    shares: list[tuple[str, command_share.Shares]] = field(default_factory=list)

    def write_json(self, path: Path) -> None:
        """Write everything."""
        everything = {
            "machine": self.about,
            "rows": [asdict(row) for row in self.rows],
            "memory": [asdict(row) for row in self.memory],
            "command": [{"network": network, **asdict(share)} for network, share in self.shares],
        }
        with written_in_place(path, overwrite=True) as file:
            file.write((json.dumps(everything, indent=2) + "\n").encode())


def _contents(photographs: Sequence[Photograph], noise: Sequence[float | str]) -> list[Content]:
    """Return the contents to fuse: the photographs, the first of them with noise, and random bytes if asked for."""
    return [
        *(Content(photograph=photograph) for photograph in photographs),
        *(Content(photograph=photographs[0], sigma=sigma) for sigma in noise if sigma != RANDOM),
        *(Content(photograph=None) for sigma in noise if sigma == RANDOM),
    ]


def _measure(plan: Plan, photograph: Photograph, measured: Measured, options: argparse.Namespace) -> None:
    """Measure one network, and print rows as they come."""
    sides = Sides()
    heading = 0
    for row in compare(plan, sides, _note):
        threads = row.threads if row.ratio is None else heading
        if threads != heading:
            heading = threads
            print(f"\n{plan.network}, {tables.threads_text(threads)}\n{tables.HEADER}")
        print(tables.row_line(row), flush=True)
        measured.rows.append(row)
        if options.json:  # after each row, so that a run that is broken off leaves its results
            measured.write_json(options.json)
    if not options.no_memory:
        measured.memory += measure_memory(plan, sides, _note)
    if not options.no_command:
        files = _jpeg_files(photograph, plan)
        for threads in options.threads:
            share = command_share.measure(*files, plan.weights, plan.network, threads, max(options.large_rounds, 3))
            measured.shares.append((plan.network, share))


def _print_machine(about: dict[str, Any]) -> None:
    """Say what is compared, and on which machine."""
    print("; ".join(f"{name} {number}" for name, number in about["versions"].items()))
    print(f"{about['processor']}, {about['cores']} cores, Python {about['python']}, commit {about['commit']}")


def _print_summary(measured: Measured) -> None:
    """Print the best and the worst leads, memory, and what the command's time is made of."""
    print("\nnpfuse's lead")
    for line in tables.extremes(measured.rows):
        print(line)
    if measured.memory:
        print("\nmemory of one run beyond the inputs, the output and the loaded library; and of the whole process")
        for line in tables.memory_lines(measured.memory):
            print(line)
    if measured.shares:
        print("\nthe command `npfuse fuse`, JPEG to JPEG")
        for network, share in measured.shares:
            for line in tables.share_lines(network, share):
                print(line)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        usage="python -m bench [UNDER OVER ...] [options]",  # after an option, they would be taken for its values
        description="Compare npfuse with other runtimes on the same weights and pictures, in one run.",
    )
    parser.add_argument(
        "pictures",
        nargs="*",
        type=Path,
        metavar="UNDER OVER",
        help="pairs of photographs, 8-bit colour (default: an example picture); the first is fused at every size, "
        "further ones at the smallest",
    )
    parser.add_argument("--sizes", nargs="+", type=float, metavar="MP", help="megapixels (default 1.2 12 24)")
    parser.add_argument(
        "--noise",
        nargs="*",
        type=_noise,
        metavar="SIGMA",
        help="levels of 255 added to the first pair, or random for random bytes (default 2 5 10 20 random)",
    )
    parser.add_argument("--threads", nargs="+", type=_count, default=[1, 2], metavar="N", help="(default 1 2)")
    parser.add_argument("--peers", nargs="*", choices=peers.NAMES, default=list(peers.NAMES), help="(default all)")
    parser.add_argument("--rounds", type=_count, help="at the smallest size (default 4)")
    parser.add_argument("--large-rounds", type=_count, help="at the larger sizes (default 1)")
    parser.add_argument(
        "--weights", nargs="+", default=["lightfuse", "tonefuse"], metavar="W", help="(default lightfuse tonefuse)"
    )
    parser.add_argument("--quick", action="store_true", help="1.2 megapixels, noise 5 and random, 3 rounds")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--no-command", action="store_true", help="leave out the time of the whole command")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, replacing an existing file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (.png, .svg, .pdf; needs matplotlib)")
    options = parser.parse_args(arguments)
    if len(options.pictures) % 2:
        parser.error(f"number of pictures is {len(options.pictures)}, expected pairs UNDER OVER")
    for name, value in DEFAULTS["quick" if options.quick else "full"].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if any(not 0.0001 <= megapixels <= 1000 for megapixels in options.sizes):
        parser.error(f"--sizes is {options.sizes}, expected megapixels from 0.0001 to 1000")
    return options


def _noise(text: str) -> float | str:
    if text == RANDOM:
        return RANDOM
    sigma = float(text)
    if not 0 < sigma <= 255:
        raise argparse.ArgumentTypeError(f"{text} is not {RANDOM} and not within 0 to 255 levels")
    return sigma


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return count


def _named_if_missing(name: str) -> bool:
    """Tell whether a peer is not installed, and say so."""
    absent = peers.missing(name)
    if absent:
        print(f"left out: {peers.peer(name).TITLE}, not installed: {', '.join(absent)}")
    return bool(absent)


def _print_pictures(photographs: Sequence[Photograph], sizes: Sequence[tuple[int, int]]) -> None:
    """Say what the pairs are made of."""
    for photograph, wanted in zip(photographs, [sizes, *([sizes[:1]] * (len(photographs) - 1))], strict=True):
        shape = read_rgb(photograph.under).shape
        made = []
        for size in wanted:
            rows, columns = repeats(shape, *size)
            repeated = f"repeated {rows} x {columns} times, mirrored" if rows * columns > 1 else "cropped and reduced"
            made.append(f"{size[0]} x {size[1]} {'as it is' if size == shape[:2] else repeated}")
        print(f"{photograph.name}, {shape[0]} x {shape[1]}: {'; '.join(made)}")


def _jpeg_files(photograph: Photograph, plan: Plan) -> tuple[Path, Path]:
    """Return JPEG files of the largest pair: the photograph's own, or new ones."""
    files = photograph.under, photograph.over
    jpegs = all(file.suffix.lower() in (".jpg", ".jpeg") for file in files)
    if jpegs and read_rgb(photograph.under).shape[:2] == plan.sizes[-1]:
        return files
    import numpy as np

    written = []
    for array in pair_files(plan.folder, plan.contents[0], plan.sizes[-1]):
        written.append(array.with_suffix(".jpg"))
        Image.fromarray(np.load(array)).save(written[-1], quality=JPEG_QUALITY)
    return written[0], written[1]


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
