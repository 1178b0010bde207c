"""fuse() and fuse_stack(): exposures in, one picture out. Checks and orders the pictures, and runs the method's jobs.

The methods themselves are in `npfuse.methods`, the check of the pictures in `npfuse.contract`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from npfuse.card_fusion import card_array, fuse_whole, given_back, has_room, is_card_array, new_card_array
from npfuse.choices import FusionEngine, Order, float_engine, method_and_weights, require_engine, thread_count
from npfuse.contract import check_pictures, check_range
from npfuse.dask_arrays import fuse_dask, is_dask
from npfuse.jobs import Progress, run_phases
from npfuse.methods import Method, Phases, named
from npfuse.methods.pair_network import fuse_bracket, tone_surveys
from npfuse.padding import GRID
from npfuse.run import Engine
from npfuse.strips import Pixels, require_card_dtype, thumbnail_size
from npfuse.survey import Survey, survey
from npfuse.tone import NEUTRAL, Tone, TonedOutput
from npfuse.weights.weights import Weights

Surveys = tuple[Survey, Survey] | None


def fuse(
    a: Pixels,
    b: Pixels,
    weights: "Weights | str | Path | None" = None,
    *,
    method: str | None = None,
    order: Order = "auto",
    threads: int | None = None,
    engine: FusionEngine = "fast",
    progress: Progress | None = None,
    brightness: float = 0.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    tone: tuple[Pixels, Pixels] | None = None,
) -> Pixels:
    """Fuse two exposures of one scene.

    Parameters
    ----------
    a, b : ndarray (H, W, 3), (H, W) or (N, H, W, 3); uint8, uint16, or float32 or float64 in [0, 1]
        RGB, grey, or a batch of RGB, both pictures alike, H and W at least 1. Or dask arrays of single pictures, which
        give a dask array of the same values (`npfuse.dask_arrays`). Or, with the engine "cuda", arrays of CuPy, PyTorch
        or others on the graphics card, which are not copied and give an array there.
    weights : None, str, Path or Weights
        Bundled name, path of a weights file, or loaded Weights; None for the method's own.
    method : str, optional
        "tonefuse", "lightfuse", "t_cnn", "mertens", "deepfuse" or "mefnet". None for the method of the weights;
        without weights, "tonefuse".
    order : "auto" or "given"
        "auto": the picture of the lower mean is the under-exposed one (a if the means are equal). "given": a is.
    threads : int, optional
        Number of threads; None for one per core of this process, 1 for the caller's alone. The result does not
        depend on it.
    engine : "fast", "definition", "cuda", "int16", "int16-shift" or "mixed"
        The compiled functions, the NumPy definitions, or a graphics card (extra `cuda`; ToneFuse, LightFuse and T_CNN
        of uint8, uint16 and float32; sums are rounded in another order there: a byte may be a level apart). The others
        are the result of hardware without floats, for a pair of 8-bit pictures and the same methods (`npfuse.integer`).
    progress : callable, optional
        Function of the parts done and of all parts; called in the caller's thread.
    brightness : float
        Stops, -4 to 4, of the result's dark tones; bright ones roll off towards white. 0 is neutral.
    contrast, saturation : float
        Factors, 0.25 to 4 and 0 to 4; 1 is neutral. `npfuse.tone` has the formulas.
    tone : tuple of ndarrays, optional
        Pair of the frame that sets the tone, in any size: thumbnails do. For a panorama's or a time-lapse's frames,
        which otherwise get a tone each. Only for networks that see whole pictures: "tonefuse".

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
    OSError : the engine is "cuda" and no card can be used

    Notes
    -----
    float64 pictures are computed in float64, all others in float32. Results are rounded to the nearest level;
    LightFuse's authors truncate. The source of each method is in its module in `npfuse.methods`.

    Examples
    --------
    >>> under, over = np.full((9, 10), 0.1, np.float32), np.full((9, 10), 0.9, np.float32)
    >>> fused = fuse(over, under)  # in any order
    >>> fused.shape, fused.dtype, bool(0 <= fused.min() and fused.max() <= 1)
    ((9, 10), dtype('float32'), True)
    >>> fuse(under, over, method="mertens").shape
    (9, 10)
    """
    look = Look(tone=Tone(brightness=brightness, contrast=contrast, saturation=saturation), of=tone)
    if is_dask(a) or is_dask(b):
        chosen, loaded = method_and_weights(method, weights)
        if not chosen.parts or loaded is None:
            expected = named(lambda method: method.parts)
            raise ValueError(f"fuse: {chosen.title} takes no dask arrays, expected {expected}")
        if not look.tone.neutral or look.of is not None:
            raise ValueError("fuse: a tone is given, expected none with dask arrays; apply npfuse.tone.toned to blocks")
        require_engine(engine, chosen)
        fused: Pixels = fuse_dask(a, b, loaded, order=order, engine=float_engine(engine))
        return fused
    return fused_in_order(
        {"a": a, "b": b}, weights, look, method=method, order=order, threads=threads, engine=engine, progress=progress
    )[0]


def fuse_stack(
    exposures: Sequence[Pixels],
    weights: "Weights | str | Path | None" = None,
    *,
    method: str | None = None,
    order: Order = "auto",
    threads: int | None = None,
    engine: FusionEngine = "fast",
    progress: Progress | None = None,
    pair: bool = False,
    brightness: float = 0.0,
    contrast: float = 1.0,
    saturation: float = 1.0,
    tone: tuple[Pixels, Pixels] | None = None,
) -> Pixels:
    """Fuse any number of exposures of one scene.

    Parameters
    ----------
    exposures : sequence of at least two ndarrays, each as `fuse` takes them
        "tonefuse", "lightfuse", "t_cnn", "mertens" and "mefnet" use all of them; of more than two, the other methods
        use the darkest and the brightest.
    order : "auto" or "given"
        "auto": by their means. "given": the first is the darkest, the last the brightest.
    weights, method, threads, engine, progress, brightness, contrast, saturation, tone : as for `fuse`
    pair : bool
        Whether every method gets the darkest and the brightest exposure alone.

    Returns
    -------
    ndarray, shape and dtype of the exposures

    Raises
    ------
    ValueError, TypeError : as `fuse`, or fewer than two exposures

    Notes
    -----
    A network of a pair sees the darkest and the brightest exposure, each averaged with all others, mapped to it
    (`npfuse.stacks`): the same picture with less noise.

    Examples
    --------
    >>> exposures = [np.full((9, 10, 3), level, np.uint8) for level in (20, 120, 230)]
    >>> fuse_stack(exposures, method="mertens").shape
    (9, 10, 3)
    """
    look = Look(tone=Tone(brightness=brightness, contrast=contrast, saturation=saturation), of=tone)
    return fused_in_order(
        {f"exposure {k}": picture for k, picture in enumerate(exposures, 1)},
        weights,
        look,
        method=method,
        order=order,
        threads=threads,
        engine=engine,
        progress=progress,
        pair=pair,
    )[0]


@dataclass(frozen=True, kw_only=True)
class Look:
    """The tone of a result.

    Parameters
    ----------
    tone : Tone, applied to the result
    of : pair of pictures that sets the network's tone, or None for the fused pictures themselves
    """

    tone: Tone = NEUTRAL
    of: tuple[Pixels, Pixels] | None = None


def fused_in_order(
    pictures_by_name: dict[str, Any],
    weights: "Weights | str | Path | None",
    look: Look,
    *,
    method: str | None,
    order: Order,
    threads: int | None,
    engine: FusionEngine,
    progress: Progress | None,
    pair: bool = False,
) -> tuple[Pixels, list[int]]:
    """Check exposures and fuse them.

    Parameters
    ----------
    pictures_by_name : exposures, as `fuse_stack` takes them, by their names in messages
    weights, method, order, threads, engine, progress, pair : as for `fuse_stack`
    look : Look

    Returns
    -------
    ndarray, shape and dtype of the exposures
    list of int : positions of the exposures, darkest first; of a batch's last ones
    """
    for name, choice, choices in (("order", order, get_args(Order)), ("engine", engine, get_args(FusionEngine))):
        if choice not in choices:
            raise ValueError(f"fuse: {name} is {choice!r}, expected one of {', '.join(choices)}")
    count = thread_count(threads)
    pictures = _checked(pictures_by_name, engine)
    chosen, loaded = method_and_weights(method, weights)
    require_engine(engine, chosen)
    if look.of is not None and not chosen.parts:
        raise ValueError(f"fuse: tone is given, but {chosen.title} takes none; leave it out")
    on_card = is_card_array(pictures[0])
    if engine == "cuda":
        require_card_dtype(pictures[0].dtype)
        assert loaded is not None
        plain = (pair or len(pictures) == 2) and look == Look()
        if on_card and not plain:
            raise ValueError(
                f"fuse: {len(pictures)} exposures are on a card, expected 2, or pair=True, and a neutral tone; "
                "copy them to the host"
            )
        if plain and (on_card or has_room(pictures, loaded)):
            fused, places = _fused_on_card(pictures, loaded, order=order, progress=progress)
            return given_back(fused, next(iter(pictures_by_name.values()))) if on_card else fused, places
    phases_of = _phases_of(chosen, loaded, look, engine, count)
    out: Pixels = np.empty_like(pictures[0], order="C")
    batch = out.ndim == 4
    phases_of_each = []
    places = list(range(len(pictures)))
    for *exposures, result in zip(*pictures, out, strict=True) if batch else [(*pictures, out)]:
        surveys = None
        if order == "auto":
            places, surveys = _places(exposures, chosen, loaded, count)
        ordered = [exposures[place] for place in places]
        if pair or chosen.most_exposures == 2:
            ordered = [ordered[0], ordered[-1]]
        target: Any = result if look.tone.neutral else TonedOutput(result, look.tone)
        phases_of_each.append(phases_of(ordered, target, surveys))
    run_phases(phases_of_each, count, progress)
    return out, places


def _places(
    exposures: Sequence[Pixels], method: Method, weights: Weights | None, threads: int
) -> tuple[list[int], Surveys]:
    """Return the positions of exposures, darkest first, and the surveys of both ends, if a network reads these."""
    if exposures[0].dtype.kind != "u":
        return sorted(range(len(exposures)), key=lambda place: float(exposures[place].mean(dtype=np.float64))), None
    read = method.parts and weights is not None
    size = thumbnail_size(weights.graph(GRID, GRID)) if read and weights else (1, 1)
    found = [survey(x, *size, threads) for x in exposures]
    places = sorted(range(len(found)), key=lambda place: found[place].mean)
    return places, (found[places[0]], found[places[-1]]) if read else None


def _phases_of(
    method: Method, weights: Weights | None, look: "Look", engine: FusionEngine, threads: int
) -> Callable[[Sequence[Pixels], Any, Surveys], Phases]:
    """Return the function that makes the jobs of exposures, their result, and the surveys of both ends, if known."""
    if engine == "fast" or engine == "definition" or engine == "cuda":
        if not method.parts or weights is None:
            return lambda exposures, out, _: method.phases(exposures, out, weights, engine=engine, threads=threads)

        def in_parts(exposures: Sequence[Pixels], out: Any, surveys: Surveys) -> Phases:
            surveys = surveys if look.of is None else tone_surveys(look.of, weights, out.dtype)
            return [list(fuse_bracket(exposures, out, weights, engine=engine, threads=threads, surveys=surveys))]

        return in_parts
    floats = ", ".join(get_args(Engine))
    if not method.parts or weights is None:
        raise ValueError(f"fuse: engine of {method.title} is {engine!r}, expected one of {floats}")
    if look.of is not None:
        raise ValueError(f"fuse: engine with another pair's tone is {engine!r}, expected one of {floats}")
    from npfuse.integer_pair import fuse_integer_pair, integer_network

    network = integer_network(weights, engine)

    def in_integers(exposures: Sequence[Pixels], out: Any, _: Surveys) -> Phases:
        if len(exposures) != 2:
            raise ValueError(f"fuse: {len(exposures)} exposures in {engine}, expected 2; pair=True takes two of them")
        return [list(fuse_integer_pair(exposures[0], exposures[1], out, weights, network, threads=threads))]

    return in_integers


def _fused_on_card(
    pictures: list[Any], weights: Weights, *, order: Order, progress: Progress | None
) -> tuple[Pixels, list[int]]:
    """Fuse pictures on a graphics card that has room for them."""
    first = pictures[0]
    out: Any = new_card_array(first) if is_card_array(first) else np.empty_like(first, order="C")
    places = list(range(len(pictures)))
    stacks = [[x[n] for x in (*pictures, out)] for n in range(len(first))] if first.ndim == 4 else [[*pictures, out]]
    for done, (*exposures, result) in enumerate(stacks, 1):
        places = fuse_whole(exposures, result, weights, in_order=order == "given", check=check_range)
        if progress:
            progress(done, len(stacks))
    return out, places


def _checked(named: dict[str, Any], engine: FusionEngine) -> list[Any]:
    """Return all pictures as arrays, on the card if they lie there, or raise with the fault."""
    on_card = [name for name, x in named.items() if is_card_array(x)]
    if on_card and (engine != "cuda" or len(on_card) < len(named)):
        raise TypeError(
            f"fuse: {', '.join(on_card)} on a graphics card, expected all pictures there and the engine cuda; "
            f"the engine is {engine}"
        )
    pictures = {name: card_array(x) if on_card else np.asarray(x) for name, x in named.items()}
    check_pictures(pictures, (3, 2, 4))
    for name, x in pictures.items():
        if x.dtype.kind == "f" and not on_card:
            check_range(name, x)
    # Compiled code takes no numbers that lie across their places, as in fields of a packed record.
    return list(pictures.values()) if on_card else [np.require(x, requirements="A") for x in pictures.values()]
