"""The reference's Keras model, from bytes to bytes; TensorFlow and LiteRT both run it."""

from typing import Any

from npfuse.weights.weights import Weights

HALF_WHITE = 127.5


def bytes_model(weights: Weights, height: int, width: int) -> Any:
    """Build the Keras model of a network for pictures of one size.

    Parameters
    ----------
    weights : Weights, with normalization "full_range"
    height, width : size of the pictures, multiples of 8

    Returns
    -------
    keras.Model : its inputs are "under" and "over", uint8 (1, H, W, 3), and, if the network reads one, "thumbnail",
        float32; its output is uint8 (1, H, W, 3)
    """
    import keras

    from reference import keras_models
    from reference.export import import_arrays

    build = {name: tuple(value) if isinstance(value, list) else value for name, value in weights.build.items()}
    network = getattr(keras_models, weights.model)(height, width, **build)
    import_arrays(network, weights.arrays)
    pair = [keras.Input((height, width, 3), batch_size=1, dtype="uint8", name=name) for name in ("under", "over")]
    _, *shapes = weights.graph(height, width).inputs
    others = [keras.Input(shape, batch_size=1, name=name) for name, shape in shapes]
    exposures = keras.ops.cast(keras.ops.concatenate(pair, axis=-1), "float32") * (1 / HALF_WHITE) - 1.0
    fused = network([exposures, *others] if others else exposures)
    levels = keras.ops.cast(keras.ops.round((fused + 1.0) * HALF_WHITE), "uint8")
    return keras.Model([*pair, *others], levels)
