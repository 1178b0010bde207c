"""The ONNX models: run by ONNX Runtime, they are equal to the definitions."""

from dataclasses import dataclass

import numpy as np
import pytest

from npfuse.fusion import fuse
from npfuse.graph import Graph, GraphBuilder
from npfuse.models import deepfuse, lightfuse, mefnet, t_cnn, tonefuse
from npfuse.ops import (
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    Resize,
)
from npfuse.ops.operator import Operator
from npfuse.run import run
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from npfuse.exports.onnx_model import onnx_bytes_model, onnx_model  # noqa: E402 (needs onnx)

TOLERANCE = 1e-5  # of outputs of the order of 1, in float32


def run_onnx(model: bytes, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def single(op, *shapes) -> Graph:
    """Return a graph of one operator."""
    b = GraphBuilder("single")
    inputs = [b.input(f"x{i}", shape) for i, shape in enumerate(shapes)]
    return b.build(b.add("y", op, *inputs))


GRAPHS = {
    "lightfuse": lightfuse(16, 24, hidden=(12, 5)),
    "lightfuse bilinear": lightfuse(16, 24, hidden=(12, 5), decoder="bilinear"),
    "lightfuse transposed": lightfuse(16, 24, hidden=(12, 5), decoder="transposed"),
    "tonefuse": tonefuse(8, 24, hidden=(7, 5)),
    "t_cnn": t_cnn(9, 14, hidden=(7, 5)),
    "deepfuse": deepfuse(9, 14),
    "mefnet": mefnet(18, 21),
    "strided, odd": single(Conv2D(features=4, kernel_size=(3, 2), stride=(2, 3)), (9, 11, 3)),
    "dilated, valid": single(DepthwiseConv2D(kernel_size=(2, 3), dilation=(3, 2), padding="valid"), (9, 11, 3)),
    "transposed": single(Conv2DTranspose(features=4, kernel_size=(3, 4), stride=(2, 3)), (5, 4, 3)),
    "transposed, valid": single(
        Conv2DTranspose(features=4, kernel_size=(2, 3), stride=(1, 3), padding="valid"), (5, 4, 3)
    ),
    "transposed, stride beyond the kernel": single(
        DepthwiseConv2DTranspose(kernel_size=(1, 2), stride=(3, 4)), (5, 4, 3)
    ),
    "nearest": single(Resize(height=7, width=3, method="nearest"), (5, 8, 2)),
    "bilinear": single(Resize(height=3, width=12, method="bilinear"), (5, 8, 2)),
    "area": single(Resize(height=3, width=12, method="area"), (5, 8, 2)),
    "concatenate": single(Concatenate(), (5, 8, 2), (5, 8, 1), (5, 8, 3)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_onnx_model_equals_the_definition(name):
    graph = GRAPHS[name]
    rng = np.random.default_rng(0)
    inputs = {key: rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for key, shape in graph.inputs}
    arrays = {
        # Kernels are scaled so that sums stay of the order of 1.
        key: (rng.normal(size=shape) / np.sqrt(max(np.prod(shape[:-1]), 1))).astype(np.float32)
        for key, shape in graph.weight_shapes.items()
    }
    expected = run(graph, inputs, arrays, engine="definition")
    actual = run_onnx(onnx_model(graph, arrays), inputs)
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        assert_close(actual[key], value, TOLERANCE)


@pytest.mark.parametrize("decoder", ["nearest", "bilinear"])
def test_the_model_of_bytes_rounds_as_fuse_does(decoder):
    weights = random_weights(decoder=decoder)
    under, over = random_pair((16, 24, 3))
    expected = fuse(under, over, weights, order="given", engine="definition")
    inputs = {"under": under[np.newaxis], "over": over[np.newaxis]}
    (actual,) = run_onnx(onnx_bytes_model(weights, 16, 24), inputs).values()
    apart = np.abs(actual[0].astype(int) - expected)
    assert apart.max() <= 1  # float32 sums in another order may end on the other side of a half
    assert (apart > 0).mean() < 0.005
    assert len(np.unique(expected)) > 50


def test_an_operator_without_a_rule_is_named():
    @dataclass(frozen=True, kw_only=True)
    class Unheard(Operator):
        pass

    with pytest.raises(ValueError, match="single/y: operator is Unheard, expected one of AdaptiveNorm, Add"):
        onnx_model(single(Unheard(), (4, 4, 3)), {})
