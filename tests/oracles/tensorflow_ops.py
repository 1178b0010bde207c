"""Convolutions and transposed convolutions by TensorFlow and Keras; each takes the imported module and a call.

What the frameworks cannot do on a CPU is undone by hand and said so: dilated kernels get their zeros before the call.
"""

import numpy as np

from tests.arrays import Call
from tests.oracles.scipy_formulas import spread


def _with_bias(total, call: Call) -> np.ndarray:
    bias = call.arrays[2]
    total = np.asarray(total)
    return total if bias is None else total + bias


def conv2d(tf, call: Call) -> np.ndarray:
    """Convolve by tf.nn.conv2d, which takes strides and dilations together (keras.ops.conv refuses)."""
    x, kernel, _ = (np.ascontiguousarray(a) if a is not None else None for a in call.arrays)
    attributes = call.attributes
    total = tf.nn.conv2d(
        x, kernel, strides=attributes["stride"], dilations=attributes["dilation"], padding=attributes["padding"].upper()
    )
    return _with_bias(total, call)


def conv2d_dilated_by_hand(keras, call: Call) -> np.ndarray:
    """Convolve by keras.ops.conv, with the zeros of the dilated kernel written out."""
    x, kernel, _ = call.arrays
    attributes = call.attributes
    dilated = spread(kernel, *attributes["dilation"])
    total = keras.ops.conv(np.array(x), dilated, strides=attributes["stride"], padding=attributes["padding"])
    return _with_bias(total, call)


def depthwise_conv2d(tf, call: Call) -> np.ndarray:
    """Convolve by tf.nn.depthwise_conv2d; with strides it refuses dilation, so the kernel's zeros are written out.

    It takes one stride for both axes; along a single line the other axis has one output whatever the stride.
    """
    x, kernel, _ = call.arrays
    attributes = call.attributes
    stride = max(attributes["stride"])
    dilated = spread(kernel, *attributes["dilation"])[..., np.newaxis]
    padding = attributes["padding"].upper()
    return _with_bias(tf.nn.depthwise_conv2d(np.array(x), dilated, [1, stride, stride, 1], padding), call)


def conv2d_transpose(keras, call: Call) -> np.ndarray:
    """Stamp by keras.ops.conv_transpose, whose output lengths are Keras's; dilation is not supported on a CPU."""
    y, kernel, _ = call.arrays
    attributes = call.attributes
    dilated = spread(kernel, *attributes["dilation"])
    total = keras.ops.conv_transpose(np.array(y), dilated, strides=attributes["stride"], padding=attributes["padding"])
    return _with_bias(total, call)


def depthwise_conv2d_transpose(tf, call: Call) -> np.ndarray:
    """Stamp by the gradient of tf.nn.depthwise_conv2d, on the length that the convolution reads."""
    y, kernel, _ = call.arrays
    attributes = call.attributes
    stride = max(attributes["stride"])
    dilated = spread(kernel, *attributes["dilation"])
    lengths = []
    for axis in (0, 1):
        # Along a line of one pixel any stride reads one position.
        step = attributes["stride"][axis]
        n, rest = y.shape[1 + axis], max(dilated.shape[axis] - step, 0) if attributes["padding"] == "valid" else 0
        lengths.append(n * step + rest)
    total = tf.nn.depthwise_conv2d_backprop_input(
        (y.shape[0], *lengths, y.shape[3]),
        dilated[..., np.newaxis],
        np.array(y),
        [1, stride, stride, 1],
        attributes["padding"].upper(),
    )
    return _with_bias(total, call)
