"""ToneFuse: its shape and parameters, its formula in plain NumPy, and that all of DetailNet is one chain."""

import numpy as np
import pytest

from npfuse.models import build, lightfuse, tonefuse
from npfuse.ops import PointwiseConv2D, ReLU, Resize
from npfuse.run import plan, run
from tests.arrays import assert_close
from tests.checks import check_rejects
from tests.networks import random_arrays


def test_tonefuse_has_5380_parameters_500_of_them_for_the_thumbnail():
    graph = tonefuse(16, 24)
    assert graph.parameter_count == 5_380
    assert graph.parameter_count * 3 <= lightfuse(16, 24).parameter_count
    tone = [np.prod(shape) for name, shape in graph.weight_shapes.items() if name.startswith("tone")]
    assert sum(tone) == (6 * 12 + 12) + (12 * 32 + 32) == 500
    around = [np.prod(shape) for name, shape in graph.weight_shapes.items() if name.startswith("around")]
    assert sum(around) == 3 * (9 * 30 + 30 * 30 + 30) == 3_600


def test_without_dilations_nothing_looks_further_around():
    names = [node.name for node in tonefuse(16, 24, dilations=()).nodes]
    assert not [name for name in names if name.startswith("around")]
    further = {node.name for node in tonefuse(16, 24).nodes} - set(names)
    assert further == {f"around{n}_{part}" for n in (1, 2, 3) for part in ("depthwise", "pointwise", "relu", "sum")}


def test_tonefuse_takes_exposures_and_a_thumbnail_of_one_size_for_all():
    for height, width in ((8, 16), (64, 8)):
        graph = tonefuse(height, width)
        assert graph.inputs == (("exposures", (height, width, 6)), ("thumbnail", (16, 24, 6)))
        assert graph.outputs == ("fused",)
        assert graph.shapes["fused"] == (height, width, 3)


@pytest.mark.parametrize(("hidden", "layers"), [((7,), 2), ([4, 5, 6], 4)])
def test_tonefuse_has_no_relu_after_detailnets_last_layer(hidden, layers):
    graph = tonefuse(8, 16, hidden=hidden)
    detail = [node for node in graph.nodes if node.name.startswith("detail")]
    assert [type(node.op) for node in detail].count(PointwiseConv2D) == layers
    assert [type(node.op) for node in detail].count(ReLU) == layers - 1
    assert isinstance(detail[-1].op, PointwiseConv2D)


def test_tonefuse_equals_its_formula_written_in_numpy():
    graph = tonefuse(16, 24, hidden=(5, 4), coarse=6, dilations=(1, 3), tones=7)
    w = random_arrays(graph)
    rng = np.random.default_rng(2)
    x, small = rng.uniform(-1, 1, (16, 24, 6)), rng.uniform(-1, 1, (16, 24, 6))

    tone = np.maximum(small @ w["tone1/kernel"] + w["tone1/bias"], 0).mean(axis=(0, 1))
    tone = tone @ w["tone2/kernel"] + w["tone2/bias"]
    detail = np.maximum(x @ w["detail1/kernel"] + w["detail1/bias"] + tone, 0)
    detail = np.maximum(detail @ w["detail2/kernel"] + w["detail2/bias"], 0)
    detail = detail @ w["detail3/kernel"] + w["detail3/bias"]
    coarse = x
    for layer in ("global1", "global2", "global3_depthwise"):
        height, width, _ = coarse.shape
        padded = np.pad(coarse, [(0, 1), (0, 1), (0, 0)])
        kernel = w[f"{layer}/kernel"]
        taps = [padded[i : i + height : 2, j : j + width : 2] * kernel[i, j] for i in range(3) for j in range(3)]
        coarse = sum(taps) + w.get(f"{layer}/bias", 0)
    coarse = np.maximum(coarse @ w["global3_pointwise/kernel"] + w["global3_pointwise/bias"], 0)
    for n, dilation in ((1, 1), (2, 3)):
        padded, kernel = np.pad(coarse, [(dilation, dilation)] * 2 + [(0, 0)]), w[f"around{n}_depthwise/kernel"]
        taps = [
            padded[i * dilation : i * dilation + 2, j * dilation : j * dilation + 3] * kernel[i, j]
            for i in range(3)
            for j in range(3)
        ]
        mixed = sum(taps) @ w[f"around{n}_pointwise/kernel"] + w[f"around{n}_pointwise/bias"]
        coarse = coarse + np.maximum(mixed, 0)
    coarse = coarse @ w["global4/kernel"] + w["global4/bias"]  # (2, 3, 3)
    for axis in (0, 1):  # bilinear: positions between the centres of the 8-pixel cells, held at the borders
        n = coarse.shape[axis]
        at = np.clip((np.arange(8 * n) + 0.5) / 8 - 0.5, 0, n - 1)
        below = np.minimum(at.astype(int), n - 2)
        share = (at - below).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        coarse = np.take(coarse, below, axis) * (1 - share) + np.take(coarse, below + 1, axis) * share
    expected = np.tanh(detail + coarse)

    inputs = {"exposures": x[np.newaxis], "thumbnail": small[np.newaxis]}
    for options in ({"engine": "definition"}, {"engine": "fast"}, {"engine": "fast", "merge": False}):
        # 12 layers of at most 384 terms in float64, values of the order of 1: far below this.
        assert_close(run(graph, inputs, w, **options)["fused"][0], expected, 1e-12)


