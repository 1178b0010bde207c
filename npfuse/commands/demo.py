"""The command `npfuse demo`: fuses the example pictures, and writes them, the results and a contact sheet."""

import argparse
from pathlib import Path

from npfuse.choices import method_and_weights
from npfuse.commands.console import Commands, add_fusion_options, add_quiet, check_free, working
from npfuse.examples import NARROW_SCENE, SCENES, example_pair
from npfuse.fusion import fuse
from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.contact_sheet import contact_sheet
from npfuse.pictures.reading import Picture, read_picture, write_picture


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "demo",
        help="fuse the example pictures and make a contact sheet",
        description="Fuse the example pictures, and write a folder with each pair (interior_under.jpg, "
        "interior_over.jpg, ...), each result (interior_fused.jpg, ...) and a contact sheet. The pair studio is there "
        "for ports to compare with.",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("npfuse-demo"),
        metavar="DIR",
        help="folder to write, made where missing (default: npfuse-demo)",
    )
    add_fusion_options(command)
    add_quiet(command)
    command.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    method, weights = method_and_weights(arguments.method, arguments.weights)
    folder: Path = arguments.output
    sheet = folder / "contact-sheet.png"
    outputs = {scene: folder / f"{scene}_fused.jpg" for scene in SCENES}
    copies = {path: folder / path.name for scene in (*SCENES, NARROW_SCENE) for path in example_pair(scene)}
    for path in (sheet, *outputs.values(), *copies.values()):
        check_free(path, arguments.force)
    rows = []
    with working("fusing the examples", quiet=arguments.quiet) as progress:
        for i, scene in enumerate(SCENES, 1):
            under, over = (read_picture(path).pixels for path in example_pair(scene))
            options = {"threads": arguments.threads, "engine": arguments.engine}
            fused = fuse(under, over, weights, method=method.name, **options)
            folder.mkdir(parents=True, exist_ok=True)  # only when there is something to put into it
            write_picture(outputs[scene], Picture(pixels=fused), overwrite=arguments.force)
            rows.append([under, over, fused])
            progress(i, len(SCENES))
    for path, copy in copies.items():
        with written_in_place(copy, overwrite=arguments.force) as file:
            file.write(path.read_bytes())
    pixels = contact_sheet(
        rows, ("under-exposed", "over-exposed", f"fused ({weights.label if weights else method.title})"), SCENES
    )
    write_picture(sheet, Picture(pixels=pixels), overwrite=arguments.force)
    print(f"{len(SCENES)} scenes fused; look at {sheet}")
