"""Random weights for DeepFuse and MEF-Net, and pictures for them."""

import numpy as np

from npfuse.models import MODELS
from npfuse.weights.weights import Weights


def random_weights(model: str, seed: int = 0) -> Weights:
    """Draw weights scaled so that values neither vanish nor blow up from layer to layer."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, shape in MODELS[model](8, 8).weight_shapes.items():
        terms = int(np.prod(shape[:-1])) if name.endswith("kernel") else 1
        arrays[name] = (rng.normal(size=shape) / np.sqrt(terms)).astype(np.float32)
    if model == "mefnet":
        arrays["weight_map/bias"] = np.array([3.0], np.float32)  # weights change sign nowhere
    return Weights(
        model=model, build={}, arrays=arrays, normalization="full_range", source="drawn at random", name="random"
    )


def exposures(count: int, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Draw exposures of one scene, (H, W, 3) float64 in [0, 1], darkest first."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 20
    scene = 0.5 + 0.3 * np.sin(rows[..., np.newaxis] + [0, 1, 2]) * np.cos(columns)[..., np.newaxis]
    scene = np.clip(scene + rng.normal(size=scene.shape) * 0.03, 0.05, 0.95)
    return [scene ** (2.0 ** (count / 2 - k)) for k in range(count)]
