"""Each kind of operator that is counted and not run, against a count made by hand."""

import pytest

from costmodel import Work, operator_cost
from costmodel.conventions import CONVENTIONS
from costmodel.networks.functions import EACH, SPELLINGS, function, known
from costmodel.networks.keras_call import reduction
from costmodel.networks.operators import (
    Blocks,
    Dense,
    Elementwise,
    Interpolation,
    OwnLayer,
    Rearrangement,
    Shift,
    Softmax,
    Standardise,
    View,
    fixed_normalisation,
)
from costmodel.networks.windows import Convolution, Pooling, TransposedConvolution, convolution
from npfuse.ops import Conv2D, DepthwiseConv2D, PointwiseConv2D

X = (5, 7, 6)  # 210 values
N = 210
MOMENTS = (("gamma", (6,)), ("beta", (6,)), ("moving_mean", (6,)), ("moving_variance", (6,)))

# operator, inputs: output, parameters, work, numbers read, numbers written; read includes the parameters
HAND = {
    "batch normalisation": (
        fixed_normalisation("BatchNormalization", MOMENTS),
        [X],
        (X, 24, Work(multiplications=N, additions=N), N + 24, N),
    ),
    "a gate a channel": (
        Elementwise(label="Multiply", each=Work(multiplications=1)),
        [X, (1, 1, 6)],
        (X, 0, Work(multiplications=N), N + 6, N),
    ),
    "dense": (
        Dense(label="Dense", features=4, use_bias=True),
        [(1, 1, 6)],
        ((1, 1, 4), 28, Work(convolution_macs=24, additions=4), 6 + 28, 4),
    ),
    "convolution in 2 groups": (
        Convolution(label="Conv", features=4, kernel_size=(3, 2), stride=(2, 1), around=(1, 1, 0, 1), groups=2),
        [X],
        # (5 + 2 - 3) // 2 + 1 = 3 rows, 7 + 1 - 2 + 1 = 7 columns; 3 channels a group
        ((3, 7, 4), 3 * 2 * 3 * 4 + 4, Work(convolution_macs=84 * 6 * 3, additions=84), N + 76, 84),
    ),
    "depth multiplier 2": (
        Convolution(label="DepthwiseConv2D", features=12, kernel_size=(3, 3), groups=6, use_bias=False),
        [X],
        ((3, 5, 12), 9 * 12, Work(convolution_macs=180 * 9), N + 108, 180),
    ),
    "transposed convolution in 2 groups": (
        TransposedConvolution(
            label="ConvTranspose",
            features=4,
            kernel_size=(3, 3),
            stride=(2, 2),
            around=(1, 1, 1, 1),
            output_padding=(1, 0),
            groups=2,
            use_bias=False,
        ),
        [X],
        # 4 * 2 + 3 - 2 + 1 = 10 rows, 6 * 2 + 3 - 2 = 13 columns; each input value meets 9 taps of 2 features
        ((10, 13, 4), 9 * 3 * 4, Work(convolution_macs=N * 9 * 2), N + 108, 520),
    ),
    "greatest of windows": (
        Pooling(label="MaxPool", average=False, kernel_size=(2, 2), stride=(2, 2)),
        [X],
        ((2, 3, 6), 0, Work(comparisons=36 * 3), N, 36),
    ),
    "mean of windows": (
        Pooling(label="AveragePool", average=True, kernel_size=(3, 3), around=(1, 1, 1, 1)),
        [X],
        (X, 0, Work(additions=N * 8, divisions=N), N, N),
    ),
    "mean of the picture": (
        reduction("GlobalAveragePooling2D", "mean", (0, 1)),
        [X],
        ((1, 1, 6), 0, Work(additions=N - 6, divisions=6), N, 6),
    ),
    "greatest channel": (
        reduction("Max", "max", (2,)),
        [X],
        ((5, 7, 1), 0, Work(comparisons=N - 35), N, 35),
    ),
    "softmax": (
        Softmax(label="Softmax"),
        [X],
        (X, 0, Work(comparisons=N - 35, additions=2 * N - 35, functions=N, divisions=N), 2 * N, N),
    ),
    "layer normalisation": (
        Standardise(label="LayerNormalization", sets=35, stored=(("gamma", (6,)), ("beta", (6,)))),
        [X],
        # sums of 35 sets, twice; minus mean; plus beta; plus epsilon
        (
            X,
            12,
            Work(additions=2 * (N - 35) + 2 * N + 35, multiplications=3 * N, divisions=105, functions=35),
            3 * N + 12,
            N,
        ),
    ),
    "bicubic": (
        Interpolation(label="Resize", height=10, width=14, taps=4),
        [X],
        ((10, 14, 6), 0, Work(resizing_macs=4 * (10 * 7 * 6 + 10 * 14 * 6)), N, 840),
    ),
    "another view": (View(label="Flatten", shape=(1, 1, N)), [X], ((1, 1, N), 0, Work(), 0, 0)),
    "transposition": (Rearrangement(label="Permute", shape=(7, 5, 6)), [X], ((7, 5, 6), 0, Work(), N, N)),
    "zeros around": (
        Shift(label="ZeroPadding2D", shape=(7, 9, 6), offset=(-1, -1)),
        [X],
        ((7, 9, 6), 0, Work(), N, 7 * 9 * 6),
    ),
    "shuffled pixels": (
        Blocks(label="DepthToSpace", shape=(10, 14, 1), enlarging=(2, 2)),
        [(5, 7, 4)],
        ((10, 14, 1), 0, Work(), 140, 140),
    ),
    "an own layer": (
        OwnLayer(label="Swirl", shape=(5, 7, 2), total=Work(functions=9), stored=(("a", (3,)),)),
        [X],
        ((5, 7, 2), 3, Work(functions=9), N + 3, 70),
    ),
}


