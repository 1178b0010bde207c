"""Methods scored on scenes: PSNR and SSIM against the label, MEF-SSIM against the exposures, and seconds.

A result of one scene and method is kept as a file as soon as it is there, so that an evaluation goes on where it was
stopped. The file says what it is a result of: weights, size, exposures and version; of anything else it is made anew.
Weights say in their source which scenes they were trained on; a score on those is none on new ones, and is told apart.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from npfuse.choices import method_and_weights
from npfuse.fusion import fuse_stack
from npfuse.methods import METHODS, Method, NetworkMethod, titled
from npfuse.pictures.atomic import written_in_place
from npfuse.scoring.metrics import mef_ssim, psnr, ssim
from npfuse.scoring.scenes import RESAMPLING, Scene, SceneFiles
from npfuse.weights.loading import bundled_names
from npfuse.weights.weights import Weights

KEPT = 2  # version of the files of results
SCENES_OF_SOURCE = re.compile(r"Data: \d+ scenes of the folder ([^\n]*?), .*?held out: ([^.\n]*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A method with the weights that are scored.

    Parameters
    ----------
    method : Method
    weights : Weights, or None for a method without
    folds : weights by scene, each trained without it; empty where one file is scored on all scenes
    """

    method: Method
    weights: Weights | None
    folds: Mapping[str, Weights] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The method's title, with the weights' name where that is another."""
        if self.folds:
            return f"{self.method.title}, leave-scenes-out"
        if self.weights is None or self.weights.label == self.method.name:
            return self.method.title
        return f"{self.method.title} ({printable(self.weights.label)})"

    def weights_of(self, scene: str) -> Weights | None:
        """Return the weights that a scene is fused with."""
        return self.folds.get(scene, self.weights)

    def digest(self, scene: str) -> str:
        """Return a hash of the method and of the weights of a scene."""
        found = hashlib.sha256(self.method.name.encode())
        weights = self.weights_of(scene)
        if weights is not None:
            for name in sorted(weights.arrays):
                found.update(name.encode() + weights.arrays[name].tobytes())
            found.update(json.dumps([dict(weights.build), weights.normalization, weights.margin]).encode())
        return found.hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of an evaluation, the same for every scene.

    Parameters
    ----------
    long_side : length to which larger pictures are shrunk, in pixels; None leaves them
    all_exposures : whether methods for stacks get all of a scene's exposures; otherwise every method gets the pair
    threads : as for `npfuse.fuse`; the seconds depend on it, the results do not
    """

    long_side: int | None = None
    all_exposures: bool = False
    threads: int | None = None

    def told(self) -> list[str]:
        """Return the settings in words."""
        pairing = "the darkest and the brightest exposure by mean"
        if self.all_exposures:
            pairing += f"; {titled(lambda method: method.most_exposures is None)}: all exposures"
        threads = "on as many threads as cores" if self.threads is None else f"on {self.threads} thread(s)"
        size = "as in the files, nothing resampled"
        if self.long_side is not None:
            size = f"long side at most {self.long_side}, by {RESAMPLING}"
        return [
            f"exposures: {pairing}; MEF-SSIM against those",
            f"size: {size}",
            f"seconds: of fuse() alone, from pixels to pixels, compiled before, {threads}",
        ]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The scores of one method on one scene; None for those that need a label and have none.

    Parameters
    ----------
    psnr : PSNR in dB
    ssim, mef_ssim : SSIM and MEF-SSIM, at most 1
    seconds : time of the fusion
    height, width : size of the pictures
    """

    psnr: float | None
    ssim: float | None
    mef_ssim: float
    seconds: float
    height: int
    width: int


def printable(text: str) -> str:
    """Return a file's text without a terminal's control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def candidates(sources: Sequence[str], methods: Sequence[str] | None = None) -> list[Candidate]:
    """Return the candidates: methods without weights, methods with bundled weights, and weights files.

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
        if (not isinstance(method, NetworkMethod) or name in bundled_names()) and (methods is None or name in methods)
    ]
    for source in sources:
        method, weights = method_and_weights(None, source)
        found.append(Candidate(method=method, weights=weights))
    for name in methods or ():
        if name not in {candidate.method.name for candidate in found}:
            method_and_weights(name, None)  # raises, with the reason
    return found


def leave_scenes_out(sources: Sequence[str], folder: str, scenes: Sequence[str]) -> Candidate:
    """Return the candidate that fuses each scene with the weights that were not trained on it.

    Parameters
    ----------
    sources : paths of weights files of one method; of several that fit a scene, the first is taken
    folder : name of the folder of scenes
    scenes : their names

    Raises
    ------
    ValueError : weights of different methods, weights that do not say what they were trained on, or a scene that all of
        them were trained on
    """
    loaded = [method_and_weights(None, source) for source in sources]
    methods = {method.name: method for method, _ in loaded}
    if len(methods) > 1:
        raise ValueError(f"--folds: the weights are for {', '.join(sorted(methods))}, expected one method")
    folds: dict[str, Weights] = {}
    for _, weights in loaded:
        assert weights is not None
        seen = scenes_seen(weights, folder, scenes)
        if seen is None:
            raise ValueError(
                f"--folds: the source of {printable(weights.label)} does not say which scenes of the folder {folder} "
                "it was trained without, expected 'Data: N scenes of the folder NAME, ...; held out: NAME, NAME.'"
            )
        for scene in scenes:
            if scene not in seen:
                folds.setdefault(scene, weights)
    if missing := [scene for scene in scenes if scene not in folds]:
        raise ValueError(
            f"--folds: all of the weights were trained on {', '.join(missing)}, expected some that were not; "
            "--scenes leaves scenes out"
        )
    return Candidate(method=next(iter(methods.values())), weights=loaded[0][1], folds=folds)


def not_available(scored: Sequence[Candidate]) -> list[str]:
    """Return a line for each method whose weights neither ship nor were given, with where they are."""
    names = {candidate.method.name for candidate in scored}
    return [
        f"{method.title} is left out: no weights ship; {method.weights_at or 'give a file of them'}"
        for name, method in METHODS.items()
        if isinstance(method, NetworkMethod) and name not in {*names, *bundled_names()}
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
    weights = candidate.weights_of(scene.name)
    fuse_stack(tiny, weights, **options)  # compiles
    start = time.perf_counter()
    fused = fuse_stack(exposures, weights, **options)
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
    return folder / f"{candidate.method.name}-{candidate.digest(scene)}" / f"{scene}.json"


def keep(path: Path, result: Result, settings: Settings, files: SceneFiles) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"what": _what(settings, files), "result": asdict(result)}, indent=1)
    with written_in_place(path, overwrite=True) as file:
        file.write(text.encode())


def kept(path: Path, settings: Settings, files: SceneFiles) -> Result | None:
    """Return a kept result; None if there is none, if it is of other inputs, or damaged."""
    try:
        if path.stat().st_size > 1 << 16:
            return None
        found = json.loads(path.read_text())
        return Result(**found["result"]) if found["what"] == _what(settings, files) else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _what(settings: Settings, files: SceneFiles) -> dict[str, Any]:
    """Return all that a result depends on beside the weights; a changed picture has another time or size."""
    states = [(path.name, path.stat()) for path in (*files.exposures, *filter(None, [files.label]))]
    pictures = [[name, state.st_size, state.st_mtime_ns] for name, state in states]
    return {"kept": KEPT, "npfuse": version("npfuse"), **asdict(settings), "pictures": pictures}


def scenes_seen(weights: Weights | None, folder: str, scenes: Sequence[str]) -> set[str] | None:
    """Return the scenes of a folder that weights were trained on, as their source states.

    Parameters
    ----------
    weights : Weights, or None for a method without
    folder : name of the folder of scenes
    scenes : their names

    Returns
    -------
    set of str; None if the source does not state them, or names another folder, whose scenes may be the same

    Examples
    --------
    >>> (t_cnn,) = candidates([], ["t_cnn"])
    >>> sorted(scenes_seen(t_cnn.weights, "sice", ["001", "006"])), scenes_seen(t_cnn.weights, "others", ["001"])
    (['001'], None)
    """
    if weights is None:
        return set()
    found = SCENES_OF_SOURCE.search(weights.source)
    if not found or folder not in found[1].split(" and of "):
        return None
    return set(scenes) - {name.strip() for name in found[2].split(",")}


def trained_on(candidate: Candidate, folder: str, scenes: Sequence[str]) -> set[str] | None:
    """Return the scenes that were in the training of the weights that fuse them; None if that is unknown."""
    found = set()
    for scene in scenes:
        seen = scenes_seen(candidate.weights_of(scene), folder, scenes)
        if seen is None:
            return None
        found |= seen & {scene}
    return found
