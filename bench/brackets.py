"""Finds the brackets on which alignment and ghosts are measured: folders of exposures, and the example pairs.

A folder holds brackets at any depth: a bracket is a folder of at least two pictures of one scene. Frames are still; the
benchmarks move them. Other sizes are made from the frames: smaller ones by means over areas, larger ones by cubic
interpolation, which makes them softer than photographs of that size.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2  # opencv-python-headless, of the extra "oracles"
import numpy as np
from numpy.typing import NDArray

from npfuse.examples import SCENES, example_pair
from npfuse.pictures.formats import PICTURE_SUFFIXES
from npfuse.pictures.light import decode_light
from npfuse.scoring.scenes import SceneFiles, find_scenes, read_scene
from reference.recipes import VALIDATION

Pixels = NDArray[np.uint8]

LEAST_STOPS, MOST_STOPS = 1.8, 8.3  # 2 to 8, since exposures are rounded
KINDS = ("validation", "others", "all")


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """A bracket of a still scene.

    Parameters
    ----------
    name : last two folders of its path, or "examples/" and the scene's name
    files : paths of its exposures
    """

    name: str
    files: SceneFiles

    @property
    def for_validation(self) -> bool:
        """Return whether it is a validation scene or an example, on which no setting may be chosen."""
        return self.name in VALIDATION or self.name.startswith("examples/")

    @cached_property
    def frames(self) -> tuple[Pixels, ...]:
        """Return the exposures, darkest first."""
        return read_scene(self.files).exposures


def find_brackets(folder: Path | None, which: str = "all") -> list[Bracket]:
    """Find the brackets of a folder, and of the folders in it, and the examples.

    Parameters
    ----------
    folder : Path; None for the examples only
    which : "validation" for validation scenes and examples, "others", or "all"
    """
    found = [
        Bracket(
            name=f"examples/{name}",
            files=SceneFiles(name=name, exposures=example_pair(name), label=None),
        )
        for name in SCENES
    ]
    if folder is not None:
        above = sorted({file.parent.parent for file in folder.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES})
        for path in above:
            found += [
                Bracket(name=f"{path.resolve().name}/{files.name}", files=files)
                for files in find_scenes(path)
                if len(files.exposures) > 1
            ]
    return [one for one in found if which == "all" or one.for_validation == (which == "validation")]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which brackets are taken."""
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of brackets (the example pairs alone)")
    parser.add_argument("--scenes", choices=KINDS, default="all", help="which of them (all)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")


def drawn_brackets(brackets: Sequence[Bracket], cases: int, seed: int) -> Iterator[tuple[Bracket, np.random.Generator]]:
    """Yield brackets in a drawn order, again and again, each with the generator for the rest of the case."""
    order = np.random.default_rng(seed).permutation(len(brackets))
    for case in range(cases):
        yield brackets[order[case % len(order)]], np.random.default_rng([seed, case])


def stops_between(a: Pixels, b: Pixels) -> float:
    """Return the median difference of exposure over pixels exposed in both, EV; NaN if there are none."""
    values = [picture[..., 1].ravel()[::7].astype(np.float32) / 255 for picture in (a, b)]
    tells = np.logical_and.reduce([(v > 0.02) & (v < 0.98) for v in values])
    if tells.sum() <= 20:
        return float("nan")
    dark, bright = (decode_light(v[tells]) for v in values)
    return float(np.median(np.log2(bright / dark)))


def draw_exposures(frames: Sequence[Pixels], rng: np.random.Generator) -> tuple[Pixels, Pixels, float] | None:
    """Draw two exposures that are 2 to 8 EV apart, darker first; return them and their distance, or None."""
    steps = [stops_between(a, b) for a, b in pairwise(frames)]
    apart = {(i, j): sum(steps[i:j]) for i in range(len(frames)) for j in range(i + 1, len(frames))}
    fitting = [pair for pair, stops in apart.items() if LEAST_STOPS <= stops <= MOST_STOPS]
    if not fitting:
        return None
    i, j = fitting[rng.integers(len(fitting))]
    return frames[i], frames[j], apart[i, j]


def brought_to(picture: Pixels, pixels: float) -> Pixels:
    """Resize a picture to about `pixels` pixels."""
    scale = float(np.sqrt(pixels / picture[..., 0].size))
    size = tuple(round(n * scale) for n in picture.shape[1::-1])
    made: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(made, np.uint8)
