"""The networks, each a function that builds its graph for one picture size and reads like the paper's table."""

from collections.abc import Callable, Mapping
from typing import Any

from npfuse.graph import Graph
from npfuse.models.deepfuse import deepfuse
from npfuse.models.lightfuse import lightfuse
from npfuse.models.mefnet import mefnet
from npfuse.models.mertens import mertens
from npfuse.models.t_cnn import t_cnn
from npfuse.models.tonefuse import tonefuse

MODELS: Mapping[str, Callable[..., Graph]] = {
    "lightfuse": lightfuse,
    "t_cnn": t_cnn,
    "tonefuse": tonefuse,
    "deepfuse": deepfuse,
    "mefnet": mefnet,
    "mertens": mertens,
}

# Pixels that are repeated beyond the bottom and the right, besides those that make the size a multiple of 8. GlobalNet
# pads with zeros there, which reach eight pixels into what it sees, and bilinear enlarging mixes the next eight in.
# LightFuse has none, since its authors' network sees the zeros.
MARGIN: Mapping[str, int] = {"tonefuse": 16}

__all__ = [
    "MARGIN",
    "MODELS",
    "build",
    "deepfuse",
    "lightfuse",
    "mefnet",
    "mertens",
    "padded_size",
    "t_cnn",
    "tonefuse",
]


def padded_size(model: str, height: int, width: int) -> tuple[int, int]:
    """Return the size to which a picture is brought, by repeating its last row and column, before a network runs on it.

    Examples
    --------
    >>> padded_size("lightfuse", 15, 16), padded_size("tonefuse", 15, 16)
    ((16, 16), (32, 32))
    """
    margin = MARGIN.get(model, 0)
    return -(-height // 8) * 8 + margin, -(-width // 8) * 8 + margin


def build(model: str, height: int, width: int, **arguments: Any) -> Graph:
    """Build a model by name; ValueError where the name or an argument is unknown."""
    if model not in MODELS:
        raise ValueError(f"model is {model!r}, expected one of {', '.join(MODELS)}")
    try:
        return MODELS[model](height, width, **arguments)
    except TypeError as error:
        raise ValueError(f"{model}: build arguments are {arguments}: {error}") from None
