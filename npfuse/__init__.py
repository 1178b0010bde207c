"""Fuse an under- and an over-exposed photograph of one scene into one well-exposed picture.

>>> import numpy as np
>>> import npfuse
>>> under, over = np.full((5, 7, 3), 20, np.uint8), np.full((5, 7, 3), 230, np.uint8)
>>> npfuse.fuse(under, over).shape
(5, 7, 3)
"""

from importlib.metadata import version

from npfuse.exposure_shares import exposure_shares
from npfuse.fusion import fuse, fuse_stack
from npfuse.graph import Graph
from npfuse.pairs.alignment import Alignment, align
from npfuse.strips import network_inputs
from npfuse.weights.loading import bundled_names, load_weights
from npfuse.weights.npz_files import save_weights
from npfuse.weights.weights import Weights, WeightsError

__version__ = version("npfuse")
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
