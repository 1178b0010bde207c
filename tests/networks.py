"""Networks with random weights, for the tests of what runs, stores and fuses them."""

import numpy as np

from npfuse.graph import Graph
from npfuse.models import MODELS
from npfuse.weights.weights import Weights


def random_weights(model: str = "lightfuse", seed: int = 0, normalization: str = "full_range", **build) -> Weights:
    """Draw weights whose outputs spread over [-1, 1] without saturating; those of ToneFuse have a margin.

    Networks without a choice of widths, DeepFuse and MEF-Net, have kernels scaled by the terms that they sum, so that
    values neither vanish nor blow up from layer to layer; MEF-Net's weight maps change sign nowhere.
    """
    deep = model in ("deepfuse", "mefnet")
    build = build if deep else {"hidden": [12, 5]} | build
    arrays = random_arrays(MODELS[model](8, 8, **build), seed, by_terms=deep)
    if model == "mefnet":
        arrays["weight_map/bias"] = np.array([3.0])
    return Weights(
        model=model,
        build=build,
        arrays=arrays,
        normalization=normalization,
        source="drawn at random",
        name="random",
        margin=16 if model == "tonefuse" else 0,
    )


def random_arrays(graph: Graph, seed: int = 0, *, by_terms: bool = False) -> dict[str, np.ndarray]:
    """Draw a graph's weights: standard deviation 1/3, or kernels by the number of the terms that they sum."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in graph.weight_shapes.items():
        terms = (np.prod(shape[:-1]) if name.endswith("kernel") else 1) if by_terms else 9
        arrays[name] = rng.normal(size=shape) / np.sqrt(terms)
    return arrays


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
