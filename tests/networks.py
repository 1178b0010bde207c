"""Networks with random weights, for the tests of what runs, stores and fuses them."""

import numpy as np

from npfuse.models import MODELS
from npfuse.weights.weights import Weights


def random_weights(model: str = "lightfuse", seed: int = 0, normalization: str = "full_range", **build) -> Weights:
    """Draw weights whose outputs spread over [-1, 1] without saturating; those of ToneFuse have a margin."""
    build = {"hidden": [12, 5]} | build
    rng = np.random.default_rng(seed)
    shapes = MODELS[model](8, 8, **build).weight_shapes
    arrays = {name: rng.normal(size=shape).astype(np.float32) / 3 for name, shape in shapes.items()}
    return Weights(
        model=model,
        build=build,
        arrays=arrays,
        normalization=normalization,
        source="drawn at random",
        name="random",
        margin=16 if model == "tonefuse" else 0,
    )


def random_pair(shape: tuple[int, ...], dtype=np.uint8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw an under- and an over-exposed picture that are smooth enough to look like pictures, with some noise."""
    rng = np.random.default_rng(seed)
    scene = rng.uniform(0.2, 0.8, shape)
    under, over = scene * 0.4, 0.5 + scene * 0.5
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return under.astype(dtype), over.astype(dtype)
    white = np.iinfo(dtype).max
    return np.rint(under * white).astype(dtype), np.rint(over * white).astype(dtype)
