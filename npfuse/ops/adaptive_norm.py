"""AdaptiveNorm: a learned mixture of a picture and its instance normalisation (MEF-Net's, after every 3x3 convolution).

Instance normalisation brings each channel of each picture to mean 0 and variance 1, then scales and shifts it. Its
statistics are those of the whole picture, so every output position reads all input positions.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops.operator import Operator, Pair, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class AdaptiveNorm(Operator):
    """w0 * x + w1 * InstanceNorm(x), with one w0 and one w1 for all, and a gamma and a beta for each channel.

    Parameters
    ----------
    epsilon : added to the variance; PyTorch's default, with which the released model was trained
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        """Check the attribute."""
        if not self.epsilon > 0:
            raise self.error("epsilon", self.epsilon, "above 0")

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `w0`, `w1`, `gamma` and `beta`."""
        channels = inputs[0][2]
        return {"w0": (1,), "w1": (1,), "gamma": (channels,), "beta": (channels,)}

    def arguments(self) -> dict[str, Any]:
        """Return epsilon."""
        return {"epsilon": self.epsilon}

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return all positions: mean and variance are the whole picture's."""
        return 0, n


def adaptive_norm(
    x: NDArray[Any],
    w0: NDArray[Any],
    w1: NDArray[Any],
    gamma: NDArray[Any],
    beta: NDArray[Any],
    *,
    epsilon: float = 1e-5,
) -> NDArray[Any]:
    """Mix pictures with their instance normalisation.

    Parameters
    ----------
    x : ndarray (N, H, W, C); float32, float64 or object (of numbers that convert to float)
    w0, w1 : ndarray (1,), weights of the picture and of its normalisation
    gamma, beta : ndarray (C,), scale and shift of the normalisation
    epsilon : added to the variance

    Returns
    -------
    ndarray (N, H, W, C), dtype of x

    Raises
    ------
    ValueError : a shape does not fit, or epsilon is not above 0

    Notes
    -----
    Source: Ma et al. 2020 (MEF-Net), after Chen, Xu and Koltun 2017, equation 4, with instance instead of batch
    normalisation; https://github.com/makedede/MEFNet, e2emef.py, commit 28ed074. The variance is the biased one.

    Examples
    --------
    >>> x = np.array([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> w0, w1, gamma, beta = (np.array([v]) for v in (1.0, 10.0, 1.0, 0.0))
    >>> adaptive_norm(x, w0, w1, gamma, beta, epsilon=1e-12)[0, 0, :, 0]
    array([-9., 13.])
    """
    check_arrays(AdaptiveNorm(epsilon=epsilon), x, w0=w0, w1=w1, gamma=gamma, beta=beta)
    pixels = x.shape[1] * x.shape[2]
    root = np.frompyfunc(math.sqrt, 1, 1) if x.dtype == object else np.sqrt
    deviation = x - x.sum(axis=(1, 2), keepdims=True) / pixels
    variance = (deviation * deviation).sum(axis=(1, 2), keepdims=True) / pixels  # (N, 1, 1, C)
    normal = deviation * (gamma / root(variance + epsilon)) + beta
    result: NDArray[Any] = w0 * x + w1 * normal
    return result
