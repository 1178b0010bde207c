"""strip_run: which networks it takes on, and that it gives what the operators give in turn, whatever the strip."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npfuse
from npfuse import strips
from npfuse.graph import GraphBuilder
from npfuse.models import MODELS, lightfuse, t_cnn, tonefuse
from npfuse.ops import Add, DepthwiseConv2D, PointwiseConv2D, Resize, Tanh
from npfuse.strip_form import recognized
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights

KINDS = ("nearest", "bilinear", "transposed", "tonefuse")


def weights_of(kind, **build):
    return random_weights("tonefuse", **build) if kind == "tonefuse" else random_weights(decoder=kind, **build)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_lightfuses_form_are_recognized(kind):
    form = recognized(weights_of(kind).graph(24, 16))
    assert [node.name for node in form.halvings] == ["global1", "global2", "global3_depthwise"]
    assert [node.name for node in form.chain if isinstance(node.op, PointwiseConv2D)] == [
        "detail1",
        "detail2",
        "detail3",
    ]
    assert form.enlarged == {"transposed": None, "tonefuse": "bilinear"}.get(kind, kind)
    assert form.middle.shapes[form.middle.outputs[0]] == ((24, 16, 3) if kind == "transposed" else (3, 2, 3))
    assert (form.before is not None) == (kind == "tonefuse")


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


@pytest.mark.parametrize(
    "graph", [t_cnn(8, 8), without(lightfuse(8, 8), "fused"), MODELS["mefnet"](8, 8), with_blur()], ids=str
)
def test_other_networks_are_not(graph):
    assert recognized(graph) is None


def test_a_network_with_fewer_halvings_and_a_one_layer_chain_is_fused_alike(monkeypatch):
    def build(height, width):
        b = GraphBuilder("short")
        x = b.input("exposures", (height, width, 6))
        detail = b.add("detail", PointwiseConv2D(features=3, use_bias=False), x)
        coarse = b.add("half", DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2)), x)
        coarse = b.add("mix", PointwiseConv2D(features=3), coarse)
        coarse = b.add("up", Resize(height=height, width=width, method="bilinear"), coarse)
        return b.build(b.add("fused", Tanh(), b.add("sum", Add(), coarse, detail)))

    weights = random_weights()
    rng = np.random.default_rng(3)
    arrays = {name: rng.normal(size=s).astype(np.float32) / 3 for name, s in build(8, 8).weight_shapes.items()}
    monkeypatch.setattr(type(weights), "graph", lambda self, height, width: build(height, width))
    weights = replace(weights, arrays=arrays)
    assert len(recognized(build(8, 8)).halvings) == 1
    pair = random_pair((37, 83, 3))
    fast, definition = (npfuse.fuse(*pair, weights, engine=engine) for engine in ("fast", "definition"))
    assert_close(fast.astype(int), definition.astype(int), 1)
    assert len(np.unique(fast)) > 20


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
        form = recognized(tonefuse(height, width))
        assert form.enlarged == "bilinear"
