"""The command `npfuse`, also `python -m npfuse`: fuse two picture files, try the examples, look after weights files.

Every error that a user can cause is one line on stderr and exit status 2; nothing is written then.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import numpy as np

from npfuse.contact_sheet import contact_sheet
from npfuse.examples import SCENES, example_pair
from npfuse.fusion import Order, fuse, under_exposed_first
from npfuse.images import Picture, check_writable, read_picture, write_picture
from npfuse.models.lightfuse import Decoder
from npfuse.run import Engine
from npfuse.weights import DEFAULT, Normalization, Weights, bundled_names, load_weights, save_weights

USER_ERROR, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Examples
    --------
    >>> main(["weights", "list"])
    lightfuse    LightFuse    18,630 parameters
    tonefuse     ToneFuse     2,230 parameters (default)
    0
    """
    arguments = _parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], None] = arguments.run
        run(arguments)
    except BrokenPipeError:  # what read our output has ended: no fault, but nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("npfuse: interrupted; nothing was left half-written", file=sys.stderr)
        return INTERRUPTED
    except MemoryError:
        print("npfuse: not enough memory for pictures of this size", file=sys.stderr)
        return USER_ERROR
    except (ValueError, TypeError, OSError) as error:
        print(f"npfuse: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="npfuse", description="Fuse an under- and an over-exposed photograph of one scene into one good picture."
    )
    parser.add_argument("--version", action="version", version=f"npfuse {version('npfuse')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("fuse", help="fuse two photographs")
    command.add_argument("under", type=Path, metavar="UNDER", help="the under-exposed photograph")
    command.add_argument("over", type=Path, metavar="OVER", help="the over-exposed one, of the same size")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=".jpg, .png, .webp or .tif")
    _add_fusion_options(command)
    command.add_argument(
        "--order", choices=get_args(Order), default="auto", help="auto (default): the darker is the under-exposed"
    )
    command.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default 95)")
    command.add_argument(
        "-v", "--verbose", action="store_true", help="say what is read, decided and done, and how long it takes"
    )
    command.set_defaults(run=_fuse)

    command = commands.add_parser("demo", help="fuse the example pictures and make a contact sheet")
    command.add_argument("-o", "--output", type=Path, default=Path("npfuse-demo"), metavar="DIR", help="(npfuse-demo)")
    _add_fusion_options(command)
    command.set_defaults(run=_demo)

    weights = commands.add_parser("weights", help="list, show or convert weights files")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("list", help="the weights that ship with npfuse")
    command.set_defaults(run=_weights_list)
    command = actions.add_parser("show", help="what a weights file holds")
    command.add_argument("file", metavar="FILE", help="a bundled name, or an .npz, .h5, .weights.h5 or .keras file")
    command.set_defaults(run=_weights_show)
    command = actions.add_parser("convert", help="turn a Keras file into npfuse's .npz")
    command.add_argument("file", type=Path, metavar="IN", help="an .h5, .weights.h5 or .keras file")
    command.add_argument("output", type=Path, metavar="OUT.npz")
    command.add_argument(
        "--decoder", choices=get_args(Decoder)[:2], help="which a .weights.h5 or .h5 does not say (nearest)"
    )
    command.add_argument(
        "--normalization", choices=get_args(Normalization), help="what it was trained with (legacy .h5: min_max)"
    )
    command.add_argument("--source", help="where the weights come from, in words")
    command.add_argument("--force", action="store_true", help="replace an existing output")
    command.set_defaults(run=_weights_convert)
    return parser


def _add_fusion_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights", metavar="W", help=f"a bundled name ({', '.join(bundled_names())}) or a weights file"
    )
    command.add_argument(
        "--engine", choices=get_args(Engine), default="fast", help="fast (default), or NumPy definitions"
    )
    command.add_argument("--threads", type=int, metavar="N", help="(as many as cores)")
    command.add_argument("--force", action="store_true", help="replace existing output")


def _fuse(arguments: argparse.Namespace) -> None:
    say = _Log(arguments.verbose)
    _check_free(arguments.output, arguments.force)
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
    if arguments.order == "auto":
        first = under_exposed_first(under.pixels, over.pixels)
        say(f"under-exposed: {arguments.under if first else arguments.over} (the lower mean)")
    else:
        say(f"under-exposed: {arguments.under} (as given)")
    with say.timed("fused"), _progress_bar("fusing") as progress:
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


def _check_free(path: Path, force: bool) -> None:
    """Raise ValueError where an output exists and may not be replaced."""
    if os.path.lexists(path) and not force:
        raise ValueError(f"{path}: exists already; choose another name, or replace it with --force")


