"""Fuse an under- and an over-exposed photograph of one scene into one well-exposed picture.

The names below are loaded when they are first used: a command loads no more than it needs.

>>> import numpy as np
>>> import npfuse
>>> under, over = np.full((5, 7, 3), 20, np.uint8), np.full((5, 7, 3), 230, np.uint8)
>>> npfuse.fuse(under, over).shape
(5, 7, 3)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npfuse.fusion import fuse, fuse_stack
    from npfuse.graph import Graph
    from npfuse.pairs.alignment import Alignment, align
    from npfuse.picture_shares import exposure_shares
    from npfuse.strips import network_inputs
    from npfuse.weights.loading import bundled_names, load_weights
    from npfuse.weights.npz_files import save_weights
    from npfuse.weights.weights import Weights, WeightsError

    __version__: str

__all__ = [
    "Alignment",
    "Graph",
    "Weights",
    "WeightsError",
    "align",
    "bundled_names",
    "exposure_shares",
    "fuse",
    "fuse_stack",
    "load_weights",
    "network_inputs",
    "save_weights",
]
HOMES = {
    "Alignment": "pairs.alignment",
    "Graph": "graph",
    "Weights": "weights.weights",
    "WeightsError": "weights.weights",
    "align": "pairs.alignment",
    "bundled_names": "weights.loading",
    "exposure_shares": "picture_shares",
    "fuse": "fusion",
    "fuse_stack": "fusion",
    "load_weights": "weights.loading",
    "network_inputs": "strips",
    "save_weights": "weights.npz_files",
}  # the module of each name


def __getattr__(name: str) -> Any:
    """Return a public name, from the module that it is defined in."""
    if name == "__version__":
        from importlib.metadata import version

        return version("npfuse")
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"npfuse.{HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})
