"""OpenVINO's CPU plugin on the ONNX model, single precision asked for, tuned for latency."""

import numpy as np

from bench.tiling import Network, Others, Picture
from npfuse.weights.weights import Weights

TITLE = "OpenVINO"
MODULES = ("onnx", "openvino")
DISTRIBUTIONS = ("openvino", "onnx")


def prepare(weights: Weights, height: int, width: int, threads: int) -> Network:
    """Return the network for pictures of one size."""
    import openvino

    from npfuse.exports.onnx_model import onnx_bytes_model

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_bytes_model(weights, height, width)), "CPU", settings)
    request = compiled.create_infer_request()

    def network(under: Picture, over: Picture, others: Others) -> Picture:
        # The result is the request's own memory: a new array, as the other peers return one.
        return request.infer({"under": under[np.newaxis], "over": over[np.newaxis], **others})[0][0].copy()

    return network
