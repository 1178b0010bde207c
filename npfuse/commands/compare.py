"""The commands `npfuse compare`, `rank` and `figure`: methods side by side on sheets, blind if asked for."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

import numpy as np
from numpy.typing import NDArray

from npfuse.commands.console import Commands, add_quiet, check_folder, check_free, working
from npfuse.methods import METHODS
from npfuse.pages.comparison_page import NamedPicture, comparison_page
from npfuse.pages.viewed_scene import COPY_SIDE
from npfuse.picture_shares import share_colours
from npfuse.pictures.atomic import write_text
from npfuse.pictures.contact_sheet import contact_sheet
from npfuse.pictures.picture import shown
from npfuse.pictures.reading import Picture, check_writable, read_picture, write_picture
from npfuse.pictures.writing import to_8_bits
from npfuse.scoring.blind import LETTERS, agreement, read_key, read_ranking, shuffled, standings, write_key
from npfuse.scoring.comparison import CELL_HEIGHT, FIGURES, Zoom, check_zooms, fuse_by_all, lay_out, maps_of_each
from npfuse.scoring.evaluation import Candidate, candidates, printable
from npfuse.scoring.scenes import darkest_first, find_scenes


def add(commands: Commands) -> None:
    """Add the commands' parsers."""
    command = commands.add_parser(
        "compare",
        help="lay every method's result of one scene out side by side, on a sheet or a page",
        description="Fuse one scene by every method, and lay the results out side by side: on a sheet (-o), or on a "
        "page for the browser with a slider between any two pictures (--html), or both. Of a folder of scenes, "
        "DIR/<scene>/<exposures>, a sheet for each scene goes into the folder SHEET. With --blind, letters stand for "
        "the methods, in another order on every sheet; `npfuse rank` scores the judges' rankings.",
    )
    command.add_argument(
        "exposures",
        type=Path,
        nargs="+",
        metavar="PICTURE",
        help="two exposures or more of one scene, or a folder of scenes",
    )
    _add_sheet_options(command, required=False)
    command.add_argument("--html", type=Path, metavar="PAGE", help="page for the browser to write")
    command.add_argument(
        "--label",
        type=Path,
        metavar="PICTURE",
        help="picture that a good result looks like; the page then has PSNR and SSIM",
    )
    command.add_argument(
        "--long-side",
        type=int,
        default=COPY_SIDE,
        metavar="N",
        help=f"pixels of the longer side of the pictures in the page, at most (default: {COPY_SIDE})",
    )
    command.add_argument(
        "--weights-map",
        type=Path,
        metavar="FILE",
        help="sheet of maps to write: which exposure each place of a result comes from",
    )
    command.add_argument(
        "--blind",
        type=Path,
        metavar="KEY",
        help="show letters instead of names; .json file to write, which says what they stand for",
    )
    command.add_argument("--pair", action="store_true", help="fuse the darkest and the brightest exposure alone")
    command.add_argument(
        "--result",
        type=_result,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="result of another program to show as well, or a folder of results named as the scenes; may be repeated",
    )
    command.add_argument(
        "--weights", nargs="+", default=[], metavar="W", help="weights files whose results are shown as well"
    )
    command.add_argument(
        "--methods",
        nargs="+",
        choices=tuple(METHODS),
        metavar="M",
        help=f"methods to show, of {', '.join(METHODS)} (default: all)",
    )
    command.add_argument(
        "--zoom",
        type=_zoom,
        action="append",
        default=[],
        metavar="R,C,H,W",
        help="part to enlarge in a row of its own: at row R and column C, H pixels high and W wide; may be repeated",
    )
    command.add_argument("--threads", type=int, metavar="N", help="number of threads (default: one per core)")
    command.set_defaults(run=_compare)

    command = commands.add_parser(
        "figure",
        help="draw one of the paper's figures from the example pictures",
        description="Draw a figure of LightFuse's paper (arXiv 2107.02299) from the example pictures.",
    )
    command.add_argument(
        "number",
        type=int,
        choices=tuple(FIGURES),
        help="number of the figure: 3 has T_CNN beside LightFuse, 5 DetailNet and GlobalNet apart, 6 all methods",
    )
    _add_sheet_options(command)
    command.set_defaults(run=_figure)

    command = commands.add_parser(
        "rank",
        help="score rankings of blind sheets",
        description="Score rankings of the sheets of `npfuse compare --blind`: mean rank, 1 is best, and how often "
        "each method was first and last. A ranking is a text file with a line for each sheet, best first, such as "
        "'lake: B D A C'; B=D is a tie.",
    )
    command.add_argument("key", type=Path, metavar="KEY", help=".json file that compare --blind wrote")
    command.add_argument("rankings", type=Path, nargs="+", metavar="RANKING", help="text files, one per judge")
    command.set_defaults(run=_rank)


