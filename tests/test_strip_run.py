"""strip_run: which networks it takes on, and that it gives what the operators give in turn, whatever the strip."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npfuse
from npfuse import strips
from npfuse.engine.finishing import DENOMINATOR, NUMERATOR, SATURATED
from npfuse.graph import GraphBuilder
from npfuse.models import MODELS, lightfuse, t_cnn, tonefuse
from npfuse.ops import Add, Conv2D, DepthwiseConv2D, LeakyReLU, PointwiseConv2D, Resize, Tanh
from npfuse.strip_form import HALVING, NotLightFuseForm, form_or_none, lone_looks, match_form
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights

KINDS = ("nearest", "bilinear", "transposed", "tonefuse")


def weights_of(kind, **build):
    return random_weights("tonefuse", **build) if kind == "tonefuse" else random_weights(decoder=kind, **build)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_lightfuses_form_are_match_form(kind):
    form = match_form(weights_of(kind).graph(24, 16))
    assert [node.name for node in form.halvings] == ["global1", "global2", "global3_depthwise"]
    assert [node.name for node in form.chain if isinstance(node.op, PointwiseConv2D)] == [
        "detail1",
        "detail2",
        "detail3",
    ]
    assert form.upsampling == {"transposed": None, "tonefuse": "bilinear"}.get(kind, kind)
    (coarse,) = form.coarse_branch.outputs
    assert form.coarse_branch.shapes[coarse] == ((24, 16, 3) if kind == "transposed" else (3, 2, 3))
    assert (form.thumbnail_branch is not None) == (kind == "tonefuse")


def without(graph, name):
    """Return the network with an operator left out."""
    (left_out,) = (node for node in graph.nodes if node.name == name)
    nodes = [node for node in graph.nodes if node is not left_out]
    renamed = {name: left_out.inputs[0]}
    nodes = [replace(node, inputs=tuple(renamed.get(i, i) for i in node.inputs)) for node in nodes]
    return replace(graph, nodes=tuple(nodes), outputs=tuple(renamed.get(o, o) for o in graph.outputs))


def with_blur():
    """Return a network whose coarse part begins with a convolution that does not halve."""
    b = GraphBuilder("blurred")
    x = b.input("exposures", (8, 8, 6))
    detail = b.add("detail", PointwiseConv2D(features=3), x)
    coarse = b.add("blur", DepthwiseConv2D(kernel_size=(3, 3)), x)
    coarse = b.add("mix", PointwiseConv2D(features=3), coarse)
    return b.build(b.add("fused", Tanh(), b.add("sum", Add(), detail, coarse)))


def with_op(graph, name, op):
    """Return the network with another operator at a node."""
    nodes = [replace(node, op=op) if node.name == name else node for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


def with_reader_inside():
    """Return a network whose coarse branch reads a hidden layer of the chain."""
    b = GraphBuilder("crossed")
    x = b.input("exposures", (8, 8, 6))
    hidden = b.add("detail1", PointwiseConv2D(features=3), x)
    detail = b.add("detail2", PointwiseConv2D(features=3), hidden)
    coarse = b.add("half", HALVING, x)
    coarse = b.add("mix", PointwiseConv2D(features=3), coarse)
    coarse = b.add("up", Resize(height=8, width=8, method="bilinear"), coarse)
    coarse = b.add("both", Add(), coarse, hidden)
    return b.build(b.add("fused", Tanh(), b.add("sum", Add(), detail, coarse)))


def with_dilated_residual(height=16, width=24):
    """Return a network whose coarse branch has dilated convolutions with residual steps at an eighth of the size."""
    b = GraphBuilder("wide")
    x = b.input("exposures", (height, width, 6))
    detail = b.add("detail", PointwiseConv2D(features=3), x)
    coarse = x
    for i in range(3):
        coarse = b.add(f"half{i}", HALVING, coarse)
    for dilation in (1, 2, 4):
        wide = b.add(f"wide{dilation}", DepthwiseConv2D(kernel_size=(3, 3), dilation=(dilation, dilation)), coarse)
        wide = b.add(f"step{dilation}", PointwiseConv2D(features=6), wide)
        coarse = b.add(f"residual{dilation}", Add(), coarse, wide)
    coarse = b.add("mix", PointwiseConv2D(features=3), coarse)
    coarse = b.add("up", Resize(height=height, width=width, method="bilinear"), coarse)
    return b.build(b.add("fused", Tanh(), b.add("sum", Add(), detail, coarse)))


def test_any_coarse_branch_between_halving_and_enlarging_matches():
    form = match_form(with_dilated_residual())
    assert [node.name for node in form.halvings] == ["half0", "half1", "half2"]
    assert (len(form.coarse_branch.nodes), form.upsampling, form.thumbnail_branch) == (10, "bilinear", None)


OTHERS = {
    "conv3_pointwise is a PointwiseConv2D, expected Add": t_cnn(8, 8),
    "sum is a Add, expected Tanh": without(lightfuse(8, 8), "fused"),
    "luma has 1 channels, expected 6": MODELS["mefnet"](8, 8),
    "besides detail, exposures is read by blur (DepthwiseConv2D), expected a 3x3 DepthwiseConv2D with": with_blur(),
    "detail1_relu is a LeakyReLU, expected ReLU": with_op(lightfuse(8, 8), "detail1_relu", LeakyReLU(slope=0.1)),
    "detail2 is a Conv2D, expected PointwiseConv2D": with_op(
        lightfuse(8, 8), "detail2", Conv2D(features=64, kernel_size=(3, 3))
    ),
    "sum adds 0 chains that begin with a PointwiseConv2D of exposures, expected 1": with_op(
        lightfuse(8, 8), "detail1", Conv2D(features=256, kernel_size=(1, 1))
    ),
    "detail1 to detail2 are not one chain, expected no other readers inside": with_reader_inside(),
    "up enlarges by method area, expected nearest or bilinear": with_op(
        tonefuse(8, 8), "up", Resize(height=8, width=8, method="area")
    ),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_other_networks_do_not_match_and_the_reason_names_the_node(reason):
    with pytest.raises(NotLightFuseForm, match=re.escape(reason)):
        match_form(OTHERS[reason])
    assert form_or_none(OTHERS[reason]) is None
    alone = lone_looks(OTHERS[reason])
    assert strips.evaluation(OTHERS[reason], "fast").startswith(
        "row by row" if alone else f"operator by operator: {reason}"
    )


def test_networks_of_looks_alone_are_told_from_others():
    assert [look.pointwise.name for look in lone_looks(t_cnn(24, 16))] == [f"conv{i}_pointwise" for i in (1, 2, 3)]
    others = (with_blur(), lightfuse(8, 8), without(t_cnn(8, 8), "fused"), without(t_cnn(8, 8), "conv2_pointwise"))
    assert [lone_looks(graph) for graph in others] == [()] * 4


def with_one_halving(height, width):
    """Return a network with one halving, and a chain of one layer."""
    b = GraphBuilder("short")
    x = b.input("exposures", (height, width, 6))
    detail = b.add("detail", PointwiseConv2D(features=3, use_bias=False), x)
    coarse = b.add("half", DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2)), x)
    coarse = b.add("mix", PointwiseConv2D(features=3), coarse)
    coarse = b.add("up", Resize(height=height, width=width, method="bilinear"), coarse)
    return b.build(b.add("fused", Tanh(), b.add("sum", Add(), coarse, detail)))


@pytest.mark.parametrize(("build", "halvings", "looks"), [(with_one_halving, 1, 0), (with_dilated_residual, 3, 4)])
def test_other_networks_of_the_form_are_fused_alike(monkeypatch, build, halvings, looks):
    weights = random_weights()
    rng = np.random.default_rng(3)
    arrays = {name: rng.normal(size=s).astype(np.float32) / 3 for name, s in build(8, 8).weight_shapes.items()}
    monkeypatch.setattr(type(weights), "graph", lambda self, height, width: build(height, width))
    weights = replace(weights, arrays=arrays)
    form = match_form(build(8, 8))
    assert (len(form.halvings), len(form.looks)) == (halvings, looks)
    pair = random_pair((37, 283, 3))
    fast, definition = (npfuse.fuse(*pair, weights, engine=engine) for engine in ("fast", "definition"))
    assert_close(fast.astype(int), definition.astype(int), 1)
    assert np.count_nonzero(fast != definition) <= 0.001 * fast.size
    assert len(np.unique(fast)) > 20


def test_the_fraction_for_levels_is_tanh_right_to_4e_7():
    x = np.concatenate([np.linspace(-10, 10, 6000), [0.0, 9.0, -9.0, 1e30, -1e30, np.inf]]).astype(np.float32)
    square = np.clip(x, -SATURATED, SATURATED) ** 2
    numerator, denominator = (np.polynomial.polynomial.polyval(square, np.float32(c)) for c in (NUMERATOR, DENOMINATOR))
    found = np.clip(x, -SATURATED, SATURATED) * numerator / denominator
    assert_close(found.astype(float), np.tanh(x.astype(float)), 4e-7)


PICTURES = {
    "smooth": lambda rng, shape: np.linspace(40, 90, shape[0] * shape[1] * 3).reshape(shape),
    "constant": lambda rng, shape: np.full(shape, rng.integers(0, 256)),
    "noise": lambda rng, shape: rng.integers(0, 256, shape),
    "extremes": lambda rng, shape: rng.choice([0, 255], shape),
    "edges": lambda rng, shape: np.where(np.arange(shape[1])[:, np.newaxis] // 19 % 2, 250, 3) * np.ones(shape),
}


@settings(max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    height=st.integers(1, 140),
    width=st.integers(1, 140),
    under=st.sampled_from(sorted(PICTURES)),
    over=st.sampled_from(sorted(PICTURES)),
    grey=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_pass_gives_what_the_operators_give_in_turn(kind, hidden, height, width, under, over, grey, seed):
    rng = np.random.default_rng(seed)
    weights = weights_of(kind, hidden=hidden, seed=seed)
    pair = [PICTURES[name](rng, (height, width, 3)).astype(np.uint8) for name in (under, over)]
    pair = [picture[:, :, 0] if grey else picture for picture in pair]
    definition = npfuse.fuse(*pair, weights, order="given", engine="definition").astype(int)
    fast = npfuse.fuse(*pair, weights, order="given")
    assert_close(fast.astype(int), definition, 1)
    assert np.count_nonzero(fast != definition) <= 2 + 0.001 * fast.size
    exact = npfuse.fuse(*(picture / 255 for picture in pair), weights, order="given")
    expected = npfuse.fuse(*(picture / 255 for picture in pair), weights, order="given", engine="definition")
    assert_close(exact, expected, 1e-12)


class Rows:
    """A picture that can only be read by rows and columns, as a file can."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype, self.ndim = pixels, pixels.shape, pixels.dtype, pixels.ndim

    def __getitem__(self, key):
        rows, columns = key
        assert isinstance(rows, slice)
        assert isinstance(columns, slice)
        return self.pixels[key]


