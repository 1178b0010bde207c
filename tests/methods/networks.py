"""Pictures for the tests of methods."""

import numpy as np


def exposures(count: int, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Draw exposures of one scene, (H, W, 3) float64 in [0, 1], darkest first."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 20
    scene = 0.5 + 0.3 * np.sin(rows[..., np.newaxis] + [0, 1, 2]) * np.cos(columns)[..., np.newaxis]
    scene = np.clip(scene + rng.normal(size=scene.shape) * 0.03, 0.05, 0.95)
    return [scene ** (2.0 ** (count / 2 - k)) for k in range(count)]
