"""`python -m costmodel report | executed | calibrate`: what networks cost, what fusing a pair executes, rates here."""

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any, NoReturn

from costmodel.card_table import card_table
from costmodel.conventions import CONVENTIONS, Convention, convention_named
from costmodel.layer_table import layer_table
from costmodel.machine import MACHINES, Machine, machine_named
from costmodel.networks.folding import folded
from costmodel.networks.reading import read_network
from costmodel.paper_table import table_3, times_table
from costmodel.report import (
    Subject,
    all_subjects,
    model_subject,
    network_subject,
    resources_table,
    running_table,
    work_table,
)
from costmodel.streaming import streaming
from costmodel.streaming_table import REUSE, hardware_table, streaming_table
from costmodel.tables import FORMATS, WIDTH, Table, Value, csv_text, json_text, text
from costmodel.this_machine import this_machine
from npfuse import __version__
from npfuse.methods import METHODS
from npfuse.padding import on_grid
from npfuse.pictures.atomic import written_in_place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.calibration.calibration import Calibration
    from costmodel.expected import Expectation

DEFAULT_SIZE = "896x1344"
DEFAULT_MODEL = "lightfuse"
MOST_LETTERS = 4000  # of a message
LEAST_WIDTH = 40  # columns of text
PLOT_MACHINE = "i7-8565u"  # where --machine names none: the paper's


