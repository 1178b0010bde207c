"""The loss that needs no label: 1 - MEF-SSIM, with or without a luminance term, plus a penalty outside of [0, 1].

The measure is that of `npfuse.scoring.metrics.mef_ssim`, here on tensors for K exposures of N stacks. Scales are
averaged; the metric multiplies them. If there is a label, too, which tells how bright the picture is, the luminance
term is left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from npfuse.color import LUMA
from npfuse.scoring.metrics import MEF_C, luma_mixture, patch_mixture
from reference.arrays import Array

C1 = 0.01**2


def targets(stacks: Array, scales: int, luminance: bool = True) -> list[tuple[Array, ...]]:
    """Return the targets that the loss compares with, for each scale.

    Parameters
    ----------
    stacks : ndarray (N, K, H, W), luma in [0, 1]
    scales : number of scales, each half the size of the one before; H and W are multiples of 2 ** (scales - 1)
    luminance : whether the loss has the luminance term

    Returns
    -------
    list of (lumas, mixture, brightness), or of (lumas, mixture), ndarrays (K, N, H', W', 1), float32
        As `quality` takes them.
    """
    found, stacks = [], np.asarray(stacks, np.float64)  # products of float32 cancel too badly
    for scale in range(scales):
        if scale:
            n, count, height, width = stacks.shape
            stacks = stacks.reshape(n, count, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
        lumas = stacks.swapaxes(0, 1)
        arrays = [lumas, _mixtures(lumas)]
        if luminance:
            arrays.append(np.stack([luma_mixture(list(stack)) for stack in stacks], axis=1))
        found.append(tuple(array.astype(np.float32)[..., np.newaxis] for array in arrays))
    return found


def _mixtures(lumas: Array) -> Array:
    """Return `patch_mixture` of stacks (K, N, H, W): they are put one below the other, windows across two left out."""
    count, n, height, width = lumas.shape
    mixed = np.stack(patch_mixture(list(lumas.reshape(count, n * height, width))))
    left_out = n * height - mixed.shape[1]
    rows = np.pad(mixed, ((0, 0), (0, left_out), (0, 0))).reshape(count, n, height, -1)
    return rows[:, :, : height - left_out]


def pair_targets(exposures: Array, scales: int) -> list[tuple[tf.Tensor, ...]]:
    """Return `targets`, without luminance, of pairs of exposures (N, H, W, 6) in [-1, 1], as tensors."""
    lumas = (np.asarray(exposures, np.float64).reshape(*exposures.shape[:3], 2, 3) + 1) / 2 @ np.array(LUMA)
    found = targets(np.moveaxis(lumas, -1, 1), scales, luminance=False)
    return [tuple(tf.constant(array) for array in scaled) for scaled in found]


def loss(wanted: Sequence[Any], fused: tf.Tensor, weights: Sequence[float]) -> tf.Tensor:
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
        total -= weight * quality(fused, *scaled)
    return total


def quality(fused: tf.Tensor, lumas: tf.Tensor, mixture: tf.Tensor, brightness: tf.Tensor | None = None) -> tf.Tensor:
    """Return MEF-SSIM of one scale, times its luminance term if brightness is given; at most 1.

    Parameters
    ----------
    fused : tensor (1, N, H, W, 1)
    lumas : tensor (K, N, H, W, 1)
    mixture : tensor (K, N, H - 10, W - 10, 1)
        Share of each exposure's patch in the wanted patch (`npfuse.scoring.metrics.patch_mixture`).
    brightness : the same for the patches' means (`npfuse.scoring.metrics.luma_mixture`), or None

    Returns
    -------
    tensor ()
    """

    def blur(x: tf.Tensor) -> tf.Tensor:
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
    # Of patches without structure, the shares are large and variances are what float32 leaves of differences. Rounded,
    # these may be below 0, and twice the covariance above their sum, which is impossible and would have no bound.
    variances = tf.nn.relu(wanted_variance) + tf.nn.relu(variance)
    structure = (tf.clip_by_value(2 * covariance, -variances, variances) + MEF_C) / (variances + MEF_C)
    if brightness is None:
        return tf.reduce_mean(structure)
    wanted = tf.reduce_sum(brightness * means, axis=0, keepdims=True)
    luminance = (2 * mean * wanted + C1) / (mean * mean + wanted * wanted + C1)
    return tf.reduce_mean(structure * luminance)
