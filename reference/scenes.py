"""Reads exposure stacks of scenes from folders, and cuts the training patches of LightFuse's recipe from them.

A scene is a folder with two or more exposures under any names, JPEG or PNG, and perhaps label.jpg (or reference.jpg or
gt.jpg), the picture that a good fusion looks like. If there is none, `reference.made_labels` makes one of each pair.
A folder of scenes may hold folders of scenes: a scene's name is its path from there, as in "001" or "empa/Garden".

A pair of a scene is two of its exposures. Its own pair, as in the paper, is the darkest and the brightest by mean.

Patches are 256 by 256 with stride 256. One more row and column of patches end at the far border, so that every pixel is
in some patch. All pictures stay uint8 in memory; ``full_range`` maps bytes to [-1, 1]. Data sets are not downloaded
here, and the authors' per-image min-max scaling is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from npfuse.scoring.scenes import LABELS
from reference.arrays import Array
from reference.errors import InputError
from reference.made_labels import made_label
from reference.recipes import VALIDATION

PATCH = 256
SUFFIXES = (".jpg", ".jpeg", ".png")
FAR = 100  # levels between the means of two exposures
LAYOUT = "DIR/<scene>/<exposures>, or DIR/<set>/<scene>/<exposures>, and label.jpg where there is one"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene: its exposures, and the picture a good fusion looks like.

    Attributes
    ----------
    name : str
        Path of the scene's folder in the folder of scenes.
    exposures : tuple of ndarray (H, W, 3), uint8
        Darkest first by mean, two or more.
    given_label : ndarray (H, W, 3), uint8, or None
    folder : Path or None
        Folder that the scene was read from.
    """

    name: str
    exposures: tuple[Array, ...]
    given_label: Array | None = None
    folder: Path | None = None

    @cached_property
    def label(self) -> Array:
        """Return the label that the data set gives, or one that is made from all exposures."""
        return made_label(self.exposures) if self.given_label is None else self.given_label

    @cached_property
    def means(self) -> tuple[float, ...]:
        """Mean of each exposure, in levels."""
        return tuple(float(exposure.mean()) for exposure in self.exposures)

    def has_given_label(self, under: int, over: int) -> bool:
        """Tell whether the label of a pair, two indices of exposures, is the one that the data set gives.

        It is where the exposures are the darkest and the brightest, or `FAR` levels apart in their means: people chose
        it as a picture of all exposures, and two that are close do not show what it shows.
        """
        extremes = (under, over) == (0, len(self.exposures) - 1)
        return self.given_label is not None and (extremes or self.means[over] - self.means[under] >= FAR)

    def label_of(self, under: int, over: int) -> Array:
        """Return the label of a pair: the given one, or one made of the exposures from the one to the other."""
        if self.has_given_label(under, over):
            return self.label
        return made_label(self.exposures[under : over + 1])

    @property
    def for_validation(self) -> bool:
        """Return whether the scene is one of `reference.recipes.VALIDATION`, judged by its folder, not its name."""
        return self.folder is not None and "/".join(self.folder.resolve().parts[-2:]) in VALIDATION

    @property
    def under(self) -> Array:
        """Return the darkest exposure."""
        return self.exposures[0]

    @property
    def over(self) -> Array:
        """Return the brightest exposure."""
        return self.exposures[-1]


