"""LiteRT with its XNNPACK kernels, on the Keras model as TensorFlow's converter writes it."""

import contextlib
import os

import numpy as np

from bench.peers.keras_model import bytes_model
from bench.tiling import Network, Others, Picture
from npfuse.weights.weights import Weights

TITLE = "LiteRT/XNNPACK"
MODULES = ("ai_edge_litert", "keras", "tensorflow", "h5py")
DISTRIBUTIONS = ("ai-edge-litert", "tensorflow", "tensorflow-cpu", "keras")


def prepare(weights: Weights, height: int, width: int, threads: int) -> Network:
    """Return the network for pictures of one size."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    model = bytes_model(weights, height, width)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # Keras describes what it saves
        converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    interpreter = Interpreter(model_content=converted, num_threads=threads)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    # The converter calls an input "serving_default_NAME:0".
    inputs = {tensor["name"].removeprefix("serving_default_").split(":")[0]: tensor["index"] for tensor in details}
    (output,) = interpreter.get_output_details()

    def network(under: Picture, over: Picture, others: Others) -> Picture:
        for name, value in {"under": under[np.newaxis], "over": over[np.newaxis], **others}.items():
            interpreter.set_tensor(inputs[name], value)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])[0]

    return network