class _Parser(argparse.ArgumentParser):
    """Prints one line where arguments are wrong, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], str] = arguments.run
        printed = run(arguments)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.strerror else str(error))
    except ValueError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("memory is too small for this size, expected a smaller --size or another machine")
    print("\n".join(map(_printable, printed.split("\n"))), flush=True)
    return 0


def _fail(message: str) -> int:
    """Print one line to stderr; return the exit status of wrong input."""
    line = _printable(" ".join(message.split()))
    print(f"costmodel: {line if len(line) <= MOST_LETTERS else line[:MOST_LETTERS] + ' ...'}", file=sys.stderr)
    return 2


def _printable(line: str) -> str:
    """Return a line without a terminal's control characters, which a file's names may have."""
    return line if line.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in line)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="costmodel", description="What a network costs, counted under a named convention.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
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
    report.set_defaults(run=_report)

    executed = commands.add_parser(
        "executed", help="the multiply-adds that fusing two pictures really executes, beside the static count"
    )
    executed.add_argument("under", metavar="UNDER", type=Path)
    executed.add_argument("over", metavar="OVER", type=Path)
    executed.add_argument("--weights", metavar="W", default=DEFAULT_MODEL, help="bundled name or file (%(default)s)")
    _add_form(executed)
    executed.set_defaults(run=_executed)
    calibrate = commands.add_parser(
        "calibrate", help="measure this machine once, for the times that `report --machine here` expects"
    )
    _add_form(calibrate)
    calibrate.set_defaults(run=_calibrate)
    return parser


def _calibrated() -> "Calibration":
    """Measure this machine and keep its rates."""
    from costmodel.calibration.calibration import calibrate, keep

    calibration = calibrate(lambda part: print(f"calibrating: {part}", file=sys.stderr))
    keep(calibration)
    return calibration


def _calibrate(arguments: argparse.Namespace) -> str:
    """Measure this machine; return its rates as text."""
    from costmodel.calibration_table import rates_table

    return _written([rates_table(_calibrated())], arguments, {"version": __version__})


def _add_form(command: argparse.ArgumentParser) -> None:
    """Add the options of how tables are written."""
    command.add_argument("--format", default="text", help=f"one of {', '.join(FORMATS)} (default: %(default)s)")
    command.add_argument(
        "--width", type=int, metavar="N", help="columns of text (default: the terminal's; a wide table goes on below)"
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="write csv into a folder, one file per table")


def _written(tables: Sequence[Table], arguments: argparse.Namespace, about: Mapping[str, Value]) -> str:
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


def _executed(arguments: argparse.Namespace) -> str:
    """Return what the fusion of two pictures executes, as text."""
    from costmodel.counts import count
    from costmodel.executed import count_executed
    from costmodel.executed_table import executed_table
    from npfuse.survey import survey
    from npfuse.weights.loading import load_weights

    _check_format(arguments.format)
    weights = load_weights(arguments.weights)
    a, b = _pictures(arguments.under, arguments.over)
    pair = (a, b) if survey(a).mean <= survey(b).mean else (b, a)
    title = f"{weights.label} on {arguments.under} and {arguments.over}, {a.shape[0]}x{a.shape[1]}: executed and static"
    height, width = on_grid(*a.shape[:2])
    layers = count(weights.graph(height, width)).layers
    table = executed_table(layers, count_executed(*pair, weights), title)
    return _written([table], arguments, {"version": __version__, "size": f"{a.shape[0]}x{a.shape[1]}"})


def _check_format(name: str) -> None:
    if name not in FORMATS:
        raise ValueError(f"format is {name!r}, expected one of {', '.join(FORMATS)}")


def _report(arguments: argparse.Namespace) -> str:
    """Return the report as text; ValueError or OSError where the arguments are wrong."""
    _check_format(arguments.format)
    convention = convention_named(arguments.convention)
    pair = _pair(arguments)
    height, width = _size(arguments.size or DEFAULT_SIZE) if pair is None else pair.shape[:2]
    subjects = _subjects(arguments, height, width)
    subject = subjects[0] if subjects else None
    machine = _machine(arguments.machine) if arguments.machine is not None else None
    if arguments.measure and (machine or arguments.layers):
        given = "--machine" if machine else "--layers"
        raise ValueError(f"{given} is given with --measure, expected one of them: what is measured is this machine's")
    expected = None if arguments.measure else _expectation(machine, pair, height, width)
    if arguments.plot:
        from costmodel.plot import plot

        drawn = subject or model_subject(DEFAULT_MODEL, height, width)
        own = machine or machine_named(PLOT_MACHINE)
        plot(drawn, convention, own, arguments.plot, achieved=_achieved(drawn, expected), fit=arguments.plot_for)
    if arguments.measure:
        tables = _measured(subjects, height, width, pair)
    elif arguments.streaming:
        tables = _streaming(subject or model_subject(DEFAULT_MODEL, height, width), machine, arguments.reuse)
    elif arguments.layers:
        tables = [_layers(subject or model_subject(DEFAULT_MODEL, height, width), convention, machine, expected)]
    elif len(subjects) > 1:
        tables = _several(subjects, convention, machine, expected)
    elif subject:
        tables = _one(subject, convention, machine, expected)
    else:
        tables = _all(height, width, convention, machine, expected)
    about: dict[str, Value] = {
        "version": __version__,
        "size": f"{height}x{width}",
        "convention": convention.name,
        "machine": machine.name if machine else None,
    }
    return _written(tables, arguments, about)


def _pair(arguments: argparse.Namespace) -> "NDArray[np.uint8] | None":
    """Return the pictures of --pair, ndarray (H, W, 6), the under-exposed one first; None without."""
    if arguments.pair is None:
        return None
    if arguments.size is not None:
        raise ValueError("--size is given with --pair, expected one of them: the pair has a size")
    if not arguments.measure and arguments.machine != "here":
        raise ValueError("--pair is given, expected it with --machine here or --measure")
    import numpy as np

    from npfuse.survey import survey

    a, b = _pictures(*arguments.pair)
    if a.dtype != np.uint8 or a.ndim != 3:
        raise ValueError(f"{arguments.pair[0]} is {a.dtype} {a.shape}, expected 8-bit RGB pictures")
    return np.concatenate((a, b) if survey(a).mean <= survey(b).mean else (b, a), axis=2)


def _pictures(first: Path, second: Path) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Return two pictures that are alike."""
    from npfuse.pictures.reading import read_picture

    a, b = (read_picture(path).pixels for path in (first, second))
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ValueError(f"{second} is {b.dtype} {b.shape}, expected {a.dtype} {a.shape} as {first}")
    return a, b


def _expectation(
    machine: Machine | None, pair: "NDArray[np.uint8] | None", height: int, width: int
) -> "Expectation | None":
    """Return what predicts times by the rates of this machine, where they are asked for and kept."""
    if machine is None or machine.name != "here":
        return None
    from costmodel.calibration.calibration import kept
    from costmodel.expected import Expectation, example_expectation

    calibration = kept()
    if calibration is None:
        print("no rates of this machine are kept; `costmodel calibrate` measures them", file=sys.stderr)
        return None
    return example_expectation(calibration, height, width) if pair is None else Expectation(calibration, pair, True)


def _achieved(subject: Subject, expected: "Expectation | None") -> list[float] | None:
    """Return the seconds of each step by the rates of this machine, where there are some of all steps."""
    if expected is None:
        return None
    steps = expected.layers(subject).values()
    return None if any(step.missing for step in steps) else [step.seconds for step in steps]


