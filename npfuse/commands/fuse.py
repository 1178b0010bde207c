"""The command `npfuse fuse`: two picture files in, one out."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from npfuse.commands.console import Commands, Log, add_fusion_options, check_free, progress_bar
from npfuse.fusion import Order, fuse, under_exposed_first
from npfuse.images import Picture, check_writable, read_picture, write_picture
from npfuse.profiles import same_colours, with_profile_of
from npfuse.weights import load_weights


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser("fuse", help="fuse two photographs")
    command.add_argument("under", type=Path, metavar="UNDER", help="the under-exposed photograph")
    command.add_argument("over", type=Path, metavar="OVER", help="the over-exposed one, of the same size")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".jpg, .png, .webp, .tif or .exr"
    )
    add_fusion_options(command)
    command.add_argument(
        "--order", choices=get_args(Order), default="auto", help="auto (default): the darker is the under-exposed"
    )
    command.add_argument(
        "--convert-profiles",
        action="store_true",
        help="where the pictures have different ICC profiles: convert the second to the first's",
    )
    command.add_argument("--clip", action="store_true", help="float pictures: take values beyond 0 and 1 as 0 and 1")
    command.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default 95)")
    command.add_argument(
        "-v", "--verbose", action="store_true", help="say what is read, decided and done, and how long it takes"
    )
    command.set_defaults(run=_fuse)


def _fuse(arguments: argparse.Namespace) -> None:
    say = Log(arguments.verbose)
    check_free(arguments.output, arguments.force)
    check_writable(arguments.output, overwrite=arguments.force)
    if not 1 <= arguments.quality <= 100:
        raise ValueError(f"--quality is {arguments.quality}, expected 1 to 100")
    weights = load_weights(arguments.weights)
    say(f"weights {weights.label}: {weights.model}, {weights.parameter_count:,} parameters")
    pictures = []
    for path in (arguments.under, arguments.over):
        with say.timed(f"read {path}"):
            picture = read_picture(path)
        pictures.append(picture)
        height, width = picture.pixels.shape[:2]
        kind = "grey" if picture.pixels.ndim == 2 else "RGB"
        say(f"  {height}x{width} (height x width), {kind}, {picture.pixels.dtype}", *picture.notes)
    under, over = pictures
    _check_alike(arguments, under, over)
    if not same_colours(under, over):
        if not arguments.convert_profiles:
            raise ValueError(
                f"{arguments.over}: its ICC profile means other colours than that of {arguments.under}, expected the "
                "same; convert it with --convert-profiles"
            )
        with say.timed(f"converted {arguments.over} to the profile of {arguments.under}"):
            over = with_profile_of(over, under, str(arguments.over))
    if arguments.clip and under.pixels.dtype == np.float32:
        under, over = (replace(picture, pixels=np.clip(picture.pixels, 0, 1)) for picture in (under, over))
    if arguments.order == "auto":
        first = under_exposed_first(under.pixels, over.pixels)
        say(f"under-exposed: {arguments.under if first else arguments.over} (the lower mean)")
    else:
        say(f"under-exposed: {arguments.under} (as given)")
    with say.timed("fused"), progress_bar("fusing") as progress:
        fused = fuse(
            under.pixels,
            over.pixels,
            weights,
            order=arguments.order,
            threads=arguments.threads,
            engine=arguments.engine,
            progress=progress,
        )
    result = Picture(pixels=fused, alpha=under.alpha, exif=under.exif, icc_profile=under.icc_profile)
    with say.timed(f"wrote {arguments.output}"):
        notes = write_picture(arguments.output, result, overwrite=arguments.force, quality=arguments.quality)
    say(*notes)
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        say(f"peak memory of the process: {peak_bytes / 2**20:.0f} MiB")


def _check_alike(arguments: argparse.Namespace, under: Picture, over: Picture) -> None:
    """Raise with the files' names where two pictures cannot be fused."""
    for thing, a, b in (
        ("size (height, width)", under.pixels.shape[:2], over.pixels.shape[:2]),
        ("kind", *("grey" if p.pixels.ndim == 2 else "RGB" for p in (under, over))),
        ("sample type", under.pixels.dtype, over.pixels.dtype),
    ):
        if a != b:
            raise ValueError(f"{arguments.over}: {thing} is {b}, expected {a} as in {arguments.under}")
