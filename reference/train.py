"""Training of LightFuse or T_CNN on scenes in the SICE layout, to a weights file of npfuse.

The recipe is the paper's (arXiv 2107.02299, section III): patches of 256, batch 20, Adam at 0.001; flips and quarter
turns are drawn per patch and epoch from (seed, epoch) alone, so a resumed run does what an uninterrupted one does.
Held-out scenes are only ever scored. Left out: the authors' per-image min-max normalisation (bytes are mapped by
/255, "full_range"), learning-rate schedules, and mixed precision.

The step is a plain ``tf.function``. Measured on two cores in turn, seconds a step of 20 patches with
``tf.image.ssim`` in the loss: tf.function 10.2, the same with XLA 16.0, ``fit`` 11.1 and more. Most of what was left
after the SSIM of `reference.losses` was page faults of glibc's malloc; this halves a step again, on Linux:
``MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=500000000``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from reference.checkpoint import FILE_NAME, has_checkpoint, load_checkpoint, save_checkpoint
from reference.errors import InputError
from reference.export import save_npz
from reference.keras_models import lightfuse, t_cnn
from reference.losses import plain_loss, ssim, vgg_loss
from reference.progress import Progress
from reference.sice import PATCH, check_patch_fits, cut_patches, full_range, read_scenes

LEARNING_RATE = 0.001


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, and how.

    Attributes
    ----------
    data : Path
        Folder of scenes.
    out : Path
        The weights file to write.
    checkpoint : Path
        Folder for the checkpoint of every epoch.
    model : {"lightfuse", "t_cnn"}
    hidden : tuple of int
    decoder : str
        Of lightfuse; t_cnn has none.
    loss : {"plain", "vgg"}
    vgg_weights : Path or None
    epochs, batch, seed, patch : int
    hold_out : tuple of str
        Scenes never trained on.
    score_every : int
        Epochs between scores of the held-out scenes; 0 scores only at the end.
    resume : bool
        Go on from the checkpoint.
    force : bool
        Overwrite `out`, and a checkpoint that is not resumed.
    """

    data: Path
    out: Path
    checkpoint: Path
    model: str = "lightfuse"
    hidden: tuple = (256, 64)
    decoder: str = "nearest"
    loss: str = "plain"
    vgg_weights: Path | None = None
    epochs: int = 60
    batch: int = 20
    seed: int = 1
    patch: int = PATCH
    hold_out: tuple = ()
    score_every: int = 10
    resume: bool = False
    force: bool = False

    @property
    def build(self):
        """Arguments that build this network, here and in npfuse."""
        return {"hidden": list(self.hidden)} | ({"decoder": self.decoder} if self.model == "lightfuse" else {})


class TrainingInterruptedError(Exception):
    """Ctrl-C during training; the argument is the number of epochs in the checkpoint."""


def check_recipe(recipe):
    """Refuse, before anything slow, what would overwrite files, fail at the end, or be ignored.

    Parameters
    ----------
    recipe : Recipe

    Raises
    ------
    InputError
    """
    if recipe.out.exists() and not recipe.force:
        raise InputError(f"{recipe.out}: the file is there already, --force overwrites it")
    if not recipe.out.resolve().parent.is_dir():
        raise InputError(f"{recipe.out}: there is no such folder to write to")
    if not os.access(recipe.out.resolve().parent, os.W_OK):
        raise InputError(f"{recipe.out}: the folder cannot be written to")
    if recipe.model == "t_cnn" and recipe.decoder != "nearest":
        raise InputError(f"--decoder {recipe.decoder}: t_cnn has no decoder")
    if recipe.vgg_weights and recipe.loss != "vgg":
        raise InputError(f"--vgg-weights {recipe.vgg_weights}: only --loss vgg reads it")
    if recipe.resume and not has_checkpoint(recipe.checkpoint):
        raise InputError(f"{recipe.checkpoint / FILE_NAME}: no checkpoint there to resume from")
    if has_checkpoint(recipe.checkpoint) and not (recipe.resume or recipe.force):
        raise InputError(
            f"{recipe.checkpoint / FILE_NAME}: a checkpoint is there already, "
            "--resume goes on from it, --force starts anew"
        )


