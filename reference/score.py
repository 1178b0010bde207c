"""Scores of weights on a folder of scenes: PSNR, SSIM, MEF-SSIM and blockiness, a scene and in the mean.

Pictures are fused by `npfuse.fuse` itself, rounding and tiles included, and beside them stands Mertens 2009 where
OpenCV is installed. With ``--folds``, the weights files are those of a leave-scenes-out: each was trained without the
scenes of its fold, and is scored on those alone.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from npfuse import fuse, load_weights
from npfuse.contact_sheet import contact_sheet
from npfuse.images import Picture, check_writable, write_picture
from npfuse.metrics import blockiness, mef_ssim, psnr, ssim
from reference.errors import InputError
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


def fuse_all(scenes, weights, folds):
    """Fuse scenes by each of the weights, or each scene by the weights of the fold that it is in.

    Parameters
    ----------
    scenes : list of Scene
    weights : dict of name to npfuse.Weights
    folds : list of tuple of str, as many as weights; empty for every scene by every weights

    Returns
    -------
    dict of method name to dict of scene name to ndarray (H, W, 3), uint8
    """
    pictures = {}
    if folds:
        fold_of = {name: i for i, fold in enumerate(folds) for name in fold}
        pictures["leave-scenes-out"] = {
            scene.name: fuse(scene.under, scene.over, [*weights.values()][fold_of[scene.name]], order="given")
            for scene in scenes
        }
    else:
        for name, loaded in weights.items():
            pictures[name] = {scene.name: fuse(scene.under, scene.over, loaded, order="given") for scene in scenes}
    baseline = {scene.name: mertens(scene) for scene in scenes}
    if all(picture is not None for picture in baseline.values()):
        pictures["Mertens 2009"] = baseline
    return pictures


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
    lines = []
    for method, fused in pictures.items():
        rows = {scene.name: measure(scene, fused[scene.name]) for scene in scenes}
        rows["mean"] = tuple(np.mean(list(rows.values()), axis=0))
        lines += [method, header]
        lines += [f"{name:<12}{p:>12.2f}{s:>12.4f}{m:>12.4f}{b:>12.3f}" for name, (p, s, m, b) in rows.items()]
        lines.append("")
    if "Mertens 2009" not in pictures:
        lines.append("Mertens 2009 is left out: OpenCV is not installed (pip install opencv-python-headless)")
    return "\n".join(lines).rstrip()


def check_folds(scenes, weights, folds):
    """Refuse folds that do not part the scenes, or are not as many as the weights.

    Parameters
    ----------
    scenes : list of Scene
    weights : dict
    folds : list of tuple of str

    Raises
    ------
    InputError
    """
    if not folds:
        return
    if len(folds) != len(weights):
        raise InputError(f"--folds: {len(folds)} folds, expected {len(weights)}, one for each of --weights")
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
    add("--weights", nargs="+", default=[None], metavar="W", help="bundled names or files (default: fuse's own)")
    add("--folds", nargs="+", default=[], metavar="NAME,NAME", help="scenes that the 1st, 2nd, ... weights never saw")
    add("--sheet", type=Path, metavar="FILE", help="write the pictures side by side with the label")
    add("--force", action="store_true", help="overwrite --sheet")
    options = parser.parse_args(argv)
    if options.sheet:
        check_writable(options.sheet, overwrite=options.force)
    weights = {source or "default": load_weights(source) for source in options.weights}
    folds = [tuple(filter(None, fold.split(","))) for fold in options.folds]
    scenes = read_scenes(options.data)
    check_folds(scenes, weights, folds)
    pictures = fuse_all(scenes, weights, folds)
    print(table(scenes, pictures))
    if options.sheet:
        rows = [[s.under, s.over, *(fused[s.name] for fused in pictures.values()), s.label] for s in scenes]
        sheet = contact_sheet(rows, ["under", "over", *pictures, "label"], [scene.name for scene in scenes])
        write_picture(options.sheet, Picture(pixels=sheet), overwrite=options.force)
        print(f"wrote {options.sheet}", file=sys.stderr)
    return 0
