"""MEF-Net's graph: the released network's layers, and what it refuses."""

from npfuse.models import build, mefnet
from npfuse.ops import AdaptiveNorm, Conv2D, LeakyReLU, PointwiseConv2D
from tests.checks import check_rejects


def test_mefnet_nodes_are_the_released_layers():
    graph = mefnet(5, 7)
    expected = []
    last = "luma"
    for i, dilation in enumerate((1, 2, 4, 8, 16, 1), 1):
        conv = Conv2D(features=24, kernel_size=(3, 3), dilation=(dilation, dilation), use_bias=False)
        expected += [
            (f"conv{i}", conv, (last,)),
            (f"conv{i}_norm", AdaptiveNorm(epsilon=1e-5), (f"conv{i}",)),
            (f"conv{i}_act", LeakyReLU(slope=0.2), (f"conv{i}_norm",)),
        ]
        last = f"conv{i}_act"
    expected.append(("weight_map", PointwiseConv2D(features=1, use_bias=True), (last,)))
    assert [(node.name, node.op, node.inputs) for node in graph.nodes] == expected
    assert graph.inputs == (("luma", (5, 7, 1)),)
    assert graph.outputs == ("weight_map",)
    assert graph.shapes["weight_map"] == (5, 7, 1)


def test_mefnet_without_normalisation_has_none_of_its_weights():
    names = {name.split("/")[0] for name in mefnet(5, 7, normalise=False).weight_shapes}
    assert names == {*(f"conv{i}" for i in range(1, 7)), "weight_map"}


def test_mefnet_reads_the_whole_picture_because_it_normalises():
    assert mefnet(90, 200).input_spans(1, 100, 101)["luma"] == (0, 200)
    # 1 + 2 + 4 + 8 + 16 + 1 positions on either side.
    assert mefnet(90, 200, normalise=False).input_spans(1, 100, 101)["luma"] == (68, 133)


def test_mefnet_rejects_empty_pictures():
    empty = "Conv2D: input shape is (5, 0, 1), expected (H, W, C) of at least 1 each; input shapes (5, 0, 1)"
    check_rejects(mefnet, f"mefnet/conv1: {empty}", 5, 0)


def test_build_builds_mefnet():
    assert build("mefnet", 5, 7, use_bias=True) == mefnet(5, 7, use_bias=True)
