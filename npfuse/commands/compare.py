"""The commands `npfuse compare` and `npfuse figure`: methods side by side on one sheet."""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npfuse.commands.console import Commands, check_free, progress_bar
from npfuse.methods import METHODS
from npfuse.pictures.reading import Picture, check_writable, read_picture, write_picture
from npfuse.scoring.comparison import CELL_HEIGHT, FIGURES, Zoom, check_zooms, compare
from npfuse.scoring.evaluation import candidates


def add(commands: Commands) -> None:
    """Add the commands' parsers."""
    command = commands.add_parser("compare", help="lay every method's result of one scene out side by side")
    command.add_argument("exposures", type=Path, nargs="+", metavar="PICTURE", help="two exposures or more")
    _add_sheet_options(command)
    command.add_argument("--weights", nargs="+", default=[], metavar="W", help="weights files to show as well")
    command.add_argument("--methods", nargs="+", choices=tuple(METHODS), metavar="M", help=f"of {', '.join(METHODS)}")
    command.add_argument(
        "--zoom",
        type=_zoom,
        action="append",
        default=[],
        metavar="R,C,H,W",
        help="a row of the part at row R and column C, H pixels high and W wide; may be given again",
    )
    command.add_argument("--threads", type=int, metavar="N", help="(as many as cores)")
    command.set_defaults(run=_compare)

    command = commands.add_parser("figure", help="draw one of the paper's figures from the example pictures")
    command.add_argument(
        "number", type=int, choices=tuple(FIGURES), help="3: T_CNN; 5: DetailNet and GlobalNet apart; 6: the methods"
    )
    _add_sheet_options(command)
    command.set_defaults(run=_figure)


def _add_sheet_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", type=Path, required=True, metavar="SHEET", help="the picture to write")
    command.add_argument(
        "--cell-height", type=int, default=CELL_HEIGHT, metavar="N", help=f"of each picture ({CELL_HEIGHT})"
    )
    command.add_argument("--force", action="store_true", help="replace existing output")


def _zoom(text: str) -> Zoom:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text}, expected row,column,height,width, each a whole number")
    row, column, height, width = (int(part) for part in parts)
    return row, column, height, width


def _check_output(arguments: argparse.Namespace) -> None:
    check_free(arguments.output, arguments.force)
    check_writable(arguments.output, overwrite=arguments.force)
    if not 8 <= arguments.cell_height <= 4096:
        raise ValueError(f"--cell-height is {arguments.cell_height}, expected 8 to 4096")


def _compare(arguments: argparse.Namespace) -> None:
    _check_output(arguments)
    if len(arguments.exposures) < 2:
        raise ValueError(f"number of pictures is {len(arguments.exposures)}, expected at least 2")
    scored = candidates(arguments.weights, arguments.methods)
    pictures: list[NDArray[np.uint8]] = []
    for path in arguments.exposures:
        pixels = read_picture(path).pixels
        if pictures and pixels.shape != pictures[0].shape:
            raise ValueError(
                f"{path}: shape is {pixels.shape}, expected {pictures[0].shape} as {arguments.exposures[0]}"
            )
        if pixels.dtype != np.uint8:
            raise ValueError(f"{path}: sample type is {pixels.dtype}, expected uint8: a sheet has 8 bits")
        pictures.append(pixels)
    check_zooms(arguments.zoom, pictures[0].shape)
    with progress_bar("fusing") as progress:
        sheet = compare(
            pictures,
            scored,
            zooms=arguments.zoom,
            cell_height=arguments.cell_height,
            threads=arguments.threads,
            progress=progress,
        )
    write_picture(arguments.output, Picture(pixels=sheet), overwrite=arguments.force)


def _figure(arguments: argparse.Namespace) -> None:
    _check_output(arguments)
    with progress_bar("fusing") as progress:
        sheet = FIGURES[arguments.number](arguments.cell_height, progress)
    write_picture(arguments.output, Picture(pixels=sheet), overwrite=arguments.force)
