"""The common part of operators with a sliding kernel: attributes, lengths, and the walk over the kernel's taps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from npfuse import padding as pad
from npfuse.ops.operator import Operator, Pair, Shape, check_arrays


@dataclass(frozen=True, kw_only=True)
class Window(Operator):
    """An operator with a sliding kernel. Every pair is (rows, columns).

    Parameters
    ----------
    kernel_size : (kH, kW)
    stride, dilation : (rows, columns), each at least 1; dilation 1 means none
    padding : "same" (TensorFlow's) or "valid"
    use_bias : whether each channel has a bias
    """

    kernel_size: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: pad.Padding = "same"
    use_bias: bool = True
    transposed: ClassVar[bool] = False
    kernel_axes: ClassVar[tuple[str, ...]] = ("kH", "kW", "C")

    def __post_init__(self) -> None:
        """Check the attributes."""
        for thing in ("kernel_size", "stride", "dilation"):
            pair = getattr(self, thing)
            whole = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(v, int | np.integer) for v in pair)
            if not whole or min(pair) < 1:
                raise self.error(thing, pair, "a pair (rows, columns) of integers of at least 1")
        if self.padding not in pad.PADDINGS:
            raise self.error("padding", repr(self.padding), f"one of {', '.join(pad.PADDINGS)}")

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        kernel: NDArray[Any],
        bias: NDArray[Any] | None,
        stride: Pair,
        dilation: Pair,
        padding: pad.Padding,
    ) -> Self:
        """Return the operator that these arrays belong to, after checking them."""
        if kernel.ndim != len(cls.kernel_axes):
            axes = ", ".join(cls.kernel_axes)
            raise ValueError(
                f"{cls.__name__}: kernel rank is {kernel.ndim}, expected {len(cls.kernel_axes)} ({axes}); "
                f"kernel shape {kernel.shape}"
            )
        features = {"features": kernel.shape[cls.kernel_axes.index("Cout")]} if "Cout" in cls.kernel_axes else {}
        op = cls(
            kernel_size=kernel.shape[:2],
            stride=stride,
            dilation=dilation,
            padding=padding,
            use_bias=bias is not None,
            **features,
        )
        check_arrays(op, x, kernel=kernel, bias=bias)
        return op

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (OH, OW, features), or (OH, OW, C) for a depthwise operator."""
        self.require_count(*inputs)
        features: int = getattr(self, "features", inputs[0][2])
        if features < 1:
            raise self.error("features", features, "at least 1", *inputs)
        return *self.output_lengths(inputs[0]), features

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of `kernel` and, where used, of `bias`."""
        channels = inputs[0][2]
        features: int = getattr(self, "features", channels)
        sizes = {"Cin": channels, "C": channels, "Cout": features}
        kernel = {"kernel": (*self.kernel_size, *(sizes[axis] for axis in self.kernel_axes[2:]))}
        return kernel | ({"bias": (features,)} if self.use_bias else {})

    def arguments(self) -> dict[str, Any]:
        """Return stride, dilation and padding."""
        return {"stride": self.stride, "dilation": self.dilation, "padding": self.padding}

    def axis_arguments(self, axis: int) -> tuple[int, int, int, pad.Padding]:
        """Return (kernel, stride, dilation, padding) along an axis, as `npfuse.padding` takes them."""
        return self.kernel_size[axis], self.stride[axis], self.dilation[axis], self.padding

    def output_lengths(self, lengths: tuple[int, ...]) -> Pair:
        """Return (OH, OW) for an input of (H, W); ValueError if a "valid" kernel does not fit."""
        length = pad.transposed_length if self.transposed else pad.conv_length
        height, width = (length(lengths[axis], *self.axis_arguments(axis)) for axis in (0, 1))
        if min(height, width) < 1:
            spans = tuple(pad.extent(self.kernel_size[axis], self.dilation[axis]) for axis in (0, 1))
            raise self.error("input (H, W)", tuple(lengths[:2]), f'at least the kernel\'s extent {spans} with "valid"')
        return height, width

    def pads(self, lengths: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right) for an input that begins with (H, W).

        A convolution reads so many zeros around its input; a transposed one cuts so much off its full result.

        Examples
        --------
        >>> Window(kernel_size=(3, 3), stride=(2, 2)).pads((8, 7))
        (0, 1, 1, 1)
        """
        out = self.output_lengths(lengths) if self.transposed else tuple(lengths[:2])
        rows, columns = (pad.conv_pads(out[axis], *self.axis_arguments(axis)) for axis in (0, 1))
        return *rows, *columns

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions that output positions [start, stop) read."""
        kernel, stride, dilation, padding = self.axis_arguments(axis)
        span = pad.extent(kernel, dilation)
        if self.transposed:
            first = start + pad.transposed_crop(n, kernel, stride, dilation, padding)
            last = first + (stop - start) - 1
            return -((span - 1 - first) // stride), last // stride + 1
        first = start * stride - pad.conv_pads(n, kernel, stride, dilation, padding)[0]
        return first, first + (stop - start - 1) * stride + span


def padded_input(op: Window, x: NDArray[Any]) -> NDArray[Any]:
    """Return pictures (N, H, W, C) with the zeros that a convolution reads around them."""
    rows, columns = (pad.conv_pads(x.shape[1 + axis], *op.axis_arguments(axis)) for axis in (0, 1))
    return pad.pad_zeros(x, rows, columns)


def crop_start(op: Window, x: NDArray[Any]) -> Pair:
    """Return the first (row, column) of a transposed convolution's full result that is kept, for x (N, H, W, C)."""
    top, left = (pad.transposed_crop(x.shape[1 + axis], *op.axis_arguments(axis)) for axis in (0, 1))
    return top, left


def taps(op: Window, x: NDArray[Any]) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Walk over the taps of a convolution's kernel.

    Parameters
    ----------
    op : Window
    x : ndarray (N, H, W, C)

    Yields
    ------
    i, j : tap of the kernel
    ndarray (N, OH, OW, C) : for every output position, the (padded) input that this tap multiplies
    """
    padded = padded_input(op, x)
    height, width = op.output_lengths(x.shape[1:])
    for i in range(op.kernel_size[0]):
        for j in range(op.kernel_size[1]):
            yield i, j, padded[:, _every(i, height, 0, op), _every(j, width, 1, op)]


def stamp(op: Window, x: NDArray[Any], channels: int, product: Callable[[int, int], NDArray[Any]]) -> NDArray[Any]:
    """Add up the products of a transposed convolution where each tap puts them, then crop.

    Parameters
    ----------
    op : Window
    x : ndarray (N, H, W, Cin)
    channels : number of channels of the output
    product : takes a tap (i, j) and returns the input times that tap, ndarray (N, H, W, channels)

    Returns
    -------
    ndarray (N, OH, OW, channels), dtype of x
    """
    n, in_height, in_width, _ = x.shape
    height, width = op.output_lengths(x.shape[1:])
    top, left = crop_start(op, x)
    # `full` has a place for every product, the cropped ones too.
    spans = [pad.extent(op.kernel_size[axis], op.dilation[axis]) for axis in (0, 1)]
    full_height = max((in_height - 1) * op.stride[0] + spans[0], top + height)
    full_width = max((in_width - 1) * op.stride[1] + spans[1], left + width)
    full = np.zeros((n, full_height, full_width, channels), x.dtype)
    for i in range(op.kernel_size[0]):
        for j in range(op.kernel_size[1]):
            place = (slice(None), _every(i, in_height, 0, op), _every(j, in_width, 1, op))
            full[place] = full[place] + product(i, j)
    return full[:, top : top + height, left : left + width].copy()


def _every(tap: int, count: int, axis: int, op: Window) -> slice:
    """Return the `count` positions that a tap meets, one a stride."""
    first = tap * op.dilation[axis]
    return slice(first, first + (count - 1) * op.stride[axis] + 1, op.stride[axis])
