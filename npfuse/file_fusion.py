"""Fuses picture files: reads two or more, finds out what is wrong with them, fuses them and writes the result.

What the commands `fuse` and `batch` have in common, and what a worker on another machine runs.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.diagnosis import diagnose, findings, overlap
from npfuse.fusion import Order, fuse_stack, method_and_weights, under_exposed_first
from npfuse.images import Picture, check_writable, read_picture, write_picture
from npfuse.profiles import same_colours, with_profile_of
from npfuse.run import Engine

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """How files are fused; plain values, so that they can be sent to another machine.

    Parameters
    ----------
    weights, method, order, engine, threads : as of `npfuse.fuse`, weights by name or path
    quality : of JPEG and WebP, 1 to 100
    overwrite : whether an existing output may be replaced
    convert_profiles : whether a picture of another ICC profile is converted to the first's
    align : whether a second picture that is surely shifted is moved by whole pixels; both lose what only one shows
    clip : whether float values beyond 0 and 1 are taken as 0 and 1
    check : whether the pair is looked at for what makes a bad result

    Raises
    ------
    ValueError : a quality out of its range
    """

    weights: str | None = None
    method: str | None = None
    order: Order = "auto"
    engine: Engine = "fast"
    threads: int | None = None
    quality: int = 95
    overwrite: bool = False
    convert_profiles: bool = False
    align: bool = False
    clip: bool = False
    check: bool = True

    def __post_init__(self) -> None:
        """Check what nothing further on checks in time."""
        if not 1 <= self.quality <= 100:
            raise ValueError(f"--quality is {self.quality}, expected 1 to 100")


class Teller:
    """Is told what is read, decided and done; this one tells nobody."""

    def say(self, *lines: str) -> None:
        """Take lines for who wants to know everything."""

    def warn(self, line: str) -> None:
        """Take a line for everybody."""

    def timed(self, what: str) -> AbstractContextManager[Any]:
        """Surround what takes its time."""
        return nullcontext()

    def progress(self) -> AbstractContextManager[Progress | None]:
        """Surround the fusion, yielding what to call with (done, total)."""
        return nullcontext()


def fuse_files(
    a: Path, b: Path, output: Path, options: FileOptions, tell: Teller | None = None, *, more: Sequence[Path] = ()
) -> None:
    """Fuse two or more picture files into another, which is whole or not there.

    Parameters
    ----------
    a, b : the exposures; alpha, EXIF and ICC profile of the first go into the output
    output : its extension says the format
    options : FileOptions
    tell : what is told on the way
    more : further exposures; they are neither checked for what makes a bad result nor aligned

    Raises
    ------
    PictureError : a file cannot be read or written
    ValueError, TypeError : the pictures or the weights do not fit; the message names the file
    """
    tell = tell or Teller()
    check_writable(output, overwrite=options.overwrite)
    method, weights = method_and_weights(options.method, options.weights)
    if weights is None:
        tell.say(f"method {method.title}")
    else:
        tell.say(f"weights {weights.label}: {method.title}, {weights.parameter_count:,} parameters")
    if more and options.align:
        raise ValueError(f"--align with {2 + len(more)} pictures: expected 2; align them beforehand")
    first, second = read_pair(a, b, options, tell)
    if not more and (options.check or options.align):
        with tell.timed("checked the pair"):
            first, second = checked_pair(first, second, options, tell)
    pictures = [first, second, *(_read_alike(path, a, first, options, tell) for path in more)]
    if more and method.most_exposures == 2:
        tell.say(f"of {len(pictures)} exposures, {method.title} takes the darkest and the brightest")
    elif not more and options.order == "auto":
        in_order = under_exposed_first(first.pixels, second.pixels)
        tell.say(f"under-exposed: {a if in_order else b} (the lower mean)")
    elif not more:
        tell.say(f"under-exposed: {a} (as given)")
    with tell.timed("fused"), tell.progress() as progress:
        pixels = fuse_stack(
            [picture.pixels for picture in pictures],
            weights,
            method=method.name,
            order=options.order,
            threads=options.threads,
            engine=options.engine,
            progress=progress,
        )
    fused = Picture(pixels=pixels, alpha=first.alpha, exif=first.exif, icc_profile=first.icc_profile)
    with tell.timed(f"wrote {output}"):
        notes = write_picture(output, fused, overwrite=options.overwrite, quality=options.quality)
    tell.say(*notes)


def read_pair(a: Path, b: Path, options: FileOptions, tell: Teller) -> tuple[Picture, Picture]:
    """Read two files and make them fit; ValueError, with the file's name, where they cannot be fused."""
    first = _clipped(_read(a, tell), options)
    return first, _read_alike(b, a, first, options, tell)