def _subjects(arguments: argparse.Namespace, height: int, width: int) -> list[Subject]:
    """Return the networks that the arguments name, if any."""
    if arguments.network is not None:
        if arguments.rules is not None:
            run_path(str(arguments.rules))
        network = read_network(arguments.network, height, width, _input_sizes(arguments.input_size))
        return [network_subject(folded(network) if arguments.fold else network)]
    for name in ("input_size", "fold", "rules"):
        if getattr(arguments, name):
            raise ValueError(f"--{name.replace('_', '-')} is given, expected it with --network only")
    names = arguments.model or []
    if len(names) > 1 and (arguments.layers or arguments.streaming or arguments.plot):
        raise ValueError(f"number of models is {len(names)}, expected 1 with --layers, --streaming and --plot")
    return [model_subject(name, height, width) for name in names]


def _machine(name: str) -> Machine:
    return this_machine() if name == "here" else machine_named(name)


def _layers(subject: Subject, convention: Convention, machine: Machine | None, expected: "Expectation | None") -> Table:
    height, width, _ = subject.graph.inputs[0][1]
    title = f"{subject.name} at {height}x{width}: one run, layer by layer"
    times = expected.layers(subject) if expected else None
    return layer_table(subject.cost, convention, machine, title, times)


def _streaming(subject: Subject, machine: Machine | None, reuse: int) -> list[Table]:
    found = streaming(subject.graph)
    size = f"{found.height}x{found.width}"
    return [
        streaming_table(found, f"{subject.name} at {size}, row by row"),
        hardware_table(found, machine, reuse, f"{subject.name} at {size}, row by row: memory, accesses and energy"),
    ]


def _one(
    subject: Subject, convention: Convention, machine: Machine | None, expected: "Expectation | None"
) -> list[Table]:
    return [
        running_table([subject], convention, f"{subject.name}: what runs"),
        work_table(subject),
        resources_table([subject], machine, f"{subject.name}: {_kinds(machine)}", expected),
    ]


def _several(
    subjects: list[Subject], convention: Convention, machine: Machine | None, expected: "Expectation | None"
) -> list[Table]:
    names = ", ".join(subject.name for subject in subjects)
    return [
        running_table(subjects, convention, f"{names}: what runs"),
        resources_table(subjects, machine, f"{names}: {_kinds(machine)}", expected),
    ]


def _kinds(machine: Machine | None) -> str:
    return "memory, energy and time" if machine else "memory and energy"


def _all(
    height: int, width: int, convention: Convention, machine: Machine | None, expected: "Expectation | None"
) -> list[Table]:
    subjects = all_subjects(height, width)
    size = f"a pair of {height}x{width} pictures"
    return [
        table_3(convention),
        times_table(subjects, height, width),
        card_table(height, width),
        running_table(subjects, convention, f"What really runs for {size}"),
        resources_table(subjects, machine, f"{_kinds(machine).capitalize()} for {size}", expected),
    ]


def _measured(asked: list[Subject], height: int, width: int, pair: "NDArray[np.uint8] | None") -> list[Table]:
    from costmodel.calibration.calibration import Session, keep
    from costmodel.measure import example_pixels
    from costmodel.measured_tables import memory_table, time_table

    def progress(name: str) -> None:
        print(f"running {name}", file=sys.stderr)

    subjects = asked or all_subjects(height, width)
    pixels = example_pixels(height, width) if pair is None else pair
    times, calibration = time_table(subjects, this_machine(), Session(), pixels, progress)
    keep(calibration)
    known = [subject for subject in subjects if subject.model]
    return [times, memory_table(known, progress)] if known else [times]


def _input_sizes(entries: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (height, width) by input of entries such as NAME=HxW."""
    sizes = {}
    for entry in entries:
        name, equals, size = entry.rpartition("=")
        if not equals or not name:
            raise ValueError(f"input size is {entry!r}, expected NAME=HxW")
        sizes[name] = _size(size)
    return sizes


def _size(size: str) -> tuple[int, int]:
    """Return (height, width); ValueError where it is no size."""
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", size)
    height, width = (int(group) for group in match.groups()) if match else (0, 0)
    if width < 1 or height < 1:
        raise ValueError(
            f"size is {size!r}, expected HxW, height and width, whole numbers from 1 to 999999, such as {DEFAULT_SIZE}"
        )
    return height, width


if __name__ == "__main__":
    try:
        status = main()
    except BrokenPipeError:  # the reader has gone, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
