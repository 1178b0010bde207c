"""Rounds kernels to 8 bits so that their sums stay near the real ones, rather than each number by itself.

Inputs of a layer are alike: the colours of a pixel, the outputs of ReLUs, neighbouring pixels. If each weight is
rounded to the nearest, the errors of such inputs add up. Here, a weight may be rounded the other way if that brings the
sums nearer, over samples of the inputs. The mean error that is left goes into the bias.

Source: Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization" (2020), and, for the bias,
"Data-Free Quantization through Weight Equalization and Bias Correction" (2019). Departs from it in: plain descent, one
weight at a time.

Every sum here is of whole numbers, or of float64 in a fixed order: kernels are the same on every machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops import DepthwiseConv2D, Operator, PointwiseConv2D
from npfuse.ops.window import taps

MOST_WEIGHT = 127
RIDGE = 0.03  # share of the inputs' power that is added to each input's own variance
ROUNDS = 2  # of descent, each followed by a new scale
LEAST_GAIN = 1e-6  # least gain of a step, in units of its own squared error

Real = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Means and covariances of the inputs of a convolution over samples; each sum has n inputs.

    Parameters
    ----------
    mean : ndarray (n, 1), or (n, C) where each channel is convolved alone
    spread : ndarray (n, n, 1) or (n, n, C): covariances, with `RIDGE`
    """

    mean: Real
    spread: Real


def moments(op: Operator, x: NDArray[np.int64]) -> Moments | None:
    """Return the moments of the inputs of an operator's sums; None for a transposed convolution.

    Parameters
    ----------
    op : Operator
    x : ndarray (N, H, W, C), samples of its input, within 16 bits; at most 2**22 pixels
    """
    if isinstance(op, PointwiseConv2D):
        pixels = x.reshape(-1, x.shape[3]).astype(np.float64)
        count = len(pixels)
        mean = pixels.sum(axis=0)[:, np.newaxis] / count
        power = (pixels.T @ pixels)[:, :, np.newaxis] / count  # exact: sums of whole numbers below 2**53
    elif isinstance(op, DepthwiseConv2D):
        parts = [tap.reshape(-1, x.shape[3]) for _, _, tap in taps(op, x)]
        count = len(parts[0])
        mean = np.array([part.sum(axis=0) for part in parts]) / count
        power = np.array([[(a * b).sum(axis=0) for b in parts] for a in parts]) / count
    else:
        return None
    n = len(mean)
    own = RIDGE / n * _total(power[i, i] for i in range(n))  # (1,) or (C,)
    spread = power - mean[:, np.newaxis] * mean + np.eye(n)[:, :, np.newaxis] * own
    return Moments(mean=mean, spread=spread)


def rounded_kernel(
    real: Real, scale: Real, inputs: Moments | None, *, fixed_scale: bool
) -> tuple[NDArray[np.int64], Real, Real]:
    """Round the kernels of a layer's outputs.

    Parameters
    ----------
    real : ndarray (n, Cout): real weight of each whole number of input in each sum
    scale : ndarray (Cout,): real number that a step of the kernel is to stand for
    inputs : Moments of the inputs; None rounds every weight to the nearest
    fixed_scale : whether `scale` may not be changed

    Returns
    -------
    kernel : ndarray (n, Cout), from -127 to 127
    scale : ndarray (Cout,)
    lost : ndarray (Cout,): how much smaller the sums are on average, as a real number

    Examples
    --------
    >>> real = np.array([[1.4], [1.4]])
    >>> rounded_kernel(real, np.ones(1), None, fixed_scale=True)[0].ravel()
    array([1, 1])
    >>> alike = Moments(mean=np.ones((2, 1)), spread=np.array([[1.0, 0.9], [0.9, 1.0]])[:, :, np.newaxis])
    >>> rounded_kernel(real, np.ones(1), alike, fixed_scale=True)[0].ravel()
    array([2, 1])
    """
    kernel = np.clip(np.rint(real / scale), -MOST_WEIGHT, MOST_WEIGHT)
    if inputs is None:
        return kernel.astype(np.int64), scale, np.zeros(real.shape[1])
    spread = np.broadcast_to(inputs.spread, (*inputs.spread.shape[:2], real.shape[1]))
    for _ in range(ROUNDS):
        kernel = _descended(real, kernel, scale, spread)
        if not fixed_scale:
            scale = _nearest_scale(real, kernel, scale, spread)
    lost = _total((real - kernel * scale) * inputs.mean)
    return kernel.astype(np.int64), scale, lost


def _descended(real: Real, kernel: Real, scale: Real, spread: Real) -> Real:
    """Move weights of each kernel by steps of one, always the step that helps most, as long as the error falls."""
    kernel = kernel.copy()
    slope = _applied(spread, real - kernel * scale)  # derivative of half the squared error by each weight
    own = scale * scale * np.einsum("iic->ic", spread)
    for _ in range(4 * len(kernel)):
        step = np.where(slope > 0, 1.0, -1.0)
        gain = 2 * scale * np.abs(slope) - own
        gain[np.abs(kernel + step) > MOST_WEIGHT] = -np.inf
        rows = gain.argmax(axis=0)
        columns = np.flatnonzero(gain.max(axis=0) > LEAST_GAIN * own.max(axis=0))
        if not len(columns):
            break
        rows = rows[columns]
        moved = step[rows, columns]
        kernel[rows, columns] += moved
        slope[:, columns] -= spread[:, rows, columns] * (moved * scale[columns])
    return kernel


def _nearest_scale(real: Real, kernel: Real, scale: Real, spread: Real) -> Real:
    """Return the scale of each kernel that makes its squared error least; the old one if that is not above 0."""
    seen = _applied(spread, kernel)
    along, square = _total(seen * real), _total(seen * kernel)
    fits = (along > 0) & (square > 0)
    nearest: Real = np.where(fits, along / np.where(fits, square, 1), scale)
    return nearest


def _applied(spread: Real, x: Real) -> Real:
    """Return spread @ x, column by column, added up in order."""
    product: Real = _total(spread[:, i] * x[i] for i in range(len(x)))
    return product


def _total(terms: Iterable[Any]) -> Any:
    """Add up arrays in order."""
    first, *others = terms
    total = np.array(first)
    for term in others:
        total += term
    return total
