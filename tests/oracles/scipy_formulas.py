"""Convolutions and transposed convolutions by SciPy; padding, cropping, strides and dilation are applied by hand."""

import numpy as np
from scipy import signal

from tests.oracles.index_formulas import same_before


def spread(array, rows, columns):
    """Put zeros between the elements of the first two axes, so that neighbours are `rows` and `columns` apart."""
    height, width = array.shape[:2]
    out = np.zeros(((height - 1) * rows + 1, (width - 1) * columns + 1, *array.shape[2:]), array.dtype)
    out[::rows, ::columns] = array
    return out


def depthwise(x, kernel, *, stride, dilation, padding):
    """Correlate every picture and channel: x (N, H, W, C), kernel (kH, kW, C)."""
    dilated = spread(kernel, *dilation)
    if padding == "same":
        pads = []
        for axis in (0, 1):
            n, extent = x.shape[1 + axis], dilated.shape[axis]
            before = same_before(n, extent, stride[axis])
            pads.append((before, max(extent - 1 - before, 0)))  # too much after does no harm: it is cut off below
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    maps = [
        [signal.correlate2d(picture[:, :, c], dilated[:, :, c], "valid") for c in range(x.shape[3])] for picture in x
    ]
    return np.moveaxis(np.array(maps), 1, 3)[:, :: stride[0], :: stride[1]]


def depthwise_transposed(x, kernel, *, stride, dilation, padding):
    """Convolve every picture and channel, with zeros between its pixels: x (N, H, W, C), kernel (kH, kW, C)."""
    dilated = spread(kernel, *dilation)
    maps = []
    for picture in x:
        apart = spread(picture, *stride)
        maps.append([signal.convolve2d(apart[:, :, c], dilated[:, :, c], "full") for c in range(x.shape[3])])
    full = np.moveaxis(np.array(maps), 1, 3)
    # Strides longer than the kernel leave zeros after the last stamp.
    full = np.pad(full, [(0, 0), *((0, max(step - 1, 0)) for step in stride), (0, 0)])
    keep = [slice(None)]
    for axis in (0, 1):
        n, extent = x.shape[1 + axis], dilated.shape[axis]
        if padding == "same":
            first, length = same_before(n * stride[axis], extent, stride[axis]), n * stride[axis]
        else:
            first, length = 0, n * stride[axis] + max(extent - stride[axis], 0)
        keep.append(slice(first, first + length))
    return full[tuple(keep)]


def over_channels(depthwise_function, x, kernel, **attributes):
    """Build a convolution over all channels out of channel-by-channel ones: kernel (kH, kW, Cin, Cout)."""
    products = [depthwise_function(x, kernel[:, :, :, co], **attributes).sum(axis=3) for co in range(kernel.shape[3])]
    return np.stack(products, axis=3)
