"""Conv2D, compiled: sums over a window of the padded picture (`npfuse.engine.window_sums`)."""

from typing import Any

from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.engine.compiled import aligned_empty, bias_or_zeros, contiguous
from npfuse.engine.window_sums import Frame, Grid, panels_of, space_for, sum_padded_windows, sum_windows, terms_of
from npfuse.ops.conv2d import Conv2D
from npfuse.ops.operator import Pair


def conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    padding: pad.Padding = "same",
) -> NDArray[Any]:
    """Convolve pictures with a kernel over all channels; see `npfuse.ops.conv2d`. All arrays float32 or all float64."""
    op = Conv2D.of(x, kernel, bias, stride, dilation, padding)
    x, kernel, bias = contiguous("conv2d", x, kernel, bias_or_zeros(bias, op.features, x.dtype))
    out = aligned_empty((x.shape[0], *op.output_shape(x.shape[1:])), x.dtype)
    _, height, width, features = out.shape
    rows, columns, channels, _ = kernel.shape
    (top, bottom), (left, right) = (pad.conv_pads(x.shape[1 + a], *op.axis_arguments(a)) for a in (0, 1))
    frame = Frame(x.shape[1], x.shape[2], x.shape[3], top, left, right)
    along = (left + x.shape[2] + right) * channels
    # Without dilation, the taps of a row lie side by side and are one run.
    runs, length = (1, columns * channels) if dilation[1] == 1 else (columns, channels)
    starts = (i * dilation[0] * along + j * dilation[1] * channels for i in range(rows) for j in range(runs))
    terms = terms_of(((start, length) for start in starts), features)
    panels = panels_of(kernel.reshape(-1, features), bias, terms)
    read, write = Grid(0, stride[0] * along, stride[1] * channels), Grid(0, width * features, features)
    space = space_for(panels, width, x.dtype)
    for picture, result in zip(x, out, strict=True):
        if top or bottom or left or right:
            sum_padded_windows(
                picture.reshape(-1), frame, read, terms, panels, result.reshape(-1), write, height, width, space
            )
        else:
            sum_windows(picture.reshape(-1), read, terms, panels, result.reshape(-1), write, height, width, space)
    return out
