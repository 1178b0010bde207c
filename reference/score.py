"""Scores of weights on a folder of scenes: PSNR, SSIM, MEF-SSIM and blockiness, a scene and in the mean.

Pictures are fused by `npfuse.fuse` itself, rounding and tiles included, and beside them stands Mertens 2009 where
OpenCV is installed. With ``--folds``, the weights are those of a leave-scenes-out: each was trained without the scenes
of its fold, and is scored on those alone. They are files, or trained here and now by a recipe, once for each seed.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from npfuse import fuse, load_weights
from npfuse.contact_sheet import contact_sheet
from npfuse.images import Picture, check_writable, write_picture
from npfuse.metrics import blockiness, mef_ssim, psnr, ssim
from reference.errors import InputError
from reference.recipes import RECIPES
from reference.sice import read_scenes

COLUMNS = ("PSNR dB", "SSIM", "MEF-SSIM", "blockiness")


def mertens(scene):
    """Fuse a scene's pair by OpenCV's Mertens 2009; None where OpenCV is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    fused = cv2.createMergeMertens().process([scene.under, scene.over])
    return np.rint(np.clip(fused, 0, 1) * 255).astype(np.uint8)


def measure(scene, fused):
    """Score a fused picture.

    Parameters
    ----------
    scene : Scene
    fused : ndarray (H, W, 3), uint8

    Returns
    -------
    tuple of float, in the order of `COLUMNS`
    """
    pair = scene.under, scene.over
    return psnr(scene.label, fused), ssim(scene.label, fused), mef_ssim(pair, fused), blockiness(fused)


def fuse_all(scenes, weights):
    """Fuse every scene by each of the weights.

    Parameters
    ----------
    scenes : list of Scene
    weights : dict of name to npfuse.Weights

    Returns
    -------
    dict of method name to dict of scene name to ndarray (H, W, 3), uint8
    """
    return {name: fuse_folds(scenes, [loaded], []) for name, loaded in weights.items()}


def fuse_folds(scenes, weights, folds):
    """Fuse each scene by the weights of the fold that it is in, or by the first where there are no folds.

    Parameters
    ----------
    scenes : list of Scene
    weights : list of npfuse.Weights
    folds : list of tuple of str, as many as weights, or empty

    Returns
    -------
    dict of scene name to ndarray (H, W, 3), uint8
    """
    fold_of = {name: i for i, fold in enumerate(folds) for name in fold}
    return {
        scene.name: fuse(scene.under, scene.over, weights[fold_of.get(scene.name, 0)], order="given")
        for scene in scenes
    }


def train_folds(recipe, data, scenes, folds, seed, folder):
    """Train once for each fold, without its scenes.

    Parameters
    ----------
    recipe : Recipe
    data : Path
        What the scenes were read from.
    scenes : list of Scene
    folds : list of tuple of str
    seed : int
    folder : Path
        For checkpoints and the weights files, ``seed<seed>-fold<n>.npz``.

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
        job = Job(recipe=recipe, data=data, out=out, checkpoint=out.with_suffix(""), seed=seed, hold_out=fold)
        trained, _ = split_scenes(scenes, fold)
        source = (
            f"Data: {len(trained)} scenes of the folder {data.resolve().name}, for a leave-scenes-out; "
            f"held out: {', '.join(fold)}.\nTrained by `python -m reference score`, model {recipe.model}, seed {seed}."
        )
        save_npz(out, fit(job, trained), build=recipe.build, source=source, margin=recipe.margin, overwrite=True)
        trained_weights.append(load_weights(out))
    return trained_weights


def table(scenes, pictures):
    """Write the scores, one method after another.

    Parameters
    ----------
    scenes : list of Scene
    pictures : as of `fuse_all`

    Returns
    -------
    str
    """
    header = f"{'scene':<12}" + "".join(f"{column:>12}" for column in COLUMNS)
    lines, means = [], {}
    for method, fused in pictures.items():
        rows = {scene.name: measure(scene, fused[scene.name]) for scene in scenes}
        rows["mean"] = means[method] = tuple(np.mean(list(rows.values()), axis=0))
        lines += [method, header, *(_row(name, scores) for name, scores in rows.items()), ""]
    seeds = [mean for method, mean in means.items() if ", seed " in method]
    if len(seeds) > 1:
        lines += [f"leave-scenes-out, {len(seeds)} seeds", header, _row("mean", np.mean(seeds, axis=0))]
        lines += [_row("spread", np.std(seeds, axis=0, ddof=1)), ""]
    if "Mertens 2009" not in pictures:
        lines.append("Mertens 2009 is left out: OpenCV is not installed (pip install opencv-python-headless)")
    return "\n".join(lines).rstrip()


def _row(name, scores):
    psnr_db, similarity, structure, blocks = scores
    return f"{name:<12}{psnr_db:>12.2f}{similarity:>12.4f}{structure:>12.4f}{blocks:>12.3f}"


def check_folds(scenes, folds, count=None):
    """Refuse folds that do not part the scenes, or are not as many as the weights.

    Parameters
    ----------
    scenes : list of Scene
    folds : list of tuple of str
    count : int, optional
        Of the weights; left out where they are yet to be trained.

    Raises
    ------
    InputError
    """
    if count is not None and len(folds) != count:
        raise InputError(f"--folds: {len(folds)} folds, expected {count}, one for each of --weights")
    named = [name for fold in folds for name in fold]
    names = [scene.name for scene in scenes]
    if sorted(named) != sorted(names):
        raise InputError(f"--folds: scenes are {', '.join(sorted(named))}, expected each once of {', '.join(names)}")


def main(argv):
    """Read the options of ``score``, print the table, and write the sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m reference score", description="Score weights on scenes: DIR/<scene>/exposure_NN.jpg, label.jpg."
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR")
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
    scenes = read_scenes(options.data)
    if folds:
        check_folds(scenes, folds, None if options.recipe else len(weights))
    if options.recipe:
        pictures = _train_and_fuse(options, scenes, folds)
    elif folds:
        pictures = {"leave-scenes-out": fuse_folds(scenes, list(weights.values()), folds)}
    else:
        pictures = fuse_all(scenes, weights)
    baseline = {scene.name: mertens(scene) for scene in scenes}
    if all(picture is not None for picture in baseline.values()):
        pictures["Mertens 2009"] = baseline
    print(table(scenes, pictures))
    if options.sheet:
        rows = [[s.under, s.over, *(fused[s.name] for fused in pictures.values()), s.label] for s in scenes]
        sheet = contact_sheet(rows, ["under", "over", *pictures, "label"], [scene.name for scene in scenes])
        write_picture(options.sheet, Picture(pixels=sheet), overwrite=options.force)
        print(f"wrote {options.sheet}", file=sys.stderr)
    return 0


def _train_and_fuse(options, scenes, folds):
    """Train and fuse the folds of every seed."""
    recipe = RECIPES[options.recipe]
    with ExitStack() as stack:
        folder = options.out or Path(stack.enter_context(TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        pictures = {}
        for seed in options.seeds:
            weights = train_folds(recipe, options.data, scenes, folds, seed, folder)
            pictures[f"{options.recipe}, leave-scenes-out, seed {seed}"] = fuse_folds(scenes, weights, folds)
    return pictures
