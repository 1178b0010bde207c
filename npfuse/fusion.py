"""fuse() and fuse_stack(): exposures in, one picture out. Checks and orders the pictures, and runs the method's jobs.

What a method does to the pictures is in `npfuse.methods`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from npfuse.dask_arrays import fuse_dask, is_dask
from npfuse.methods import METHODS, Job, Method
from npfuse.methods.pair_network import pair_phases
from npfuse.run import Engine
from npfuse.strips import GRID, WHITE, Pixels
from npfuse.survey import survey
from npfuse.weights.loading import bundled_names, load_weights
from npfuse.weights.weights import Weights

Order = Literal["auto", "given"]
Progress = Callable[[int, int], None]


def fuse(
    a: Pixels,
    b: Pixels,
    weights: "Weights | str | Path | None" = None,
    *,
    method: str | None = None,
    order: Order = "auto",
    threads: int | None = None,
    engine: Engine = "fast",
    progress: Progress | None = None,
) -> Pixels:
    """Fuse two exposures of one scene.

    Parameters
    ----------
    a, b : ndarray (H, W, 3), (H, W) or (N, H, W, 3); uint8, uint16, or float32 or float64 in [0, 1]
        RGB, grey, or a batch of RGB. Any H and W of at least 1, both pictures alike. Or dask arrays of such pictures,
        no batches; the result is one then, of the same values (`npfuse.dask_arrays`).
    weights : None, str, Path or Weights
        None for the method's own, the name of bundled ones, the path of a weights file, or weights already loaded.
    method : str, optional
        "tonefuse", "lightfuse", "t_cnn", "mertens", "deepfuse" or "mefnet". None for the one that the weights are for;
        without weights, for "tonefuse".
    order : "auto" or "given"
        "auto": of each pair, the picture with the lower mean is the under-exposed one (a, where the means are equal).
        "given": a is.
    threads : int, optional
        How many threads work; None for as many as this process has cores, 1 for none besides the caller's. The result
        does not depend on it.
    engine : "fast" or "definition"
        The compiled functions, or the NumPy definitions.
    progress : callable, optional
        Called in the caller's thread with how many parts of the work are done and how many there are.

    Returns
    -------
    ndarray, shape and dtype of a
        A grey picture goes through LightFuse, T_CNN and ToneFuse as RGB, and the mean of the three channels comes back;
        the other methods fuse it as luma.

    Raises
    ------
    ValueError : shapes differ or are not as above, an empty array, values that are NaN, infinite or outside [0, 1], an
        unknown order, engine, method or weights, or weights that are not the method's
    TypeError : dtypes differ or are not as above

    Notes
    -----
    float64 pictures are computed in float64, all others in float32. Source: LightFuse (arXiv 2107.02299); it rounds to
    the nearest level, where the authors' code truncates. Each other method's source is in its module in
    `npfuse.methods`.

    Examples
    --------
    >>> under, over = np.full((9, 10), 0.1, np.float32), np.full((9, 10), 0.9, np.float32)
    >>> fused = fuse(over, under)  # the order is found out
    >>> fused.shape, fused.dtype, bool(0 <= fused.min() and fused.max() <= 1)
    ((9, 10), dtype('float32'), True)
    >>> fuse(under, over, method="mertens").shape
    (9, 10)
    """
    if is_dask(a) or is_dask(b):
        chosen, loaded = method_and_weights(method, weights)
        if chosen.phases is not pair_phases or loaded is None:
            raise ValueError(f"fuse: {chosen.title} takes no dask arrays, expected tonefuse, lightfuse or t_cnn")
        fused: Pixels = fuse_dask(a, b, loaded, order=order, engine=engine)
        return fused
    pictures = _checked({"a": a, "b": b})
    return _fused(pictures, weights, method=method, order=order, threads=threads, engine=engine, progress=progress)


def fuse_stack(
    exposures: Sequence[Pixels],
    weights: "Weights | str | Path | None" = None,
    *,
    method: str | None = None,
    order: Order = "auto",
    threads: int | None = None,
    engine: Engine = "fast",
    progress: Progress | None = None,
) -> Pixels:
    """Fuse any number of exposures of one scene.

    Parameters
    ----------
    exposures : sequence of at least two ndarrays, each as `fuse` takes them
        "mertens" and "mefnet" use all of them; of more than two, the other methods use the darkest and the brightest.
    order : "auto" or "given"
        "auto": by their means. "given": the first is the darkest, the last the brightest.
    weights, method, threads, engine, progress : as for `fuse`

    Returns
    -------
    ndarray, shape and dtype of the exposures

    Raises
    ------
    ValueError, TypeError : as `fuse`, or fewer than two exposures

    Examples
    --------
    >>> exposures = [np.full((9, 10, 3), level, np.uint8) for level in (20, 120, 230)]
    >>> fuse_stack(exposures, method="mertens").shape
    (9, 10, 3)
    """
    pictures = _checked({f"exposure {k}": picture for k, picture in enumerate(exposures, 1)})
    return _fused(pictures, weights, method=method, order=order, threads=threads, engine=engine, progress=progress)


def _fused(
    pictures: list[Pixels],
    weights: "Weights | str | Path | None",
    *,
    method: str | None,
    order: Order,
    threads: int | None,
    engine: Engine,
    progress: Progress | None,
) -> Pixels:
    """Fuse pictures that were checked."""
    if order not in get_args(Order):
        raise ValueError(f"fuse: order is {order!r}, expected one of {', '.join(get_args(Order))}")
    if engine not in get_args(Engine):
        raise ValueError(f"fuse: engine is {engine!r}, expected one of {', '.join(get_args(Engine))}")
    count = thread_count(threads)
    chosen, loaded = method_and_weights(method, weights)
    out = np.empty_like(pictures[0], order="C")
    batch = out.ndim == 4
    phases_of_each = []
    for *exposures, result in zip(*pictures, out, strict=True) if batch else [(*pictures, out)]:
        ordered = exposures if order == "given" else sorted(exposures, key=partial(_mean, threads=count))
        if chosen.most_exposures == 2:
            ordered = [ordered[0], ordered[-1]]
        phases_of_each.append(chosen.phases(ordered, result, loaded, engine=engine, threads=count))
    # The first phases of all pictures of a batch, then the second ones.
    phases = [[job for jobs in together for job in jobs] for together in zip_longest(*phases_of_each, fillvalue=[])]
    total = sum(map(len, phases))
    done = 0
    for phase in phases:
        for _ in run_all(phase, count):
            done += 1
            if progress:
                progress(done, total)
    return out


def method_and_weights(method: str | None, weights: "Weights | str | Path | None") -> tuple[Method, Weights | None]:
    """Find a method and load its weights.

    Parameters
    ----------
    method : str or None
        None for the one that the weights are for.
    weights : None, str, Path or Weights
        None for the method's own bundled ones.

    Returns
    -------
    Method, and Weights or None, for a method without

    Raises
    ------
    ValueError : an unknown method, weights that are not the method's, or none where none ship

    Examples
    --------
    >>> method, weights = method_and_weights(None, "lightfuse")
    >>> method.title, weights.parameter_count
    ('LightFuse', 18630)
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"fuse: method is {method!r}, expected one of {', '.join(METHODS)}")
    if method is not None and not METHODS[method].inputs:
        if weights is not None:
            raise ValueError(f"fuse: weights are given, expected none: {METHODS[method].title} has no weights")
        return METHODS[method], None
    if method is not None and weights is None and method not in bundled_names():
        where = f"; {METHODS[method].where}" if METHODS[method].where else ""
        raise ValueError(
            f"fuse: no weights of {METHODS[method].title} ship with npfuse, expected a file of them{where}"
        )
    loaded = load_weights(method if weights is None else weights)
    chosen = METHODS.get(loaded.model if method is None else method)
    inputs = {name: shape[2] for name, shape in loaded.graph(GRID, GRID).inputs if name != "thumbnail"}
    if chosen is None or loaded.model != chosen.name or inputs != chosen.inputs:
        wanted = chosen.title if chosen else "a network of exposures"
        found = ", ".join(f"{name} of {channels}" for name, channels in inputs.items())
        raise ValueError(
            f"fuse: weights {loaded.label} are for {loaded.model} (channels: {found}), expected weights of {wanted}"
        )
    return chosen, loaded


