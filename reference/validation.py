"""Makes the table by which weights are compared: every pair of exposures of the scenes that no training uses.

A pair is two exposures of a scene whose means differ by 25 levels or more. The distance of a pair is counted in steps
of a stack of up to five exposures, about 2 EV each; in a longer stack, a step is more than one exposure. For each pair,
these are measured:

- MEF-SSIM (`npfuse.scoring.metrics`), grouped by the distance of the pair;
- lost pixels: black or white in the result although an exposure shows them;
- colour, relative to Mertens 2009 of the whole stack, which does not depend on the pair;
- hue, relative to Mertens 2009 of the pair;
- noise of the result over that of the brighter exposure, where that is well exposed.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from npfuse import fuse, fuse_stack
from npfuse.color import LUMA
from npfuse.scoring.metrics import mef_ssim
from reference.arrays import Array
from reference.errors import InputError
from reference.examples import LEAST_GAP
from reference.recipes import VALIDATION
from reference.scenes import Scene, read_scenes

STEPS = 4  # from a stack's darkest to its brightest exposure
GROUPS = ("neighbours", "2 apart", "3 apart", "extremes")
CLOSE, SHOWN = 5, 35  # levels: all channels of a lost pixel are nearer to an end, one of a shown one is farther
NEUTRAL = 4.0  # CIELAB chroma
WELL_EXPOSED = 0.25, 0.75  # luma
FULL_WELL, READ_NOISE = 2000.0, 4.0  # electrons at white, and of reading, of the noise that is drawn
METHODS = ("mertens",)  # methods without weights
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


@dataclass(frozen=True, kw_only=True)
class PairScores:
    """Measurements of a fused pair; None for one that no pixel allows.

    Attributes
    ----------
    group : distance of the exposures, an index of `GROUPS`
    mef_ssim : float
    lost : share of the pixels that are lost
    neutral : mean CIELAB chroma of the pixels that are neutral in the whole stack's fusion and in the exposure that
        shows them better; or None
    chroma : mean CIELAB chroma, over that of the whole stack's fusion
    hue : mean CIELAB difference of hue from Mertens 2009 of the pair, which takes its hues from the exposures
    noise : standard deviation of the noise, over that of the brighter exposure; or None
    """

    group: int
    mef_ssim: float
    lost: float
    neutral: float | None
    chroma: float
    hue: float
    noise: float | None


def pairs_of(scene: Scene) -> list[tuple[int, int, int]]:
    """Return the pairs of a scene: (darker, brighter, group), indices of its exposures and of `GROUPS`.

    Examples
    --------
    >>> from reference.scenes import Scene
    >>> levels = 10, 30, 60, 90, 120
    >>> stack = tuple(np.full((2, 2, 3), level, np.uint8) for level in levels)
    >>> pairs_of(Scene(name="made up", exposures=stack))[:3]
    [(0, 2, 1), (0, 3, 2), (0, 4, 3)]
    """
    means = scene.means
    step = -(-(len(means) - 1) // STEPS)  # exposures
    return [
        (i, j, -(-(j - i) // step) - 1)
        for i, j in combinations(range(len(means)), 2)
        if means[j] - means[i] >= LEAST_GAP
    ]


def measure(scene: Scene, fusion: Callable[..., Array]) -> list[PairScores]:
    """Measure a fusion on every pair of a scene.

    Parameters
    ----------
    scene : reference.scenes.Scene
    fusion : callable (under, over) -> ndarray (H, W, 3), uint8

    Returns
    -------
    list of PairScores
    """
    found = []
    whole = chroma(fuse_stack(scene.exposures, method="mertens"))
    for i, j, group in pairs_of(scene):
        pair = under, over = scene.exposures[i], scene.exposures[j]
        fused = fusion(under, over)
        colour = chroma(fused)
        neutral = (whole < NEUTRAL) & (chroma(better_exposed(under, over)) < NEUTRAL)
        noisy = [with_noise(exposure, seed) for seed, exposure in enumerate(pair)]
        scores = PairScores(
            group=group,
            mef_ssim=mef_ssim(pair, fused),
            lost=float(lost(pair, fused).mean()),
            neutral=float(colour[neutral].mean()) if neutral.any() else None,
            chroma=float(colour.mean() / max(whole.mean(), 1e-6)),
            hue=float(hue_difference(fused, fuse(under, over, method="mertens", order="given")).mean()),
            noise=noise_ratio(over, noisy[1], fused, fusion(*noisy)),
        )
        found.append(scores)
    return found


def lost(pair: Sequence[Array], fused: Array) -> Array:
    """Tell which pixels are black or white although an exposure shows them.

    Parameters
    ----------
    pair : two ndarrays (H, W, 3), uint8
    fused : ndarray (H, W, 3), uint8

    Returns
    -------
    ndarray (H, W), bool

    Examples
    --------
    >>> grey, black, white = (np.full((1, 1, 3), level, np.uint8) for level in (90, 2, 255))
    >>> bool(lost((black, grey), black)), bool(lost((black, white), white)), bool(lost((grey, white), grey))
    (True, False, False)
    """
    ended = (fused.max(axis=2) <= CLOSE) | (fused.min(axis=2) >= 255 - CLOSE)
    shown = [(exposure.max(axis=2) > SHOWN) & (exposure.min(axis=2) < 255 - SHOWN) for exposure in pair]
    return ended & (shown[0] | shown[1])


def better_exposed(under: Array, over: Array) -> Array:
    """Return a picture with each pixel from the exposure whose luma is nearer to the middle, (H, W, 3), uint8."""
    far = [np.abs(exposure @ np.array(LUMA) - 127.5) for exposure in (under, over)]
    return np.where((far[0] < far[1])[..., np.newaxis], under, over)


def chroma(rgb: Array) -> Array:
    """Return the CIELAB chroma of sRGB bytes, D65, (H, W).

    Examples
    --------
    >>> float(chroma(np.array([[[255, 0, 0]]], np.uint8))[0, 0].round(1))  # a* 80.1, b* 67.2
    104.6
    """
    return np.hypot(*np.moveaxis(opponents(rgb), -1, 0))


def hue_difference(a: Array, b: Array) -> Array:
    """CIELAB difference of hue of sRGB bytes, (H, W): how far apart the colours are beside lightness and chroma.

    Examples
    --------
    >>> red, green = (np.array([[colour]], np.uint8) for colour in ((255, 0, 0), (0, 255, 0)))
    >>> float(hue_difference(red, green)[0, 0].round(1))  # a* -86.2, b* 83.2
    166.4
    """
    dots = (opponents(a) * opponents(b)).sum(axis=-1)
    return np.sqrt(np.maximum(2 * (chroma(a) * chroma(b) - dots), 0))


def opponents(rgb: Array) -> Array:
    """CIELAB a* and b* of sRGB bytes, D65, (H, W, 2)."""
    xyz = linear(rgb) @ (TO_XYZ / TO_XYZ.sum(axis=1, keepdims=True)).T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def linear(rgb: Array) -> Array:
    """Return the light of sRGB bytes, in [0, 1]."""
    levels = np.arange(256) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)[rgb]


def with_noise(rgb: Array, seed: int = 0) -> Array:
    """Add noise of photons, and of reading them out, to sRGB bytes; `FULL_WELL` electrons are white.

    Examples
    --------
    >>> noisy = with_noise(np.full((99, 99, 3), 128, np.uint8))
    >>> bool(abs(noisy.mean() - 128) < 0.5), bool(2 < noisy.std() < 4)
    (True, True)
    """
    rng = np.random.default_rng(seed)
    electrons = linear(rgb) * FULL_WELL
    electrons = electrons + rng.normal(size=rgb.shape) * np.sqrt(electrons + READ_NOISE**2)
    light = np.clip(electrons / FULL_WELL, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)


def noise_ratio(over: Array, noisy_over: Array, fused: Array, noisy_fused: Array) -> float | None:
    """Return the standard deviation of a result's noise over that of the brighter exposure, where that is well exposed.

    Parameters
    ----------
    over, noisy_over, fused, noisy_fused : ndarray (H, W, 3), uint8

    Returns
    -------
    float, or None if the brighter exposure is well exposed nowhere
    """
    luma = over @ np.array(LUMA) / 255
    where = (luma > WELL_EXPOSED[0]) & (luma < WELL_EXPOSED[1])
    if not where.any():
        return None
    differences = [noisy_fused[where] - fused[where].astype(float), noisy_over[where] - over[where].astype(float)]
    return float(np.std(differences[0]) / np.std(differences[1]))


def table(scores: Mapping[str, Sequence[PairScores]]) -> str:
    """Return the table as text, one line per fusion.

    Parameters
    ----------
    scores : dict of title to list of PairScores

    Returns
    -------
    str
    """
    width = max(map(len, scores), default=0)
    columns = (*GROUPS, "all", "worst", "lost", "at worst", "neutrals", "chroma", "hue", "noise")
    lines = [" " * width + "".join(f"{column:>11}" for column in columns)]
    for title, found in scores.items():
        groups = [[pair.mef_ssim for pair in found if pair.group == group] for group in range(len(GROUPS))]
        means = [np.mean(group) for group in groups if group]
        cells = [f"{np.mean(group):.4f}" if group else "-" for group in groups]
        cells += [f"{np.mean([pair.mef_ssim for pair in found]):.4f}", f"{min(means):.4f}"]
        cells += [f"{np.mean([pair.lost for pair in found]):.3%}", f"{max(pair.lost for pair in found):.2%}"]
        for name in ("neutral", "chroma", "hue", "noise"):
            values = [value for pair in found if (value := getattr(pair, name)) is not None]
            cells.append(f"{np.mean(values):.3f}" if values else "-")
        lines.append(title.ljust(width) + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


def fusion_of(source: str) -> Callable[[Array, Array], Array]:
    """Return the fusion by a method's name, bundled weights or a weights file."""

    def fusion(under: Array, over: Array) -> Array:
        if source in METHODS:
            return fuse(under, over, method=source, order="given")
        return fuse(under, over, source, order="given")

    return fusion


