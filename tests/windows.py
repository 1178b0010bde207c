"""What the tests of the operators with a sliding kernel share: drawn calls, oracles, and checks on every length."""

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
from hypothesis import strategies as st

from npfuse.fast import FAST
from npfuse.ops import DEFINITIONS, Conv2D, Conv2DTranspose, DepthwiseConv2D, DepthwiseConv2DTranspose, Window
from npfuse.padding import PADDINGS
from tests.arrays import Call, assert_close, fractions, lengths, numbers, unlike
from tests.checks import check_rejects, check_rejects_dtypes, check_rejects_pictures
from tests.oracles import index_formulas, scipy_formulas

DEPTHWISE = (DepthwiseConv2D, DepthwiseConv2DTranspose)

MULTIPLY = {
    Conv2D: index_formulas.over_channels,
    Conv2DTranspose: index_formulas.over_swapped_channels,
    DepthwiseConv2D: index_formulas.channel_by_channel,
    DepthwiseConv2DTranspose: index_formulas.channel_by_channel,
}

# Along one axis: 7 kernels, 3 strides, 3 dilations.
KERNELS_STRIDES_DILATIONS = tuple(product(range(1, 8), range(1, 4), range(1, 4)))


def kernel_shape(op: type[Window], height: int, width: int, channels: int, features: int) -> tuple[int, ...]:
    """Return the shape of an operator's kernel in the axes that it names."""
    sizes = {"kH": height, "kW": width, "C": channels, "Cin": channels, "Cout": features}
    return tuple(sizes[axis] for axis in op.kernel_axes)


@st.composite
def calls(draw, op: type[Window], *, least_pictures: int = 0, most: int = 7, one_stride=False, **kind) -> Call:
    """Draw a call with H != W, kH != kW, Cin != Cout, in float32 or float64 and any memory layout.

    With "same" a kernel may be larger than the picture; with "valid" and a convolution, the picture is made to fit.
    """
    kernel_size = draw(unlike(4))
    stride = (draw(lengths(3)),) * 2 if one_stride else (draw(lengths(3)), draw(lengths(3)))
    dilation = draw(lengths(3)), draw(lengths(3))
    padding = draw(st.sampled_from(PADDINGS))
    height, width = draw(unlike(most))
    if padding == "valid" and not op.transposed:
        height += (kernel_size[0] - 1) * dilation[0]
        width += (kernel_size[1] - 1) * dilation[1]
    channels, features = draw(unlike(5) | st.sampled_from([(3, 16), (17, 2)]))  # whole vectors, and one more
    channels_out = channels if op in DEPTHWISE else features
    shapes = (
        (draw(st.integers(least_pictures, 2)), height, width, channels),
        kernel_shape(op, *kernel_size, channels, features),
        draw(st.sampled_from([None, (channels_out,)])),
    )
    arrays, exact = draw(numbers(*shapes, **kind))
    attributes = {"stride": stride, "dilation": dilation, "padding": padding}
    return Call(op=op, arrays=arrays, attributes=attributes, exact=exact)


def operator(call: Call) -> Window:
    """Return the operator that a call belongs to."""
    features = {} if call.op in DEPTHWISE else {"features": call.arrays[1].shape[call.op.kernel_axes.index("Cout")]}
    kernel, bias = call.arrays[1:]
    return call.op(kernel_size=kernel.shape[:2], use_bias=bias is not None, **features, **call.attributes)


def rounding(call: Call) -> np.ndarray | int:
    """Return how far two results of one call may be apart, element by element.

    Every element is a sum of T = kH * kW * Cin products and perhaps a bias. Added in any order, with products rounded
    or fused, it is off by at most g * S: S is the sum of the absolute terms, at most T max|x| max|k| + max|bias|;
    g = u (T + 1) / (1 - u (T + 1)) with u = eps / 2 (Higham, Accuracy and Stability, 3.1). Two results are at most
    twice that apart, eps (T + 1) S; one term more covers the denominator and the rounding of S, which is computed here
    by the definition from the absolute values. Sums of small whole numbers are exact.
    """
    if call.exact:
        return 0
    kernel = call.arrays[1]
    cin = 1 if call.op in DEPTHWISE else call.arrays[0].shape[3]
    terms = prod(kernel.shape[:2]) * cin + 1
    return call.eps * (terms + 1) * call.map(np.abs)(DEFINITIONS[call.op])


def by_index(call: Call) -> np.ndarray:
    """Return the result by the index formulas."""
    x, kernel, bias = call.arrays
    features = x.shape[3] if call.op in DEPTHWISE else kernel.shape[call.op.kernel_axes.index("Cout")]
    return index_formulas.window(
        x,
        kernel,
        bias,
        transposed=call.op.transposed,
        multiply=MULTIPLY[call.op],
        features=features,
        **call.attributes,
    )


