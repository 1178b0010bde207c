"""The loss that needs no label: 1 - MEF-SSIM with its luminance term, and what lies outside of [0, 1].

The measure is `npfuse.metrics.mef_ssim`'s, here as tensors for K exposures of N stacks. Scales are averaged, where the
metric multiplies them.
"""

import numpy as np
import tensorflow as tf

from npfuse.metrics import MEF_C, luma_mixture, patch_mixture

C1 = 0.01**2


def targets(stacks, scales):
    """Return what the loss compares with, at each scale.

    Parameters
    ----------
    stacks : ndarray (N, K, H, W), luma in [0, 1]
    scales : number of scales, each half the size of the one before; H and W are multiples of 2 ** (scales - 1)

    Returns
    -------
    list of (lumas, mixture, brightness), ndarrays (K, N, H', W', 1), float32
        As `quality` takes them.
    """
    found, stacks = [], np.asarray(stacks, np.float64)  # products of float32 cancel too badly
    for scale in range(scales):
        if scale:
            n, count, height, width = stacks.shape
            stacks = stacks.reshape(n, count, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
        each = [(stack, patch_mixture(list(stack)), luma_mixture(list(stack))) for stack in stacks]
        found.append(tuple(np.stack(a, axis=1).astype(np.float32)[..., np.newaxis] for a in zip(*each, strict=True)))
    return found


def loss(wanted, fused, weights):
    """Return the loss of fused lumas.

    Parameters
    ----------
    wanted : of `targets`, as tensors
    fused : tensor (1, N, H, W, 1)
    weights : of the scales; they add up to 1

    Returns
    -------
    tensor ()
    """
    outside = tf.reduce_mean(tf.nn.relu(-fused) + tf.nn.relu(fused - 1))
    total = 1 + outside
    for scale, (weight, scaled) in enumerate(zip(weights, wanted, strict=True)):
        if scale:
            fused = tf.nn.avg_pool2d(fused[0], 2, 2, "VALID")[tf.newaxis]
        total -= weight * quality(*scaled, fused)
    return total


def quality(lumas, mixture, brightness, fused):
    """MEF-SSIM of one scale, times its luminance term; 1 is the most.

    Parameters
    ----------
    lumas : tensor (K, N, H, W, 1)
    mixture : tensor (K, N, H - 10, W - 10, 1)
        How much of each exposure's patch the wanted patch has (`npfuse.metrics.patch_mixture`).
    brightness : the same for the patches' means (`npfuse.metrics.luma_mixture`)
    fused : tensor (1, N, H, W, 1)

    Returns
    -------
    tensor ()
    """

    def blur(x):
        taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
        taps = tf.constant(taps / taps.sum(), tf.float32)
        x = tf.nn.conv2d(x, tf.reshape(taps, (11, 1, 1, 1)), 1, "VALID")
        return tf.nn.conv2d(x, tf.reshape(taps, (1, 11, 1, 1)), 1, "VALID")

    means, mean = blur(lumas), blur(fused)
    # The wanted patch is a sum of the exposures' patches, so its covariances are sums of theirs.
    wanted_variance = 0.0
    for i in range(lumas.shape[0]):
        products = blur(lumas * lumas[i : i + 1]) - means * means[i : i + 1]
        wanted_variance += tf.reduce_sum(mixture * products, axis=0, keepdims=True) * mixture[i : i + 1]
    covariance = tf.reduce_sum(mixture * (blur(lumas * fused) - means * mean), axis=0, keepdims=True)
    variance = blur(fused * fused) - mean * mean
    structure = (2 * covariance + MEF_C) / (wanted_variance + variance + MEF_C)
    wanted = tf.reduce_sum(brightness * means, axis=0, keepdims=True)
    luminance = (2 * mean * wanted + C1) / (mean * mean + wanted * wanted + C1)
    return tf.reduce_mean(structure * luminance)
