"""Weights that treat red, green and blue alike: where the input's colours are cycled, the output's are cycled too.

Cycling does not change grey, so such a network turns grey into grey, whatever it has learned. Only a third of the
values are free to be learned. Channels are cycled in threes: R, G, B of an exposure, or three hidden units whose
weights are cycled likewise. One or two channels that are left over are not cycled, like a luminance. The network that
runs is an ordinary one; only its weights repeat.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from reference.arrays import Array


class ColourCycle:
    """The sets of places (orbits) in each variable that hold one and the same value.

    Parameters
    ----------
    variables : list of keras.Variable
        Kernels (..., Cin, Cout), depthwise kernels (..., C, 1) and biases (C,).
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self.orbits = [orbits(tuple(variable.shape)) for variable in variables]

    def initialize(self, variables: Sequence[keras.Variable]) -> None:
        """Give every orbit the value of one of its places, which keeps the distribution of the values."""
        for variable, places in zip(variables, self.orbits, strict=True):
            value = np.asarray(variable.value)
            variable.assign(value.reshape(-1)[places.min(axis=0)].reshape(value.shape))

    def mean(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Replace gradients by their means over the orbits; within an orbit, all are equal to the last bit."""
        return [_mean(gradient, places) for gradient, places in zip(gradients, self.orbits, strict=True)]


def orbits(shape: tuple[int, ...]) -> Array:
    """Return where the cycle takes each value of an array, as flat positions (3, values), after 0, 1 and 2 cycles.

    Examples
    --------
    >>> orbits((4,))
    array([[0, 1, 2, 3],
           [1, 2, 0, 3],
           [2, 0, 1, 3]])
    """
    if len(shape) == 1:
        axes: tuple[int, ...] = (0,)
    elif shape[-1] == 1:  # depthwise
        axes = (len(shape) - 2,)
    else:
        axes = (len(shape) - 2, len(shape) - 1)
    turned = [np.arange(np.prod(shape)).reshape(shape)]
    for _ in range(2):
        places = turned[-1]
        for axis in axes:
            places = np.take(places, _next_colour(shape[axis]), axis)
        turned.append(places)
    return np.stack([places.reshape(-1) for places in turned])


def _next_colour(count: int) -> Array:
    channels = np.arange(count)
    in_threes = channels < count // 3 * 3
    return np.where(in_threes, channels // 3 * 3 + (channels + 1) % 3, channels)


def _mean(gradient: tf.Tensor, places: Array) -> tf.Tensor:
    means = tf.reduce_mean(tf.gather(tf.reshape(gradient, [-1]), places), axis=0)
    return tf.reshape(tf.gather(means, places.min(axis=0)), tf.shape(gradient))