def run_all(jobs: list[Job], threads: int) -> Iterator[None]:
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
    >>> under_exposed_first(np.array([[9]], np.uint8), np.array([[1]], np.uint8))
    False
    """
    return _mean(a) <= _mean(b)


def _mean(x: Pixels, threads: int = 1) -> float:
    """Return the mean over all values, exact for integers."""
    if x.dtype.kind == "u":
        return survey(x, threads=threads).mean
    return float(x.mean(dtype=np.float64))


def thread_count(threads: int | None) -> int:
    """Return how many threads to work with: None for as many as this process has cores."""
    if threads is None:
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise TypeError(f"fuse: threads is {threads!r}, expected None or an integer of at least 1")
    if threads < 1:
        raise ValueError(f"fuse: threads is {threads}, expected None or an integer of at least 1")
    return int(threads)


def _checked(named: dict[str, Any]) -> list[Pixels]:
    """Return all pictures as arrays, or raise with what is wrong."""
    if len(named) < 2:
        raise ValueError(f"fuse: number of exposures is {len(named)}, expected at least 2")
    pictures = {name: np.asarray(x) for name, x in named.items()}
    known = ", ".join(str(dtype) for dtype in WHITE)
    for name, x in pictures.items():
        if x.dtype not in WHITE:
            raise TypeError(f"fuse: dtype of {name} is {x.dtype}, expected one of {known}; shape {x.shape}")
        if x.ndim not in (2, 3, 4) or (x.ndim > 2 and x.shape[-1] != 3):
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected (H, W, 3), (H, W) or (N, H, W, 3)")
        if x.size == 0:
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected no empty axis")
    (first, a), *others = pictures.items()
    for name, x in others:
        if x.shape != a.shape:
            hint = "crop or resize one of the pictures"
            raise ValueError(f"fuse: shape of {name} is {x.shape}, expected {a.shape} as {first}; {hint}")
        if x.dtype != a.dtype:
            raise TypeError(
                f"fuse: dtype of {name} is {x.dtype}, expected {a.dtype} as {first}; convert one of the pictures"
            )
    for name, x in pictures.items():
        if x.dtype.kind == "f":
            check_range(name, x)
    return list(pictures.values())


def check_range(name: str, x: Pixels) -> None:
    """Raise ValueError where a value of floats is NaN, infinite or outside [0, 1], with how many and the first.

    Parameters
    ----------
    name : of the picture, for the message
    x : float32 or float64, at least one axis

    Examples
    --------
    >>> check_range("a", np.array([0.5, 2]))
    Traceback (most recent call last):
    ValueError: fuse: 1 of 2 values of a are NaN or outside [0, 1], expected none; the first is 2.0 at (1,); shape (2,)
    """
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
