"""Turns a bracket of more than two frames into a pair: its extremes, each averaged with all other frames.

A network of a pair sees two exposures. From a bracket, it gets the darkest and the brightest frame, each averaged with
all other frames, which are mapped to its exposure before. So the network sees exposures that it knows, with less noise
and finer levels in the shadows. Averages are made part by part, when the network reads them.

- Mapping: a monotone curve per channel, the mean level in the darker frame of pixels of one level in the brighter one
  (the brightness transfer function of Grossberg and Nayar, "Determining the camera response from images: what is
  knowable?", PAMI 2003), without the outliers that motion makes, and made monotone by least squares. The brighter frame
  is the cleaner one, so levels are taken by it, and the inverse maps the darker frame to the brighter.
- Weights: inverse to the variance of the noise after mapping, from the slope of the curve; in encoded values, the noise
  of a camera hardly depends on the level, but for that of reading in the dark. Levels near white weigh nothing, and
  neither do those near black where they are mapped to a brighter exposure.
- Motion: where the mean over 5x5 pixels differs from the base frame's by more than curve and noise explain, a frame
  weighs little. So each of the two keeps the shapes of its own frame, and nothing appears in both that one has not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.strips import WHITE
from npfuse.survey import Survey

LEVELS = 256
TOP = LEVELS - 1
SAMPLES = 250_000  # pixels that curves are fitted to
SAMPLED_ROWS = 256  # rows read at a time for them
LEAST_COUNT = 8  # samples of a level that tells
LEAST_LEVELS = 8  # levels of the brighter frame that must tell, or there is no curve
CLIPPED = 250.0  # level from which on a frame weighs nothing; its weight falls over RAMP levels
RAMP = 15.0
DARK, DARK_RAMP = 2.0, 8.0  # likewise at black, for frames mapped to a brighter exposure
READ_LEVEL = 24.0  # encoded level at which noise of reading equals that of photons
CURVE_ERROR = 0.1  # added to slopes: a curve's own error, as a share of the mapped frame's noise
SMOOTHING = 4  # levels over which slopes are averaged
LEAST_SCATTER, MOST_SCATTER = 1.5, 3.0  # levels; where much of a scene moves, its scatter is no noise
TOLERANCE = 2.0  # scatters by which a mean may differ before it halves the weight


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """The levels of a darker frame by those of a brighter one, of one channel.

    Parameters
    ----------
    levels : ndarray (256,), mean level in the darker frame of pixels of each level of the brighter one; monotone
    scatter : ndarray (256,), standard deviation around it
    least, most : first and last level of the brighter frame that tell
    """

    levels: NDArray[np.float64]
    scatter: NDArray[np.float64]
    least: int
    most: int


def fit_curve(dark: NDArray[Any], bright: NDArray[Any]) -> Curve | None:
    """Fit the curve of a channel.

    Parameters
    ----------
    dark, bright : ndarray (n,), float, levels 0 to 255 of the same pixels

    Returns
    -------
    Curve, or None if too few levels are exposed in both frames

    Examples
    --------
    >>> bright = np.repeat(np.arange(256.0), 30)
    >>> fit_curve(bright / 2, bright).levels[[0, 100, 200]].round(2)
    array([  0.,  50., 100.])
    """
    bins = np.rint(bright).astype(np.intp)
    together = np.bincount(bins * LEVELS + np.rint(dark).astype(np.intp), minlength=LEVELS**2)
    median, scatter = _middles(together.reshape(LEVELS, LEVELS))
    kept = np.abs(dark - median[bins]) <= np.maximum(3 * scatter, 3)[bins]
    numbers = np.bincount(bins[kept], minlength=LEVELS)
    sums = np.bincount(bins[kept], weights=dark[kept], minlength=LEVELS)
    means = sums / np.maximum(numbers, 1)
    telling = np.flatnonzero((numbers >= LEAST_COUNT) & (np.arange(LEVELS) <= CLIPPED) & (means <= CLIPPED))
    if len(telling) < LEAST_LEVELS:
        return None
    fitted = _monotone(means[telling], numbers[telling].astype(np.float64))
    every = np.arange(LEVELS)
    return Curve(
        levels=np.interp(every, telling, fitted),
        scatter=np.interp(every, telling, np.maximum(scatter[telling], 1.0)),
        least=int(telling[0]),
        most=int(telling[-1]),
    )


def _middles(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the median level of each row of a joint histogram, and its scatter by the median distance from that."""
    below = np.zeros((LEVELS, LEVELS + 1), np.intp)
    np.cumsum(counts, axis=1, out=below[:, 1:])
    half = below[:, -1:]
    median = np.argmax(2 * below[:, 1:] >= half, axis=1)
    reaches, rows = np.arange(LEVELS), np.arange(LEVELS)[:, np.newaxis]
    first = np.maximum(median[:, np.newaxis] - reaches, 0)
    stop = np.minimum(median[:, np.newaxis] + reaches + 1, LEVELS)
    inside = below[rows, stop] - below[rows, first]  # within each reach of the median
    return median, 1.4826 * np.argmax(2 * inside >= half, axis=1)


