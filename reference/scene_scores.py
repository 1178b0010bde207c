"""Scores a Keras model on whole scenes while it is trained, by PSNR and SSIM, and finds channels that have died.

`reference.score` scores weights files, fused as users fuse them.
"""

from collections.abc import Sequence

import keras
import numpy as np

from npfuse.padding import GRID
from npfuse.scoring.metrics import psnr, ssim
from reference.arrays import Array
from reference.examples import thumbnail
from reference.progress import Progress
from reference.scenes import Scene, full_range

Scores = dict[str, tuple[float, float]]  # by scene: PSNR in dB, SSIM


def fuse_scene(model: keras.Model, scene: Scene, margin: int = 0) -> Array:
    """Fuse a whole scene: pad it by its edges at the bottom and right, run, crop, round to bytes.

    Parameters
    ----------
    model : keras.Model
    scene : Scene
    margin : int
        As for `npfuse.weights.Weights`.

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    pair = full_range(np.concatenate([scene.under, scene.over], axis=-1))
    height, width, _ = pair.shape
    after = [(0, -n % GRID + margin) for n in (height, width)]
    padded = np.pad(pair, (*after, (0, 0)), mode="edge")[None]
    inputs = [padded, thumbnail(pair)[None]] if model.name == "tonefuse" else padded
    output = np.asarray(model(inputs, training=False))[0, :height, :width]
    return np.round((output + 1) / 2 * 255).astype(np.uint8)


def score(model: keras.Model, scenes: Sequence[Scene], margin: int = 0) -> Scores:
    """Return PSNR (dB) and SSIM of the fused whole pictures against their labels.

    Returns
    -------
    dict of scene name to (psnr, ssim)
    """
    scores: Scores = {}
    for scene in scenes:
        fused = fuse_scene(model, scene, margin)
        scores[scene.name] = psnr(scene.label, fused), ssim(scene.label, fused)
    return scores


def format_scores(scores: Scores) -> str:
    """Return scores in one line: the mean, then every scene.

    Examples
    --------
    >>> format_scores({"a": (20.0, 0.5), "b": (22.0, 0.7)})
    'PSNR 21.00 dB SSIM 0.6000 (a 20.00 dB 0.5000, b 22.00 dB 0.7000)'
    """
    psnr, similarity = np.mean(list(scores.values()), axis=0)
    each = ", ".join(f"{name} {p:.2f} dB {s:.4f}" for name, (p, s) in scores.items())
    return f"PSNR {psnr:.2f} dB SSIM {similarity:.4f} ({each})"


def warn_of_dead_channels(model: keras.Model, scenes: Sequence[Scene], progress: Progress) -> None:
    """Print a warning if an output channel of DetailNet is 0 everywhere: its last ReLU has died, and learns no more."""
    for channel in dead_channels(model, scenes):
        progress.line(f"warning: channel {channel} of DetailNet's output is always 0; try another --seed")


def dead_channels(model: keras.Model, scenes: Sequence[Scene]) -> list[int]:
    """Return the output channels of LightFuse's DetailNet that are 0 on every pixel of a coarse grid over the scenes.

    Parameters
    ----------
    model : keras.Model
    scenes : list of Scene

    Returns
    -------
    list of int
    """
    if model.name != "lightfuse":
        return []
    details = [layer for layer in model.layers if layer.name.startswith("detail")]
    detail = keras.Model(model.input, details[-1].output)
    alive = np.zeros(3, bool)
    for scene in scenes:
        pair = full_range(np.concatenate([scene.under[::4, ::4], scene.over[::4, ::4]], axis=-1))
        alive |= np.asarray(detail(pair[None], training=False)).max(axis=(0, 1, 2)) > 0
    return [int(channel) for channel in np.flatnonzero(~alive)]
