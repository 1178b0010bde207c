"""DetailNet's weights as `npfuse.cuda.fusing_kernel` reads them: two hidden layers, in the order of their use.

The kernel has two hidden layers. A network with fewer gets layers that change nothing: of a value v, one unit keeps
max(v, 0), another max(-v, 0), and the difference of the two is v again, exactly.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.cuda.fusing_kernel import CHANNELS, HEAD, OUTPUTS, RECORD, TAIL, UNITS

Layer = tuple[NDArray[Any], NDArray[Any] | None, bool]  # kernel (Ci, Co), bias (Co,), whether ReLU follows
LAYERS = 3  # two hidden ones and the last


def fits(layers: Sequence[Layer]) -> bool:
    """Tell whether the kernel can evaluate layers: at most two hidden ones, each with ReLU, from 6 channels to 3."""
    hidden, last = layers[:-1], layers[-1]
    return (
        len(layers) <= LAYERS
        and all(rectified for *_, rectified in hidden)
        and (layers[0][0].shape[0], last[0].shape[1]) == (CHANNELS, 3)
    )


def with_two_hidden(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers of the same function, two of them hidden.

    Examples
    --------
    >>> (first, *_), _, (last, *_) = with_two_hidden([(np.ones((6, 3)), np.ones(3), False)])
    >>> first.shape, last.shape
    ((6, 6), (6, 3))
    """
    made = list(layers)
    while len(made) < LAYERS:
        kernel, bias, rectified = made.pop()
        signed = np.concatenate([kernel, -kernel], axis=1)
        unit = np.eye(kernel.shape[1], dtype=kernel.dtype)
        offsets = None if bias is None else np.concatenate([bias, -bias])
        made += [(signed, offsets, True), (np.concatenate([unit, -unit]), None, rectified)]
    return made


def packed(layers: Sequence[Layer]) -> tuple[NDArray[np.float32], int, int]:
    """Lay weights out for the kernel.

    Parameters
    ----------
    layers : layers that `fits` accepts

    Returns
    -------
    ndarray (n,) : the last layer's biases and the least value of its results; then, for each part of OUTPUTS units of
        the second layer, their biases, their weights in each of the three sums of the last layer, and the first layer's
        units, one after the other, as `RECORD` says. Places of units that do not exist hold zeros
    parts, steps : number of parts of OUTPUTS units in the second layer, and of UNITS units in the first; rounded up
    """
    (first, first_bias, _), (second, second_bias, _), (last, last_bias, rectified) = with_two_hidden(layers)
    parts, steps = -(-second.shape[1] // OUTPUTS), -(-first.shape[1] // UNITS)
    records = np.zeros((parts, steps * UNITS, RECORD), np.float32)
    heads = np.zeros((parts, HEAD), np.float32)
    n = first.shape[1]
    records[:, :n, :CHANNELS] = first.T
    records[:, :n, CHANNELS] = _bias(first_bias, n)
    for part in range(parts):
        chosen = slice(part * OUTPUTS, (part + 1) * OUTPUTS)
        count = second[:, chosen].shape[1]
        records[part, :n, 8 : 8 + count] = second[:, chosen]
        heads[part, :count] = _bias(second_bias, second.shape[1])[chosen]
        heads[part, OUTPUTS:].reshape(3, OUTPUTS)[:, :count] = last[chosen].T
    tail = np.zeros(TAIL, np.float32)
    tail[:3] = _bias(last_bias, 3)
    tail[3] = 0 if rectified else -np.inf
    body = np.concatenate([heads, records.reshape(parts, -1)], axis=1)
    return np.concatenate([tail, body.reshape(-1)]), parts, steps


def _bias(bias: NDArray[Any] | None, count: int) -> NDArray[Any]:
    return np.zeros(count, np.float32) if bias is None else bias
