"""The commands `npfuse weights list | show | convert | export`."""

import argparse
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from npfuse.commands.console import Commands, check_free
from npfuse.exports import FORMATS as EXPORTS
from npfuse.exports import export_weights
from npfuse.exports.files import FLOATS
from npfuse.integer import ARITHMETICS
from npfuse.methods import METHODS
from npfuse.models.lightfuse import Decoder
from npfuse.scoring.evaluation import printable
from npfuse.weights.loading import DEFAULT, bundled_names, load_weights
from npfuse.weights.npz_files import member_names, save_weights
from npfuse.weights.weights import Normalization

FILES = "an .npz, Keras's .h5, .weights.h5 or .keras, or DeepFuse's .npz or MEF-Net's .pt as their authors publish them"


def add(commands: Commands) -> None:
    """Add the commands' parsers."""
    weights = commands.add_parser("weights", help="list, show, convert or export weights files")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    command = actions.add_parser("list", help="list the weights that ship with npfuse")
    command.set_defaults(run=_list)
    command = actions.add_parser("show", help="print what a weights file holds")
    command.add_argument("file", metavar="FILE", help=f"a bundled name, or {FILES}")
    command.set_defaults(run=_show)
    command = actions.add_parser("convert", help="turn another file into npfuse's .npz")
    command.add_argument("file", metavar="IN", help=f"a bundled name, or {FILES}")
    command.add_argument("output", type=Path, metavar="OUT.npz", help="file to write")
    command.add_argument(
        "--decoder",
        choices=get_args(Decoder)[:2],
        help="decoder of the network, which a .weights.h5 or .h5 does not say (default: nearest)",
    )
    command.add_argument(
        "--normalization",
        choices=get_args(Normalization),
        help="normalization that it was trained with (default for a legacy .h5: min_max)",
    )
    command.add_argument("--source", help="origin of the weights, in words")
    command.add_argument("--force", action="store_true", help="replace a file that exists")
    command.set_defaults(run=_convert)
    command = actions.add_parser("export", help="write a network for another program: ONNX, Keras, TensorFlow Lite, C")
    command.add_argument("file", metavar="NAME", help=f"a bundled name, or {FILES}")
    command.add_argument(
        "output", type=Path, metavar="OUT", help=f"file to write, whose ending names the format: {', '.join(EXPORTS)}"
    )
    command.add_argument(
        "--arithmetic",
        choices=(FLOATS, *ARITHMETICS),
        default=FLOATS,
        help="numbers that an .onnx computes with (default: float32)",
    )
    command.add_argument(
        "--size", metavar="HEIGHTxWIDTH", help="size of the pictures, for .onnx and .tflite (default: any size)"
    )
    command.add_argument("--force", action="store_true", help="replace a file that exists")
    command.set_defaults(run=_export)


def _list(arguments: argparse.Namespace) -> None:
    for name in bundled_names():
        weights = load_weights(name)
        title = METHODS[weights.model].title
        note = " (default)" if name == DEFAULT else ""
        print(f"{name:<12} {title:<12} {weights.parameter_count:,} parameters{note}")


def _show(arguments: argparse.Namespace) -> None:
    weights = load_weights(arguments.file)
    print(f"name           {printable(weights.label)}")
    print(f"model          {weights.model}")
    print(f"built with     {', '.join(f'{key}={value}' for key, value in weights.build.items()) or 'defaults'}")
    print(f"normalization  {weights.normalization}")
    print(f"margin         {weights.margin} pixels")
    source = textwrap.wrap(printable(weights.source), 100) or [""]
    print(f"source         {f'{chr(10)}{15 * chr(32)}'.join(source)}\n")
    for name, array in weights.arrays.items():
        shape = "x".join(map(str, array.shape))
        print(f"{name:<28} {shape:<12} {np.min(array):+.4f} to {np.max(array):+.4f}")
    print(f"\nfor a picture of 256x256:\n{weights.graph(256, 256)}")


def _convert(arguments: argparse.Namespace) -> None:
    from npfuse.weights.keras_files import load_keras_file

    output: Path = arguments.output
    check_free(output, arguments.force)
    if not output.parent.is_dir():
        raise ValueError(f"{output}: folder {output.parent} does not exist; make it, or choose another")
    bundled = arguments.file in bundled_names()
    if bundled and (arguments.decoder or arguments.normalization):
        raise ValueError(f"{arguments.file}: is bundled; --decoder and --normalization are for a file of Keras's")
    if not bundled and "metadata.npy" in member_names(Path(arguments.file)):
        raise ValueError(f"{arguments.file}: is an .npz of npfuse already, expected another file to turn into one")
    if arguments.decoder or arguments.normalization:
        weights = load_keras_file(
            Path(arguments.file), decoder=arguments.decoder, normalization=arguments.normalization
        )
    else:
        weights = load_weights(arguments.file)
    named = replace(weights, source=arguments.source or weights.source, name=output.stem)
    save_weights(output, named, overwrite=arguments.force)
    print(
        f"{output}: {named.model}, {', '.join(f'{key}={value}' for key, value in named.build.items()) or 'defaults'}, "
        f"{named.parameter_count:,} parameters, normalization {named.normalization}"
    )


def _export(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    check_free(output, arguments.force)
    if not output.parent.is_dir():
        raise ValueError(f"{output}: folder {output.parent} does not exist; make it, or choose another")
    size = None
    if arguments.size is not None:
        match = re.fullmatch(r"(\d+)x(\d+)", arguments.size)
        if match is None:
            raise ValueError(f"--size is {arguments.size!r}, expected HEIGHTxWIDTH, such as 480x640")
        size = int(match[1]), int(match[2])
    weights = load_weights(arguments.file)
    options = {"arithmetic": arguments.arithmetic, "size": size, "overwrite": arguments.force}
    print(export_weights(output, weights, **options))
