"""`python -m costmodel report | executed | calibrate`: what networks cost, what fusing a pair executes, rates here."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from costmodel.arguments import check_format, parser, written
from costmodel.report_command import pictures_alike, report
from npfuse import __version__
from npfuse.padding import on_grid

if TYPE_CHECKING:
    from costmodel.calibration.calibration import Calibration

MOST_LETTERS = 4000  # of a message


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = parser().parse_args(argv)
    try:
        printed = RUN[arguments.command](arguments)
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


def _calibrated() -> "Calibration":
    """Measure this machine and keep its rates."""
    from costmodel.calibration.calibration import calibrate, keep

    calibration = calibrate(lambda part: print(f"calibrating: {part}", file=sys.stderr))
    keep(calibration)
    return calibration


def _calibrate(arguments: argparse.Namespace) -> str:
    """Measure this machine; return its rates as text."""
    from costmodel.calibration_table import rates_table

    return written([rates_table(_calibrated())], arguments, {"version": __version__})


def _executed(arguments: argparse.Namespace) -> str:
    """Return what the fusion of two pictures executes, as text."""
    from costmodel.counts import count
    from costmodel.executed import count_executed
    from costmodel.executed_table import executed_table
    from npfuse.survey import survey
    from npfuse.weights.loading import load_weights

    check_format(arguments.format)
    weights = load_weights(arguments.weights)
    a, b = pictures_alike(arguments.under, arguments.over)
    pair = (a, b) if survey(a).mean <= survey(b).mean else (b, a)
    title = f"{weights.label} on {arguments.under} and {arguments.over}, {a.shape[0]}x{a.shape[1]}: executed and static"
    height, width = on_grid(*a.shape[:2])
    layers = count(weights.graph(height, width)).layers
    table = executed_table(layers, count_executed(*pair, weights), title)
    return written([table], arguments, {"version": __version__, "size": f"{a.shape[0]}x{a.shape[1]}"})


RUN: Mapping[str, Callable[[argparse.Namespace], str]] = MappingProxyType(
    {"report": report, "executed": _executed, "calibrate": _calibrate}
)


if __name__ == "__main__":
    try:
        status = main()
    except BrokenPipeError:  # the reader has gone, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)
