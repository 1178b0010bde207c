"""The guided filter of He, Sun and Tang 2013 in its fast form: coefficients at low resolution, applied at full size.

In a window around each pixel, a linear function of the guide is fitted to the target, target = a * guide + b, by least
squares with a penalty on a. The fast form (He and Sun 2015) finds a and b on small copies and enlarges them. As in
MEF-Net, a and b are not averaged over the windows that a pixel lies in.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def guided_coefficients(
    guide: NDArray[Any], target: NDArray[Any], *, radius: int, epsilon: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a linear function of the guide to the target, around every pixel.

    Parameters
    ----------
    guide, target : ndarray (H, W), floats
    radius : reach of a window in pixels: its sides are 2 * radius + 1, cut off at the border
    epsilon : weight of the penalty on a**2, for a guide in [0, 1]

    Returns
    -------
    a, b : ndarray (H, W), float64

    Examples
    --------
    >>> guide = np.arange(12.0).reshape(3, 4)
    >>> a, b = guided_coefficients(guide, 2 * guide + 1, radius=1, epsilon=1e-12)
    >>> bool(np.allclose(a, 2)), bool(np.allclose(b, 1))
    (True, True)
    """
    x, y = guide.astype(np.float64), target.astype(np.float64)
    mean_x, mean_y = _window_mean(x, radius), _window_mean(y, radius)
    covariance = _window_mean(x * y, radius) - mean_x * mean_y
    variance = _window_mean(x * x, radius) - mean_x * mean_x
    a: NDArray[np.float64] = covariance / (variance + epsilon)
    return a, mean_y - a * mean_x


def _window_mean(x: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Return the mean of the pixels in the window around every pixel; at the border, of those that exist."""
    for axis in (0, 1):
        n = x.shape[axis]
        sums = np.insert(np.cumsum(x, axis=axis), 0, 0, axis=axis)
        first = np.maximum(np.arange(n) - radius, 0)
        last = np.minimum(np.arange(n) + radius + 1, n)
        counts = np.expand_dims(last - first, 1 - axis)
        x = (np.take(sums, last, axis=axis) - np.take(sums, first, axis=axis)) / counts
    return x
