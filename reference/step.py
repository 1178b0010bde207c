"""One step of training: the loss of a batch with all of a recipe's terms, and what the optimizer makes of it.

The step is a plain ``tf.function``. Measured on two cores in turn, seconds a step of 20 patches with
``tf.image.ssim`` in the loss: tf.function 10.2, the same with XLA 16.0, ``fit`` 11.1 and more. Most of what was left
after the SSIM of `reference.losses` was page faults of glibc's malloc; this halves a step again, on Linux:
``MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=500000000``.
"""

import keras
import numpy as np
import tensorflow as tf

from npfuse.color import LUMA
from reference import mef_loss
from reference.errors import InputError
from reference.losses import undecided

STRUCTURE_WINDOW, STRUCTURE_SCALES = 11, 2  # of MEF-SSIM; crops smaller than 22 have one scale


def make_step(model, optimizer, loss, cycle=None, ramps_weight=0.0, undecided_weight=0.0, structure_weight=0.0):
    """Make the function (inputs, labels, ramps) -> loss that takes one optimizer step.

    Parameters
    ----------
    model : keras.Model
    optimizer : keras.Optimizer
    loss : callable (target, output) in [0, 1] -> tensor ()
    cycle : ColourCycle or None
        Of the model's weights, which keep it.
    ramps_weight : float
        Of the falls of the output along each row of the ramps, summed, in the mean.
    undecided_weight : float
        Of how far LightFuse's hidden units change sign within blocks, see `reference.losses.undecided`; looked at in a
        third of the examples, which costs a third.
    structure_weight : float
        Of the exposures' local structure that the output lacks, see `reference.mef_loss`; the mean of its scales.

    Returns
    -------
    callable
    """
    hidden = [layer for layer in model.layers if layer.name.startswith("detail")][:-1] if undecided_weight else []
    watched = keras.Model(model.inputs, [model.output, *(layer.input for layer in hidden)]) if hidden else None

    def run(inputs, network=model):
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=True)

    @tf.function(reduce_retracing=True)
    def step(inputs, labels, ramps, wanted=()):
        with tf.GradientTape() as tape:
            output, *read = run(inputs, watched) if watched else (run(inputs),)
            edge = (output.shape[1] - labels.shape[1]) // 2  # of a model that does not leave out the context itself
            output = output[:, edge : output.shape[1] - edge, edge : output.shape[2] - edge]
            value = loss(labels, (output + 1) / 2)
            if wanted:
                fused = tf.tensordot((output + 1) / 2, tf.constant(LUMA, output.dtype), 1)
                scales = [1 / len(wanted)] * len(wanted)
                value += structure_weight * mef_loss.loss(wanted, fused[tf.newaxis, ..., tf.newaxis], scales)
            if ramps is not None:
                output = run(ramps) / 2
                falls = tf.nn.relu(output[:, :, :-1] - output[:, :, 1:])
                value += ramps_weight * tf.reduce_mean(tf.reduce_sum(falls, axis=2))
            for layer, values in zip(hidden, read, strict=True):
                third = values[: (tf.shape(values)[0] + 2) // 3]
                sums = layer.convolution_op(third, layer.kernel) + layer.bias  # before the layer's own ReLU
                value += undecided_weight * undecided(sums)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(cycle.mean(gradients) if cycle else gradients, model.trainable_variables)
        return value

    def step_with_structure(inputs, labels, ramps):
        edge = (inputs[0].shape[1] - labels.shape[1]) // 2
        exposures = inputs[0][:, edge : edge + labels.shape[1], edge : edge + labels.shape[2]]
        scales = min(labels.shape[1] // STRUCTURE_WINDOW, STRUCTURE_SCALES)
        return step(inputs, labels, ramps, mef_loss.pair_targets(exposures, scales))

    return step_with_structure if structure_weight else step


def train_epoch(step, examples, epoch, progress):
    """Take every batch of an epoch.

    Returns
    -------
    float
        Mean loss of the examples.
    """
    total, count = 0.0, 0
    for n, (inputs, labels, ramps) in enumerate(examples.epoch(epoch), start=1):
        value = step(_tensors(inputs), tf.constant(labels), _tensors(ramps))
        total += float(value) * len(labels)
        count += len(labels)
        progress.step(epoch, n, total / count)
    if not np.isfinite(total):
        raise InputError(f"epoch {epoch}: the loss is {total}, training cannot go on; try another --seed")
    return total / count


def _tensors(arrays):
    """Turn arrays, if there are any, into tensors."""
    return None if arrays is None else tuple(tf.constant(array) for array in arrays)
