"""Trains LightFuse, T_CNN or ToneFuse on folders of scenes, and writes a weights file of npfuse.

A `reference.recipes.Recipe` says what is trained and how; a `Job` says on which data, with which seed, and to which
file. Examples are drawn from (seed, epoch) alone, so a resumed run equals an uninterrupted one. Held-out scenes are
only scored; those for validation (`reference.recipes.VALIDATION`) are not even scored. Scores while training are of
scenes whose label the data set gives. The authors' per-image min-max normalisation (here, bytes are mapped by /255,
"full_range") and mixed precision are left out.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import keras
import tensorflow as tf

from reference import keras_models
from reference.checkpoint import FILE_NAME, has_checkpoint, load_checkpoint, save_checkpoint
from reference.colour_cycle import ColourCycle
from reference.errors import InputError
from reference.examples import Crops, Patches
from reference.export import export_arrays, import_arrays, save_npz
from reference.losses import plain_loss, tone_loss, vgg_loss
from reference.progress import Progress
from reference.recipes import Recipe
from reference.saturation import saturated
from reference.scene_scores import Scores, format_scores, score, warn_of_dead_channels
from reference.scenes import Scene, named, read_scenes, refuse_validation
from reference.step import make_step, train_epoch


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: its recipe, its data and its files.

    Attributes
    ----------
    recipe : Recipe
    data : sequence of Path
        Folders of scenes.
    out : Path
        The weights file to write.
    checkpoint : Path
        Folder for the checkpoint of every epoch.
    vgg_weights : Path or None
    seed : int
    hold_out : tuple of str
        Names of scenes that are never trained on.
    score_every : int
        Epochs between scores of the held-out scenes; 0 scores only at the end.
    resume : bool
        Whether to go on from the checkpoint.
    force : bool
        Whether to overwrite `out`, and a checkpoint that is not resumed.
    """

    recipe: Recipe
    data: tuple[Path, ...]
    out: Path
    checkpoint: Path
    vgg_weights: Path | None = None
    seed: int = 1
    hold_out: tuple[str, ...] = ()
    score_every: int = 10
    resume: bool = False
    force: bool = False


class TrainingInterruptedError(Exception):
    """Ctrl-C during training; the argument is the number of epochs in the checkpoint."""


def check_job(job: Job) -> None:
    """Refuse a job, before the slow work, that would overwrite files, fail at the end, or ignore an option.

    Parameters
    ----------
    job : Job

    Raises
    ------
    InputError
    """
    recipe = job.recipe
    if job.out.exists() and not job.force:
        raise InputError(f"{job.out}: the file is there already, --force overwrites it")
    if job.out.suffix != ".npz":
        raise InputError(f"{job.out}: the ending is {job.out.suffix!r}, expected '.npz'")
    if not job.out.resolve().parent.is_dir():
        raise InputError(f"{job.out}: there is no such folder to write to")
    if not os.access(job.out.resolve().parent, os.W_OK):
        raise InputError(f"{job.out}: the folder cannot be written to")
    if recipe.model == "t_cnn" and recipe.decoder != "nearest":
        raise InputError(f"--decoder {recipe.decoder}: t_cnn has no decoder")
    if recipe.model == "tonefuse" and recipe.decoder != "bilinear":
        raise InputError(f"--decoder {recipe.decoder}: tonefuse's is bilinear")
    if recipe.model == "tonefuse" and recipe.examples != "crops":
        raise InputError("--model tonefuse: only a recipe of crops has thumbnails, use --recipe tonefuse")
    if job.vgg_weights and recipe.loss != "vgg":
        raise InputError(f"--vgg-weights {job.vgg_weights}: only --loss vgg reads it")
    if job.resume and not has_checkpoint(job.checkpoint):
        raise InputError(f"{job.checkpoint / FILE_NAME}: no checkpoint there to resume from")
    if has_checkpoint(job.checkpoint) and not (job.resume or job.force):
        raise InputError(
            f"{job.checkpoint / FILE_NAME}: a checkpoint is there already, "
            "--resume goes on from it, --force starts anew"
        )


def train(job: Job, stream: TextIO | None = None) -> keras.Model:
    """Train, score and write the weights file.

    Parameters
    ----------
    job : Job
    stream : text file
        For progress; stderr when left out.

    Returns
    -------
    keras.Model

    Raises
    ------
    InputError : the user can mend the cause, which the message tells
    TrainingInterruptedError : Ctrl-C
    """
    check_job(job)
    trained, held_out = split_scenes(read_scenes(*job.data), job.hold_out)
    progress = Progress(0, job.recipe.epochs, 1, stream)
    model = fit(job, trained, held_out, stream)
    warn_of_dead_channels(model, trained, progress)
    margin = job.recipe.margin
    scores = {"trained on": score(model, given(trained), margin), "held out": score(model, given(held_out), margin)}
    scores = {which: values for which, values in scores.items() if values}
    for which, values in scores.items():
        progress.line(f"{which}: {format_scores(values)}")
    source = describe(job, len(trained), scores)
    save_npz(job.out, model, build=job.recipe.build, source=source, margin=margin, overwrite=job.force)
    progress.line(f"wrote {job.out}")
    return model


