"""What callers choose: method, weights, engine and threads. Finds what names stand for, and refuses wrong ones."""

import os
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from npfuse.arithmetics import Arithmetic
from npfuse.methods import METHODS, Method, NetworkMethod, named
from npfuse.padding import GRID
from npfuse.run import Engine
from npfuse.weights.loading import bundled_names, load_weights
from npfuse.weights.weights import Weights

Order = Literal["auto", "given"]
FusionEngine = Literal[Engine, Arithmetic]


def float_engine(engine: FusionEngine) -> Engine:
    """Return an engine, for work that only floats can do; raise ValueError if it computes in integers."""
    if engine == "fast" or engine == "definition" or engine == "cuda":
        return engine
    raise ValueError(f"fuse: engine of pictures in parts is {engine!r}, expected one of {', '.join(get_args(Engine))}")


def require_engine(engine: FusionEngine, method: Method) -> None:
    """Raise if an engine does not run a method, or if it is a graphics card's and no card can be used.

    Raises
    ------
    ValueError : the method is not one of a card
    OSError : no card can be used; the message says why

    Examples
    --------
    >>> require_engine("cuda", METHODS["mertens"])
    Traceback (most recent call last):
    ValueError: fuse: the engine cuda has no Mertens 2009, expected tonefuse, lightfuse or t_cnn; use the engine "fast"
    """
    if engine != "cuda":
        return
    if not method.parts:
        expected = named(lambda method: method.parts)
        raise ValueError(f'fuse: the engine cuda has no {method.title}, expected {expected}; use the engine "fast"')
    from npfuse.cuda.card import require_card

    require_card()


def method_and_weights(method: str | None, weights: "Weights | str | Path | None") -> tuple[Method, Weights | None]:
    """Find a method and load its weights.

    Parameters
    ----------
    method : name of the method; None for the method of the weights
    weights : Weights, or their bundled name or path; None for the method's own bundled ones

    Returns
    -------
    Method, and Weights, or None for a method without

    Raises
    ------
    ValueError : an unknown method, weights of another method, or no weights of a method whose weights do not ship

    Examples
    --------
    >>> method, weights = method_and_weights(None, "lightfuse")
    >>> method.title, weights.parameter_count
    ('LightFuse', 18630)
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"fuse: method is {method!r}, expected one of {', '.join(METHODS)}")
    chosen = None if method is None else METHODS[method]
    if chosen is not None and not isinstance(chosen, NetworkMethod):
        if weights is not None:
            raise ValueError(f"fuse: weights are given, expected none: {chosen.title} has no weights")
        return chosen, None
    if chosen is not None and weights is None and chosen.name not in bundled_names():
        at = f"; {chosen.weights_at}" if chosen.weights_at else ""
        raise ValueError(f"fuse: no weights of {chosen.title} ship with npfuse, expected a file of them{at}")
    loaded = load_weights(method if weights is None else weights)
    chosen = chosen or METHODS.get(loaded.model)
    inputs = {name: shape[2] for name, shape in loaded.graph(GRID, GRID).inputs if name != "thumbnail"}
    if not isinstance(chosen, NetworkMethod) or loaded.model != chosen.name or inputs != chosen.inputs:
        wanted = chosen.title if chosen else "a network of exposures"
        found = ", ".join(f"{name} of {channels}" for name, channels in inputs.items())
        raise ValueError(
            f"fuse: weights {loaded.label} are for {loaded.model} (channels: {found}), expected weights of {wanted}"
        )
    return chosen, loaded


def thread_count(threads: int | None) -> int:
    """Return the number of threads; None stands for one per core of this process."""
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise TypeError(f"fuse: threads is {threads!r}, expected None or an integer of at least 1")
    if threads < 1:
        raise ValueError(f"fuse: threads is {threads}, expected None or an integer of at least 1")
    return int(threads)