def train(recipe, stream=None):
    """Train, score and write the weights file.

    Parameters
    ----------
    recipe : Recipe
    stream : text file
        For progress; stderr when left out.

    Returns
    -------
    keras.Model

    Raises
    ------
    InputError : anything the user can mend
    TrainingInterruptedError : Ctrl-C
    """
    check_recipe(recipe)
    scenes = read_scenes(recipe.data)
    check_patch_fits(scenes, recipe.patch)
    trained, held_out = split_scenes(scenes, recipe.hold_out)
    inputs, labels = cut_patches(trained, recipe.patch)

    keras.utils.set_random_seed(recipe.seed)
    model = (lightfuse if recipe.model == "lightfuse" else t_cnn)(**recipe.build)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    loss = plain_loss if recipe.loss == "plain" else vgg_loss(recipe.vgg_weights)
    settings = _settings(recipe, trained, held_out)
    epochs_done = load_checkpoint(recipe.checkpoint, model, optimizer, settings) if recipe.resume else 0
    if epochs_done > recipe.epochs:
        raise InputError(f"{recipe.checkpoint}: the checkpoint holds {epochs_done} epochs, more than --epochs asks for")

    step = make_step(model, optimizer, loss, recipe.patch)
    progress = Progress(epochs_done, recipe.epochs, -(-len(inputs) // recipe.batch), stream)
    progress.line(f"{len(inputs)} patches of {len(trained)} scenes, {model.count_params()} parameters")
    try:
        for epoch in range(epochs_done + 1, recipe.epochs + 1):
            mean_loss = train_epoch(step, inputs, labels, epoch, recipe, progress)
            save_checkpoint(recipe.checkpoint, model, optimizer, epoch, settings)
            epochs_done = epoch
            progress.epoch(epoch, mean_loss)
            if recipe.score_every and epoch % recipe.score_every == 0 and epoch < recipe.epochs:
                if held_out:
                    progress.line(f"held out: {format_scores(score(model, held_out))}")
                warn_of_dead_channels(model, inputs, progress)
        warn_of_dead_channels(model, inputs, progress)
        scores = {"trained on": score(model, trained)} | ({"held out": score(model, held_out)} if held_out else {})
        for which, values in scores.items():
            progress.line(f"{which}: {format_scores(values)}")
        save_npz(recipe.out, model, build=recipe.build, source=describe(recipe, scores))
        progress.line(f"wrote {recipe.out}")
    except KeyboardInterrupt:
        raise TrainingInterruptedError(epochs_done) from None
    return model


def split_scenes(scenes, hold_out):
    """Part the scenes into those to train on and those held out.

    Parameters
    ----------
    scenes : list of Scene
    hold_out : sequence of str

    Returns
    -------
    trained, held_out : list of Scene

    Raises
    ------
    InputError : a name is no scene, or nothing is left to train on
    """
    names = [scene.name for scene in scenes]
    if unknown := sorted(set(hold_out) - set(names)):
        raise InputError(f"--hold-out: no scene is called {', '.join(unknown)}, the scenes are {', '.join(names)}")
    trained = [scene for scene in scenes if scene.name not in hold_out]
    if not trained:
        raise InputError("--hold-out: all scenes are held out, none is left to train on")
    return trained, [scene for scene in scenes if scene.name in hold_out]


def make_step(model, optimizer, loss, patch):
    """Make the function (inputs uint8, labels uint8) -> loss that takes one optimizer step.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.Optimizer
    loss : callable (target, output) in [0, 1] -> tensor ()
    patch : int

    Returns
    -------
    callable
    """
    signature = [tf.TensorSpec((None, patch, patch, channels), tf.uint8) for channels in (6, 3)]

    @tf.function(input_signature=signature)
    def step(inputs, labels):
        with tf.GradientTape() as tape:
            output = model(tf.cast(inputs, tf.float32) / 255 * 2 - 1, training=True)
            value = loss(tf.cast(labels, tf.float32) / 255, (output + 1) / 2)
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    return step


def train_epoch(step, inputs, labels, epoch, recipe, progress):
    """Take every patch once, shuffled and turned as (seed, epoch) say.

    Returns
    -------
    float
        Mean loss of the patches.
    """
    rng = np.random.default_rng([recipe.seed, epoch])
    order = rng.permutation(len(inputs))
    turns = rng.integers(0, 8, len(inputs))
    total = 0.0
    for n, start in enumerate(range(0, len(order), recipe.batch), start=1):
        chosen = order[start : start + recipe.batch]
        batch = [np.stack([turn(a[i], turns[i]) for i in chosen]) for a in (inputs, labels)]
        total += float(step(*batch)) * len(chosen)
        progress.step(epoch, n, total / (start + len(chosen)))
    if not np.isfinite(total):
        raise InputError(f"epoch {epoch}: the loss is {total}, training cannot go on; try another --seed")
    return total / len(order)


def turn(picture, way):
    """Turn a picture (H, W, C) by `way` % 4 quarter turns, mirrored first if `way` is 4 or more.

    Examples
    --------
    >>> turn(np.arange(4).reshape(2, 2, 1), 4)[..., 0]
    array([[1, 0],
           [3, 2]])
    """
    return np.rot90(picture[:, ::-1] if way >= 4 else picture, way % 4)


def fuse_scene(model, scene):
    """Fuse a whole scene: edge-replicated at the bottom and right to multiples of 8, run, cropped, rounded to bytes.

    Parameters
    ----------
    model : keras.Model
    scene : Scene

    Returns
    -------
    ndarray (H, W, 3), uint8
    """
    pair = full_range(np.concatenate([scene.under, scene.over], axis=-1))
    height, width, _ = pair.shape
    pair = np.pad(pair, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    output = np.asarray(model(pair[None], training=False))[0, :height, :width]
    return np.round((output + 1) / 2 * 255).astype(np.uint8)


def score(model, scenes):
    """PSNR (dB) and SSIM of the fused whole pictures against their labels.

    Returns
    -------
    dict of scene name to (psnr, ssim)
    """
    scores = {}
    for scene in scenes:
        fused, label = (x.astype(np.float32)[None] / 255 for x in (fuse_scene(model, scene), scene.label))
        mse = np.mean((fused.astype(np.float64) - label) ** 2)
        psnr = np.inf if mse == 0 else -10 * np.log10(mse)
        scores[scene.name] = float(psnr), float(ssim(tf.constant(label), tf.constant(fused)))
    return scores


def format_scores(scores):
    """One line: the mean, then every scene.

    Examples
    --------
    >>> format_scores({"a": (20.0, 0.5), "b": (22.0, 0.7)})
    'PSNR 21.00 dB SSIM 0.6000 (a 20.00 dB 0.5000, b 22.00 dB 0.7000)'
    """
    psnr, similarity = np.mean(list(scores.values()), axis=0)
    each = ", ".join(f"{name} {p:.2f} dB {s:.4f}" for name, (p, s) in scores.items())
    return f"PSNR {psnr:.2f} dB SSIM {similarity:.4f} ({each})"


def warn_of_dead_channels(model, inputs, progress):
    """Say so if an output channel of DetailNet is zero everywhere: its last ReLU never wakes up again."""
    for channel in dead_channels(model, inputs):
        progress.line(f"warning: channel {channel} of DetailNet's output is always 0; try another --seed")


def dead_channels(model, inputs):
    """Output channels of DetailNet that are 0 on every pixel of some training patches.

    Parameters
    ----------
    model : keras.Model
    inputs : ndarray (N, H, W, 6), uint8

    Returns
    -------
    list of int
    """
    details = [layer for layer in model.layers if layer.name.startswith("detail")]
    if not details:
        return []
    sample = inputs[:: max(1, len(inputs) // 20), ::4, ::4]
    output = keras.Model(model.input, details[-1].output)(full_range(sample), training=False)
    return [int(channel) for channel in np.flatnonzero(np.asarray(output).max(axis=(0, 1, 2)) == 0)]


def _settings(recipe, trained, held_out):
    """What a checkpoint may only be resumed with, in JSON values."""
    return {
        "model": recipe.model,
        "build": recipe.build,
        "loss": recipe.loss,
        "seed": recipe.seed,
        "batch": recipe.batch,
        "patch": recipe.patch,
        "trained on": [scene.name for scene in trained],
        "held out": [scene.name for scene in held_out],
    }


def describe(recipe, scores):
    """The source text of the weights file: data, recipe, seed and scores.

    Parameters
    ----------
    recipe : Recipe
    scores : dict of str to scores
        "trained on" and perhaps "held out".

    Returns
    -------
    str
    """
    lines = [
        f"Data: {len(scores['trained on'])} scenes of the folder {recipe.data.resolve().name}, the darkest and the "
        f"brightest exposure of each; held out: {', '.join(recipe.hold_out) or 'none'}.",
        f"Recipe: {recipe.epochs} epochs of {recipe.patch}x{recipe.patch} patches at stride {recipe.patch} with border "
        f"patches, flips and quarter turns, batch {recipe.batch}, Adam {LEARNING_RATE}, loss {recipe.loss}, "
        f"seed {recipe.seed}; Keras {keras.__version__}, TensorFlow {tf.__version__}.",
    ]
    lines += [f"Score on the scenes {which}: {format_scores(values)}." for which, values in scores.items()]
    return "\n".join(lines)
