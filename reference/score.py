"""Scores weights on a folder of scenes: PSNR, SSIM, MEF-SSIM and blockiness, per scene and in the mean.

Pictures are fused by `npfuse.fuse` itself, rounding and tiles included. Mertens 2009 is scored beside them if OpenCV is
installed. With ``--folds``, the weights are those of a leave-scenes-out: each was trained without the scenes of its
fold, and is scored on those alone; scenes in no fold are only trained on. The weights are files, or are trained by a
recipe, once for each seed.

JPEG files have 8x8 blocks, which any fusion keeps. "own blocks" is the blockiness that a fusion adds. To measure it,
the pair is fused once more without its first 4 rows and columns. JPEG's boundaries then lie in the middle of the
fusion's own blocks, and steps across them are left out.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse import fuse, load_weights
from npfuse.color import luma_of
from npfuse.pictures.contact_sheet import contact_sheet
from npfuse.pictures.reading import Picture, check_writable, write_picture
from npfuse.scoring.metrics import blockiness, mef_ssim, psnr, ssim
from npfuse.weights.weights import Weights
from reference.arrays import Array
from reference.errors import InputError
from reference.recipes import RECIPES, Recipe
from reference.scenes import Scene, named, read_scenes

COLUMNS = ("PSNR dB", "SSIM", "luma SSIM", "MEF-SSIM", "blockiness", "own blocks")
MERTENS = "Mertens 2009"
SHIFT = 4  # rows and columns between a fusion's blocks and those of JPEG

Fusion = Callable[[Scene], NDArray[np.uint8]]


def mertens(scene: Scene) -> Array:
    """Fuse a scene's pair by OpenCV's Mertens 2009."""
    import cv2

    fused = cv2.createMergeMertens().process([scene.under, scene.over])
    return np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)


def fuse_by_fold(weights: Sequence[Weights], folds: Sequence[Sequence[str]], scene: Scene) -> Array:
    """Fuse a scene by the weights of its fold, or by the first weights if there are no folds.

    Parameters
    ----------
    weights : list of npfuse.Weights
    folds : list of tuple of str, as many as weights, or empty
    scene : Scene

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    fold = next((n for n, fold in enumerate(folds) if scene.name in fold), 0)
    return fuse(scene.under, scene.over, weights[fold], order="given")


def measure(scene: Scene, fused: Array, fusion: Callable[..., Array]) -> tuple[float, ...]:
    """Score a fused picture; for its own blocks, fuse the pair again, shifted against JPEG's blocks.

    Parameters
    ----------
    scene : Scene
    fused : ndarray (H, W, 3), uint8
    fusion : Fusion

    Returns
    -------
    tuple of float : scores, in the order of `COLUMNS`
    """
    pair = scene.under, scene.over
    shifted = [np.ascontiguousarray(picture[SHIFT:, SHIFT:]) for picture in pair]
    own_blocks = blockiness(fusion(replace(scene, exposures=tuple(shifted))), besides=SHIFT)
    lumas = [luma_of(picture / 255)[..., np.newaxis] for picture in (scene.label, fused)]
    fidelity = psnr(scene.label, fused), ssim(scene.label, fused), ssim(*lumas)
    return *fidelity, mef_ssim(pair, fused), blockiness(fused), own_blocks


def train_folds(
    recipe: Recipe,
    data: Sequence[Path],
    scenes: Sequence[Scene],
    folds: Sequence[Sequence[str]],
    seed: int,
    folder: Path,
) -> list[Weights]:
    """Train once for each fold, without its scenes.

    Parameters
    ----------
    recipe : Recipe
    data : sequence of Path
        Folders that the scenes were read from.
    scenes : list of Scene
        All scenes; those in no fold are trained on every time.
    folds : list of tuple of str
    seed : int
    folder : Path
        Folder for checkpoints and the weights files, ``seed<seed>-fold<n>.npz``.

    Returns
    -------
    list of npfuse.Weights
    """
    from reference.export import save_npz
    from reference.train import Job, fit, split_scenes

    trained_weights = []
    for n, fold in enumerate(folds, 1):
        out = folder / f"seed{seed}-fold{n}.npz"
        print(f"seed {seed}, without {', '.join(fold)}", file=sys.stderr)
        job = Job(
            recipe=recipe, data=tuple(data), out=out, checkpoint=out.with_suffix(""), seed=seed, hold_out=tuple(fold)
        )
        trained, _ = split_scenes(scenes, fold)
        source = (
            f"Data: {len(trained)} scenes of {named(data)}, for a leave-scenes-out; "
            f"held out: {', '.join(fold)}.\nTrained by `python -m reference score`, model {recipe.model}, seed {seed}."
        )
        save_npz(out, fit(job, trained), build=recipe.build, source=source, margin=recipe.margin, overwrite=True)
        trained_weights.append(load_weights(out))
    return trained_weights


