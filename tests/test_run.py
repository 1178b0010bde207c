"""The runner: chains in one go equal operator by operator, and weights and inputs are checked by name."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npfuse.graph import GraphBuilder
from npfuse.models import lightfuse, t_cnn
from npfuse.ops import Add, Conv2D, PointwiseConv2D, ReLU, Tanh
from npfuse.run import plan, run
from tests.arrays import assert_close
from tests.networks import random_weights


def names(steps):
    return [[node.name for node in step] for step in steps]


def random_run(graph, seed=0, **options):
    rng = np.random.default_rng(seed)
    inputs = {name: rng.normal(size=(2, *shape)).astype(np.float32) for name, shape in graph.inputs}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in graph.weight_shapes.items()}
    return run(graph, inputs, weights, **options)


@st.composite
def networks(draw):
    """Draw a network of pointwise convolutions, ReLUs and others, with branches and values used twice."""
    b = GraphBuilder("drawn")
    values = [b.input("x", (draw(st.integers(1, 5)), draw(st.integers(1, 70)), draw(st.integers(1, 9))))]
    shapes = {"x": b.inputs[0][1]}
    for i in range(draw(st.integers(1, 7))):
        source = draw(st.sampled_from(values[-2:]))
        op = draw(
            st.one_of(
                st.builds(PointwiseConv2D, features=st.integers(1, 9), use_bias=st.booleans()),
                st.just(ReLU()),
                st.just(Tanh()),
                st.builds(Conv2D, features=st.integers(1, 3), kernel_size=st.just((1, 2))),
            )
        )
        values.append(b.add(f"node{i}", op, source))
        shapes[f"node{i}"] = op.output_shape(shapes[source])
    outputs = {values[-1], draw(st.sampled_from(values[1:]))}
    return b.build(*sorted(outputs))


@pytest.mark.parametrize("use_bias", [False, True])
def test_a_single_layer_with_relu_is_that_of_the_operators_to_the_bit(use_bias):
    b = GraphBuilder("layer")
    x = b.input("x", (37, 29, 6))
    graph = b.build(b.add("act", ReLU(), b.add("mix", PointwiseConv2D(features=33, use_bias=use_bias), x)))
    merged, single = random_run(graph), random_run(graph, merge=False)
    assert_close(merged["act"], single["act"])
    assert merged["act"].min() == 0 < merged["act"].max()


@given(networks())
def test_merged_chains_equal_single_operators(graph):
    merged, single = random_run(graph), random_run(graph, merge=False)
    assert merged.keys() == set(graph.outputs)
    for name in graph.outputs:
        # Other sums in another order: up to 7 layers of at most 10 terms, each of the order of 1 and grown tenfold.
        assert_close(merged[name], single[name], 1e-5 * (1 + np.abs(single[name]).max()))


def test_chains_end_where_a_value_is_used_twice_or_returned():
    b = GraphBuilder("branches")
    x = b.input("x", (2, 2, 3))
    a = b.add("a", PointwiseConv2D(features=4), x)
    r = b.add("r", ReLU(), a)
    c = b.add("c", PointwiseConv2D(features=4), r)
    d = b.add("d", PointwiseConv2D(features=4), c)
    e = b.add("e", Add(), r, d)
    graph = b.build(e, d)
    assert names(plan(graph, merge=True)) == [["a", "r"], ["c", "d"], ["e"]]
    assert names(plan(graph, merge=False)) == [["a"], ["r"], ["c"], ["d"], ["e"]]


def test_a_chain_begins_with_a_pointwise_convolution():
    steps = names(plan(t_cnn(8, 8), merge=True))
    assert steps[:2] == [["conv1_depthwise"], ["conv1_pointwise", "conv1_relu"]]


def test_nodes_that_share_weights_read_the_same_arrays():
    b = GraphBuilder("siamese")
    left, right = b.input("left", (1, 1, 2)), b.input("right", (1, 1, 2))
    a = b.add("a", PointwiseConv2D(features=1, use_bias=False), left)
    c = b.add("c", PointwiseConv2D(features=1, use_bias=False), right, weight_key="a")
    graph = b.build(b.add("sum", Add(), a, c))
    pixels = {"left": np.array([[[[1.0, 2.0]]]]), "right": np.array([[[[10.0, 20.0]]]])}
    total = run(graph, pixels, {"a/kernel": np.array([[3.0], [5.0]])}, engine="definition")["sum"]
    assert total.item() == 1 * 3 + 2 * 5 + 10 * 3 + 20 * 5


def without(arrays, name):
    return {key: array for key, array in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "detail2/bias"), "detail2/bias is missing, expected (5,)"),
        (lambda w: w | {"up9/kernel": np.zeros((2, 2))}, "up9/kernel (2, 2) is left over"),
        (lambda w: w | {"global1/bias": np.zeros(7)}, "global1/bias has shape (7,), expected (6,)"),
    ],
)
def test_run_names_weights_that_do_not_fit(change, message):
    weights = random_weights()
    graph = weights.graph(8, 8)
    with pytest.raises(ValueError, match=re.escape(message)):
        run(graph, {"exposures": np.zeros((1, 8, 8, 6), np.float32)}, change(dict(weights.arrays)))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input exposures (H, W, C) is missing, expected (8, 8, 6)"),
        ({"exposures": np.zeros((1, 8, 16, 6))}, "input exposures (H, W, C) is (8, 16, 6), expected (8, 8, 6)"),
        ({"exposures": np.zeros((1, 8, 8, 6)), "more": np.zeros((1, 1, 1, 1))}, "input more (H, W, C) is (1, 1, 1)"),
    ],
)
def test_run_names_inputs_that_do_not_fit(inputs, message):
    graph = lightfuse(8, 8, hidden=[12, 5])
    with pytest.raises(ValueError, match=re.escape(message)):
        run(graph, inputs, random_weights().arrays)


def test_run_rejects_an_unknown_engine():
    with pytest.raises(ValueError, match="engine is 'gpu', expected one of fast, definition"):
        run(lightfuse(8, 8), {}, {}, engine="gpu")


@pytest.mark.parametrize(
    "code",
    [
        "import npfuse.graph, npfuse.ops, npfuse.models",
        "import npfuse; npfuse.fuse(*np.zeros((2, 9, 9, 3)), random_weights(), engine='definition')",
    ],
)
def test_graphs_and_definitions_need_no_numba(code):
    program = (
        f"import sys, numpy as np\nfrom tests.networks import random_weights\n{code}\nsys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