class Written(Rows):
    """A result that can only be written by rows and columns."""

    def __setitem__(self, key, values):
        rows, columns = key
        assert isinstance(rows, slice)
        assert isinstance(columns, slice)
        self.pixels[key] = values


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_that_can_only_be_sliced_are_fused_the_same(monkeypatch, kind):
    monkeypatch.setattr(strips, "STRIP_COLUMNS", 64)
    weights, pair = weights_of(kind), random_pair((150, 130, 3))
    size = strips.thumbnail_size(weights.graph(8, 8))
    surveys = tuple(strips.survey(picture, *size) for picture in pair)
    out = Written(np.zeros_like(pair[0]))
    for job in strips.fuse_pair(*map(Rows, pair), out, weights, engine="fast", threads=1, surveys=surveys):
        job()
    assert_close(out.pixels, npfuse.fuse(*pair, weights, order="given"))
    for layout in (lambda x: x[::-1].copy()[::-1], np.asfortranarray):
        assert_close(npfuse.fuse(*map(layout, pair), weights, order="given"), out.pixels)


def test_the_graphs_of_all_sizes_have_the_same_form():
    for height, width in ((8, 8), (16, 8), (136, 88)):
        form = match_form(tonefuse(height, width))
        assert form.upsampling == "bilinear"
