"""TensorFlow running the Keras model as one traced function, oneDNN on; XLA was measured slower."""

import numpy as np

from bench.peers.keras_model import bytes_model
from bench.tiling import Network, Others, Picture
from npfuse.weights.weights import Weights

TITLE = "Keras/TensorFlow"
MODULES = ("keras", "tensorflow", "h5py")
DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu", "keras")


def prepare(weights: Weights, height: int, width: int, threads: int) -> Network:
    """Return the network for pictures of one size; a process can have only one number of threads."""
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    model = bytes_model(weights, height, width)
    traced = tf.function(lambda *values: model(list(values), training=False))

    def network(under: Picture, over: Picture, others: Others) -> Picture:
        pair = (tf.constant(picture[np.newaxis]) for picture in (under, over))
        return traced(*pair, *(tf.constant(value) for value in others.values())).numpy()[0]

    return network
