"""fuse(): two exposures in, one picture out. Checks and orders the pictures, and has them fused part by part.

What is done to a part, and how a picture is cut into parts, is in `npfuse.strips`.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from npfuse.graph import Graph
from npfuse.run import Engine
from npfuse.strips import GRID, WHITE, Pixels, fuse_pair
from npfuse.weights import Weights, load_weights

Order = Literal["auto", "given"]


def fuse(
    a: Pixels,
    b: Pixels,
    weights: "Weights | str | Path | None" = None,
    *,
    order: Order = "auto",
    threads: int | None = None,
    engine: Engine = "fast",
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """Fuse two exposures of one scene.

    Parameters
    ----------
    a, b : ndarray (H, W, 3), (H, W) or (N, H, W, 3); uint8, uint16, or float32 or float64 in [0, 1]
        RGB, grey, or a batch of RGB. Any H and W of at least 1, both pictures alike.
    weights : None, str, Path or Weights
        None for the default ones, the name of bundled ones, the path of a weights file, or weights already loaded.
    order : "auto" or "given"
        "auto": of each pair, the picture with the lower mean is the under-exposed one (a, where the means are equal).
        "given": a is.
    threads : int, optional
        How many threads work; None for as many as this process has cores, 1 for none besides the caller's. The result
        does not depend on it.
    engine : "fast" or "definition"
        The compiled functions, or the NumPy definitions.
    progress : callable, optional
        Called in the caller's thread with how many tiles are done and how many there are.

    Returns
    -------
    ndarray, shape and dtype of a
        A grey picture goes through the network as RGB, and the mean of the three channels comes back.

    Raises
    ------
    ValueError : shapes differ or are not as above, an empty array, values that are NaN, infinite or outside [0, 1], or
        an unknown order, engine or weights
    TypeError : dtypes differ or are not as above

    Notes
    -----
    float64 pictures are computed in float64, all others in float32. Source: LightFuse (arXiv 2107.02299); it rounds to
    the nearest level, where the authors' code truncates.

    Examples
    --------
    >>> under, over = np.full((9, 10), 0.1, np.float32), np.full((9, 10), 0.9, np.float32)
    >>> fused = fuse(over, under)  # the order is found out
    >>> fused.shape, fused.dtype, bool(0 <= fused.min() and fused.max() <= 1)
    ((9, 10), dtype('float32'), True)
    """
    a, b = _checked_pair(a, b)
    if order not in get_args(Order):
        raise ValueError(f"fuse: order is {order!r}, expected one of {', '.join(get_args(Order))}")
    if engine not in get_args(Engine):
        raise ValueError(f"fuse: engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")
    thread_count = _thread_count(threads)
    loaded = load_weights(weights)
    graph = loaded.graph(GRID, GRID)
    if not _takes_exposures(graph):
        raise ValueError(f"fuse: weights are for {loaded.model}, expected a network of two RGB exposures")
    out = np.empty_like(a, order="C")
    batch = a.ndim == 4
    jobs = [
        job
        for first, second, result in (zip(a, b, out, strict=True) if batch else [(a, b, out)])
        for job in fuse_pair(*_ordered(first, second, order), result, loaded, engine=engine, threads=thread_count)
    ]
    for done, _ in enumerate(_run_all(jobs, thread_count), 1):
        if progress:
            progress(done, len(jobs))
    return out


def _takes_exposures(graph: Graph) -> bool:
    """Tell whether a network takes two RGB exposures, perhaps with a thumbnail of them, and returns a picture."""
    (name, shape), *others = graph.inputs
    exposures = name == "exposures" and shape == (GRID, GRID, 6)
    thumbnails = all(name == "thumbnail" and shape[2] == 6 for name, shape in others)
    return exposures and thumbnails and graph.outputs == ("fused",)


def _run_all(jobs: list[Callable[[], None]], threads: int) -> Iterator[None]:
    """Run jobs, yielding after each; after an error, those not yet begun are dropped."""
    if threads == 1 or len(jobs) == 1:
        yield from (job() for job in jobs)
        return
    pool = ThreadPoolExecutor(min(threads, len(jobs)))
    try:
        for future in as_completed([pool.submit(job) for job in jobs]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def under_exposed_first(a: Pixels, b: Pixels) -> bool:
    """Tell whether a is the under-exposed picture of a pair: the one with the lower mean, or the first where equal.

    Examples
    --------
    >>> under_exposed_first(np.array([[9]]), np.array([[1]]))
    False
    """
    return _mean(a) <= _mean(b)


def _mean(x: Pixels) -> float:
    """Return the mean over all values, exact for integers."""
    if x.dtype.kind == "u":
        return int(x.sum(dtype=np.uint64)) / x.size
    return float(x.mean(dtype=np.float64))


def _ordered(a: Pixels, b: Pixels, order: Order) -> tuple[Pixels, Pixels]:
    return (a, b) if order == "given" or under_exposed_first(a, b) else (b, a)


def _thread_count(threads: int | None) -> int:
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise TypeError(f"fuse: threads is {threads!r}, expected None or an integer of at least 1")
    if threads < 1:
        raise ValueError(f"fuse: threads is {threads}, expected None or an integer of at least 1")
    return int(threads)


def _checked_pair(a: Any, b: Any) -> tuple[Pixels, Pixels]:
    """Return both pictures as arrays, or raise with what is wrong."""
    a, b = np.asarray(a), np.asarray(b)
    known = ", ".join(str(dtype) for dtype in WHITE)
    for name, x in (("a", a), ("b", b)):
        if x.dtype not in WHITE:
            raise TypeError(f"fuse: dtype of {name} is {x.dtype}, expected one of {known}; shape {x.shape}")
        if x.ndim not in (2, 3, 4) or (x.ndim > 2 and x.shape[-1] != 3):
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected (H, W, 3), (H, W) or (N, H, W, 3)")
        if x.size == 0:
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected no empty axis")
    if a.shape != b.shape:
        raise ValueError(f"fuse: shape of b is {b.shape}, expected {a.shape} as a; crop or resize one of the pictures")
    if a.dtype != b.dtype:
        raise TypeError(f"fuse: dtype of b is {b.dtype}, expected {a.dtype} as a; convert one of the pictures")
    for name, x in (("a", a), ("b", b)):
        if x.dtype.kind == "f":
            _check_range(name, x)
    return a, b


def _check_range(name: str, x: Pixels) -> None:
    """Raise ValueError where a value is NaN, infinite or outside [0, 1], with how many and the first position."""
    count, first = 0, None
    for row in range(x.shape[0]):  # by rows, to keep the masks small
        bad = ~((x[row] >= 0) & (x[row] <= 1))  # a NaN compares false
        if bad.any():
            count += int(np.count_nonzero(bad))
            first = first or (row, *(int(i) for i in np.argwhere(bad)[0]))
    if first is not None:
        raise ValueError(
            f"fuse: {count} of {x.size} values of {name} are NaN or outside [0, 1], expected none; "
            f"the first is {x[first]} at {first}; shape {x.shape}"
        )
