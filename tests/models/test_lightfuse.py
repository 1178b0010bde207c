"""LightFuse's graph: the paper's layers and counts, its receptive field, and what it refuses."""

from itertools import pairwise

import numpy as np
import pytest

from npfuse.models import MODELS, build, lightfuse
from npfuse.ops import BOX, Conv2DTranspose, DepthwiseConv2D, DepthwiseConv2DTranspose, PointwiseConv2D, Resize
from npfuse.run import run
from tests.arrays import assert_close
from tests.checks import check_rejects
from tests.spans import check_spans

DECODERS = ("nearest", "bilinear", "transposed")


def test_lightfuse_has_the_parameters_of_table_3():
    """Table III: 18,630. DetailNet 6*256+256 + 256*64+64 + 64*3+3; GlobalNet twice 9*6+6, 9*6, 6*3+3."""
    assert lightfuse(8, 8).parameter_count == 18_630
    assert 1792 + 16_448 + 195 + 60 + 60 + 54 + 21 == 18_630


def test_lightfuse_has_the_parameters_of_the_authors_smaller_weights():
    """The authors' second published file, 6 -> 32 -> 32 -> 3: 6*32+32 + 32*32+32 + 32*3+3 and GlobalNet's 195."""
    assert lightfuse(8, 8, hidden=(32, 32)).parameter_count == 1_574


def test_lightfuse_weights_have_the_shapes_of_the_published_file():
    """The authors' Keras file without the 1x1 and depth-multiplier axes."""
    assert lightfuse(16, 24).weight_shapes == {
        "detail1/kernel": (6, 256),
        "detail1/bias": (256,),
        "detail2/kernel": (256, 64),
        "detail2/bias": (64,),
        "detail3/kernel": (64, 3),
        "detail3/bias": (3,),
        "global1/kernel": (3, 3, 6),
        "global1/bias": (6,),
        "global2/kernel": (3, 3, 6),
        "global2/bias": (6,),
        "global3_depthwise/kernel": (3, 3, 6),
        "global3_pointwise/kernel": (6, 3),
        "global3_pointwise/bias": (3,),
    }


def test_lightfuse_nodes_are_the_papers_layers():
    graph = lightfuse(16, 24)
    assert [(node.name, node.op.kind, node.inputs) for node in graph.nodes] == [
        ("detail1", "PointwiseConv2D", ("exposures",)),
        ("detail1_relu", "ReLU", ("detail1",)),
        ("detail2", "PointwiseConv2D", ("detail1_relu",)),
        ("detail2_relu", "ReLU", ("detail2",)),
        ("detail3", "PointwiseConv2D", ("detail2_relu",)),
        ("detail3_relu", "ReLU", ("detail3",)),
        ("global1", "DepthwiseConv2D", ("exposures",)),
        ("global2", "DepthwiseConv2D", ("global1",)),
        ("global3_depthwise", "DepthwiseConv2D", ("global2",)),
        ("global3_pointwise", "PointwiseConv2D", ("global3_depthwise",)),
        ("up1", "DepthwiseConv2DTranspose", ("global3_pointwise",)),
        ("up2", "DepthwiseConv2DTranspose", ("up1",)),
        ("up3", "DepthwiseConv2DTranspose", ("up2",)),
        ("sum", "Add", ("detail3_relu", "up3")),
        ("fused", "Tanh", ("sum",)),
    ]
    assert graph.inputs == (("exposures", (16, 24, 6)),)
    assert graph.outputs == ("fused",)
    ops = {node.name: node.op for node in graph.nodes}
    assert {ops[name] for name in ("global1", "global2")} == {DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2))}
    assert ops["global3_depthwise"] == DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2), use_bias=False)
    box = DepthwiseConv2DTranspose(kernel_size=(2, 2), stride=(2, 2), use_bias=False, fixed=BOX)
    assert {ops[name] for name in ("up1", "up2", "up3")} == {box}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 40), (24, 16)])
