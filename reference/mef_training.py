"""Trains MEF-Net and DeepFuse on folders of scenes, without labels: both maximise MEF-SSIM.

The wanted result follows from the exposures alone (`npfuse.scoring.metrics`): in each patch, the structure of the
strongest contrast, and, as Ma et al. 2020 add for training, a mean that favours well-exposed pixels. Ma et al. train
MEF-Net on pictures of full size; here guide, weight maps and result all have a short side of 128. DeepFuse sees crops
at full size. Either training takes minutes on one core.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from npfuse.color import luma_of
from npfuse.fast import FAST
from npfuse.fusion import fuse
from npfuse.methods.mefnet import low_resolution
from npfuse.ops import Resize
from npfuse.scoring.metrics import MEF_SCALES, mef_ssim
from npfuse.weights.npz_files import save_weights
from npfuse.weights.weights import Weights
from reference import mef_networks
from reference.arrays import Array
from reference.errors import InputError
from reference.export import export_arrays
from reference.mef_loss import loss, targets
from reference.scenes import Scene, named, read_scenes, refuse_validation


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Length and rates of a training.

    Attributes
    ----------
    steps : number of steps, each of `batch` stacks of exposures
    batch : number of stacks per step; 1 if stacks have different lengths
    crop : height and width of the crops of the lumas
    pairs : share of the stacks that are a scene's darkest and brightest exposure; the others are drawn
    most : greatest number of exposures of a drawn stack; the least is 2
    scales : weights of MEF-SSIM's scales
    learning_rate, final_rate : of Adam, falling along a cosine
    warm_up : share of the steps in which the rate first rises from 0, so that good first weights are not lost
    average : momentum of the moving average of the weights that is kept as the result
    """

    steps: int = 500
    batch: int = 1
    crop: int = 96
    pairs: float = 0.5
    most: int = 4
    scales: tuple[float, ...] = (1.0,)
    learning_rate: float = 2e-3
    final_rate: float = 1e-5
    warm_up: float = 0.0
    average: float = 0.995


def full_stack(scene: Scene) -> Array:
    """Return the lumas of a scene's exposures, (K, H, W), float32."""
    return np.stack([luma_of(exposure.astype(np.float32) / 255) for exposure in scene.exposures])


