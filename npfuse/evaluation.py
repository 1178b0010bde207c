"""Methods scored on scenes: PSNR and SSIM against the label, MEF-SSIM against the exposures, and seconds.

A result of one scene and method is kept as a file as soon as it is there, so that an evaluation goes on where it was
stopped. The file says what it is a result of: weights, size, exposures and version; of anything else it is made anew.
"""

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.atomic import written_in_place
from npfuse.fusion import fuse_stack, method_and_weights
from npfuse.methods import METHODS, Method
from npfuse.metrics import mef_ssim, psnr, ssim
from npfuse.scenes import RESAMPLING, Scene
from npfuse.weights import Weights, bundled_names

KEPT = 1  # version of the files of results
SCENES_OF_SOURCE = re.compile(r"Data: \d+ scenes of the folder ([^\n]*?), .*?held out: ([^.\n]*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A method with the weights that are scored.

    Parameters
    ----------
    method : Method
    weights : Weights, or None for a method without
    """

    method: Method
    weights: Weights | None

    @property
    def title(self) -> str:
        """The method's title, with the weights' name where that is another."""
        if self.weights is None or self.weights.label == self.method.name:
            return self.method.title
        return f"{self.method.title} ({printable(self.weights.label)})"

    @property
    def digest(self) -> str:
        """What tells these weights from others."""
        found = hashlib.sha256(self.method.name.encode())
        if self.weights is not None:
            for name in sorted(self.weights.arrays):
                found.update(name.encode() + self.weights.arrays[name].tobytes())
            found.update(json.dumps([dict(self.weights.build), self.weights.normalization]).encode())
        return found.hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is done to every scene.

    Parameters
    ----------
    long_side : pictures are shrunk to it where they are larger; None leaves them
    all_exposures : whether the methods that can take all of a scene's exposures, or only the pair
    threads : as of `npfuse.fuse`; the results do not depend on it, the seconds do
    """

    long_side: int | None = None
    all_exposures: bool = False
    threads: int | None = None

    def told(self) -> list[str]:
        """Return the settings in words."""
        pairing = "the darkest and the brightest exposure by mean"
        if self.all_exposures:
            pairing += "; Mertens 2009 and MEF-Net: all exposures"
        size = "as in the files, nothing resampled"
        if self.long_side is not None:
            size = f"long side at most {self.long_side}, by {RESAMPLING}"
        return [
            f"exposures: {pairing}; MEF-SSIM against those",
            f"size: {size}",
            "seconds: of fuse() alone, from pixels to pixels, compiled before",
        ]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one method got on one scene; None where there is no label.

    Parameters
    ----------
    psnr : in dB
    ssim, mef_ssim : at most 1
    seconds : of the fusion
    height, width : of the pictures
    """

    psnr: float | None
    ssim: float | None
    mef_ssim: float
    seconds: float
    height: int
    width: int


def printable(text: str) -> str:
    """Return a file's text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def candidates(sources: Sequence[str], methods: Sequence[str] | None = None) -> list[Candidate]:
    """Return what there is to score: methods that need no weights, those whose weights ship, and weights files.

    Parameters
    ----------
    sources : paths of weights files
    methods : names of the methods to score; None for all

    Raises
    ------
    ValueError : an unknown method, or weights that cannot be used
    """
    found = [
        Candidate(method=method, weights=method_and_weights(name, None)[1])
        for name, method in METHODS.items()
        if (not method.inputs or name in bundled_names()) and (methods is None or name in methods)
    ]
    for source in sources:
        method, weights = method_and_weights(None, source)
        found.append(Candidate(method=method, weights=weights))
    for name in methods or ():
        if name not in {candidate.method.name for candidate in found}:
            method_and_weights(name, None)  # says what is wrong with it
    return found


def not_available(scored: Sequence[Candidate]) -> list[str]:
    """Return a line for each method that has no candidate, with where its weights are."""
    names = {candidate.method.name for candidate in scored}
    return [
        f"{method.title} is left out: no weights ship; {method.where or 'give a file of them'}"
        for name, method in METHODS.items()
        if name not in names
    ]


def evaluate(scene: Scene, candidate: Candidate, settings: Settings) -> tuple[Result, np.ndarray[Any, Any]]:
    """Fuse a scene by a method and score the picture.

    Parameters
    ----------
    scene : Scene
    candidate : Candidate
    settings : Settings

    Returns
    -------
    Result, and the picture, ndarray (H, W, 3), uint8
    """
    takes_all = settings.all_exposures and candidate.method.most_exposures is None
    exposures = scene.exposures if takes_all else (scene.exposures[0], scene.exposures[-1])
    tiny = [exposure[:64, :64] for exposure in exposures]
    options: dict[str, Any] = {"method": candidate.method.name, "order": "given", "threads": settings.threads}
    fuse_stack(tiny, candidate.weights, **options)  # compiles
    start = time.perf_counter()
    fused = fuse_stack(exposures, candidate.weights, **options)
    seconds = time.perf_counter() - start
    height, width = fused.shape[:2]
    result = Result(
        psnr=None if scene.label is None else psnr(scene.label, fused),
        ssim=None if scene.label is None else ssim(scene.label, fused),
        mef_ssim=mef_ssim(exposures, fused),
        seconds=seconds,
        height=height,
        width=width,
    )
    return result, fused


def kept_path(folder: Path, scene: str, candidate: Candidate) -> Path:
    """Return where a result is kept."""
    return folder / f"{candidate.method.name}-{candidate.digest}" / f"{scene}.json"


def keep(path: Path, result: Result, settings: Settings) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"what": _what(settings), "result": asdict(result)}, indent=1)
    with written_in_place(path, overwrite=True) as file:
        file.write(text.encode())


def kept(path: Path, settings: Settings) -> Result | None:
    """Return a result that was kept, or None where there is none, or one of other settings, or a damaged one."""
    try:
        if path.stat().st_size > 1 << 16:
            return None
        found = json.loads(path.read_text())
        return Result(**found["result"]) if found["what"] == _what(settings) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _what(settings: Settings) -> dict[str, Any]:
    """Return what a result depends on beside the weights and the scene."""
    return {"kept": KEPT, "npfuse": version("npfuse"), **asdict(settings)}


def trained_on(candidate: Candidate, folder: str, scenes: Sequence[str]) -> set[str]:
    """Return which scenes of a folder the weights were trained on, by what their source says.

    Parameters
    ----------
    candidate : Candidate
    folder : name of the folder of scenes
    scenes : their names

    Examples
    --------
    >>> (tonefuse,) = candidates([], ["tonefuse"])
    >>> sorted(trained_on(tonefuse, "sice", ["001", "002"])), trained_on(tonefuse, "others", ["001", "002"])
    (['001', '002'], set())
    """
    if candidate.weights is None:
        return set()
    found = SCENES_OF_SOURCE.search(candidate.weights.source)
    if not found or found[1] != folder:
        return set()
    return set(scenes) - {name.strip() for name in found[2].split(",")}
