"""The networks of DeepFuse and MEF-Net in TensorFlow, written from the papers apart from the graphs; float64.

For where PyTorch is not installed; what surrounds the networks is checked against PyTorch (`torch_methods`) only.
"""

import numpy as np


def leaky_relu(tf, x, slope):
    """As tf.nn.leaky_relu, whose slope is a float32 in float64 too."""
    return tf.maximum(x, slope * x)


def deepfuse(tf, under, over, weights):
    """Return the network's luma (H, W) of two lumas (H, W)."""

    def layer(x, name):
        return leaky_relu(tf, tf.nn.conv2d(x, weights[f"{name}/kernel"].astype(np.float64), 1, "SAME"), 0.01)

    branches = [layer(layer(tf.constant(x[np.newaxis, :, :, np.newaxis]), "conv1"), "conv2") for x in (under, over)]
    x = branches[0] + branches[1]
    for name in ("conv3", "conv4", "conv5", "conv6"):
        x = layer(x, name)
    return np.asarray(x)[0, :, :, 0]


def mefnet(tf, luma, weights):
    """Return the weight map (H, W) of a luma (H, W)."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    x = tf.constant(luma[np.newaxis, :, :, np.newaxis])
    for i, dilation in enumerate((1, 2, 4, 8, 16, 1), 1):
        x = tf.nn.conv2d(x, weights[f"conv{i}/kernel"], 1, "SAME", dilations=dilation)
        w0, w1, gamma, beta = (weights[f"conv{i}_norm/{name}"] for name in ("w0", "w1", "gamma", "beta"))
        mean, variance = tf.nn.moments(x, axes=(1, 2), keepdims=True)
        x = leaky_relu(tf, w0 * x + w1 * tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5), 0.2)
    return np.asarray(tf.tensordot(x, weights["weight_map/kernel"], 1) + weights["weight_map/bias"])[0, :, :, 0]