def read_scenes(*folders: str | Path) -> list[Scene]:
    """Read every scene of folders, and of the folders in them.

    Parameters
    ----------
    *folders : path

    Returns
    -------
    list of Scene
        Sorted by name, folder by folder.

    Raises
    ------
    InputError : no such folder, no scenes in it, two scenes of one name, or a scene that is incomplete or of unequal
        sizes
    """
    scenes = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder, expected {LAYOUT}")
        paths = list(_scene_folders(folder))
        if not paths:
            raise InputError(f"{folder}: no scenes in it, expected {LAYOUT}")
        scenes += [read_scene(path, path.relative_to(folder).as_posix()) for path in paths]
    names = [scene.name for scene in scenes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{', '.join(map(str, folders))}: two scenes are called {twice}, expected different names")
    return scenes


def _scene_folders(folder: Path) -> Iterator[Path]:
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        if any(_is_picture(file) for file in path.iterdir()):
            yield path
        else:
            yield from _scene_folders(path)


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read_scene(folder: str | Path, name: str | None = None) -> Scene:
    """Read one scene.

    Parameters
    ----------
    folder : path
    name : str, optional
        Name of the scene; None for that of the folder.

    Returns
    -------
    Scene

    Raises
    ------
    InputError : two labels, fewer than two exposures, unequal sizes, or a file that is not an 8-bit RGB picture
    """
    folder = Path(folder)
    pictures = [path for path in sorted(folder.iterdir()) if _is_picture(path)]
    labels = [path for path in pictures if path.stem.lower() in LABELS]
    exposures = [path for path in pictures if path not in labels]
    if len(labels) > 1:
        raise InputError(f"{folder}: the scene has {len(labels)} label pictures, expected one at most")
    if len(exposures) < 2:
        raise InputError(f"{folder}: the scene has {len(exposures)} exposures, expected 2 or more")
    read: list[Array] = []
    for path in exposures + labels:
        rgb = _read_rgb(path)
        if read and rgb.shape != read[0].shape:
            raise InputError(
                f"{path}: the picture is {rgb.shape[0]}x{rgb.shape[1]} (height x width), "
                f"expected {read[0].shape[0]}x{read[0].shape[1]} as in {exposures[0]}"
            )
        read.append(rgb)
    return Scene(
        name=folder.name if name is None else name,
        exposures=tuple(sorted(read[: len(exposures)], key=lambda rgb: rgb.mean())),
        given_label=read[-1] if labels else None,
        folder=folder,
    )


def _read_rgb(path: Path) -> Array:
    try:
        with Image.open(path) as file:
            rgb = np.array(ImageOps.exif_transpose(file))
    except Exception as error:  # Pillow raises many kinds, struct.error and SyntaxError among them
        raise InputError(f"{path}: not a picture that can be read ({' '.join(str(error).split())})") from error
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(f"{path}: the picture is {rgb.dtype} {rgb.shape}, expected uint8 (H, W, 3)")
    return rgb


def patch_starts(length: int, patch: int = PATCH) -> list[int]:
    """Return the first row (or column) of each patch along one axis: stride `patch`, the last ending at the border.

    Examples
    --------
    >>> patch_starts(512), patch_starts(600)
    ([0, 256], [0, 256, 344])
    """
    starts = list(range(0, length - patch + 1, patch))
    if starts[-1] + patch < length:
        starts.append(length - patch)
    return starts


def check_patch_fits(scenes: Sequence[Scene], patch: int = PATCH) -> None:
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
        height, width, _ = scene.under.shape
        if min(height, width) < patch:
            raise InputError(
                f"{scene.name}: the picture is {height}x{width} (height x width), "
                f"expected {patch}x{patch} or more, the size of a training patch"
            )


def named(folders: Iterable[str | Path]) -> str:
    """Return the names of folders of scenes, for the source text of weights, as `npfuse evaluate` looks for them.

    Examples
    --------
    >>> named([Path("sets/first"), Path("second")])
    'the folder first and of second'
    """
    return "the folder " + " and of ".join(Path(folder).resolve().name for folder in folders)


def refuse_validation(scenes: Sequence[Scene]) -> None:
    """Refuse to train on scenes that weights are compared on.

    Parameters
    ----------
    scenes : sequence of Scene

    Raises
    ------
    InputError : names them
    """
    if names := [scene.name for scene in scenes if scene.for_validation]:
        raise InputError(f"scenes to train on: {', '.join(names)}, expected none of those for validation")


def cut_patches(scenes: Sequence[Scene], patch: int = PATCH) -> tuple[Array, Array]:
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


def full_range(values: Array) -> Array:
    """Map bytes to [-1, 1] as the "full_range" normalisation does: v / 255 * 2 - 1.

    Examples
    --------
    >>> full_range(np.array([0, 255], np.uint8))
    array([-1.,  1.], dtype=float32)
    """
    return values.astype(np.float32) / np.float32(255) * np.float32(2) - np.float32(1)