def test_lightfuse_shapes_halve_three_times_and_come_back(height, width, decoder):
    shapes = lightfuse(height, width, hidden=(5,), decoder=decoder).shapes
    for i, name in enumerate(("global1", "global2", "global3_depthwise"), 1):
        assert shapes[name] == (height // 2**i, width // 2**i, 6)
    assert shapes["global3_pointwise"] == (height // 8, width // 8, 3)
    assert shapes["fused"] == (height, width, 3)


@pytest.mark.parametrize(
    ("hidden", "channels"), [((), [6, 3]), ((7,), [6, 7, 3]), ([4, 5, 6], [6, 4, 5, 6, 3])], ids=["none", "1", "3"]
)
def test_lightfuse_hidden_widths_are_taken_as_given(hidden, channels):
    graph = lightfuse(8, 16, hidden=hidden)
    details = [node for node in graph.nodes if node.name.startswith("detail") and isinstance(node.op, PointwiseConv2D)]
    kernels = [graph.weight_shapes[f"{node.name}/kernel"] for node in details]
    assert kernels == list(pairwise(channels))


def test_lightfuse_bilinear_decoder_has_one_resize_and_no_more_parameters():
    graph = lightfuse(16, 24, decoder="bilinear")
    assert [node.op for node in graph.nodes if node.name.startswith("up")] == [
        Resize(height=16, width=24, method="bilinear")
    ]
    assert graph.parameter_count == 18_630


def test_lightfuse_transposed_decoder_learns_three_kernels():
    graph = lightfuse(16, 24, decoder="transposed")
    ups = [node.op for node in graph.nodes if node.name.startswith("up")]
    assert ups == [Conv2DTranspose(features=3, kernel_size=(4, 4), stride=(2, 2))] * 3
    assert graph.parameter_count == 18_630 + 3 * (4 * 4 * 3 * 3 + 3)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("height", "width", "axis"), [(24, 8, 0), (8, 32, 1), (8, 16, 0)])
def test_lightfuse_input_spans_are_the_positions_that_are_read(height, width, axis, decoder):
    check_spans(lightfuse(height, width, hidden=(2,), decoder=decoder), axis, exactly=True)


def test_lightfuse_reads_15_rows_of_the_picture_for_8_of_the_result():
    """Three 3x3 at stride 2, padded (0, 1): coarse row i reads rows 8i to 8i + 14; nearest x8 makes 8 rows of it."""
    graph = lightfuse(64, 64)
    assert graph.input_spans(0, 24, 32)["exposures"] == (24, 39)
    assert graph.input_spans(0, 31, 33)["exposures"] == (24, 47)
    assert graph.input_spans(0, 56, 64)["exposures"] == (56, 64)
    assert graph.input_spans(0, 24, 32)["detail1"] == (24, 32)
    assert graph.input_spans(0, 24, 32)["global1"] == (12, 19)


def test_lightfuse_equals_the_papers_formula_written_in_numpy():
    """tanh of DetailNet plus GlobalNet, by plain array expressions and no operator of the package."""
    graph = lightfuse(16, 24, hidden=(5, 4))
    rng = np.random.default_rng(1)
    w = {name: rng.normal(size=shape) / 3 for name, shape in graph.weight_shapes.items()}
    x = rng.uniform(-1, 1, (16, 24, 6))

    detail = x
    for layer in ("detail1", "detail2", "detail3"):
        detail = np.maximum(detail @ w[f"{layer}/kernel"] + w[f"{layer}/bias"], 0)
    coarse = x
    for layer in ("global1", "global2", "global3_depthwise"):
        height, width, _ = coarse.shape
        padded = np.pad(coarse, [(0, 1), (0, 1), (0, 0)])
        kernel = w[f"{layer}/kernel"]
        taps = [padded[i : i + height : 2, j : j + width : 2] * kernel[i, j] for i in range(3) for j in range(3)]
        coarse = sum(taps) + w.get(f"{layer}/bias", 0)
    coarse = coarse @ w["global3_pointwise/kernel"] + w["global3_pointwise/bias"]
    expected = np.tanh(detail + coarse.repeat(8, axis=0).repeat(8, axis=1))

    for engine in ("definition", "fast"):
        actual = run(graph, {"exposures": x[np.newaxis]}, w, engine=engine)["fused"][0]
        # 6 layers of at most 9 terms in float64, values of the order of 1: far below this.
        assert_close(actual, expected, 1e-13)


def test_lightfuse_prints_a_row_a_layer():
    lines = str(lightfuse(16, 24)).splitlines()
    assert lines[0].split() == ["layer", "operator", "kernel", "stride", "input", "output", "parameters"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:-2]}
    assert rows["detail1"] == ["PointwiseConv2D", "16x24x6", "16x24x256", "1,792"]
    assert rows["global1"] == ["DepthwiseConv2D", "3x3", "2x2", "16x24x6", "8x12x6", "60"]
    assert rows["up3"] == ["DepthwiseConv2DTranspose", "2x2", "2x2", "8x12x3", "16x24x3", "0"]
    assert rows["sum"] == ["Add", "16x24x3", "+", "16x24x3", "16x24x3", "0"]
    assert len(rows) == 15
    assert lines[-1] == "lightfuse: 18,630 parameters"
    counts = [int(row[-1].replace(",", "")) for row in rows.values()]
    assert sum(counts) == 18_630


@pytest.mark.parametrize(("height", "width"), [(0, 8), (8, 0), (-8, 8), (7, 8), (8, 12), (4, 8)])
def test_lightfuse_rejects_sizes_that_are_no_multiples_of_8(height, width):
    message = f"lightfuse: size is {height}x{width}, expected positive multiples of 8, height x width"
    check_rejects(lightfuse, message, height, width)


def test_lightfuse_rejects_an_unknown_decoder():
    message = "lightfuse: decoder is 'cubic', expected one of nearest, bilinear, transposed"
    check_rejects(lightfuse, message, 8, 8, decoder="cubic")


def test_lightfuse_rejects_a_width_of_zero():
    message = "lightfuse/detail2: PointwiseConv2D: features is 0, expected at least 1; input shapes (8, 8, 4)"
    check_rejects(lightfuse, message, 8, 8, hidden=(4, 0))


def test_build_takes_a_model_by_name():
    assert build("lightfuse", 8, 16, hidden=(4,)) == lightfuse(8, 16, hidden=(4,))


def test_build_rejects_unknown_models_and_arguments():
    known = ", ".join(MODELS)
    check_rejects(build, f"model is 'heavyfuse', expected one of {known}", "heavyfuse", 8, 8)
    message = "lightfuse: build arguments are {'depth': 3}: …unexpected keyword argument 'depth'"
    check_rejects(build, message, "lightfuse", 8, 8, depth=3)