def small_stack(scene: Scene) -> Array:
    """Return the lumas of a scene's exposures at MEF-Net's low resolution, (K, H, W)."""
    height, width, _ = scene.under.shape
    small = dict(zip(("height", "width"), low_resolution(height, width), strict=True))
    lumas = np.stack([luma_of(exposure / 255.0) for exposure in scene.exposures])
    return FAST[Resize](lumas[..., np.newaxis], **small, method="antialiased")[..., 0]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, and how it is trained.

    Attributes
    ----------
    build : function that returns the Keras model with its first weights
    fused_luma : function that fuses lumas (K, N, H, W, 1) with the model
    stack : function that returns the lumas of a scene, from which crops are cut
    size : size of those lumas, in words
    schedule : Schedule
    """

    build: Callable[[], keras.Model]
    fused_luma: Callable[[keras.Model, tf.Tensor], tf.Tensor]
    stack: Callable[[Scene], Array]
    size: str
    schedule: Schedule


NETWORKS = {
    "mefnet": Network(
        build=mef_networks.mefnet,
        fused_luma=mef_networks.mefnet_luma,
        stack=small_stack,
        size="a short side of 128",
        schedule=Schedule(),
    ),
    "deepfuse": Network(
        build=mef_networks.deepfuse,
        fused_luma=mef_networks.deepfuse_luma,
        stack=full_stack,
        size="full size",
        schedule=Schedule(
            steps=420,
            batch=4,
            crop=72,
            pairs=0.8,
            most=2,
            scales=tuple(weight / sum(MEF_SCALES) for weight in MEF_SCALES),
            learning_rate=5e-4,
            warm_up=0.1,
            average=0.98,
        ),
    ),
}


def draw_stack(rng: np.random.Generator, stacks: Sequence[Array], pairs: float, crop: int = 0, most: int = 4) -> Array:
    """Draw a scene's stack of exposures, cropped and flipped at random.

    Parameters
    ----------
    rng : Generator
    stacks : list of ndarray (K, H, W), darkest first
    pairs : share of the stacks that are the extremes
    crop : height and width of the part that is taken; 0 for all
    most : exposures of a drawn stack

    Returns
    -------
    ndarray (2 to most, H', W')
    """
    stack = stacks[int(rng.integers(len(stacks)))]
    if rng.random() < pairs:
        stack = stack[[0, -1]]
    else:
        count = int(rng.integers(2, min(most, len(stack)) + 1))
        stack = stack[np.sort(rng.choice(len(stack), count, replace=False))]
    if crop:
        top, left = (int(rng.integers(max(n - crop, 0) + 1)) for n in stack.shape[1:])
        stack = stack[:, top : top + crop, left : left + crop]
    if rng.random() < 0.5:
        stack = stack[:, ::-1]
    return stack[:, :, ::-1] if rng.random() < 0.5 else stack


def train(
    network: str, scenes: Sequence[Scene], schedule: Schedule, seed: int, say: Callable[[str], object] = print
) -> dict[str, Array]:
    """Train on scenes.

    Parameters
    ----------
    network : key of `NETWORKS`
    scenes : list of Scene
    schedule : Schedule
    seed : int
    say : function that takes a line of progress, about every fiftieth step

    Returns
    -------
    dict of str to ndarray, float32 : weights by npfuse's names
    """
    refuse_validation(scenes)
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    parts = NETWORKS[network]
    model = parts.build()
    rising = int(schedule.steps * schedule.warm_up)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if rising else schedule.learning_rate,
        schedule.steps - rising,
        alpha=schedule.final_rate / schedule.learning_rate,
        warmup_target=schedule.learning_rate if rising else None,
        warmup_steps=rising,
    )
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=schedule.average, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    stacks = [parts.stack(scene) for scene in scenes]

    @tf.function
    def step(wanted: Sequence[Any]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(wanted, parts.fused_luma(model, wanted[0][0]), schedule.scales)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(value, variables), variables)
        return value

    recent, first, started = [], {}, time.perf_counter()
    for done in range(1, schedule.steps + 1):
        drawn = [draw_stack(rng, stacks, schedule.pairs, schedule.crop, schedule.most) for _ in range(schedule.batch)]
        wanted = targets(np.stack(drawn), len(schedule.scales))
        recent.append(float(step([tuple(tf.constant(array) for array in scaled) for scaled in wanted])))
        if done == 1:
            first = export_arrays(model)
        if done % 50 == 0 or done == schedule.steps:
            seconds = time.perf_counter() - started
            say(f"step {done}/{schedule.steps}: loss {np.mean(recent):.4f}, {seconds:.0f} s")
            recent = []
    last = export_arrays(model)
    optimizer.finalize_variable_values(model.trainable_variables)
    # Keras begins the average with the weights after the first step, which still have this share of it.
    share = schedule.average ** (schedule.steps - 1)
    average = export_arrays(model)
    return last if share == 1 else {name: (average[name] - share * first[name]) / (1 - share) for name in last}


def main(argv: Sequence[str]) -> int:
    """Read the options of ``train-mef``, train, score the pairs and write the weights file."""
    parser = argparse.ArgumentParser(
        prog="python -m reference train-mef",
        description="Train MEF-Net or DeepFuse by MEF-SSIM and write npfuse's weights file.",
    )
    add = parser.add_argument
    add("--network", required=True, choices=tuple(NETWORKS))
    add("--data", type=Path, nargs="+", required=True, metavar="DIR", help="scenes: DIR/<scene>/<exposures>")
    add("--out", type=Path, required=True, metavar="FILE.npz")
    add("--steps", type=int, metavar="N", help="default: the network's own")
    add("--seed", type=int, default=1, metavar="N")
    add("--hold-out", default="", metavar="NAME,NAME", help="scenes never trained on, only scored")
    add("--force", action="store_true", help="overwrite --out")
    options = parser.parse_args(argv)
    if options.out.exists() and not options.force:
        raise InputError(f"{options.out}: the file is there already, --force overwrites it")
    if options.steps is not None and options.steps < 1:
        raise InputError(f"--steps is {options.steps}, expected at least 1")
    scenes = [scene for scene in read_scenes(*options.data) if not scene.for_validation]
    held = tuple(filter(None, options.hold_out.split(",")))
    if unknown := sorted(set(held) - {scene.name for scene in scenes}):
        raise InputError(f"--hold-out: no scene is called {', '.join(unknown)}")
    network = NETWORKS[options.network]
    schedule = network.schedule if options.steps is None else replace(network.schedule, steps=options.steps)
    trained_on = [scene for scene in scenes if scene.name not in held]
    if not trained_on:
        raise InputError("--hold-out: no scene is left to train on")
    say = partial(print, file=sys.stderr, flush=True)
    arrays = train(options.network, trained_on, schedule, options.seed, say=say)
    weights = as_weights(options.network, arrays, "in training")
    scores = {
        scene.name: mef_ssim((scene.under, scene.over), fuse(scene.under, scene.over, weights)) for scene in scenes
    }
    rates = f"{schedule.learning_rate:g} to {schedule.final_rate:g}"
    source = (
        f"Data: {len(trained_on)} scenes of {named(options.data)}, all exposures; "
        f"held out: {', '.join(held) or 'none'}.\n"
        f"Recipe: {schedule.steps} steps of {schedule.batch} stack(s) at {network.size}, crops of {schedule.crop}, "
        f"{schedule.pairs:.0%} the extremes "
        f"of a scene, Adam {rates}, moving average {schedule.average:g}, "
        f"loss 1 - MEF-SSIM with its luminance term over {len(schedule.scales)} scale(s), "
        f"seed {options.seed}; Keras {keras.__version__}, "
        f"TensorFlow {tf.__version__}.\n"
        f"MEF-SSIM of the extremes: {', '.join(f'{name} {score:.4f}' for name, score in scores.items())}."
    )
    save_weights(options.out, as_weights(options.network, arrays, source, options.out.stem), overwrite=options.force)
    print(source)
    return 0


def as_weights(model: str, arrays: Mapping[str, Array], source: str, name: str = "") -> Weights:
    """Return arrays as npfuse's weights."""
    return Weights(model=model, build={}, arrays=arrays, normalization="full_range", source=source, name=name)
