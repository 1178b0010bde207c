"""The command `npfuse evaluate`: every method on a folder of scenes, and a table like the paper's Table II."""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npfuse.commands.console import Commands, add_quiet, check_folder, check_free, working
from npfuse.methods import METHODS
from npfuse.pictures.atomic import write_text
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.scoring.evaluation import Settings, candidates, evaluate, keep, kept, kept_path, leave_scenes_out
from npfuse.scoring.scenes import Scene, SceneFiles, find_scenes, read_scene
from npfuse.scoring.score_table import FORMATS, Evaluation, notes, scene_table, table

FAILED = 1


def add(commands: Commands) -> None:
    """Add the command's parser."""
    command = commands.add_parser(
        "evaluate",
        help="score every method on a folder of scenes",
        description="Score every method on the scenes of a folder: DIR/<scene>/ holds exposures under any names, and "
        "label.jpg if there is one. Results are kept in OUT and not computed again. The table is printed, and written "
        "to OUT (table.md, .csv and .json), with every single score (scenes.csv). "
        "Exit status: 1 if a scene failed.",
    )
    command.add_argument("folder", type=Path, metavar="DIR", help="folder of scenes")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("npfuse-evaluation"),
        metavar="OUT",
        help="folder for the results, made where missing (default: npfuse-evaluation)",
    )
    command.add_argument("--weights", nargs="+", default=[], metavar="W", help="weights files that are scored as well")
    command.add_argument(
        "--folds",
        nargs="+",
        action="append",
        default=[],
        metavar="W",
        help="weights files of one method, each trained without some of the scenes; a scene is scored by the one that "
        "was not trained on it; may be repeated",
    )
    command.add_argument("--scenes", nargs="+", metavar="NAME", help="names of the scenes to score (default: all)")
    command.add_argument(
        "--methods",
        nargs="+",
        choices=tuple(METHODS),
        metavar="M",
        help=f"methods to score, of {', '.join(METHODS)} (default: all)",
    )
    command.add_argument(
        "--format", choices=FORMATS, default="text", help="format of the printed table (default: text)"
    )
    command.add_argument(
        "--long-side",
        type=int,
        metavar="N",
        help="pixels of the longer side that larger pictures are shrunk to (default: none is)",
    )
    command.add_argument(
        "--all-exposures",
        action="store_true",
        help="give methods that take any number of exposures all of a scene, not the pair",
    )
    command.add_argument("--pictures", action="store_true", help="keep the fused pictures in OUT, as PNG")
    command.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="page for the browser to write, with the table, and every scene under a slider; implies --pictures",
    )
    command.add_argument("--force", action="store_true", help="replace a page of --html that exists")
    add_quiet(command)
    command.add_argument("--threads", type=int, metavar="N", help="number of threads (default: one per core)")
    command.add_argument("--again", action="store_true", help="compute kept results again")
    command.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.long_side is not None and arguments.long_side < 44:
        raise ValueError(f"--long-side is {arguments.long_side}, expected at least 44, for MEF-SSIM's coarsest window")
    if arguments.html is not None:
        check_free(arguments.html, arguments.force)
        check_folder(arguments.html)
        arguments.pictures = True
    settings = Settings(long_side=arguments.long_side, all_exposures=arguments.all_exposures, threads=arguments.threads)
    scenes = _scenes(arguments)
    folder, names = arguments.folder.resolve().name, [files.name for files in scenes]
    scored = candidates(arguments.weights, arguments.methods)
    scored += [leave_scenes_out(sources, folder, names) for sources in arguments.folds]
    scored.sort(key=lambda candidate: list(METHODS).index(candidate.method.name))
    results, failures = {}, {}
    with working("evaluating", quiet=arguments.quiet) as progress:
        for i, files in enumerate(scenes):
            missing = []
            for index, candidate in enumerate(scored):
                path = kept_path(arguments.output, files.name, candidate)
                picture = path.with_suffix(".png")
                found = None if arguments.again else kept(path, settings, files)
                if found and (picture.exists() or not arguments.pictures):
                    results[index, files.name] = found
                else:
                    missing.append((index, candidate, path, picture))
            try:
                scene = read_scene(files, long_side=settings.long_side) if missing else None
            except (ValueError, OSError, MemoryError) as error:
                failures[files.name] = _one_line(error)
                continue
            for done, (index, candidate, path, picture) in enumerate(missing, len(scored) - len(missing)):
                progress(i * len(scored) + done, len(scenes) * len(scored))
                assert scene is not None
                try:
                    result, fused = evaluate(scene, candidate, settings)
                except (ValueError, MemoryError) as error:
                    failures[f"{files.name}, {candidate.title}"] = _one_line(error)
                    continue
                if arguments.pictures:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_picture(picture, Picture(pixels=fused), overwrite=True)
                keep(path, result, settings, files)
                results[index, files.name] = result
    evaluation = Evaluation(
        folder=folder, scenes=names, scored=scored, results=results, failures=failures, settings=settings
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    written = {"table.md": table(evaluation, "markdown"), "scenes.csv": scene_table(evaluation)}
    written |= {f"table.{form}": table(evaluation, form) for form in ("csv", "json")}
    for name, text in written.items():
        write_text(arguments.output / name, f"{text}\n", overwrite=True)
    if arguments.html is not None:
        _write_page(arguments, evaluation, {files.name: files for files in scenes})
    print(table(evaluation, arguments.format))
    if arguments.format == "csv":
        print("\n".join(notes(evaluation)), file=sys.stderr)
    return FAILED if failures else 0


def _write_page(arguments: argparse.Namespace, evaluation: Evaluation, scenes: dict[str, SceneFiles]) -> None:
    """Write the page, from the scenes' files and the pictures that were kept."""
    from npfuse.pages.evaluation_page import evaluation_page  # the other outputs need no page

    def scene_of(name: str) -> Scene:
        return read_scene(scenes[name], long_side=arguments.long_side)

    def fused_of(index: int, name: str) -> NDArray[np.uint8] | None:
        path = kept_path(arguments.output, name, evaluation.scored[index]).with_suffix(".png")
        return read_picture(path).pixels if path.exists() else None

    write_text(arguments.html, evaluation_page(evaluation, scene_of, fused_of), overwrite=arguments.force)


def _scenes(arguments: argparse.Namespace) -> list[SceneFiles]:
    """Return the scenes that are asked for."""
    found = find_scenes(arguments.folder)
    if arguments.scenes is None:
        return found
    names = [files.name for files in found]
    if unknown := [name for name in arguments.scenes if name not in names]:
        raise ValueError(f"--scenes: no scene named {', '.join(unknown)}, expected of {', '.join(names)}")
    return [files for files in found if files.name in arguments.scenes]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