def table(scenes: Sequence[Scene], fusions: Mapping[str, Any], pictures: dict[str, Any]) -> str:
    """Return the scores as text, one fusion after another.

    Parameters
    ----------
    scenes : list of Scene
    fusions : dict of title to Fusion
    pictures : dict of title to list of ndarray (H, W, 3), uint8, in the scenes' order

    Returns
    -------
    str
    """
    header = f"{'scene':<12}" + "".join(f"{column:>12}" for column in COLUMNS)
    lines, means = [], {}
    for title, fusion in fusions.items():
        pairs = zip(scenes, pictures[title], strict=True)
        rows = {scene.name: measure(scene, fused, fusion) for scene, fused in pairs}
        rows["mean"] = means[title] = tuple(np.mean(list(rows.values()), axis=0))
        lines += [title, header, *(_row(name, scores) for name, scores in rows.items()), ""]
    seeds = [mean for title, mean in means.items() if ", seed " in title]
    if len(seeds) > 1:
        lines += [f"leave-scenes-out, {len(seeds)} seeds", header, _row("mean", np.mean(seeds, axis=0))]
        lines += [_row("spread", np.std(seeds, axis=0, ddof=1)), ""]
    if MERTENS not in fusions:
        lines.append(f"{MERTENS} is left out: OpenCV is not installed (pip install opencv-python-headless)")
    return "\n".join(lines).rstrip()


def _row(name: str, scores: Sequence[float]) -> str:
    decibels, *others = scores
    return f"{name:<12}{decibels:>12.2f}" + "".join(f"{score:>12.4f}" for score in others)


def check_folds(scenes: Sequence[Scene], folds: Sequence[Sequence[str]], count: int | None = None) -> None:
    """Refuse folds that name a scene twice, or one that does not exist, or that are not as many as the weights.

    Parameters
    ----------
    scenes : list of Scene
    folds : list of tuple of str
    count : int, optional
        Number of the weights; None if they are still to be trained.

    Raises
    ------
    InputError
    """
    if count is not None and len(folds) != count:
        raise InputError(f"--folds: {len(folds)} folds, expected {count}, one for each of --weights")
    named = [name for fold in folds for name in fold]
    names = {scene.name for scene in scenes}
    if len(set(named)) < len(named) or not names.issuperset(named):
        known = ", ".join(sorted(names))
        raise InputError(f"--folds: scenes are {', '.join(sorted(named))}, expected some of {known}, each once at most")


def main(argv: Sequence[str]) -> int:
    """Read the options of ``score``, print the table, and write the sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m reference score", description="Score weights on scenes: DIR/<scene>/<exposures>, label.jpg."
    )
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, metavar="DIR")
    add("--weights", nargs="+", metavar="W", help="bundled names or files (default: fuse's own)")
    add("--folds", nargs="+", default=[], metavar="NAME,NAME", help="scenes that the 1st, 2nd, ... weights never saw")
    add("--recipe", choices=RECIPES, help="train the weights of --folds now, by this recipe")
    add("--seeds", nargs="+", type=int, default=[1], metavar="N", help="of --recipe: train so often (default 1)")
    add("--out", type=Path, metavar="DIR", help="of --recipe: keep the weights files in this folder")
    add("--sheet", type=Path, metavar="FILE", help="write the pictures side by side with the label")
    add("--force", action="store_true", help="overwrite --sheet")
    options = parser.parse_args(argv)
    if options.recipe and (options.weights or not options.folds):
        raise InputError("--recipe: trains the weights of --folds, expected --folds and no --weights")
    if options.sheet:
        check_writable(options.sheet, overwrite=options.force)
    weights = {source or "default": load_weights(source) for source in options.weights or [None]}
    folds = [tuple(filter(None, fold.split(","))) for fold in options.folds]
    scenes = read_scenes(*options.data)
    if folds:
        check_folds(scenes, folds, None if options.recipe else len(weights))
        every, scenes = scenes, [scene for scene in scenes if any(scene.name in fold for fold in folds)]
    if options.recipe:
        fusions = _trained(options, every, folds)
    elif folds:
        fusions = {"leave-scenes-out": partial(fuse_by_fold, list(weights.values()), folds)}
    else:
        fusions = {name: partial(fuse_by_fold, [loaded], []) for name, loaded in weights.items()}
    if find_spec("cv2"):
        fusions[MERTENS] = mertens
    pictures = {title: [fusion(scene) for scene in scenes] for title, fusion in fusions.items()}
    print(table(scenes, fusions, pictures))
    if options.sheet:
        rows = [[s.under, s.over, *fused, s.label] for s, *fused in zip(scenes, *pictures.values(), strict=True)]
        sheet = contact_sheet(rows, ["under", "over", *fusions, "label"], [scene.name for scene in scenes])
        write_picture(options.sheet, Picture(pixels=sheet), overwrite=options.force)
        print(f"wrote {options.sheet}", file=sys.stderr)
    return 0


def _trained(options: argparse.Namespace, scenes: Sequence[Scene], folds: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Train the folds of every seed, and return their fusions by title."""
    recipe = RECIPES[options.recipe]
    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        fusions = {}
        for seed in options.seeds:
            weights = train_folds(recipe, options.data, scenes, folds, seed, folder)
            fusions[f"{options.recipe}, leave-scenes-out, seed {seed}"] = partial(fuse_by_fold, weights, folds)
    return fusions
