"""The command `npfuse vectors`: writes the files that a port of a network is compared with."""

import argparse
import hashlib
from pathlib import Path
from typing import Any, get_args

from npfuse.c_program import c_files
from npfuse.commands.console import Commands
from npfuse.examples import SCENES
from npfuse.integer import ARITHMETICS, Rounding
from npfuse.integer_pair import CALIBRATION_STEP, integer_network
from npfuse.pictures.reading import read_picture
from npfuse.vectors import FORMATS, LAYOUTS, float_vectors, integer_vectors, write_vectors
from npfuse.vectors.writing import write_files
from npfuse.weights.loading import bundled_names, load_weights

CROP = (37, 45)  # rows and columns, both odd, and more than a few cells of 8


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "vectors",
        help="write every layer's values and weights, for a port to compare with",
        description="Fuse a part of two photographs, and write the values of every layer and the weights to files, "
        "described by manifest.json, that a port of the network is compared with.",
    )
    command.add_argument("under", type=Path, metavar="UNDER", help="under-exposed photograph, of 8 bits")
    command.add_argument("over", type=Path, metavar="OVER", help="over-exposed photograph, of the same size")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the files, made where missing"
    )
    command.add_argument(
        "--weights", metavar="W", help=f"weights: a bundled name ({', '.join(bundled_names())}) or a file"
    )
    command.add_argument(
        "--arithmetic",
        choices=("float32", *ARITHMETICS),
        help="numbers to compute with: float32 (default), or one of the integers (default with --c: int16)",
    )
    command.add_argument(
        "--rounding",
        choices=get_args(Rounding),
        default="single",
        help="rounding when integers are requantised (default: single)",
    )
    command.add_argument(
        "--crop",
        metavar="TOP,LEFT,HEIGHT,WIDTH",
        help=f"part of the pictures, or all (default: {CROP[0]} rows and {CROP[1]} columns of the middle)",
    )
    command.add_argument(
        "--values", metavar="NAMES", help="names of the values to write, with commas between (default: all)"
    )
    command.add_argument(
        "--format",
        default="npy",
        metavar="F",
        help=f"formats of the files, with commas between, of {', '.join(FORMATS)} (default: npy)",
    )
    command.add_argument(
        "--layout", choices=LAYOUTS, default="npfuse", help="layout of kernels and shifts (default: npfuse)"
    )
    command.add_argument(
        "--accumulators", action="store_true", help="write the sums of integers before requantisation, too"
    )
    command.add_argument(
        "--c", action="store_true", help="write a C99 program that computes the values and checks itself, too"
    )
    command.add_argument("--force", action="store_true", help="replace files that exist")
    command.set_defaults(run=_vectors)


def _vectors(arguments: argparse.Namespace) -> None:
    weights = load_weights(arguments.weights)
    arithmetic: Any = arguments.arithmetic or ("int16" if arguments.c else "float32")
    formats = [name.strip() for name in arguments.format.split(",")]
    if (arguments.output / "manifest.json").exists() and not arguments.force:
        raise ValueError(f"{arguments.output}: holds vectors already; choose another folder, or --force")
    if not arguments.output.parent.is_dir():
        raise ValueError(f"{arguments.output}: folder {arguments.output.parent} does not exist; make it first")
    pictures = [read_picture(path).pixels for path in (arguments.under, arguments.over)]
    if pictures[0].shape != pictures[1].shape or pictures[0].ndim != 3 or pictures[0].dtype != "uint8":
        shapes = " and ".join(f"{picture.shape} of {picture.dtype}" for picture in pictures)
        raise ValueError(f"vectors: pictures are {shapes}, expected two RGB pictures of one size and of uint8")
    top, left, height, width = _crop(arguments.crop, *pictures[0].shape[:2])
    under, over = (picture[top : top + height, left : left + width] for picture in pictures)
    values = [name.strip() for name in arguments.values.split(",")] if arguments.values else None
    about: dict[str, Any] = {
        "pictures": [_source(path) for path in (arguments.under, arguments.over)],
        "crop": {"top": top, "left": left, "height": height, "width": width},
    }
    options: dict[str, Any] = {"values": values, "layout": arguments.layout, "about": about}
    if arithmetic == "float32":
        network = None
        if arguments.accumulators or arguments.c:
            raise ValueError("vectors: --accumulators and --c are for integers; add --arithmetic int16")
        vectors = float_vectors(under, over, weights, **options)
    else:
        network = integer_network(weights, arithmetic, rounding=arguments.rounding)
        if network.ranges:
            about["ranges"] = (
                f"measured on the example pairs {', '.join(SCENES)}, every {CALIBRATION_STEP}th pixel of every "
                f"{CALIBRATION_STEP}th row"
            )
        vectors = integer_vectors(under, over, weights, network, sums=arguments.accumulators, **options)
    if arguments.c:
        if values is not None or arguments.layout != "npfuse":
            raise ValueError("vectors: --c compares all values in npfuse's layout; leave out --values and --layout")
        formats = list(dict.fromkeys([*formats, "bin"]))
    paths = write_vectors(arguments.output, vectors, formats, overwrite=arguments.force)
    if network is not None and arguments.c:
        (arguments.output / "c").mkdir(exist_ok=True)
        paths += write_files(arguments.output / "c", c_files(network, weights, vectors), overwrite=arguments.force)
        print(f"{arguments.output / 'c'}: `make check` compares the program with the vectors")
    print(f"{arguments.output}: {len(paths)} files, {arithmetic}, {height}x{width} (height x width); see manifest.json")


def _source(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _crop(text: str | None, height: int, width: int) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of the part that is wanted."""
    if text == "all":
        return 0, 0, height, width
    if text is None:
        rows, columns = min(CROP[0], height), min(CROP[1], width)
        return (height - rows) // 2, (width - columns) // 2, rows, columns
    try:
        top, left, rows, columns = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--crop is {text!r}, expected TOP,LEFT,HEIGHT,WIDTH, or all") from None
    if min(top, left) < 0 or min(rows, columns) < 1 or top + rows > height or left + columns > width:
        raise ValueError(f"--crop is {text}, expected a part of pictures of {height}x{width} (height x width)")
    return top, left, rows, columns