def _monotone(values: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return the non-decreasing values nearest by weighted least squares: neighbours that fall are averaged."""
    runs: list[tuple[float, float, int]] = []  # (mean, weight, length)
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        run = value, weight, 1
        while runs and runs[-1][0] >= run[0]:
            mean, heavy, length = runs.pop()
            both = heavy + run[1]
            run = (mean * heavy + run[0] * run[1]) / both, both, length + run[2]
        runs.append(run)
    return np.repeat([mean for mean, _, _ in runs], [length for _, _, length in runs])


def down_table(curve: Curve) -> NDArray[np.float32]:
    """Return the table that maps the brighter frame to the darker exposure, (256, 3): levels, weights, 1 / limits."""
    every = np.arange(LEVELS)
    slopes = np.gradient(_smooth(curve.levels))
    shown = np.clip((CLIPPED - every) / RAMP, 0, 1) * (every <= curve.most)
    return _table(curve.levels, slopes, curve.scatter, shown)


def up_table(curve: Curve) -> NDArray[np.float32]:
    """Return the table that maps the darker frame to the brighter exposure, (256, 3): levels, weights, 1 / limits."""
    every = np.arange(LEVELS)
    telling = np.arange(curve.least, curve.most + 1)
    rising = curve.levels + 1e-6 * every  # strictly, for its inverse to be one
    levels = np.interp(every, rising[telling], telling)
    falling = np.maximum(np.gradient(_smooth(curve.levels)), 1e-3)
    slopes = 1 / np.interp(levels, every, falling)
    shown = np.clip((every - DARK) / DARK_RAMP, 0, 1) * np.clip((CLIPPED - every) / RAMP, 0, 1)
    shown *= every <= rising[curve.most]
    return _table(levels, slopes, slopes * np.interp(levels, every, curve.scatter), shown)


def _table(
    levels: NDArray[Any], slopes: NDArray[Any], scatter: NDArray[Any], shown: NDArray[Any]
) -> NDArray[np.float32]:
    """Return levels, weights against a base frame that weighs 1, and one over limits."""
    own, there = (1 + (READ_LEVEL / np.maximum(x, 1)) ** 2 for x in (np.arange(LEVELS), levels))
    weights = shown * there / (own * slopes**2 + CURVE_ERROR**2)
    limits = TOLERANCE * np.clip(scatter, LEAST_SCATTER, MOST_SCATTER)
    return np.stack([levels, weights, 1 / limits], axis=1).astype(np.float32)


def _smooth(levels: NDArray[Any]) -> NDArray[Any]:
    """Average a curve over SMOOTHING levels each way; its ends continue straight."""
    before = levels[0] - (levels[SMOOTHING:0:-1] - levels[0])
    after = levels[-1] - (levels[-2 : -2 - SMOOTHING : -1] - levels[-1])
    kernel = np.full(2 * SMOOTHING + 1, 1 / (2 * SMOOTHING + 1))
    return np.convolve(np.concatenate([before, levels, after]), kernel, mode="valid")


@dataclass(frozen=True, kw_only=True, eq=False)
class MergedFrame:
    """A frame averaged with others that are mapped to its exposure; read as `picture[rows, columns]`.

    Parameters
    ----------
    base : picture (H, W) or (H, W, 3), of uint8, uint16, float32 or float64
    others : pictures of the same shape and dtype
    tables : ndarrays (C, N, 3) of `_spread`, one for each of the others
    """

    base: Any
    others: Sequence[Any]
    tables: Sequence[NDArray[np.float32]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the base."""
        return tuple(self.base.shape)

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the base's dtype, but uint16 for uint8, since averages have more levels."""
        dtype = np.dtype(self.base.dtype)
        return np.dtype(np.uint16) if dtype == np.uint8 else dtype

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part, by slices without steps."""
        from npfuse.engine.merging import REACH, add_mapped

        spans = [part.indices(n)[:2] for part, n in zip(place, self.shape, strict=False)]
        wide = [(max(0, a - REACH), min(n, b + REACH)) for (a, b), n in zip(spans, self.shape, strict=False)]
        window = tuple(slice(*span) for span in wide)
        base = _levels_of(self.base[window])
        total, weight = base.copy(), np.ones_like(base)
        for picture, tables in zip(self.others, self.tables, strict=True):
            add_mapped(base, _indices_of(picture[window]), tables, total, weight)
        merged = total / weight
        inside = tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(spans, wide, strict=True))
        part = merged[inside] if self.ndim == 3 else merged[inside][..., 0]
        scale = WHITE[self.dtype] / TOP
        values: NDArray[Any] = np.rint(part * scale) if self.dtype.kind == "u" else np.clip(part / TOP, 0, 1)
        return values.astype(self.dtype)


def _levels_of(part: Any) -> NDArray[np.float32]:
    """Return a part of a picture as float32 levels, 0 to 255, (rows, columns, C)."""
    x = np.asarray(part)
    levels = x.astype(np.float32)
    if x.dtype != np.uint8:
        levels *= np.float32(TOP / WHITE[x.dtype])
    return np.ascontiguousarray(levels if levels.ndim == 3 else levels[..., np.newaxis])


class RoundedOutput:
    """A uint16 output whose values are rounded to those of a uint8 picture; written as `out[rows, columns] = values`.

    Parameters
    ----------
    out : picture of uint8
    """

    dtype = np.dtype(np.uint16)

    def __init__(self, out: Any) -> None:
        self.out, self.shape, self.ndim = out, out.shape, len(out.shape)

    def __setitem__(self, place: tuple[slice, slice], values: NDArray[np.uint16]) -> None:
        """Write a part."""
        self.out[place] = (values // 257 + (values % 257 > 128)).astype(np.uint8)


def _indices_of(part: Any) -> NDArray[Any]:
    """Return a part of a picture as indices of a table, (rows, columns, C): uint8 as it is, others as uint16."""
    x = np.asarray(part)
    x = x if x.ndim == 3 else x[..., np.newaxis]
    return np.rint(x * np.float32(TOP * 257)).astype(np.uint16) if x.dtype.kind == "f" else x


def _spread(tables: NDArray[np.float32], dtype: "np.dtype[Any]") -> NDArray[np.float32]:
    """Return tables (C, 256, 3) for a picture's values: 256 of them, or 65,536, between which is interpolated."""
    if dtype == np.uint8:
        return tables
    places, every = np.arange(TOP * 257 + 1) / 257, np.arange(LEVELS)
    spread = [[np.interp(places, every, table[:, i]) for i in range(3)] for table in tables]
    return np.ascontiguousarray(np.array(spread, np.float32).transpose(0, 2, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class MergedPair:
    """The darkest and the brightest frame of a bracket, each averaged with the others.

    Parameters
    ----------
    under, over : MergedFrame
    left_out : indices of frames that no curve maps to either
    """

    under: MergedFrame
    over: MergedFrame
    left_out: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype of both."""
        return self.under.dtype


def merge_bracket(frames: Sequence[Any]) -> MergedPair:
    """Make the pair of a bracket; its parts are averaged when they are read.

    Parameters
    ----------
    frames : three pictures or more (H, W) or (H, W, 3), alike, darkest first; ndarrays, or objects that return one for
        `picture[rows, columns]`

    Returns
    -------
    MergedPair

    Examples
    --------
    >>> scene = np.linspace(0, 0.9, 60 * 80).reshape(60, 80)
    >>> frames = [(scene * light * 255).astype(np.uint8) for light in (0.25, 0.5, 1)]
    >>> pair = merge_bracket(frames)
    >>> pair.under.shape, pair.under.dtype, pair.left_out
    ((60, 80), dtype('uint16'), ())
    """
    samples = [_sampled(frame) for frame in frames]
    last = len(frames) - 1
    under = _tables_to(0, samples, lambda k: (samples[0], samples[k], down_table))
    over = _tables_to(last, samples, lambda k: (samples[k], samples[last], up_table))
    return MergedPair(
        under=_merged(0, frames, under),
        over=_merged(last, frames, over),
        left_out=tuple(k for k in range(1, last) if k not in under and k not in over),
    )


Fit = Callable[[int], tuple[NDArray[Any], NDArray[Any], Callable[[Curve], NDArray[np.float32]]]]


def _tables_to(base: int, samples: Sequence[NDArray[Any]], fit: Fit) -> dict[int, NDArray[np.float32]]:
    """Return the tables of every frame that has curves to a base, by its index."""
    found = {}
    for k in range(len(samples)):
        if k == base:
            continue
        dark, bright, tables = fit(k)
        curves = [fit_curve(dark[:, c], bright[:, c]) for c in range(dark.shape[1])]
        known = [curve for curve in curves if curve is not None]
        if len(known) == len(curves):
            found[k] = np.stack([tables(curve) for curve in known])
    return found


def _merged(base: int, frames: Sequence[Any], tables: dict[int, NDArray[np.float32]]) -> MergedFrame:
    dtype = np.dtype(frames[base].dtype)
    spread = [_spread(table, dtype) for table in tables.values()]
    return MergedFrame(base=frames[base], others=[frames[k] for k in tables], tables=spread)


def _sampled(frame: Any) -> NDArray[np.float32]:
    """Return some of the pixels of a frame as levels, (n, C), at the same places in every frame of a bracket."""
    height, width = frame.shape[:2]
    step = max(1, int(np.sqrt(height * width / SAMPLES)))
    parts = []
    for start in range(0, height, SAMPLED_ROWS):
        part = np.asarray(frame[start : start + SAMPLED_ROWS, :])[-start % step :: step, ::step]
        parts.append(_levels_of(part).reshape(-1, 3 if part.ndim == 3 else 1))
    return np.concatenate(parts)


def rescaled(found: Survey, dtype: "np.dtype[Any]", to: "np.dtype[Any]") -> Survey:
    """Return the survey of a picture in the levels of another dtype.

    Parameters
    ----------
    found : Survey of the picture
    dtype : picture's dtype
    to : dtype of the levels
    """
    scale = WHITE[np.dtype(to)] / WHITE[np.dtype(dtype)]
    return replace(
        found,
        mean=found.mean * scale,
        least=found.least * scale,
        most=found.most * scale,
        thumbnail=found.thumbnail * scale,
    )
