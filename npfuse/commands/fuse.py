"""The command `npfuse fuse`: two picture files in, or more, and one out."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from npfuse.commands.console import Commands, ConsoleTeller, add_fusion_options, add_quiet, check_free, peak_memory
from npfuse.fusion import Order
from npfuse.pairs.file_fusion import FileOptions, fuse_files
from npfuse.pairs.file_options import Extent
from npfuse.pairs.memory_plan import parse_size
from npfuse.pictures.formats import WRITTEN, WRITTEN_BY_PARTS, WRITTEN_PICTURES, listed, suffixes
from npfuse.pictures.pages import pages_of


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser("fuse", help="fuse two photographs, or more")
    command.add_argument(
        "under",
        type=Path,
        metavar="UNDER",
        help="the under-exposed photograph, or a TIFF whose pages are the exposures",
    )
    command.add_argument("over", type=Path, nargs="?", metavar="OVER", help="the over-exposed one, of the same size")
    command.add_argument(
        "more", type=Path, nargs="*", metavar="MORE", help="further exposures; without --order given, in any order"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=", ".join(suffixes(WRITTEN)))
    add_fusion_options(command)
    add_file_options(command)
    command.add_argument(
        "--ghost-mask", type=Path, metavar="FILE", help="with --deghost: write which pixels were replaced, in grey"
    )
    command.add_argument(
        "--weights-map",
        type=Path,
        metavar="FILE",
        help="write a map, too: which exposure each place comes from, in colours, or as .npy the shares themselves",
    )
    add_quiet(command)
    command.add_argument("-v", "--verbose", action="store_true", help="print each step and its time")
    command.set_defaults(run=_fuse)


def add_file_options(command: argparse.ArgumentParser) -> None:
    """Add the options of every command that fuses the user's files."""
    command.add_argument(
        "--order", choices=get_args(Order), default="auto", help="auto (default): the darker is the under-exposed"
    )
    command.add_argument(
        "--align",
        nargs="?",
        choices=get_args(Extent),
        const="crop",
        help="move the pictures onto the first if that is certain: shift, turn, zoom, perspective; crop all to what "
        "they share (default), or keep the first one's area",
    )
    command.add_argument(
        "--deghost", action="store_true", help="take regions in which something moved from one of the pictures"
    )
    command.add_argument(
        "--convert-profiles",
        action="store_true",
        help="convert the second picture to the ICC profile of the first",
    )
    command.add_argument(
        "--orientation",
        choices=("own", "first", "ignore"),
        help="EXIF orientation that turns each picture: its own, that of the first, or none (its own, if all agree)",
    )
    command.add_argument(
        "--crop", action="store_true", help="crop pictures whose sizes differ a little to their common size"
    )
    command.add_argument(
        "--white-level",
        type=int,
        metavar="N",
        help="value of white of 16-bit samples, as 4095 for 12 bits (default: found by tags or values)",
    )
    command.add_argument("--clip", action="store_true", help="float pictures: take values beyond 0 and 1 as 0 and 1")
    command.add_argument(
        "--pair", action="store_true", help="of more than two exposures, fuse the darkest and the brightest alone"
    )
    command.add_argument(
        "--brightness", type=float, default=0.0, metavar="STOPS", help="brighten dark tones by so many stops (0)"
    )
    command.add_argument("--contrast", type=float, default=1.0, metavar="X", help="factor at middle tones (1)")
    command.add_argument("--saturation", type=float, default=1.0, metavar="X", help="factor; 0 makes grey (1)")
    command.add_argument(
        "--tone-from",
        nargs=2,
        metavar="FILE",
        help="pair that sets the tone, the same for all frames of a panorama or a time-lapse (tonefuse)",
    )
    command.add_argument("--no-check", action="store_true", help="do not search for faults of the pair")
    command.add_argument(
        "--max-memory",
        metavar="SIZE",
        help=f"memory limit of the process, as 1.5G; {', '.join(suffixes(WRITTEN_BY_PARTS))} then go part by part",
    )
    command.add_argument(
        "--quality",
        type=int,
        default=95,
        help=f"of {listed((f.name for f in WRITTEN_PICTURES if not f.lossless), 'and')}, 1 to 100 (default 95)",
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
