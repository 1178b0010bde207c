"""DeepFuse's graph: the released network's layers, its two branches, and what it refuses."""

import pytest

from npfuse.models import build, deepfuse
from npfuse.ops import Add, Conv2D, LeakyReLU
from tests.checks import check_rejects


def conv(features: int, kernel: int) -> Conv2D:
    return Conv2D(features=features, kernel_size=(kernel, kernel), use_bias=False)


ACT = LeakyReLU(slope=0.01)


def test_deepfuse_nodes_are_the_released_layers():
    graph = deepfuse(5, 7)
    assert [(node.name, node.op, node.inputs) for node in graph.nodes] == [
        ("under_conv1", conv(32, 3), ("under",)),
        ("under_conv1_act", ACT, ("under_conv1",)),
        ("under_conv2", conv(64, 5), ("under_conv1_act",)),
        ("under_conv2_act", ACT, ("under_conv2",)),
        ("over_conv1", conv(32, 3), ("over",)),
        ("over_conv1_act", ACT, ("over_conv1",)),
        ("over_conv2", conv(64, 5), ("over_conv1_act",)),
        ("over_conv2_act", ACT, ("over_conv2",)),
        ("sum", Add(), ("under_conv2_act", "over_conv2_act")),
        ("conv3", conv(64, 7), ("sum",)),
        ("conv3_act", ACT, ("conv3",)),
        ("conv4", conv(32, 5), ("conv3_act",)),
        ("conv4_act", ACT, ("conv4",)),
        ("conv5", conv(16, 5), ("conv4_act",)),
        ("conv5_act", ACT, ("conv5",)),
        ("conv6", conv(1, 7), ("conv5_act",)),
        ("fused", ACT, ("conv6",)),
    ]
    assert graph.inputs == (("under", (5, 7, 1)), ("over", (5, 7, 1)))
    assert graph.outputs == ("fused",)
    assert graph.shapes["fused"] == (5, 7, 1)


def test_deepfuse_weights_are_the_six_released_kernels():
    """The shapes of arr_0 to arr_5 in the released file, in Keras's order of axes."""
    assert deepfuse(5, 7).weight_shapes == {
        "conv1/kernel": (3, 3, 1, 32),
        "conv2/kernel": (5, 5, 32, 64),
        "conv3/kernel": (7, 7, 64, 64),
        "conv4/kernel": (5, 5, 64, 32),
        "conv5/kernel": (5, 5, 32, 16),
        "conv6/kernel": (7, 7, 16, 1),
    }


def test_deepfuse_branches_have_their_own_weights_where_not_shared():
    names = deepfuse(5, 7, shared=False).weight_shapes
    assert list(names)[:4] == [f"{picture}_conv{i}/kernel" for picture in ("under", "over") for i in (1, 2)]


def test_deepfuse_biases_and_channels_are_those_asked_for():
    shapes = deepfuse(5, 7, channels=3, use_bias=True).weight_shapes
    assert (shapes["conv1/kernel"], shapes["conv1/bias"], shapes["conv6/bias"]) == ((3, 3, 3, 32), (32,), (1,))


@pytest.mark.parametrize(("height", "width", "axis"), [(29, 2, 0), (1, 30, 1)])
def test_deepfuse_input_spans_are_the_positions_that_are_read(height, width, axis):
    """13 positions on either side: 1 + 2 + 3 + 2 + 2 + 3 of the six kernels."""
    spans = deepfuse(height, width).input_spans(axis, 14, 15)
    assert spans["under"] == spans["over"] == (1, 28)


def test_deepfuse_rejects_empty_pictures():
    empty = "Conv2D: input shape is (0, 7, 1), expected (H, W, C) of at least 1 each; input shapes (0, 7, 1)"
    check_rejects(deepfuse, f"deepfuse/under_conv1: {empty}", 0, 7)
    none = "Conv2D: input shape is (5, 7, 0), expected (H, W, C) of at least 1 each; input shapes (5, 7, 0)"
    check_rejects(deepfuse, f"deepfuse/under_conv1: {none}", 5, 7, channels=0)


def test_build_builds_deepfuse():
    assert build("deepfuse", 5, 7, use_bias=True) == deepfuse(5, 7, use_bias=True)
