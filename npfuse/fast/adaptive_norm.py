"""AdaptiveNorm, compiled: two passes for mean and variance, summed in float64, and one that applies them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import aligned_empty, compiled, contiguous
from npfuse.ops.adaptive_norm import AdaptiveNorm
from npfuse.ops.operator import check_arrays


def adaptive_norm(
    x: NDArray[Any],
    w0: NDArray[Any],
    w1: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    *,
    epsilon: float = 1e-5,
) -> NDArray[Any]:
    """Mix pictures with their instance normalisation; see `npfuse.ops.adaptive_norm`. All float32 or all float64."""
    check_arrays(AdaptiveNorm(epsilon=epsilon), x, w0=w0, w1=w1, gamma=gamma, beta=beta)
    x, w0, w1, gamma, beta = contiguous("adaptive_norm", x, w0, w1, gamma, beta)
    out = aligned_empty(x.shape, x.dtype)
    pixels = (x.shape[0], x.shape[1] * x.shape[2], x.shape[3])
    _adaptive_norm(x.reshape(pixels), w0, w1, gamma, beta, epsilon, out.reshape(pixels))
    return out


@compiled
def _adaptive_norm(x, w0, w1, gamma, beta, epsilon, out):
    pictures, pixels, channels = x.shape
    mean = np.empty(channels)
    variance = np.empty(channels)
    scale = np.empty(channels, x.dtype)
    shift = np.empty(channels, x.dtype)
    for n in range(pictures):
        mean[:] = 0
        for p in range(pixels):
            for c in range(channels):
                mean[c] += x[n, p, c]
        for c in range(channels):
            mean[c] /= pixels
        variance[:] = 0
        for p in range(pixels):
            for c in range(channels):
                deviation = x[n, p, c] - mean[c]
                variance[c] += deviation * deviation
        for c in range(channels):
            scale[c] = w1[0] * gamma[c] / np.sqrt(variance[c] / pixels + epsilon)
            shift[c] = w1[0] * beta[c]
        for p in range(pixels):
            for c in range(channels):
                # Not folded into one multiplication: if a mean is far from 0, that would lose digits in float32.
                out[n, p, c] = w0[0] * x[n, p, c] + ((x[n, p, c] - mean[c]) * scale[c] + shift[c])