def fit(
    job: Job, trained: Sequence[Scene], held_out: Sequence[Scene] = (), stream: TextIO | None = None
) -> keras.Model:
    """Train and keep checkpoints; no other file is written.

    Parameters
    ----------
    job : Job
    trained, held_out : list of Scene
        Held-out scenes are only scored, as often as the job says.
    stream : text file
        For progress; stderr when left out.

    Returns
    -------
    keras.Model

    Raises
    ------
    InputError : a checkpoint of another run, pictures smaller than a patch, or a loss that is not a number
    TrainingInterruptedError : Ctrl-C
    """
    recipe = job.recipe
    refuse_validation(trained)
    examples = (Patches if recipe.examples == "patches" else Crops)(trained, recipe, job.seed)
    keras.utils.set_random_seed(job.seed)
    trained_on = {"surroundings": recipe.surroundings} if recipe.model == "tonefuse" else {}
    model = getattr(keras_models, recipe.model)(**recipe.build, **trained_on)
    optimizer = make_optimizer(recipe, len(examples) * recipe.epochs, model)
    optimizer.build(model.trainable_variables)
    tone = partial(tone_loss, log_mse=recipe.log_mse, liveliness=recipe.liveliness, hues=recipe.hues)
    losses: dict[str, Callable[..., tf.Tensor]] = {"plain": plain_loss, "tone": tone}
    loss = losses.get(recipe.loss) or vgg_loss(job.vgg_weights)
    cycle = ColourCycle(model.trainable_variables) if recipe.colour_cycle else None
    if cycle:
        cycle.initialize(model.trainable_variables)
    if recipe.last_bias and recipe.model == "lightfuse":
        last = model.get_layer(f"detail{len(recipe.hidden) + 1}").bias
        last.assign(keras.ops.full_like(last, recipe.last_bias))
    settings = _settings(job, trained, held_out)
    epochs_done = load_checkpoint(job.checkpoint, model, optimizer, settings) if job.resume else 0
    if epochs_done > recipe.epochs:
        raise InputError(f"{job.checkpoint}: the checkpoint holds {epochs_done} epochs, more than --epochs asks for")

    step = make_step(
        model,
        optimizer,
        loss,
        cycle,
        ramps_weight=recipe.ramps,
        undecided_weight=recipe.undecided if recipe.model == "lightfuse" else 0.0,
        structure_weight=recipe.structure,
        ended_weight=recipe.ended,
        greyed_weight=recipe.greyed,
    )
    progress = Progress(epochs_done, recipe.epochs, len(examples), stream)
    progress.line(f"{examples} of {len(trained)} scenes, {model.count_params()} parameters")
    try:
        for epoch in range(epochs_done + 1, recipe.epochs + 1):
            mean_loss = train_epoch(step, examples, epoch, progress)
            save_checkpoint(job.checkpoint, model, optimizer, epoch, settings)
            epochs_done = epoch
            progress.epoch(epoch, mean_loss)
            if job.score_every and epoch % job.score_every == 0 and epoch < recipe.epochs:
                if given(held_out):
                    scores = score(result(model, optimizer, recipe), given(held_out), recipe.margin)
                    progress.line(f"held out: {format_scores(scores)}")
                warn_of_dead_channels(model, trained, progress)
    except KeyboardInterrupt:
        raise TrainingInterruptedError(epochs_done) from None
    return result(model, optimizer, recipe)


def make_optimizer(recipe: Recipe, steps: int, model: keras.Model) -> keras.Optimizer:
    """Make a recipe's optimizer.

    Parameters
    ----------
    recipe : Recipe
    steps : int
        Number of steps of the whole training, over which the learning rate falls.
    model : keras.Model
        Model that is trained.

    Returns
    -------
    keras.Optimizer
    """
    rate = recipe.learning_rate
    if recipe.final_rate is not None:
        rate = keras.optimizers.schedules.CosineDecay(
            rate / max(recipe.warm_up, 1),
            max(steps - recipe.warm_up, 1),
            alpha=recipe.final_rate / rate,
            warmup_target=rate,
            warmup_steps=recipe.warm_up,
        )
    options = {"global_clipnorm": recipe.clip}
    if recipe.average is not None:
        options |= {"use_ema": True, "ema_momentum": recipe.average}
    if not recipe.weight_decay:
        return keras.optimizers.Adam(rate, **options)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, **options)
    if recipe.model == "tonefuse":
        others = [layer for layer in model.layers if not layer.name.startswith("tone")]
        optimizer.exclude_from_weight_decay(var_list=[v for layer in others for v in layer.trainable_variables])
    return optimizer


def result(model: keras.Model, optimizer: keras.Optimizer, recipe: Recipe) -> keras.Model:
    """Return the network as it runs on whole pictures, with the weights that training has come to."""
    network = getattr(keras_models, recipe.model)(**recipe.build)
    arrays = export_arrays(averaged(model, optimizer))
    import_arrays(network, saturated(arrays, recipe.saturation) if recipe.model == "lightfuse" else arrays)
    return network


