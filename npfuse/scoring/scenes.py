"""Scenes in a folder: for each, exposures of one place and perhaps the picture that a good fusion looks like.

The layout is DIR/<scene>/<pictures>. The label is called label, reference or gt, and every other picture, whatever its
name, is an exposure. A pair is a scene's darkest and brightest exposure by mean, as in LightFuse's paper.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse.pictures.formats import PICTURE_SUFFIXES
from npfuse.pictures.reading import read_picture

LABELS = frozenset(["label", "reference", "gt"])
LAYOUT = "DIR/<scene>/<exposures>, and label.jpg where there is one"
RESAMPLING = "Pillow's Lanczos, in encoded values"


@dataclass(frozen=True, kw_only=True)
class SceneFiles:
    """The files of a scene.

    Parameters
    ----------
    name : name of the folder
    exposures : in the order of the numbers in their names
    label : what a good fusion looks like, or None
    """

    name: str
    exposures: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The pictures of a scene.

    Parameters
    ----------
    name : name of the folder
    exposures : ndarrays (H, W, 3), uint8, darkest first by mean
    label : ndarray (H, W, 3), uint8, or None
    """

    name: str
    exposures: tuple[NDArray[np.uint8], ...]
    label: NDArray[np.uint8] | None


def find_scenes(folder: Path) -> list[SceneFiles]:
    """Find the scenes of a folder, sorted by name; a sub-folder without pictures is none.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of SceneFiles, at least one

    Raises
    ------
    ValueError : no such folder, or no scenes in it
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder, expected {LAYOUT}")
    scenes = []
    for path in sorted(folder.iterdir(), key=_natural):
        if path.is_dir() and not path.name.startswith("."):
            pictures = [
                file for file in sorted(path.iterdir(), key=_natural) if file.suffix.lower() in PICTURE_SUFFIXES
            ]
            labels = [file for file in pictures if file.stem.lower() in LABELS]
            exposures = tuple(file for file in pictures if file not in labels)
            if pictures:
                scenes.append(SceneFiles(name=path.name, exposures=exposures, label=labels[0] if labels else None))
    if not scenes:
        raise ValueError(f"{folder}: no scenes in it, expected {LAYOUT}")
    return scenes


def read_scene(files: SceneFiles, *, long_side: int | None = None) -> Scene:
    """Read a scene's pictures.

    Parameters
    ----------
    files : SceneFiles
    long_side : pictures are shrunk to it where they are larger; None leaves them

    Returns
    -------
    Scene

    Raises
    ------
    ValueError : fewer than two exposures, sizes that differ, or a file that is no RGB picture of 8 bits
    """
    if len(files.exposures) < 2:
        raise ValueError(f"{files.name}: number of exposures is {len(files.exposures)}, expected at least 2")
    pictures = [_read_rgb(path) for path in files.exposures]
    label = None if files.label is None else _read_rgb(files.label)
    named = [*zip(files.exposures, pictures, strict=True)] + ([] if label is None else [(files.label, label)])
    for path, picture in named:
        if picture.shape != pictures[0].shape:
            first = f"{pictures[0].shape} as in {files.exposures[0]}"
            raise ValueError(f"{path}: shape is {picture.shape}, expected {first}")
    if long_side is not None:
        pictures = [_shrunk(picture, long_side) for picture in pictures]
        label = None if label is None else _shrunk(label, long_side)
    return Scene(name=files.name, exposures=darkest_first(pictures), label=label)


def darkest_first(pictures: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """Return pictures in the order of their means.

    Examples
    --------
    >>> [int(x[0]) for x in darkest_first([np.array([9]), np.array([1]), np.array([5])])]
    [1, 5, 9]
    """
    return tuple(sorted(pictures, key=lambda picture: float(picture.mean())))


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    pixels = read_picture(path).pixels
    if pixels.dtype != np.uint8:
        raise ValueError(f"{path}: sample type is {pixels.dtype}, expected uint8")
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)


def _shrunk(picture: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= long_side:
        return picture
    size = max(1, round(width * long_side / longest)), max(1, round(height * long_side / longest))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return what sorts names by the numbers in them: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]
