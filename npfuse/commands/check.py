"""The command `npfuse check`: the faults of a pair of photographs, each with its remedy."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from npfuse.commands.console import Commands, ConsoleTeller
from npfuse.contract import check_survey
from npfuse.pairs.diagnosis import SMALL_PIXELS, Diagnosis, diagnose, findings
from npfuse.pairs.file_fusion import FileOptions, check_alike, read_pair
from npfuse.pairs.file_options import CLIP_HINT
from npfuse.pairs.memory_plan import parse_size
from npfuse.pairs.motions import described
from npfuse.pairs.small_copies import reading_reduction
from npfuse.pairs.unlike import unlike_training
from npfuse.pairs.white_balance import balance_of
from npfuse.pairs.white_level import with_full_white
from npfuse.pictures.picture import shown
from npfuse.pictures.reading import upright_jpeg_size
from npfuse.pictures.stored import opened
from npfuse.strips import WHITE
from npfuse.survey import survey

FOUND = 1
# Printed by this command only: even a good pair may have no certain alignment, if it is 9 stops apart.
UNSURE = "cannot tell whether both show one scene from one place; look at them"


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "check",
        help="list the faults of two photographs before they are fused",
        description="Say how far apart two exposures are, what is black or white in both, whether the second is "
        "shifted, turned or zoomed, and what moved, each fault with its remedy. Exit status: 0 no fault; 1 faults "
        "that make the result worse; 2 the pair cannot be fused.",
    )
    command.add_argument("under", type=Path, metavar="A", help="one exposure")
    command.add_argument("over", type=Path, metavar="B", help="another exposure of the same scene")
    command.add_argument("--max-memory", metavar="SIZE", help="memory that the process may take, such as 1.5G")
    command.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    options = FileOptions(max_memory=None if arguments.max_memory is None else parse_size(arguments.max_memory))
    tell = ConsoleTeller(False)
    with opened(arguments.under) as first, opened(arguments.over) as second:
        if first is not None and second is not None:  # of any size
            check_alike(arguments.over, arguments.under, second, first, options)
            first, second = with_full_white([first, second], options, tell)
            a, b = first.pixels, second.pixels
            alphas = [first.alpha, second.alpha]
            for path, pixels in ((arguments.under, a), (arguments.over, b)):
                if pixels.dtype.kind == "f":
                    check_survey(shown(path), survey(pixels), tuple(pixels.shape), hint=CLIP_HINT)
            size, reduced = None, 1
        else:
            size, reduced = (None, 1) if options.max_memory is not None else _read_by(arguments.under, arguments.over)
            reading = replace(options, reduction=reduced)
            pictures = read_pair(arguments.under, arguments.over, reading, tell)
            a, b = (picture.pixels for picture in pictures)
            alphas = [picture.alpha for picture in pictures]
        found, balance = diagnose(a, b, alphas=alphas, reduced=reduced, shape=size), balance_of(a, b)
        white = WHITE[np.dtype(a.dtype)]
        unlike = [] if found.same else unlike_training(found.stops, (survey(a).mean / white, survey(b).mean / white))
    height, width = size or a.shape[:2]
    print(f"size        {height}x{width} (height x width), {a.dtype}")
    for line in _measured(found):
        print(line)
    told = findings(found) + unlike + ([balance.finding] if balance is not None and balance.differs else [])
    told += [] if found.motion.sure else [UNSURE]
    for finding in told:
        print(f"warning: {finding}")
    if not told:
        print("nothing wrong was found")
    return FOUND if told else 0


def _read_by(a: Path, b: Path) -> tuple[tuple[int, int] | None, int]:
    """Return the size, and how far it is reduced on reading, of JPEGs that are alike; of other files None and 1."""
    sizes = {upright_jpeg_size(path) for path in (a, b)}
    size = sizes.pop()
    if sizes or size is None:
        return None, 1
    return size, reading_reduction(*size, SMALL_PIXELS)


def _measured(found: Diagnosis) -> list[str]:
    """Return the lines that print the measurements."""
    stops = "cannot be told: no pixel is exposed in both" if found.stops is None else f"{found.stops:+.1f} stops"
    motion = found.motion
    lies = f"cannot be told: {motion.doubt}"
    if motion.sure:
        lies = f"{described(motion.matrix, motion.height, motion.width)}, to about {motion.left:.1f} pixels"
    return [
        f"exposure    {stops}, of the second picture against the first",
        f"clipped     {found.black:.1%} black in both, {found.white:.1%} white in both",
        f"motion      {lies}",
        "moving      cannot be told"
        if found.ghosts is None
        else f"moving      {found.ghosts.share:.1%} of the picture",
    ]