def averaged(model: keras.Model, optimizer: keras.Optimizer) -> keras.Model:
    """Return the model with the moving averages of its weights, or as it is if the optimizer keeps none."""
    if not optimizer.use_ema:
        return model
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    optimizer.finalize_variable_values(copy.trainable_variables)
    return copy


def split_scenes(scenes: Sequence[Scene], hold_out: Sequence[str]) -> tuple[list[Scene], list[Scene]]:
    """Divide the scenes into those to train on and those held out; those for validation are in neither.

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
    scenes = [scene for scene in scenes if not scene.for_validation]
    names = [scene.name for scene in scenes]
    if unknown := sorted(set(hold_out) - set(names)):
        raise InputError(f"--hold-out: no scene is called {', '.join(unknown)}, the scenes are {', '.join(names)}")
    trained = [scene for scene in scenes if scene.name not in hold_out]
    if not trained:
        raise InputError("--hold-out: all scenes are held out, none is left to train on")
    return trained, [scene for scene in scenes if scene.name in hold_out]


def given(scenes: Sequence[Scene]) -> list[Scene]:
    """Return the scenes whose label the data set gives."""
    return [scene for scene in scenes if scene.given_label is not None]


def _settings(job: Job, trained: Sequence[Scene], held_out: Sequence[Scene]) -> dict[str, Any]:
    """Return the settings that a resumed run must share, in JSON values; epochs only if the learning rate uses them."""
    recipe = asdict(job.recipe)
    if job.recipe.final_rate is None:
        recipe.pop("epochs")
    return json.loads(
        json.dumps(
            recipe
            | {
                "build": job.recipe.build,
                "seed": job.seed,
                "trained on": [scene.name for scene in trained],
                "held out": [scene.name for scene in held_out],
            }
        )
    )


def describe(job: Job, count: int, scores: Mapping[str, Scores]) -> str:
    """Return the source text of the weights file: data, recipe, seed and scores.

    Parameters
    ----------
    job : Job
    count : int
        Number of the scenes trained on.
    scores : dict of str to scores
        Scores by "trained on" and "held out", if there are any.

    Returns
    -------
    str
    """
    recipe = job.recipe
    if recipe.examples == "patches":
        pairs = "the darkest and the brightest exposure of each"
        size = f"{recipe.patch}x{recipe.patch}"
        examples = f"{size} patches at stride {recipe.patch} with border patches, flips and quarter turns"
    else:
        pairs = (
            f"{recipe.extremes:.0%} of the pairs the darkest and the brightest exposure, the others any two, "
            f"{recipe.given:.0%} of the crops from scenes with a given label"
        )
        jitter = recipe.jitter
        examples = (
            f"{recipe.steps} batches of crops of {recipe.patch} with {recipe.context} pixels after them, flips and "
            f"quarter turns, white balance {jitter.white_balance}, gain {jitter.gain}, gamma {jitter.gamma}"
        )
    optimizer = f"{'AdamW' if recipe.weight_decay else 'Adam'} {recipe.learning_rate}"
    if recipe.final_rate is not None:
        optimizer += f" to {recipe.final_rate} after {recipe.warm_up} steps of warm-up"
    if recipe.weight_decay:
        of = " of the layers that read the thumbnail" if recipe.model == "tonefuse" else ""
        optimizer += f", weight decay {recipe.weight_decay}{of}"
    if recipe.colour_cycle:
        optimizer += ", weights alike for red, green and blue"
    if recipe.mirrored_colours:
        optimizer += f", red and blue exchanged in {recipe.mirrored_colours:.0%} of the crops"
    if recipe.log_mse:
        optimizer += f", log of MSE times {recipe.log_mse}"
    if recipe.liveliness:
        optimizer += f", liveliness times {recipe.liveliness}"
    if recipe.hues:
        optimizer += f", hues times {recipe.hues}"
    if recipe.ramps:
        optimizer += f", falls along ramps of light and changes across them times {recipe.ramps}"
    if recipe.ended:
        optimizer += f", pixels near black and white times {recipe.ended}"
    if recipe.greyed:
        optimizer += f", white pixels that turn grey times {recipe.greyed}"
    if recipe.structure:
        optimizer += f", structure of the exposures times {recipe.structure}"
    if recipe.last_bias:
        optimizer += f", last biases from {recipe.last_bias}"
    if recipe.saturation != 1:
        optimizer += f", then colours {recipe.saturation} times as far from grey by the last layers"
    if recipe.undecided:
        optimizer += f", units that change sign within blocks times {recipe.undecided}"
    if recipe.average is not None:
        optimizer += f", moving average {recipe.average}"
    lines = [
        f"Data: {count} scenes of {named(job.data)}, {pairs}; held out: {', '.join(job.hold_out) or 'none'}.",
        f"Recipe: {recipe.epochs} epochs of {examples}, batch {recipe.batch}, {optimizer}, loss {recipe.loss}, "
        f"seed {job.seed}; Keras {keras.__version__}, TensorFlow {tf.__version__}.",
    ]
    lines += [f"Score on the scenes {which}: {format_scores(values)}." for which, values in scores.items()]
    return "\n".join(lines)