def test_all_of_detailnet_is_one_chain():
    steps = [[node.name for node in step] for step in plan(tonefuse(8, 8), merge=True)]
    chain = ["detail1", "detail1_tone", "detail1_relu", "detail2", "detail2_relu", "detail3"]
    assert steps[:4] == [["tone1", "tone1_relu"], ["tone_mean"], ["tone2"], chain]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_tile_needs_the_whole_thumbnail_and_eight_cells_more_on_each_side(axis):
    spans = tonefuse(256, 256).input_spans(axis, 120, 128)
    assert spans["thumbnail"] == (0, (16, 24)[axis])
    # Bilinear reads the cells 14 to 16, the dilated convolutions 1 + 2 + 4 more on either side, and cell i reads 8i to
    # 8i + 14, as in LightFuse.
    assert spans["exposures"] == (8 * 7, 8 * 23 + 15)


def test_the_thumbnail_changes_the_result_everywhere():
    graph = tonefuse(16, 16)
    w = random_arrays(graph)
    x = np.zeros((1, 16, 16, 6))
    dark, light = (
        run(graph, {"exposures": x, "thumbnail": np.full((1, 16, 24, 6), v, float)}, w)["fused"] for v in (-1, 1)
    )
    assert np.abs(dark - light).min() > 1e-3


def test_each_picture_of_a_batch_has_its_own_thumbnail():
    graph = tonefuse(8, 16, hidden=(6,))
    w = random_arrays(graph)
    rng = np.random.default_rng(3)
    inputs = {name: rng.uniform(-1, 1, (3, *shape)) for name, shape in graph.inputs}
    batch = run(graph, inputs, w)["fused"]
    for n in range(3):
        alone = run(graph, {name: array[n : n + 1] for name, array in inputs.items()}, w)["fused"]
        assert_close(batch[n : n + 1], alone)
    empty = run(graph, {name: array[:0] for name, array in inputs.items()}, w)["fused"]
    assert empty.shape == (0, 8, 16, 3)


def test_the_decoder_is_one_bilinear_resize():
    ups = [node.op for node in tonefuse(16, 24).nodes if node.name.startswith("up")]
    assert ups == [Resize(height=16, width=24, method="bilinear")]


@pytest.mark.parametrize(("height", "width"), [(0, 8), (8, 12), (4, 8)])
def test_tonefuse_rejects_sizes_that_are_no_multiples_of_8(height, width):
    message = f"tonefuse: size is {height}x{width}, expected positive multiples of 8, height x width"
    check_rejects(tonefuse, message, height, width)


def test_tonefuse_rejects_no_hidden_layer_and_other_arguments():
    check_rejects(tonefuse, "tonefuse: number of hidden layers is 0, expected at least 1", 8, 8, hidden=())
    message = "tonefuse: build arguments are {'decoder': 'nearest'}: …unexpected keyword argument 'decoder'"
    check_rejects(build, message, "tonefuse", 8, 8, decoder="nearest")
