"""MEF-Net and DeepFuse as `reference.mef_training` trains them: in Keras layers, with the steps around them.

Both fuse lumas from 0 to 1, (K, N, H, W, 1): K exposures of N stacks.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from npfuse.color import STUDIO
from npfuse.methods.mefnet import EPSILON, LEAST_WEIGHT, RADIUS
from reference import keras_models

DILATIONS = (1, 2, 4, 8, 16, 1)
FEATURES = 24


class AdaptiveNorm(layers.Layer):
    """w0 * x + w1 * InstanceNorm(x), beginning as the identity."""

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the weights: w0, w1 (1,), gamma, beta (C,)."""
        channels = (shape[-1],)
        self.w0 = self.add_weight(shape=(1,), initializer="ones", name="w0")
        self.w1 = self.add_weight(shape=(1,), initializer="zeros", name="w1")
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Mix a picture with its normalisation over rows and columns."""
        mean, variance = tf.nn.moments(x, axes=(1, 2), keepdims=True)
        return self.w0 * x + self.w1 * ((x - mean) * tf.math.rsqrt(variance + 1e-5) * self.gamma + self.beta)


def mefnet() -> keras.Model:
    """Build the network of weight maps: luma (N, H, W, 1) to weight map (N, H, W, 1), any size.

    Returns
    -------
    keras.Model

    Examples
    --------
    >>> mefnet().count_params()
    26461
    """
    x = inputs = keras.Input((None, None, 1))
    for i, dilation in enumerate(DILATIONS, 1):
        x = layers.Conv2D(FEATURES, 3, padding="same", dilation_rate=dilation, use_bias=False, name=f"conv{i}")(x)
        x = AdaptiveNorm(name=f"conv{i}_norm")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    # With a bias of 1, training begins at the plain average of the exposures; with 0, the brightest would outweigh.
    x = layers.Conv2D(1, 1, bias_initializer="ones", name="weight_map")(x)
    return keras.Model(inputs, x, name="mefnet")


def mefnet_luma(model: keras.Model, lumas: tf.Tensor) -> tf.Tensor:
    """Fuse one stack of small lumas as MEF-Net does, guided filter included.

    Parameters
    ----------
    model : keras.Model
    lumas : tensor (K, 1, H, W, 1)

    Returns
    -------
    tensor (1, 1, H, W, 1)
    """
    lumas = lumas[:, 0]
    weight_maps = model(lumas)
    side = 2 * RADIUS + 1

    def mean(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.avg_pool2d(x, side, 1, "SAME")  # padded positions do not count

    mean_x, mean_y = mean(lumas), mean(weight_maps)
    slope = (mean(lumas * weight_maps) - mean_x * mean_y) / (mean(lumas * lumas) - mean_x**2 + EPSILON)
    shares = tf.abs(slope * lumas + mean_y - slope * mean_x) + LEAST_WEIGHT
    fused = tf.reduce_sum(lumas * shares, axis=0, keepdims=True) / tf.reduce_sum(shares, axis=0, keepdims=True)
    return fused[tf.newaxis]


def deepfuse() -> keras.Model:
    """Build DeepFuse with first weights that pass on the average of the pair, beside random features.

    Returns
    -------
    keras.Model

    Notes
    -----
    The first feature of each layer is the first one of the layer before; luma is above zero, so it is not changed. In
    the last layer, the weights of the other features are small. So training begins at the average, and learns what an
    average lacks.
    """
    model = keras_models.deepfuse()
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel = np.array(layer.kernel)
        middle = kernel.shape[0] // 2
        kernel[..., 0] *= 0.01 if layer.name == "conv6" else 0
        kernel[middle, middle, 0, 0] = 0.5 if layer.name == "conv2" else 1
        layer.kernel.assign(kernel)
    return model


def deepfuse_luma(model: keras.Model, lumas: tf.Tensor) -> tf.Tensor:
    """Fuse pairs as DeepFuse does, before its stretch; the stretch does not change a result from 0 to 1.

    Parameters
    ----------
    model : keras.Model
    lumas : tensor (2, N, H, W, 1)

    Returns
    -------
    tensor (1, N, H, W, 1)
    """
    under, over = tf.unstack(lumas * STUDIO.luma_range + STUDIO.black)
    return (model([under, over])[tf.newaxis] - STUDIO.black) / STUDIO.luma_range