def _add_sheet_options(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    command.add_argument(
        "-o", "--output", type=Path, required=required, metavar="SHEET", help="sheet to write, a picture"
    )
    command.add_argument(
        "--cell-height",
        type=int,
        default=CELL_HEIGHT,
        metavar="N",
        help=f"pixels of the height of each picture in the sheet (default: {CELL_HEIGHT})",
    )
    command.add_argument("--force", action="store_true", help="replace output that exists")
    add_quiet(command)


def _zoom(text: str) -> Zoom:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text}, expected row,column,height,width, each a whole number")
    row, column, height, width = (int(part) for part in parts)
    return row, column, height, width


def _result(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{text}, expected NAME=PATH")
    return name, Path(path)


def _check_sheet(path: Path, arguments: argparse.Namespace) -> None:
    check_free(path, arguments.force)
    check_writable(path, overwrite=arguments.force)
    _check_height(arguments)


def _check_outputs(arguments: argparse.Namespace, folder: bool) -> None:
    """Raise, before the work, the errors that its options would make after it."""
    page = arguments.html is not None or arguments.weights_map is not None
    if arguments.output is None and (folder or arguments.blind or not page):
        raise ValueError("no output is named, expected -o SHEET, or of one scene --html PAGE or --weights-map FILE")
    if page and (folder or arguments.blind):
        raise ValueError(
            "--html and --weights-map are of one scene, and name the methods; leave out --blind, and of a folder use "
            "npfuse evaluate --html"
        )
    for sheet in filter(None, (None if folder else arguments.output, arguments.weights_map)):
        _check_sheet(sheet, arguments)
    if arguments.html is not None:
        check_free(arguments.html, arguments.force)
        check_folder(arguments.html)
    if not 64 <= arguments.long_side <= 16384:
        raise ValueError(f"--long-side is {arguments.long_side}, expected 64 to 16384")


def _check_height(arguments: argparse.Namespace) -> None:
    if not 8 <= arguments.cell_height <= 4096:
        raise ValueError(f"--cell-height is {arguments.cell_height}, expected 8 to 4096")


def _compare(arguments: argparse.Namespace) -> None:
    folder = len(arguments.exposures) == 1 and arguments.exposures[0].is_dir()
    _check_outputs(arguments, folder)
    if arguments.blind:
        check_free(arguments.blind, arguments.force)
    if folder:
        _check_height(arguments)
        scenes = [(files.name, files.exposures) for files in find_scenes(arguments.exposures[0])]
        sheets = {name: arguments.output / f"{name}.png" for name, _ in scenes}
        for path in sheets.values():
            check_free(path, arguments.force)
    else:
        name = (arguments.output or arguments.html or arguments.weights_map).stem
        scenes, sheets = [(name, tuple(arguments.exposures))], {name: arguments.output}
    scored = candidates(arguments.weights, arguments.methods)
    key: dict[str, list[str]] = {}
    random = SystemRandom()
    with working("fusing", quiet=arguments.quiet) as progress:
        for done, (name, paths) in enumerate(scenes):
            if len(paths) < 2:
                raise ValueError(f"number of pictures is {len(paths)}, expected at least 2")
            pictures = _read_alike(paths)
            check_zooms(arguments.zoom, pictures[0].shape)
            exposures = darkest_first(pictures)
            fused = fuse_by_all(
                [exposures[0], exposures[-1]] if arguments.pair else exposures,
                scored,
                threads=arguments.threads,
                progress=None if folder else progress,
            )
            for title, path in arguments.result:
                fused.append((title, _read_alike([_result_of(path, name)], (paths[0], pictures[0]))[0]))
            if arguments.blind:
                fused = shuffled(fused, random)
                key[name] = [title for title, _ in fused]
                fused = [(letter, picture) for letter, (_, picture) in zip(LETTERS, fused, strict=False)]
            if sheets[name] is None:
                continue
            sheet = lay_out(pictures, fused, zooms=arguments.zoom, cell_height=arguments.cell_height)
            sheets[name].parent.mkdir(parents=True, exist_ok=True)
            write_picture(sheets[name], Picture(pixels=sheet), overwrite=arguments.force)
            if folder:
                progress(done + 1, len(scenes))
    if arguments.blind:
        write_key(arguments.blind, key, overwrite=arguments.force)
    if arguments.html is not None or arguments.weights_map is not None:
        _write_page(arguments, pictures, scored, fused)


def _write_page(
    arguments: argparse.Namespace,
    pictures: list[NDArray[np.uint8]],
    scored: list[Candidate],
    fused: list[tuple[str, NDArray[np.uint8]]],
) -> None:
    """Write the page and the sheet of maps of one scene."""
    labels = [] if arguments.label is None else _read_alike([arguments.label], (arguments.exposures[0], pictures[0]))
    named = [NamedPicture(path.name, pixels) for path, pixels in zip(arguments.exposures, pictures, strict=True)]
    exposures = sorted(named, key=lambda picture: float(picture.pixels.mean()))
    mapped = [exposures[0], exposures[-1]] if arguments.pair else exposures
    with working("mapping", quiet=arguments.quiet) as progress:
        maps = maps_of_each([picture.pixels for picture in mapped], scored, progress=progress)
    if arguments.weights_map is not None:
        titles, look = [title for title, _ in fused], {"cell_height": arguments.cell_height}
        legend = ["blue: darkest, yellow: brightest"]
        sheet = contact_sheet([[share_colours(shares) for shares, _ in maps]], titles[: len(maps)], legend, **look)
        write_picture(arguments.weights_map, Picture(pixels=sheet), overwrite=arguments.force)
    if arguments.html is not None:
        html = comparison_page(
            " + ".join(picture.title for picture in exposures),
            exposures,
            [NamedPicture(title, pixels) for title, pixels in fused],
            maps=maps,
            label=NamedPicture(arguments.label.name, labels[0]) if labels else None,
            long_side=arguments.long_side,
        )
        write_text(arguments.html, html, overwrite=arguments.force)


def _read_alike(
    paths: Sequence[Path], first: "tuple[Path, NDArray[np.uint8]] | None" = None
) -> list[NDArray[np.uint8]]:
    """Read pictures of the shape of the first, or of one that was read before; more than 8 bits are rounded."""
    pictures: list[NDArray[np.uint8]] = []
    for path in paths:
        pixels = read_picture(path).pixels
        if first is not None and pixels.shape != first[1].shape:
            raise ValueError(f"{path}: shape is {pixels.shape}, expected {first[1].shape} as {first[0]}")
        if pixels.dtype != np.uint8:
            told = f"{pixels.dtype} rounded to 8 bits, which sheets and pages have"
            print(f"npfuse: {shown(path)}: {told}", file=sys.stderr)
            pixels = to_8_bits(pixels, shown(path))
        first = first or (path, pixels)
        pictures.append(pixels)
    return pictures


def _result_of(path: Path, scene: str) -> Path:
    """Return the file of another program's result: the path itself, or the picture in it named as the scene."""
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.stem == scene)
    if len(found) != 1:
        raise ValueError(f"{path}: holds {len(found)} files named {scene}, expected one result of the scene")
    return found[0]


