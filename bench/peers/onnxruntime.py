"""ONNX Runtime with its CPU kernels, all graph optimizations on."""

import numpy as np

from bench.tiling import Network, Others, Picture
from npfuse.weights.weights import Weights

TITLE = "ONNX Runtime"
MODULES = ("onnx", "onnxruntime")
DISTRIBUTIONS = ("onnxruntime", "onnx")


def prepare(weights: Weights, height: int, width: int, threads: int) -> Network:
    """Return the network for pictures of one size."""
    import onnxruntime

    from npfuse.exports.onnx_model import onnx_bytes_model

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = onnx_bytes_model(weights, height, width)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def network(under: Picture, over: Picture, others: Others) -> Picture:
        (fused,) = session.run(None, {"under": under[np.newaxis], "over": over[np.newaxis], **others})
        return fused[0]

    return network
