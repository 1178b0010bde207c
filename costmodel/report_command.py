"""`python -m costmodel report`: the tables and the plot that its arguments ask for."""

import argparse
import sys
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

from costmodel.arguments import DEFAULT_MODEL, DEFAULT_SIZE, PLOT_MACHINE, check_format, input_sizes, size_of, written
from costmodel.card_table import card_table
from costmodel.conventions import Convention, convention_named
from costmodel.layer_table import layer_table
from costmodel.machine import Machine, machine_named
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
from costmodel.streaming_table import hardware_table, streaming_table
from costmodel.tables import Table, Value
from costmodel.this_machine import this_machine
from npfuse import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodel.expected import Expectation


def report(arguments: argparse.Namespace) -> str:
    """Return the report as text; ValueError or OSError where the arguments are wrong."""
    check_format(arguments.format)
    convention = convention_named(arguments.convention)
    pair = _pair(arguments)
    height, width = (
        size_of(DEFAULT_SIZE if arguments.size is None else arguments.size) if pair is None else pair.shape[:2]
    )
    subjects = _subjects(arguments, height, width)
    machine = _machine(arguments.machine) if arguments.machine is not None else None
    if arguments.measure and (machine or arguments.layers):
        given = "--machine" if machine else "--layers"
        raise ValueError(f"{given} is given with --measure, expected one of them: what is measured is this machine's")
    expected = None if arguments.measure else _expectation(machine, pair, height, width)
    if arguments.plot:
        from costmodel.plot import plot

        drawn = subjects[0] if subjects else model_subject(DEFAULT_MODEL, height, width)
        own = machine or machine_named(PLOT_MACHINE)
        plot(drawn, convention, own, arguments.plot, achieved=_achieved(drawn, expected), fit=arguments.plot_for)
    if arguments.measure:
        tables = _measured(subjects, height, width, pair)
    else:
        tables = _tables(arguments, subjects, (height, width), convention, machine, expected)
    about: dict[str, Value] = {
        "version": __version__,
        "size": f"{height}x{width}",
        "convention": convention.name,
        "machine": machine.name if machine else None,
    }
    return written(tables, arguments, about)


def _tables(
    arguments: argparse.Namespace,
    subjects: list[Subject],
    size: tuple[int, int],
    convention: Convention,
    machine: Machine | None,
    expected: "Expectation | None",
) -> list[Table]:
    """Return the tables of what is counted and predicted."""
    if arguments.streaming:
        return _streaming(subjects[0] if subjects else model_subject(DEFAULT_MODEL, *size), machine, arguments.reuse)
    if arguments.layers:
        subject = subjects[0] if subjects else model_subject(DEFAULT_MODEL, *size)
        return [_layers(subject, convention, machine, expected)]
    if len(subjects) > 1:
        return _several(subjects, convention, machine, expected)
    if subjects:
        return _one(subjects[0], convention, machine, expected)
    return _all(*size, convention, machine, expected)


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

    a, b = pictures_alike(*arguments.pair)
    if a.dtype != np.uint8 or a.ndim != 3:
        raise ValueError(f"{arguments.pair[0]} is {a.dtype} {a.shape}, expected 8-bit RGB pictures")
    return np.concatenate((a, b) if survey(a).mean <= survey(b).mean else (b, a), axis=2)


def pictures_alike(first: Path, second: Path) -> "tuple[NDArray[Any], NDArray[Any]]":
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
            _run_rules(arguments.rules)
        network = read_network(arguments.network, height, width, input_sizes(arguments.input_size))
        return [network_subject(folded(network) if arguments.fold else network)]
    for name in ("input_size", "fold", "rules"):
        if getattr(arguments, name):
            raise ValueError(f"--{name.replace('_', '-')} is given, expected it with --network only")
    names = arguments.model or []
    if len(names) > 1 and (arguments.layers or arguments.streaming or arguments.plot):
        raise ValueError(f"number of models is {len(names)}, expected 1 with --layers, --streaming and --plot")
    return [model_subject(name, height, width) for name in names]


def _run_rules(path: Path) -> None:
    """Run a Python file with rules; ValueError for whatever it raises."""
    if not path.is_file():
        raise ValueError(f"--rules is {path}, expected a Python file")
    try:
        run_path(str(path))
    except Exception as error:
        raise ValueError(f"--rules {path}: {type(error).__name__}: {error}") from error


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