def _rank(arguments: argparse.Namespace) -> None:
    key = read_key(arguments.key)
    judges = [read_ranking(path, key) for path in arguments.rankings]
    found = standings(judges)
    width = max(len("method"), *(len(printable(standing.title)) for standing in found))
    header = "".join(f"  judge {number}" for number in range(1, len(judges) + 1)) if len(judges) > 1 else ""
    print(f"{'method':<{width}}  mean rank  first  last  verdicts{header}")
    for standing in found:
        means = ["-" if mean is None else f"{mean:.2f}" for mean in standing.by_judge]
        each = "".join(f"  {mean:>7}" for mean in means) if len(judges) > 1 else ""
        print(
            f"{printable(standing.title):<{width}}  {standing.rank:9.2f}  {standing.first:5}  {standing.last:4}  "
            f"{standing.verdicts:8}{each}"
        )
    alike = agreement(judges)
    if alike is not None:
        print(f"verdicts on two results on which two judges agree: {alike:.0%}")


def _figure(arguments: argparse.Namespace) -> None:
    _check_sheet(arguments.output, arguments)
    with working("fusing", quiet=arguments.quiet) as progress:
        sheet = FIGURES[arguments.number](arguments.cell_height, progress)
    write_picture(arguments.output, Picture(pixels=sheet), overwrite=arguments.force)
