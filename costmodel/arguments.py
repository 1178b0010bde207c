"""The arguments of `python -m costmodel`, and the form in which its tables are written."""

import argparse
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from costmodel.conventions import CONVENTIONS
from costmodel.machine import MACHINES
from costmodel.streaming_table import REUSE
from costmodel.tables import FORMATS, WIDTH, Table, Value, csv_text, json_text, text
from npfuse.methods import METHODS
from npfuse.pictures.atomic import written_in_place

DEFAULT_SIZE = "896x1344"
DEFAULT_MODEL = "lightfuse"
LEAST_WIDTH = 40  # columns of text
PLOT_MACHINE = "i7-8565u"  # where --machine names none: the paper's


class _Parser(argparse.ArgumentParser):
    """Prints one line where arguments are wrong, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments; `command` is report, executed or calibrate."""
    command = _Parser(prog="costmodel", description="What a network costs, counted under a named convention.")
    commands = command.add_subparsers(dest="command", required=True, metavar="COMMAND")
    report = commands.add_parser(
        "report",
        help="Table III of the LightFuse paper beside counted values, and what really runs; or one network",
        epilog="conventions: " + " | ".join(f"{c.name}: {c.sentence}" for c in CONVENTIONS.values()),
    )
    networks = report.add_mutually_exclusive_group()
    models = ", ".join(METHODS)
    networks.add_argument("--model", nargs="+", metavar="M", help=f"one network, or several side by side: {models}")
    networks.add_argument(
        "--network", "--keras", metavar="FILE", type=Path, help="the network in a .keras, .h5 or .onnx file"
    )
    report.add_argument(
        "--input-size",
        metavar="NAME=HxW",
        action="append",
        default=[],
        help="with --network: size of one of its inputs, where it is not --size",
    )
    report.add_argument(
        "--fold", action="store_true", help="with --network: fold normalisation by stored moments into convolutions"
    )
    report.add_argument(
        "--rules",
        metavar="FILE.py",
        type=Path,
        help="with --network: a Python file with rules for own layers, run",
    )
    report.add_argument("--layers", action="store_true", help=f"one row per layer (of {DEFAULT_MODEL} unless named)")
    report.add_argument(
        "--size", metavar="HxW", help=f"height and width of the pictures (default: {DEFAULT_SIZE}, or those of --pair)"
    )
    report.add_argument(
        "--pair",
        nargs=2,
        metavar=("UNDER", "OVER"),
        type=Path,
        help="with --machine here or --measure: pictures, on which the time of some methods depends",
    )
    report.add_argument("--convention", default="paper", help=f"one of {', '.join(CONVENTIONS)} (default: %(default)s)")
    _add_form(report)
    report.add_argument(
        "--machine",
        help=f"predict the time on: here (measured once), {', '.join(MACHINES)}, or the machine of a .toml file",
    )
    report.add_argument(
        "--measure", action="store_true", help="run every method here, on one core, and compare with the prediction"
    )
    report.add_argument(
        "--streaming",
        action="store_true",
        help=f"needs of hardware that works row by row: line buffers, weights, time (of {DEFAULT_MODEL} unless named)",
    )
    report.add_argument(
        "--reuse",
        type=int,
        default=REUSE,
        metavar="N",
        help="with --streaming: multiply-adds for each operand that is fetched from SRAM (default: %(default)s)",
    )
    report.add_argument(
        "--plot",
        metavar="FILE",
        type=Path,
        help=f"draw roofline and cost by layer (of {DEFAULT_MODEL}, on {PLOT_MACHINE}, unless others are named)",
    )
    report.add_argument(
        "--plot-for", default="page", metavar="FIT", help="page, or column: 3.5 inches wide, for a paper (%(default)s)"
    )
    executed = commands.add_parser(
        "executed", help="the multiply-adds that fusing two pictures really executes, beside the static count"
    )
    executed.add_argument("under", metavar="UNDER", type=Path)
    executed.add_argument("over", metavar="OVER", type=Path)
    executed.add_argument("--weights", metavar="W", default=DEFAULT_MODEL, help="bundled name or file (%(default)s)")
    _add_form(executed)
    calibrate = commands.add_parser(
        "calibrate", help="measure this machine once, for the times that `report --machine here` expects"
    )
    _add_form(calibrate)
    return command


def _add_form(command: argparse.ArgumentParser) -> None:
    """Add the options of how tables are written."""
    command.add_argument("--format", default="text", help=f"one of {', '.join(FORMATS)} (default: %(default)s)")
    command.add_argument(
        "--width", type=int, metavar="N", help="columns of text (default: the terminal's; a wide table goes on below)"
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="write csv into a folder, one file per table")


def check_format(name: str) -> None:
    if name not in FORMATS:
        raise ValueError(f"format is {name!r}, expected one of {', '.join(FORMATS)}")


def written(tables: Sequence[Table], arguments: argparse.Namespace, about: Mapping[str, Value]) -> str:
    """Return tables in the form that was asked for; csv of several goes into files, whose names are returned."""
    if arguments.out is not None and arguments.format != "csv":
        raise ValueError(f"--out is given with --format {arguments.format}, expected csv, which has one file per table")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        paths = [arguments.out / f"{table.name}.csv" for table in tables]
        for path, table in zip(paths, tables, strict=True):
            with written_in_place(path, overwrite=True) as file:
                file.write((csv_text([table]) + "\n").encode())
        return "\n".join(map(str, paths))
    if arguments.format == "csv" and len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise ValueError(f"csv is of {len(tables)} tables ({names}), expected --out FOLDER, for one file per table")
    if arguments.format == "json":
        return json_text(tables, about)
    if arguments.format != "text":
        return FORMATS[arguments.format](tables)
    width = arguments.width
    if width is None:
        width = shutil.get_terminal_size((WIDTH, 24)).columns
    if width < LEAST_WIDTH:
        raise ValueError(f"width is {width}, expected at least {LEAST_WIDTH}")
    return text(tables, width)


def input_sizes(entries: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (height, width) by input of entries such as NAME=HxW."""
    sizes = {}
    for entry in entries:
        name, equals, size = entry.rpartition("=")
        if not equals or not name:
            raise ValueError(f"input size is {entry!r}, expected NAME=HxW")
        sizes[name] = size_of(size)
    return sizes


def size_of(size: str) -> tuple[int, int]:
    """Return (height, width); ValueError where it is no size."""
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", size)
    height, width = (int(group) for group in match.groups()) if match else (0, 0)
    if width < 1 or height < 1:
        raise ValueError(
            f"size is {size!r}, expected HxW, height and width, whole numbers from 1 to 999999, such as {DEFAULT_SIZE}"
        )
    return height, width
