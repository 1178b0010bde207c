"""T_CNN's graph: the layers of the paper's Table I, its receptive field, and what it refuses."""

import pytest

from npfuse.models import build, t_cnn
from npfuse.ops import DepthwiseConv2D, PointwiseConv2D, ReLU, Tanh
from tests.checks import check_rejects
from tests.spans import check_spans


def test_t_cnn_has_the_parameters_of_table_1():
    """Separable 3x3, 6 -> 256 -> 64 -> 3: depthwise without bias, pointwise with."""
    layers = [(6, 256), (256, 64), (64, 3)]
    expected = sum(9 * cin + cin * cout + cout for cin, cout in layers)
    assert t_cnn(5, 7).parameter_count == expected == 21_369


def test_t_cnn_nodes_are_the_papers_layers():
    graph = t_cnn(5, 7)
    plain = DepthwiseConv2D(kernel_size=(3, 3), use_bias=False)
    assert [(node.name, node.op, node.inputs) for node in graph.nodes] == [
        ("conv1_depthwise", plain, ("exposures",)),
        ("conv1_pointwise", PointwiseConv2D(features=256), ("conv1_depthwise",)),
        ("conv1_relu", ReLU(), ("conv1_pointwise",)),
        ("conv2_depthwise", plain, ("conv1_relu",)),
        ("conv2_pointwise", PointwiseConv2D(features=64), ("conv2_depthwise",)),
        ("conv2_relu", ReLU(), ("conv2_pointwise",)),
        ("conv3_depthwise", plain, ("conv2_relu",)),
        ("conv3_pointwise", PointwiseConv2D(features=3), ("conv3_depthwise",)),
        ("fused", Tanh(), ("conv3_pointwise",)),
    ]
    assert graph.inputs == (("exposures", (5, 7, 6)),)
    assert graph.outputs == ("fused",)
    assert graph.shapes["fused"] == (5, 7, 3)


@pytest.mark.parametrize(("height", "width", "axis"), [(11, 4, 0), (3, 12, 1), (1, 5, 0)])
def test_t_cnn_input_spans_are_the_positions_that_are_read(height, width, axis):
    check_spans(t_cnn(height, width, hidden=(2, 3)), axis, exactly=True)


def test_t_cnn_reads_3_pixels_around():
    assert t_cnn(20, 30).input_spans(0, 10, 12)["exposures"] == (7, 15)
    assert t_cnn(20, 30).input_spans(1, 0, 30)["exposures"] == (0, 30)


def test_t_cnn_prints_its_count():
    lines = str(t_cnn(5, 7, hidden=(4,))).splitlines()
    assert lines[2].split() == ["conv1_depthwise", "DepthwiseConv2D", "3x3", "1x1", "5x7x6", "5x7x6", "54"]
    assert lines[-1] == f"t_cnn: {54 + 6 * 4 + 4 + 36 + 4 * 3 + 3} parameters"


def test_t_cnn_rejects_empty_pictures_and_layers():
    empty = "DepthwiseConv2D: input shape is (0, 7, 6), expected (H, W, C) of at least 1 each; input shapes (0, 7, 6)"
    check_rejects(t_cnn, f"t_cnn/conv1_depthwise: {empty}", 0, 7)
    none = "PointwiseConv2D: features is 0, expected at least 1; input shapes (5, 7, 6)"
    check_rejects(t_cnn, f"t_cnn/conv1_pointwise: {none}", 5, 7, hidden=(0,))


def test_build_builds_t_cnn():
    assert build("t_cnn", 5, 7, hidden=(4,)) == t_cnn(5, 7, hidden=(4,))
