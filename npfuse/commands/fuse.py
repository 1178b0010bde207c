"""The command `npfuse fuse`: two picture files in, or more, and one out."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from npfuse.choices import Order
from npfuse.commands.console import Commands, ConsoleTeller, add_fusion_options, add_quiet, check_free, peak_memory
from npfuse.pairs.file_fusion import FileOptions, fuse_files
from npfuse.pairs.file_options import Extent
from npfuse.pairs.memory_plan import parse_size
from npfuse.pictures.formats import WRITTEN, WRITTEN_BY_PARTS, WRITTEN_PICTURES, listed, suffixes
from npfuse.pictures.pages import pages_of


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "fuse",
        help="fuse two photographs, or more",
        description="Fuse photographs of one scene, one too dark and one too bright, into one good picture; further "
        "exposures take noise out of it. Example: npfuse fuse dark.jpg bright.jpg -o fused.jpg",
    )
    command.add_argument(
        "under",
        type=Path,
        metavar="UNDER",
        help="the under-exposed photograph, or a TIFF whose pages are the exposures",
    )
    command.add_argument(
        "over", type=Path, nargs="?", metavar="OVER", help="the over-exposed photograph, of the same size"
    )
    command.add_argument(
        "more", type=Path, nargs="*", metavar="MORE", help="further exposures; all may be named in any order"
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help=f"file to write, whose ending names the format: {', '.join(suffixes(WRITTEN))}",
    )
    add_fusion_options(command)
    add_file_options(command)
    command.add_argument(
        "--ghost-mask",
        type=Path,
        metavar="FILE",
        help="with --deghost, write a grey picture of the pixels that were replaced",
    )
    command.add_argument(
        "--weights-map",
        type=Path,
        metavar="FILE",
        help="write a map of which exposure each place comes from: a picture in colours, or an .npy of the shares",
    )
    add_quiet(command)
    command.add_argument("-v", "--verbose", action="store_true", help="print each step and its time")
    command.set_defaults(run=_fuse)


def add_file_options(command: argparse.ArgumentParser) -> None:
    """Add the options of every command that fuses the user's files."""
    group = command.add_argument_group("exposures")
    group.add_argument(
        "--order",
        choices=get_args(Order),
        default="auto",
        help="auto (default): the darker picture is the under-exposed one; given: as named, darkest first",
    )
    group.add_argument(
        "--pair", action="store_true", help="of more than two exposures, fuse the darkest and the brightest alone"
    )
    group.add_argument(
        "--align",
        nargs="?",
        choices=get_args(Extent),
        const="crop",
        help="move the pictures onto the first (shift, turn, zoom, perspective) if that is certain; then crop all to "
        "the area that they share (crop, the default), or keep the first one's area (keep)",
    )
    group.add_argument(
        "--deghost", action="store_true", help="where something moved, take the best exposed picture alone"
    )
    group.add_argument(
        "--crop", action="store_true", help="crop pictures whose sizes differ a little to their common size"
    )
    group.add_argument(
        "--orientation",
        choices=("own", "first", "ignore"),
        help="turn pictures by their own EXIF orientation, by that of the first, or not at all (default: own, if all "
        "agree)",
    )
    group.add_argument(
        "--convert-profiles",
        action="store_true",
        help="convert the other pictures' colours to the ICC profile of the first",
    )
    group.add_argument(
        "--white-level",
        type=int,
        metavar="N",
        help="value of white in files of 16 bits, such as 4095 for 12 bits (default: found by tags or values)",
    )
    group.add_argument(
        "--clip", action="store_true", help="in pictures of floats, take values beyond 0 and 1 as 0 and 1"
    )
    group.add_argument("--no-check", action="store_true", help="do not look for faults of the exposures")
    group = command.add_argument_group("tone")
    group.add_argument(
        "--brightness",
        type=float,
        default=0.0,
        metavar="STOPS",
        help="stops that dark tones are brightened by, -4 to 4 (default: 0)",
    )
    group.add_argument(
        "--contrast", type=float, default=1.0, metavar="X", help="factor at middle tones, 0.25 to 4 (default: 1)"
    )
    group.add_argument("--saturation", type=float, default=1.0, metavar="X", help="factor, 0 (grey) to 4 (default: 1)")
    group.add_argument(
        "--tone-from",
        nargs=2,
        metavar="FILE",
        help="pair that sets the tone of all frames of a panorama or a time-lapse (for tonefuse)",
    )
    group = command.add_argument_group("files")
    group.add_argument(
        "--quality",
        type=int,
        default=95,
        metavar="N",
        help=f"quality of {listed((f.name for f in WRITTEN_PICTURES if not f.lossless), 'and')}, 1 to 100 "
        "(default: 95)",
    )
    group.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="memory that the process may take, such as 1.5G; large files of "
        f"{', '.join(suffixes(WRITTEN_BY_PARTS))} are read and written part by part",
    )


def file_options(arguments: argparse.Namespace) -> FileOptions:
    """Return what the options say."""
    return FileOptions(
        weights=arguments.weights,
        method=arguments.method,
        order=arguments.order,
        engine=arguments.engine,
        threads=arguments.threads,
        quality=arguments.quality,
        overwrite=arguments.force,
        convert_profiles=arguments.convert_profiles,
        align=arguments.align,
        deghost=arguments.deghost,
        orientation=arguments.orientation,
        crop=arguments.crop,
        white_level=arguments.white_level,
        clip=arguments.clip,
        check=not arguments.no_check,
        pair=arguments.pair,
        brightness=arguments.brightness,
        contrast=arguments.contrast,
        saturation=arguments.saturation,
        tone_from=tuple(arguments.tone_from) if arguments.tone_from else None,
        max_memory=None if arguments.max_memory is None else parse_size(arguments.max_memory),
    )


def _fuse(arguments: argparse.Namespace) -> None:
    tell = ConsoleTeller(arguments.verbose, arguments.quiet)
    options = file_options(arguments)
    check_free(arguments.output, arguments.force)
    if arguments.weights_map is not None:
        check_free(arguments.weights_map, arguments.force)
        options = replace(options, weights_map=str(arguments.weights_map))
    if arguments.ghost_mask is not None and not arguments.deghost:
        raise ValueError(f"--ghost-mask {arguments.ghost_mask}: expected --deghost with it")
    options = replace(options, ghost_mask=arguments.ghost_mask)
    exposures = [arguments.under, arguments.over, *arguments.more] if arguments.over else pages_of(arguments.under)
    if len(exposures) < 2:
        raise ValueError(f"{exposures[0]}: is one picture, expected two or more; name the other exposures too")
    fuse_files(exposures[0], exposures[1], arguments.output, options, tell, more=exposures[2:])
    tell.say(*peak_memory())
