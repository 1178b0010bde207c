"""The command `npfuse check`: what is wrong with a pair of photographs, and what to do about it."""

import argparse
from pathlib import Path

from npfuse.commands.console import Commands
from npfuse.pairs.diagnosis import Diagnosis, diagnose, findings
from npfuse.pairs.file_fusion import FileOptions, Teller, check_alike, read_pair
from npfuse.pairs.stored_fusion import check_survey
from npfuse.pictures.picture import shown
from npfuse.pictures.stored import opened
from npfuse.survey import survey

FOUND = 1
# Said by this command alone: of pairs 9 stops apart, too, the alignment may not be known.
UNSURE = "whether both show the same scene from the same place cannot be told; look at them"


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "check",
        help="say what is wrong with two photographs before they are fused",
        description="Say what is wrong with a pair. Exit status: 0 nothing, 1 something that makes the result worse, "
        "2 the pair cannot be fused.",
    )
    command.add_argument("under", type=Path, metavar="A")
    command.add_argument("over", type=Path, metavar="B")
    command.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    with opened(arguments.under) as first, opened(arguments.over) as second:
        if first is not None and second is not None:  # of any size
            check_alike(arguments.over, arguments.under, second, first)
            a, b = first.pixels, second.pixels
            for path, pixels in ((arguments.under, a), (arguments.over, b)):
                if pixels.dtype.kind == "f":
                    check_survey(shown(path), pixels, survey(pixels))
        else:
            a, b = (picture.pixels for picture in read_pair(arguments.under, arguments.over, FileOptions(), Teller()))
        found = diagnose(a, b)
    height, width = a.shape[:2]
    print(f"size        {height}x{width} (height x width), {a.dtype}")
    for line in _measured(found):
        print(line)
    told = findings(found) + ([] if found.shift.sure else [UNSURE])
    for finding in told:
        print(f"warning: {finding}")
    if not told:
        print("nothing wrong was found")
    return FOUND if told else 0


def _measured(found: Diagnosis) -> list[str]:
    """Return what was measured, a line a thing."""
    stops = "cannot be told: no pixel is exposed in both" if found.stops is None else f"{found.stops:+.1f} stops"
    shift = found.shift
    lies = f"{shift.rows:+.1f} rows, {shift.columns:+.1f} columns" if shift.sure else "cannot be told"
    return [
        f"exposure    {stops}, of the second picture against the first",
        f"clipped     {found.black:.1%} black in both, {found.white:.1%} white in both",
        f"shift       {lies} (score {shift.score:.0f})",
    ]