def by_scipy(call: Call) -> np.ndarray:
    """Return the result by SciPy."""
    x, kernel, bias = call.arrays
    function = scipy_formulas.depthwise_transposed if call.op.transposed else scipy_formulas.depthwise
    if call.op in DEPTHWISE:
        total = function(x, kernel, **call.attributes)
    else:
        kernel = kernel.swapaxes(2, 3) if call.op.transposed else kernel
        total = scipy_formulas.over_channels(function, x, kernel, **call.attributes)
    return total if bias is None else total + bias


def check_fractions(call: Call) -> None:
    """See that the definition is exact on fractions, and that its shape is the one that the operator tells."""
    exactly = call.map(fractions)
    expected = by_index(exactly)
    actual = exactly(DEFINITIONS[call.op])
    assert_close(actual, expected)
    assert actual.dtype == object
    assert actual.shape[1:] == operator(call).output_shape(call.arrays[0].shape[1:])
    # Against exact arithmetic, the definition in floats is off by half of what two float results may be apart.
    assert_close(call(DEFINITIONS[call.op]).astype(float), expected.astype(float), rounding(call))


def powers_of_two(shape: tuple[int, ...], dtype=np.float64) -> np.ndarray:
    """Return an array of distinct powers of two, the last axis first: an output tells which taps are in it."""
    return 2.0 ** np.arange(prod(shape), dtype=dtype).reshape(shape)


def impulses(height: int, width: int, channels: int, dtype=np.float64) -> np.ndarray:
    """Return a picture for every pixel and channel, 1 there and 0 elsewhere; the batch counts them in C order."""
    count = height * width * channels
    return np.eye(count, dtype=dtype).reshape(count, height, width, channels)


def check_impulses(functions, op: type[Window], kernel_size, padding, dtype) -> None:
    """See where an impulse at every pixel ends up, for every stride and dilation up to 3."""
    channels, features = 2, 3
    # With "valid" the widest kernel must fit: (3 - 1) * 3 + 1 positions.
    x = impulses(7, 8, channels, dtype) if padding == "valid" else impulses(5, 4, channels, dtype)
    kernel = powers_of_two(kernel_shape(op, *kernel_size, channels, features), dtype)
    for stride, dilation in product(product((1, 2, 3), repeat=2), product((1, 2, 3), repeat=2)):
        attributes = {"stride": stride, "dilation": dilation, "padding": padding}
        call = Call(op=op, arrays=(x, kernel, None), attributes=attributes)
        assert_close(call(functions[op]), by_index(call))


def line(length: int, axis: int, *, like_kernel: bool = False) -> np.ndarray:
    """Return impulses along one axis, (length, length, 1, 1) or (length, 1, length, 1), or a kernel 1, 2, 4, …"""
    if like_kernel:
        return powers_of_two((length, 1) if axis == 0 else (1, length))
    return np.eye(length).reshape((length, length, 1, 1) if axis == 0 else (length, 1, length, 1))


def along(axis: int, value: int) -> tuple[int, int]:
    """Return (value, 1) or (1, value)."""
    return (value, 1) if axis == 0 else (1, value)


def line_call(op: type[Window], axis: int, n: int, k: int, stride: int, dilation: int, padding) -> Call:
    """Return the call on the impulses of one axis, with kernel 1, 2, 4, …: its result is the whole matrix."""
    kernel = line(k, axis, like_kernel=True)
    kernel = kernel.reshape(kernel_shape(op, *kernel.shape, 1, 1))
    attributes = {"stride": along(axis, stride), "dilation": along(axis, dilation), "padding": padding}
    return Call(op=op, arrays=(line(n, axis), kernel, None), attributes=attributes)


def line_calls(op: type[Window], axis: int, most: int = 17):
    """Yield the calls of `line_call` for every length, kernel, stride, dilation and padding whose kernel fits."""
    for n, (k, stride, dilation), padding in product(range(1, most + 1), KERNELS_STRIDES_DILATIONS, PADDINGS):
        if op.transposed or padding == "same" or (k - 1) * dilation + 1 <= n:
            yield line_call(op, axis, n, k, stride, dilation, padding)


def check_every_line(op: type[Window], expected_by, axis: int, most: int = 17) -> None:
    """Compare the definition with an oracle for every length, kernel, stride, dilation and padding."""
    for call in line_calls(op, axis, most):
        try:
            assert_close(call(DEFINITIONS[op]), expected_by(call))
        except AssertionError as error:
            raise AssertionError(f"{call}: {error}") from None


def fast(call: Call) -> np.ndarray:
    """Return the result of the fast function."""
    return call(FAST[call.op])


