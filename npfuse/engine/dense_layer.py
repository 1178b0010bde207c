"""One pointwise layer at row pairs of a block: the inner loop of all evaluations by `npfuse.engine.pixel_groups`.

The pixels lie along the vector lanes, a row of PAIR_PIXELS per channel. Sums of up to PANEL outputs at all these pixels
stay in registers while a loop goes over the inputs. Each input is read once and multiplied by PANEL weights, so that
multiplications take the time, not loads. The weights of PANEL outputs therefore lie together, in a panel of rows: the
biases first, then the weights of each input. The order of a pixel's additions is fixed: bias, then the inputs from
first to last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.layout import PAIR_PIXELS
from npfuse.engine.processor import WIDTH_BYTES
from npfuse.engine.vectors import vector_function

if TYPE_CHECKING:
    from npfuse.engine.emission import Value, Vectors

PANEL = 12 if WIDTH_BYTES == 64 else 6  # outputs of two vectors of pixels: 24 of 32, or 12 of 16 registers hold sums


def packed(kernel: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    """Return the weights of a layer in the order of `dense_layer`.

    Parameters
    ----------
    kernel : ndarray (Ci, Co)
    bias : ndarray (Co,)

    Returns
    -------
    ndarray ((Ci + 1) * Co,) : concatenated panels; outputs are split as evenly as possible, larger panels first

    Examples
    --------
    >>> packed(np.array([[2.0, 3.0], [4.0, 5.0]]), np.array([0.0, 1.0]))
    array([0., 1., 2., 3., 4., 5.])
    """
    rows = np.concatenate([bias[np.newaxis], kernel])
    return np.concatenate([panel.reshape(-1) for panel in np.array_split(rows, -(-rows.shape[1] // PANEL), axis=1)])


@vector_function
def dense_layer(
    v: Vectors,
    x: Value,
    x_at: Value,
    x_stride: Value,
    inputs: Value,
    weights: Value,
    weights_at: Value,
    outputs: Value,
    rectify: Value,
    out: Value,
    out_at: Value,
    out_stride: Value,
    row_pairs: Value,
) -> None:
    """Compute a layer at row pairs.

    Parameters
    ----------
    x : array of rows of PAIR_PIXELS, those of row pair t from x_at + t * x_stride on
    inputs : number of rows of x in a row pair
    weights : array with the `packed` weights from weights_at on
    outputs : number of outputs
    rectify : whether ReLU follows; a NaN stays a NaN
    out : array of rows of PAIR_PIXELS, is written: those of row pair t from out_at + t * out_stride on
    row_pairs : number of row pairs
    """
    x, weights, out = x + x_at, weights + weights_at, out + out_at
    panels = (outputs + (PANEL - 1)) // PANEL
    fewest = outputs // v.select(panels < 1, v.index(1), panels)
    first = v.index(0)
    for size in range(PANEL, 0, -1):
        wider = outputs - fewest * panels
        count = v.select(fewest.equals(size), panels - wider, v.select(fewest.equals(size - 1), wider, v.index(0)))
        with v.loop(count) as panel, v.loop(row_pairs) as t:
            output = first + panel * size
            values, results = x + t * x_stride, out + (t * out_stride + output * PAIR_PIXELS)
            _panel(v, values, inputs, weights + output * (inputs + 1), size, rectify, results)
        first = first + count * size


def _panel(v: Vectors, x: Value, inputs: Value, weights: Value, size: int, rectify: Value, out: Value) -> None:
    """Compute the `size` outputs of a panel."""
    for part in range(0, PAIR_PIXELS, 2 * v.width):
        lanes = (part, part + v.width)
        sums = [[v.variable(v.broadcast(v.load_scalar(weights + o))) for _ in lanes] for o in range(size)]
        with v.loop(inputs) as i:
            pixels = [v.load(x + (i * PAIR_PIXELS + lane)) for lane in lanes]
            for o in range(size):
                weight = v.broadcast(v.load_scalar(weights + ((i + 1) * size + o)))
                for total, values in zip(sums[o], pixels, strict=True):
                    total.set(total.now + weight * values)
        for o in range(size):
            for total, lane in zip(sums[o], lanes, strict=True):
                cut = v.select(total.now < v.number(0), v.number(0), total.now)  # not maximum(): a NaN must stay one
                v.store(v.select(rectify, cut, total.now), out + (o * PAIR_PIXELS + lane))