@pytest.mark.parametrize(("op", "inputs", "expected"), HAND.values(), ids=list(HAND))
def test_an_operator_costs_what_was_counted_by_hand(op, inputs, expected):
    cost = operator_cost(op, *inputs)
    found = op.output_shape(*inputs), cost.parameters, cost.work, cost.values_read, cost.values_written
    assert found == expected


@pytest.mark.parametrize("op", [op for op, _, _ in HAND.values()], ids=list(HAND))
def test_positions_that_are_read_reach_the_whole_input_but_where_it_is_cut(op):
    shape = (5, 7, 4) if isinstance(op, Blocks) else (1, 1, 6) if isinstance(op, Dense) else X
    for axis in (0, 1):
        out, n = op.output_shape(shape)[axis], shape[axis]
        first, stop = op.input_span(axis, 0, out, n)
        assert first <= 0
        assert stop >= n - 1  # a stride may leave the last position out


def test_a_view_of_another_number_of_values_is_refused():
    with pytest.raises(ValueError, match=r"Reshape: number of values is 12, expected 210"):
        View(label="Reshape", shape=(3, 4, 1)).output_shape(X)


def test_inputs_that_do_not_broadcast_are_refused():
    with pytest.raises(ValueError, match="Add: input shapes is unlike, expected shapes that broadcast"):
        Elementwise(label="Add", each=Work(additions=1)).output_shape(X, (4, 7, 6))


def test_convolutions_are_npfuse_s_own_where_one_does_the_same():
    window = {"features": 6, "kernel_size": (3, 3), "around": (1, 1, 1, 1)}
    assert convolution("Conv", X, **window) == Conv2D(features=6, kernel_size=(3, 3))
    assert convolution("Conv", X, **window, groups=6) == DepthwiseConv2D(kernel_size=(3, 3))
    assert convolution("Conv", X, features=4, kernel_size=(1, 1)) == PointwiseConv2D(features=4)
    # torch pads an even length on both sides where TensorFlow's "same" pads its end
    assert isinstance(convolution("Conv", (8, 8, 6), **window, stride=(2, 2)), Convolution)
    assert isinstance(convolution("Conv", X, **window, stride=(2, 2)), Conv2D)  # odd lengths: the same


@pytest.mark.parametrize("name", [*EACH, *SPELLINGS, "relu", "tanh", "leaky_relu", "softmax"])
def test_every_spelling_of_a_function_has_a_cost(name):
    if SPELLINGS.get(name) == "divide":
        return
    assert known(name)
    cost = operator_cost(function(name, name), X)
    assert cost.parameters == 0
    assert CONVENTIONS["flops-all"].amount(cost.work) >= N
    assert CONVENTIONS["paper"].amount(cost.work) == 0