def _read(path: Path, tell: Teller) -> Picture:
    with tell.timed(f"read {path}"):
        picture = read_picture(path)
    height, width = picture.pixels.shape[:2]
    tell.say(f"  {height}x{width} (height x width), {_kind(picture)}, {picture.pixels.dtype}", *picture.notes)
    return picture


def _read_alike(path: Path, a: Path, first: Picture, options: FileOptions, tell: Teller) -> Picture:
    """Read a file that is to be fused with the first, of path `a`, and make it fit."""
    picture = _read(path, tell)
    for thing, actual, expected, remedy in (
        ("size (height, width)", picture.pixels.shape[:2], first.pixels.shape[:2], "crop or resize one of them"),
        ("kind", _kind(picture), _kind(first), "convert one of them"),
        ("sample type", picture.pixels.dtype, first.pixels.dtype, "export both alike"),
    ):
        if actual != expected:
            raise ValueError(f"{path}: {thing} is {actual}, expected {expected} as in {a}; {remedy}")
    if not same_colours(first, picture):
        if not options.convert_profiles:
            raise ValueError(
                f"{path}: its ICC profile means other colours than that of {a}, expected the same; "
                "convert it with --convert-profiles"
            )
        with tell.timed(f"converted {path} to the profile of {a}"):
            picture = with_profile_of(picture, first, str(path))
    return _clipped(picture, options)


def _clipped(picture: Picture, options: FileOptions) -> Picture:
    if options.clip and picture.pixels.dtype == np.float32:
        return replace(picture, pixels=np.clip(picture.pixels, 0, 1))
    return picture


def checked_pair(first: Picture, second: Picture, options: FileOptions, tell: Teller) -> tuple[Picture, Picture]:
    """Warn of what makes a bad result, and align the pair where that is asked for and sure."""
    found = diagnose(first.pixels, second.pixels)
    align = options.align and found.shifted
    if options.check:
        for finding in findings(found):
            if not (align and "--align" in finding):
                tell.warn(finding)
    if not options.align:
        return first, second
    if not found.shift.sure:
        tell.warn("how the pictures lie to each other is not sure; they are left as they are")
    elif not found.shifted:
        tell.say(f"aligned already, to {max(abs(found.shift.rows), abs(found.shift.columns)):.1f} pixels")
    else:
        rows, columns = found.shift.whole
        parts = overlap(first.pixels.shape, (rows, columns))
        first, second = (_cropped(picture, part) for picture, part in zip((first, second), parts, strict=True))
        height, width = first.pixels.shape[:2]
        tell.say(
            f"aligned: the second picture moved by {-rows:+d} rows and {-columns:+d} columns; "
            f"both are cropped to the {height}x{width} that they share"
        )
    return first, second


def _cropped(picture: Picture, part: tuple[slice, slice]) -> Picture:
    alpha = None if picture.alpha is None else picture.alpha[part]
    return replace(picture, pixels=picture.pixels[part], alpha=alpha)


def _kind(picture: Picture) -> str:
    return "grey" if picture.pixels.ndim == 2 else "RGB"
