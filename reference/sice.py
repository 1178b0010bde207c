"""Scenes of the SICE data set (Cai 2018) from a folder, and the training patches of LightFuse's recipe cut from them.

The folder is DIR/<scene>/exposure_NN.jpg, darkest first, with label.jpg beside them. The pair of a scene is its
darkest and its brightest exposure by mean, as in the paper. Patches are 256 by 256 with stride 256, and one more row
and column of them end at the far border, so that every pixel is in some patch. All pictures stay uint8 in memory;
``full_range`` maps bytes to [-1, 1]. Left out: downloading the data set, and the authors' per-image min-max scaling.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from reference.errors import InputError

PATCH = 256
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene: the pair to fuse and the picture a good fusion looks like.

    Attributes
    ----------
    name : str
        The scene's folder.
    under, over, label : ndarray (H, W, 3), uint8
    label_path : Path
    exposures : tuple of ndarray (H, W, 3), uint8
        All of them, darkest first by mean; `under` and `over` are the first and the last.
    """

    name: str
    under: np.ndarray
    over: np.ndarray
    label: np.ndarray
    label_path: Path
    exposures: tuple = ()


def read_scenes(folder):
    """Read every scene of a folder, sorted by name.

    Parameters
    ----------
    folder : path

    Returns
    -------
    list of Scene

    Raises
    ------
    InputError : no such folder, no scenes in it, or a scene that is incomplete or of unequal sizes
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected DIR/<scene>/exposure_NN.jpg and label.jpg")
    scenes = [read_scene(path) for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
    if not scenes:
        raise InputError(f"{folder}: no scenes in it, expected DIR/<scene>/exposure_NN.jpg and label.jpg")
    return scenes


def read_scene(folder):
    """Read one scene: its label, and the darkest and brightest of its exposures by mean.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Scene

    Raises
    ------
    InputError : no label, fewer than two exposures, unequal sizes, or a file that is not an 8-bit RGB picture
    """
    folder = Path(folder)
    pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    exposures = [path for path in pictures if path.stem.startswith("exposure_")]
    labels = [path for path in pictures if path.stem == "label"]
    if len(labels) != 1:
        raise InputError(f"{folder}: the scene has {len(labels)} label pictures, expected one label.jpg")
    if len(exposures) < 2:
        raise InputError(f"{folder}: the scene has {len(exposures)} exposures, expected 2 or more exposure_NN.jpg")
    label = _read_rgb(labels[0])
    pictures = []
    for path in exposures:
        rgb = _read_rgb(path)
        if rgb.shape != label.shape:
            raise InputError(
                f"{path}: the picture is {rgb.shape[0]}x{rgb.shape[1]} (height x width), "
                f"expected {label.shape[0]}x{label.shape[1]} as in {labels[0]}"
            )
        pictures.append(rgb)
    pictures.sort(key=lambda rgb: rgb.mean())
    return Scene(
        name=folder.name,
        under=pictures[0],
        over=pictures[-1],
        label=label,
        label_path=labels[0],
        exposures=tuple(pictures),
    )


def _read_rgb(path):
    try:
        with Image.open(path) as file:
            rgb = np.array(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow raises many kinds, struct.error and SyntaxError among them
        raise InputError(f"{path}: not a picture that can be read ({' '.join(str(error).split())})") from error
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"{path}: the picture is {rgb.dtype} {rgb.shape}, expected uint8 (H, W, 3)")
    return rgb


def patch_starts(length, patch=PATCH):
    """First rows (or columns) of the patches along one axis: stride `patch`, the last one ending at the border.

    Examples
    --------
    >>> patch_starts(512), patch_starts(600)
    ([0, 256], [0, 256, 344])
    """
    starts = list(range(0, length - patch + 1, patch))
    if starts[-1] + patch < length:
        starts.append(length - patch)
    return starts


def check_patch_fits(scenes, patch=PATCH):
    """Refuse pictures smaller than a patch.

    Parameters
    ----------
    scenes : sequence of Scene
    patch : int

    Raises
    ------
    InputError : names the first such picture
    """
    for scene in scenes:
        height, width, _ = scene.label.shape
        if min(height, width) < patch:
            raise InputError(
                f"{scene.label_path}: the picture is {height}x{width} (height x width), "
                f"expected {patch}x{patch} or more, the size of a training patch"
            )


def cut_patches(scenes, patch=PATCH):
    """Cut all patches of the scenes.

    Parameters
    ----------
    scenes : sequence of Scene
    patch : int
        Height and width of a patch, and the stride.

    Returns
    -------
    inputs : ndarray (N, patch, patch, 6), uint8
        Under-exposed RGB, then over-exposed RGB.
    labels : ndarray (N, patch, patch, 3), uint8

    Raises
    ------
    InputError : a picture is smaller than a patch
    """
    check_patch_fits(scenes, patch)
    inputs, labels = [], []
    for scene in scenes:
        height, width, _ = scene.label.shape
        pair = np.concatenate([scene.under, scene.over], axis=-1)  # (H, W, 6)
        for top in patch_starts(height, patch):
            for left in patch_starts(width, patch):
                inputs.append(pair[top : top + patch, left : left + patch])
                labels.append(scene.label[top : top + patch, left : left + patch])
    return np.stack(inputs), np.stack(labels)


def full_range(values):
    """Map bytes to [-1, 1] as the "full_range" normalisation does: v / 255 * 2 - 1.

    Examples
    --------
    >>> full_range(np.array([0, 255], np.uint8))
    array([-1.,  1.], dtype=float32)
    """
    return values.astype(np.float32) / np.float32(255) * np.float32(2) - np.float32(1)
