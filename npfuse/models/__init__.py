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

__all__ = ["MODELS", "build", "deepfuse", "lightfuse", "mefnet", "mertens", "t_cnn", "tonefuse"]


def build(model: str, height: int, width: int, **arguments: Any) -> Graph:
    """Build a model by name; ValueError where the name or an argument is unknown."""
    if model not in MODELS:
        raise ValueError(f"model is {model!r}, expected one of {', '.join(MODELS)}")
    try:
        return MODELS[model](height, width, **arguments)
    except TypeError as error:
        raise ValueError(f"{model}: build arguments are {arguments}: {error}") from None
