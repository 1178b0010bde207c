"""Graphs: validation, shapes, shared weights, what positions are needed, and printing."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.graph import Graph, GraphBuilder, Node
from npfuse.ops import (
    BOX,
    Add,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    LeakyReLU,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)
from npfuse.padding import PADDINGS
from tests.checks import check_rejects
from tests.spans import check_spans, positions_read


def siamese(features=4):
    """Return two branches with one set of weights, joined."""
    b = GraphBuilder("siamese")
    x, y = b.input("under", (5, 6, 3)), b.input("over", (5, 6, 3))
    conv = Conv2D(features=features, kernel_size=(3, 2))
    left = b.add("left", conv, x, weight_key="branch")
    right = b.add("right", conv, y, weight_key="branch")
    return b.build(b.add("sum", Add(), left, right))


def chain(*ops, shape=(9, 8, 2), name="chain"):
    """Return operators one after another, each of one input."""
    b = GraphBuilder(name)
    x = b.input("x", shape)
    for i, op in enumerate(ops):
        x = b.add(f"{op.kind}{i}", op, x)
    return b.build(x)


def test_graph_counts_shared_weights_once():
    graph = siamese()
    assert graph.weight_shapes == {"branch/kernel": (3, 2, 3, 4), "branch/bias": (4,)}
    assert graph.parameter_count == 3 * 2 * 3 * 4 + 4


def test_graph_knows_every_shape():
    b = GraphBuilder("shapes")
    x = b.input("x", (9, 8, 2))
    half = b.add("half", Conv2D(features=5, kernel_size=(3, 3), stride=(2, 1), padding="valid"), x)
    up = b.add("up", Conv2DTranspose(features=3, kernel_size=(3, 1), stride=(2, 1), padding="valid"), half)
    same = b.add("same", Resize(height=9, width=6, method="area"), x)
    both = b.add("both", Concatenate(), up, same)
    graph = b.build(both, half)
    assert graph.shapes == {"x": (9, 8, 2), "half": (4, 6, 5), "up": (9, 6, 3), "same": (9, 6, 2), "both": (9, 6, 5)}
    assert [graph.input_shapes(node) for node in graph.nodes][-1] == ((9, 6, 3), (9, 6, 2))
    assert graph.outputs == ("both", "half")


def test_graph_without_nodes_returns_its_input():
    graph = Graph(name="none", inputs=(("x", (2, 3, 4)),), nodes=(), outputs=("x",))
    assert graph.parameter_count == 0
    assert graph.input_spans(0, 1, 2) == {"x": (1, 2)}


def test_graph_is_plain_data():
    assert siamese() == siamese()
    assert siamese() != siamese(5)
    with pytest.raises(FrozenInstanceError):
        siamese().name = "other"
    with pytest.raises(FrozenInstanceError):
        siamese().nodes[0].name = "other"


def test_graph_does_not_import_numba():
    check = "import sys, npfuse.graph, npfuse.models; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_graph_rejects_a_name_that_is_used_twice():
    b = GraphBuilder("twice")
    x = b.input("x", (2, 3, 4))
    b.add("act", ReLU(), x)
    check_rejects(b.build, "twice: the name 'act' is used twice, expected every name once", b.add("act", Tanh(), x))
    b = GraphBuilder("twice")
    b.input("x", (2, 3, 4))
    check_rejects(b.build, "twice: the name 'x' is used twice, expected every name once", b.add("x", ReLU(), "x"))


def test_graph_rejects_an_unknown_output():
    b = GraphBuilder("g")
    b.add("act", ReLU(), b.input("x", (2, 3, 4)))
    check_rejects(b.build, "g: output is 'relu', expected one of act, x", "relu")


def test_graph_rejects_an_input_that_comes_later():
    b = GraphBuilder("g")
    x = b.input("x", (2, 3, 4))
    b.add("sum", Add(), x, "act")
    check_rejects(b.build, "g/sum: input is 'act', expected an earlier value: x", b.add("act", ReLU(), x))


def test_graph_rejects_shapes_that_do_not_fit_and_names_the_node():
    b = GraphBuilder("g")
    x, y = b.input("x", (2, 3, 4)), b.input("y", (2, 3, 5))
    message = "g/sum: Add: input shape is (2, 3, 5), expected (2, 3, 4) as the first; input shapes (2, 3, 4), (2, 3, 5)"
    check_rejects(b.build, message, b.add("sum", Add(), x, y))
    b = GraphBuilder("g")
    message = "g/act: ReLU: number of inputs is 2, expected 1; "
    check_rejects(b.build, message, b.add("act", ReLU(), b.input("x", (2, 3, 4)), "x"))


def test_graph_rejects_shared_weights_of_different_shapes():
    b = GraphBuilder("g")
    x = b.input("x", (2, 3, 4))
    first = b.add("first", PointwiseConv2D(features=5), x, weight_key="shared")
    second = b.add("second", PointwiseConv2D(features=6), x, weight_key="shared")
    expected = "expected (4, 5) as where it is first used"
    check_rejects(b.build, f"g/second: shared weight shared/kernel has shape (4, 6), {expected}", first, second)


def test_graph_prints_a_table():
    b = GraphBuilder("tiny")
    x = b.input("picture", (8, 6, 3))
    y = b.add("wide", Conv2D(features=4, kernel_size=(3, 2), dilation=(2, 1)), x)
    z = b.add("wide_again", Conv2D(features=4, kernel_size=(3, 2), dilation=(2, 1)), x, weight_key="wide")
    total = b.add("sum", Add(), y, z)
    box = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)
    assert str(b.build(b.add("up", box, total))) == (
        "layer       operator                  kernel            stride  input          output   parameters\n"
        "----------------------------------------------------------------------------------------------------\n"
        "wide        Conv2D                    3x2 dilation 2x1  1x1     8x6x3          8x6x4    76\n"
        "wide_again  Conv2D                    3x2 dilation 2x1  1x1     8x6x3          8x6x4    76 (of wide)\n"
        "sum         Add                                                 8x6x4 + 8x6x4  8x6x4    0\n"
        "up          DepthwiseConv2DTranspose  2x2               2x2     8x6x4          16x12x4  0\n"
        "----------------------------------------------------------------------------------------------------\n"
        "tiny: 76 parameters"
    )


def test_input_spans_join_the_branches_and_leave_out_what_is_not_needed():
    b = GraphBuilder("branches")
    x = b.input("x", (10, 9, 2))
    unused = b.input("unused", (10, 9, 2))
    left = b.add("left", DepthwiseConv2D(kernel_size=(5, 1)), x)
    right = b.add("right", DepthwiseConv2D(kernel_size=(1, 3)), x)
    b.add("aside", ReLU(), unused)
    graph = b.build(b.add("sum", Add(), left, right))
    assert graph.input_spans(0, 4, 6) == {"sum": (4, 6), "left": (4, 6), "right": (4, 6), "x": (2, 8)}
    assert graph.input_spans(1, 4, 6)["x"] == (3, 7)
    assert graph.input_spans(0, 0, 1)["x"] == (0, 3)
    assert graph.input_spans(1, 8, 9)["x"] == (7, 9)


@st.composite
def windows(draw):
    """Draw an operator with a sliding kernel; "valid" convolutions are small enough for 9 positions."""
    op = draw(st.sampled_from([Conv2D, Conv2DTranspose, DepthwiseConv2D, DepthwiseConv2DTranspose]))
    features = {"features": draw(st.integers(1, 3))} if "features" in op.__dataclass_fields__ else {}
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel_size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(st.sampled_from(PADDINGS))
    return op(kernel_size=kernel_size, stride=draw(pair), dilation=draw(pair), padding=padding, **features)


RESIZES = st.builds(
    Resize,
    height=st.integers(1, 15),
    width=st.integers(1, 15),
    method=st.sampled_from(["nearest", "bilinear", "area"]),
)
POINTWISE = st.sampled_from([PointwiseConv2D(features=3), ReLU(), LeakyReLU(slope=0.2), Tanh()])


@given(ops=st.lists(windows() | RESIZES | POINTWISE, min_size=1, max_size=4), axis=st.sampled_from([0, 1]))
def test_input_spans_hold_all_positions_that_are_read(ops, axis):
    try:
        graph = chain(*ops)
    except ValueError:  # a "valid" kernel larger than what is left of the picture
        return
    if graph.shapes[graph.outputs[0]][axis] <= 60:
        check_spans(graph, axis, exactly=False)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("op", [DepthwiseConv2D, DepthwiseConv2DTranspose])
def test_input_spans_of_one_window_are_exact(op, padding, axis):
    """For every kernel that reaches as far as its stride, so that none of its outputs is left empty."""
    for k, stride in product(range(1, 6), range(1, 4)):
        if stride <= k:
            kernel_size, strides = ((k, 1), (stride, 1)) if axis == 0 else ((1, k), (1, stride))
            check_spans(chain(op(kernel_size=kernel_size, stride=strides, padding=padding)), axis, exactly=True)


def test_input_spans_of_outputs_that_read_nothing_are_empty():
    """A kernel of 1 stamped every 3 positions leaves two of three outputs without any input."""
    gaps = DepthwiseConv2DTranspose(kernel_size=(1, 1), stride=(3, 3), padding="valid")
    for before in (Resize(height=4, width=4, method="area"), Conv2D(features=2, kernel_size=(3, 3)), ReLU()):
        graph = chain(before, gaps)
        read = positions_read(graph, 0)
        assert read.any(axis=1).tolist() == [True, False, False] * graph.shapes[graph.nodes[0].name][0]
        for row, reads in enumerate(read.any(axis=1)):
            first, last = graph.input_spans(0, row, row + 1).get("x", (0, 0))
            assert (last > first) == reads


def test_node_names_its_own_weights_unless_told_otherwise():
    b = GraphBuilder("g")
    b.add("a", PointwiseConv2D(features=2), b.input("x", (2, 3, 4)))
    b.add("b", PointwiseConv2D(features=2), "x", weight_key="a")
    assert b.nodes[1] == Node(name="b", op=PointwiseConv2D(features=2), inputs=("x",), weight_key="a")
    assert b.nodes[0].weight_key == "a"