def _check_alike(arguments: argparse.Namespace, under: Picture, over: Picture) -> None:
    """Raise with the files' names where two pictures cannot be fused; warn where their profiles differ."""
    for thing, a, b in (
        ("size (height, width)", under.pixels.shape[:2], over.pixels.shape[:2]),
        ("kind", *("grey" if p.pixels.ndim == 2 else "RGB" for p in (under, over))),
        ("sample type", under.pixels.dtype, over.pixels.dtype),
    ):
        if a != b:
            raise ValueError(f"{arguments.over}: {thing} is {b}, expected {a} as in {arguments.under}")
    if under.icc_profile != over.icc_profile:
        print(
            f"npfuse: warning: {arguments.under} and {arguments.over} have different ICC profiles; "
            "their values are fused as they are, and the first picture's profile is kept",
            file=sys.stderr,
        )


def _demo(arguments: argparse.Namespace) -> None:
    weights = load_weights(arguments.weights)
    folder: Path = arguments.output
    sheet = folder / "contact-sheet.png"
    outputs = {scene: folder / f"{scene}_fused.jpg" for scene in SCENES}
    for path in (sheet, *outputs.values()):
        _check_free(path, arguments.force)
    rows = []
    with _progress_bar("fusing the examples") as progress:
        for i, scene in enumerate(SCENES, 1):
            under, over = (read_picture(path).pixels for path in example_pair(scene))
            fused = fuse(under, over, weights, threads=arguments.threads, engine=arguments.engine)
            folder.mkdir(parents=True, exist_ok=True)  # not before something is there to put into it
            write_picture(outputs[scene], Picture(pixels=fused), overwrite=arguments.force)
            rows.append([under, over, fused])
            progress(i, len(SCENES))
    pixels = contact_sheet(rows, ("under-exposed", "over-exposed", f"fused ({weights.label})"), SCENES)
    write_picture(sheet, Picture(pixels=pixels), overwrite=arguments.force)
    print(f"{len(SCENES)} scenes fused; look at {sheet}")


def _weights_list(arguments: argparse.Namespace) -> None:
    for name in bundled_names():
        weights = load_weights(name)
        title = {"lightfuse": "LightFuse", "t_cnn": "T_CNN", "tonefuse": "ToneFuse"}.get(weights.model, weights.model)
        note = " (default)" if name == DEFAULT else ""
        print(f"{name:<12} {title:<12} {weights.parameter_count:,} parameters{note}")


def _weights_show(arguments: argparse.Namespace) -> None:
    weights = load_weights(arguments.file)
    print(f"name           {_printable(weights.label)}")
    print(f"model          {weights.model}")
    print(f"built with     {', '.join(f'{key}={value}' for key, value in weights.build.items()) or 'defaults'}")
    print(f"normalization  {weights.normalization}")
    print(f"source         {_printable(weights.source)}\n")
    for name, array in weights.arrays.items():
        shape = "x".join(map(str, array.shape))
        print(f"{name:<28} {shape:<12} {np.min(array):+.4f} to {np.max(array):+.4f}")
    print(f"\nfor a picture of 256x256:\n{weights.graph(256, 256)}")


def _printable(text: str) -> str:
    """Return a file's text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _weights_convert(arguments: argparse.Namespace) -> None:
    from npfuse.keras_files import load_keras_file

    output: Path = arguments.output
    _check_free(output, arguments.force)
    if not output.parent.is_dir():
        raise ValueError(f"{output}: folder {output.parent} does not exist; make it, or choose another")
    if arguments.file.suffix == ".npz":
        raise ValueError(f"{arguments.file}: is an .npz already, expected a Keras .h5, .weights.h5 or .keras file")
    weights = load_keras_file(arguments.file, decoder=arguments.decoder, normalization=arguments.normalization)
    named = Weights(
        model=weights.model,
        build=weights.build,
        arrays=weights.arrays,
        normalization=weights.normalization,
        source=arguments.source or weights.source,
        name=output.stem,
    )
    save_weights(output, named, overwrite=arguments.force)
    print(
        f"{output}: {named.model}, {', '.join(f'{key}={value}' for key, value in named.build.items())}, "
        f"{named.parameter_count:,} parameters, normalization {named.normalization}"
    )


class _Log:
    """Lines on stderr, where they were asked for."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose

    def __call__(self, *lines: str) -> None:
        if self.verbose:
            for line in lines:
                print(line, file=sys.stderr)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say what was done and how long it took."""
        start = time.perf_counter()
        yield
        self(f"{what}: {time.perf_counter() - start:.2f} s")


@contextmanager
def _progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on stderr while a block runs, on a terminal only; yields what to call with (done, total)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return

    def draw(done: int, total: int) -> None:
        filled = 30 * done // total
        print(
            f"\r{what} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}\x1b[K", end="", file=sys.stderr, flush=True
        )

    print(f"\r{what} (the first time, code is compiled: some seconds)", end="", file=sys.stderr, flush=True)
    try:
        yield draw
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