def check_adjoint_on_every_length(functions, op: type[Window], adjoint: type[Window], axis: int, most: int = 9) -> None:
    """See that the matrix of a transposed convolution is the transpose of the convolution's, for every length.

    With it, <conv(x), y> == <x, convT(y)> holds for all x and y. The convolution is applied to the length that the
    transposed one returns: n * stride with "same".
    """
    for call in line_calls(op, axis, most):
        n = call.arrays[0].shape[0]
        matrix = call(functions[op]).reshape(n, -1)
        attributes = call.attributes
        back = line_call(
            adjoint,
            axis,
            matrix.shape[1],
            call.arrays[1].size,
            attributes["stride"][axis],
            attributes["dilation"][axis],
            attributes["padding"],
        )
        try:
            assert_close(back(functions[adjoint]).reshape(matrix.shape[1], -1), matrix.T)
        except AssertionError as error:
            raise AssertionError(f"{call}: {error}") from None


def check_adjoint(call: Call, adjoint: type[Window]) -> None:
    """See that <conv(x), y> == <x, convT(y)>, exactly, for a call of the transposed convolution without bias."""
    y, kernel, _ = call.arrays
    stamped = replace(call, arrays=(y, kernel, None))(DEFINITIONS[call.op])
    x = np.random.default_rng(0).integers(-8, 8, stamped.shape).astype(y.dtype)
    convolved = replace(call, op=adjoint, arrays=(x, kernel, None))(DEFINITIONS[adjoint])
    assert convolved.shape == y.shape
    assert np.vdot(convolved, y) == np.vdot(x, stamped)


def check_window_rejects(op: type[Window]) -> None:
    """See that definition and fast function, and the operator itself, refuse what does not fit."""
    name = op.__name__
    x, kernel = np.zeros((2, 5, 6, 3)), np.zeros(kernel_shape(op, 3, 2, 3, 4))
    depthwise = op in DEPTHWISE
    bias = np.zeros(3 if depthwise else 4)
    check_rejects_pictures(op, kernel)
    check_rejects_dtypes(op, x, kernel, bias)
    axes = ", ".join(op.kernel_axes)
    odd_kernel = np.zeros(kernel_shape(op, 3, 2, 5, 4))
    features = {} if depthwise else {"features": 4}
    whole = "a pair (rows, columns) of integers of at least 1"
    for functions in (DEFINITIONS, FAST):
        function = functions[op]
        for wrong in (kernel[..., 0], kernel[..., np.newaxis]):
            told = f"kernel rank is {wrong.ndim}, expected {kernel.ndim} ({axes}); kernel shape {wrong.shape}"
            check_rejects(function, f"{name}: {told}", x, wrong)
        told = f"kernel shape is {odd_kernel.shape}, expected {kernel.shape}; input shapes (5, 6, 3)"
        check_rejects(function, f"{name}: {told}", x, odd_kernel)
        for wrong in (np.zeros(5), np.zeros((1, bias.size)), np.zeros(())):
            told = f"bias shape is {wrong.shape}, expected {bias.shape}; input shapes (5, 6, 3)"
            check_rejects(function, f"{name}: {told}", x, kernel, wrong)
        for thing, pair in product(("stride", "dilation"), ((0, 1), (1, -2), (1, 2, 3), (1,), [1, 1], (1.0, 2), 2)):
            check_rejects(function, f"{name}: {thing} is {pair}, expected {whole}; ", x, kernel, **{thing: pair})
        check_rejects(function, f"{name}: kernel_size is (0, 2), expected {whole}; ", x, kernel[:0])
        for padding in ("reflect", "SAME", None):
            told = f"padding is {padding!r}, expected one of same, valid; "
            check_rejects(function, f"{name}: {told}", x, kernel, padding=padding)
        if not depthwise:
            none = kernel[..., :0] if op is Conv2D else kernel[:, :, :0]
            told = "features is 0, expected at least 1; input shapes (5, 6, 3)"
            check_rejects(function, f"{name}: {told}", x, none)
        if not op.transposed:
            told = 'input (H, W) is (5, 6), expected at least the kernel\'s extent (7, 2) with "valid"; '
            check_rejects(function, f"{name}: {told}", x, kernel, dilation=(3, 1), padding="valid")
    for size in ((3,), [3, 3], (3, 0), (3, 2.0), 3):
        check_rejects(op, f"{name}: kernel_size is {size}, expected {whole}; ", kernel_size=size, **features)
    for count in (0, 2):
        told = f"number of inputs is {count}, expected 1; "
        check_rejects(op(kernel_size=(3, 2), **features).output_shape, f"{name}: {told}", *((5, 6, 3),) * count)