def main(argv: Sequence[str]) -> int:
    """Read the options of ``validate`` and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m reference validate",
        description="Compare weights on all pairs of scenes that none was trained on.",
    )
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, metavar="DIR", help="scenes: DIR/<set>/<scene>/<exposures>")
    add("--weights", nargs="+", default=["tonefuse"], metavar="W", help="bundled names, files, or mertens")
    add("--scenes", metavar="NAME,NAME", help="other scenes than reference.recipes.VALIDATION")
    options = parser.parse_args(argv)
    scenes = chosen_scenes(read_scenes(*options.data), options.scenes)
    fusions = {source: fusion_of(source) for source in options.weights}
    scores = {source: [pair for scene in scenes for pair in measure(scene, fusions[source])] for source in fusions}
    count = sum(len(pairs_of(scene)) for scene in scenes)
    print(f"{count} pairs of {len(scenes)} scenes")
    print(table(scores))
    return 0


def chosen_scenes(scenes: Sequence[Scene], names: str | None) -> list[Scene]:
    """Return the scenes of the given names, or, without names, those for validation.

    Raises
    ------
    InputError : no scene has a given name, or a scene for validation is missing
    """
    if names is None:
        chosen = [scene for scene in scenes if scene.for_validation]
        if len(chosen) != len(VALIDATION):
            raise InputError(f"--data: {len(chosen)} scenes for validation in it, expected {len(VALIDATION)}")
        return chosen
    by_name = {scene.name: scene for scene in scenes}
    wanted = [name for name in names.split(",") if name]
    if unknown := [name for name in wanted if name not in by_name]:
        raise InputError(f"--scenes: no scene is called {', '.join(unknown)}")
    return [by_name[name] for name in wanted]
