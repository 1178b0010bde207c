"""One step of training: the loss of a batch with all of a recipe's terms, and the optimizer's change of the weights.

The step is a plain ``tf.function``. Measured on two cores in turn, in seconds per step of 20 patches with
``tf.image.ssim`` in the loss: tf.function 10.2, the same with XLA 16.0, ``fit`` 11.1 and more. With the SSIM of
`reference.losses`, most of the remaining time was page faults of glibc's malloc. On Linux, this halves it again:
``MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=500000000``.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from npfuse.color import LUMA
from reference import mef_loss
from reference.colour_cycle import ColourCycle
from reference.errors import InputError
from reference.examples import Crops, Patches
from reference.losses import ended, greyed, undecided
from reference.progress import Progress

STRUCTURE_WINDOW, STRUCTURE_SCALES = 11, 2  # of MEF-SSIM; crops smaller than 22 have one scale


def make_step(
    model: keras.Model,
    optimizer: keras.Optimizer,
    loss: Callable[..., tf.Tensor],
    cycle: ColourCycle | None = None,
    ramps_weight: float = 0.0,
    undecided_weight: float = 0.0,
    structure_weight: float = 0.0,
    ended_weight: float = 0.0,
    greyed_weight: float = 0.0,
) -> Callable[..., tf.Tensor]:
    """Make the function (inputs, labels, ramps) -> loss that takes one optimizer step.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.Optimizer
    loss : callable (target, output, shares) -> tensor ()
        Loss of pictures in [0, 1]; shares are the weights of each picture's error of pixels.
    cycle : ColourCycle or None
        Cycle that the model's weights keep to.
    ramps_weight : float
        Weight of the `unevenness` of fused ramps.
    undecided_weight : float
        Weight of how far LightFuse's hidden units change sign within blocks, see `reference.losses.undecided`; it is
        measured on a third of the examples, to save time.
    structure_weight : float
        Weight of the exposures' local structure that the output lacks, see `reference.mef_loss`; a mean over scales.
    ended_weight : float
        Weight of pixels that are nearly black or white although an exposure shows them, see `reference.losses.ended`.
    greyed_weight : float
        Weight of pixels that are not white although both exposures are, see `reference.losses.greyed`.

    Returns
    -------
    callable
        Function of arrays: inputs, labels and ramps, as `reference.examples` draws them.
    """
    hidden = [layer for layer in model.layers if layer.name.startswith("detail")][:-1] if undecided_weight else []
    watched = keras.Model(model.inputs, [model.output, *(layer.input for layer in hidden)]) if hidden else None

    def run(inputs: Any, network: keras.Model = model) -> Any:
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=True)

    @tf.function(reduce_retracing=True)
    def step(inputs: Any, labels: Any, shares: tf.Tensor, exposures: Any, ramps: Any, wanted: Any = ()) -> tf.Tensor:
        with tf.GradientTape() as tape:
            output, *read = run(inputs, watched) if watched else (run(inputs),)
            height, width = labels.shape[1:3]
            output = (output[:, :height, :width] + 1) / 2  # what is below and to the right is context
            value = loss(labels, output, shares)
            if wanted:
                fused = tf.tensordot(output, tf.constant(LUMA, output.dtype), 1)
                scales = [1 / len(wanted)] * len(wanted)
                value += structure_weight * mef_loss.loss(wanted, fused[tf.newaxis, ..., tf.newaxis], scales)
            if ended_weight:
                value += ended_weight * ended(output, (exposures + 1) / 2)
            if greyed_weight:
                value += greyed_weight * greyed(output, (exposures + 1) / 2)
            for layer, values in zip(hidden, read, strict=True):
                third = values[: (tf.shape(values)[0] + 2) // 3, :height, :width]
                sums = layer.convolution_op(third, layer.kernel) + layer.bias  # before the layer's own ReLU
                value += undecided_weight * undecided(sums)
            if ramps is not None:
                value += ramps_weight * unevenness(run(ramps) / 2)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(cycle.mean(gradients) if cycle else gradients, model.trainable_variables)
        return value

    def step_on_arrays(inputs: Any, labels: Any, ramps: Any) -> tf.Tensor:
        wanted: Any = ()
        pictures, shares, exposures = labels
        if structure_weight:
            scales = min(pictures.shape[1] // STRUCTURE_WINDOW, STRUCTURE_SCALES)
            wanted = mef_loss.pair_targets(exposures, scales)
        tensors = [None if arrays is None else tuple(map(tf.constant, arrays)) for arrays in (inputs, ramps)]
        return step(tensors[0], tf.constant(pictures), tf.constant(shares), tf.constant(exposures), tensors[1], wanted)

    return step_on_arrays


def unevenness(light: tf.Tensor) -> tf.Tensor:
    """Return how far pictures of ramps fall where they should rise, and change where they should not.

    Parameters
    ----------
    light : tensor (N, H, H, C)
        Fused ramps: light should rise to the right in the first half of the pictures, downwards in the second.

    Returns
    -------
    tensor ()
        Mean over lines of the sum of falls along a line and changes across it. The borders count, too: a flat pair
        should stay flat even where convolutions meet their padding.

    Examples
    --------
    >>> ramp = np.linspace(0, 1, 9)[np.newaxis, np.newaxis, :, np.newaxis].repeat(9, axis=1)
    >>> both = np.concatenate([ramp, ramp.swapaxes(1, 2)])
    >>> float(unevenness(tf.constant(both))), float(unevenness(tf.constant(both[::-1])))
    (0.0, 1.0)
    """
    half = light.shape[0] // 2
    light = tf.concat([light[:half], tf.transpose(light[half:], (0, 2, 1, 3))], axis=0)
    falls = tf.nn.relu(light[:, :, :-1] - light[:, :, 1:])
    across = tf.abs(light[:, 1:] - light[:, :-1])
    return tf.reduce_mean(tf.reduce_sum(falls, axis=2)) + tf.reduce_mean(tf.reduce_sum(across, axis=1))


def train_epoch(step: Callable[..., tf.Tensor], examples: Patches | Crops, epoch: int, progress: Progress) -> float:
    """Train on every batch of an epoch.

    Returns
    -------
    float
        Mean loss of the examples.
    """
    total, count = 0.0, 0
    for n, (inputs, labels, ramps) in enumerate(examples.epoch(epoch), start=1):
        value = step(inputs, labels, ramps)
        size = len(labels[0])
        total += float(value) * size
        count += size
        progress.step(epoch, n, total / count)
    if not np.isfinite(total):
        raise InputError(f"epoch {epoch}: the loss is {total}, training cannot go on; try another --seed")
    return total / count
