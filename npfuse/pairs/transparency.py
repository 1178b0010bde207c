"""Fills the transparent parts of frames with the pixels of others, mapped to their exposure.

The brightness mapping from one frame to another is, for each level of the one, the mean of the other over pixels that
both show. It is made per channel, and never falls. The result is transparent only where all frames are.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.strips import WHITE

Some = TypeVar("Some", Picture, StoredPicture)
LEVELS = 256  # of a brightness mapping
LEAST_PIXELS = 64  # pixels that both frames must show for a mapping
SAMPLED_ROWS = 64
FILLED_ROWS = 256  # rows that are filled at once

Table = NDArray[np.float64]  # (C, LEVELS): values of a frame, 0 to 1, for levels of another


def filled(pictures: Sequence[Some]) -> list[Some]:
    """Fill the transparent parts of frames from each other; the first frame gets the highest alpha of all.

    Parameters
    ----------
    pictures : aligned frames of one size, kind and dtype

    Returns
    -------
    list of pictures; the given ones if no alpha differs
    """
    alphas = [picture.alpha for picture in pictures]
    if all(alpha is None for alpha in alphas):
        return list(pictures)
    found = []
    for picture in pictures:
        others = sorted(
            (other for other in pictures if other is not picture), key=lambda other: _distance(picture, other)
        )
        view: Any = Filled(picture, others) if picture.alpha is not None else picture.pixels
        found.append(replace(picture, pixels=_in_memory(view) if isinstance(picture, Picture) else view))
    alpha: Any = None if any(alpha is None for alpha in alphas) else Highest(alphas)
    if alpha is not None and isinstance(found[0], Picture):
        alpha = _in_memory(alpha)
    return [replace(picture, alpha=alpha) for picture in found]


class Filled:
    """A frame whose transparent parts show other frames.

    Parameters
    ----------
    picture : frame with alpha
    others : frames to fill in from; the first one that shows something is taken
    """

    def __init__(self, picture: Any, others: Sequence[Any]) -> None:
        self.picture, self.others = picture, others
        self.tables = [_mapping(other, picture) for other in others]
        self.shape, self.dtype, self.ndim = picture.pixels.shape, np.dtype(picture.pixels.dtype), picture.pixels.ndim

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        white = WHITE[self.dtype]
        part: NDArray[Any] = np.asarray(self.picture.pixels[place])
        seen = np.asarray(self.picture.alpha[place])
        for other, table in zip(self.others, self.tables, strict=True):
            there = np.full(seen.shape, white, seen.dtype) if other.alpha is None else np.asarray(other.alpha[place])
            lacking = there > seen
            if not lacking.any():
                continue
            own, given = part[lacking].astype(np.float64), np.asarray(other.pixels[place])[lacking]
            share = 1 - seen[lacking].astype(np.float64) / there[lacking]
            mapped = _mapped(given, table, white)
            blend = mapped + (1 - share.reshape(-1, *[1] * (own.ndim - 1))) * (own - mapped)
            part = part.copy()
            part[lacking] = blend if self.dtype.kind == "f" else np.rint(blend)
            seen = np.maximum(seen, there)
        return part


class Highest:
    """The highest of several alphas at each pixel."""

    def __init__(self, alphas: Sequence[Any]) -> None:
        self.alphas = alphas
        self.shape, self.dtype, self.ndim = alphas[0].shape, np.dtype(alphas[0].dtype), 2

    def __getitem__(self, place: tuple[slice, slice]) -> NDArray[Any]:
        """Return a part as an array."""
        highest = np.asarray(self.alphas[0][place])
        for alpha in self.alphas[1:]:
            highest = np.maximum(highest, alpha[place])
        return highest


def _in_memory(view: Any) -> NDArray[Any]:
    """Return all of a view, part by part."""
    out = np.empty(view.shape, view.dtype)
    for first in range(0, view.shape[0], FILLED_ROWS):
        out[first : first + FILLED_ROWS] = view[first : first + FILLED_ROWS, :]
    return out


def _distance(a: Any, b: Any) -> float:
    """Return how far the means of two frames are apart, over sampled pixels that both show."""
    values = _sampled(a, b)
    return abs(float(values[0].mean()) - float(values[1].mean())) if values[0].size else np.inf


def _sampled(a: Any, b: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values (N, C) of two frames, 0 to 1, at sampled pixels that both show."""
    height, width = a.pixels.shape[:2]
    step = max(1, width // 1024)
    found: tuple[list[Any], list[Any]] = [], []
    for row in np.linspace(0, height - 1, min(height, SAMPLED_ROWS)).astype(int).tolist():
        place = slice(row, row + 1), slice(0, width)
        seen = np.ones((1, width), bool)
        for frame in (a, b):
            if frame.alpha is not None:
                seen &= np.asarray(frame.alpha[place]) >= WHITE[np.dtype(frame.alpha.dtype)]
        for frame, values in zip((a, b), found, strict=True):
            part = np.asarray(frame.pixels[place]).reshape(width, -1)
            values.append(part[seen[0]][::step])
    white = WHITE[np.dtype(a.pixels.dtype)]
    first, second = (np.concatenate(values).astype(np.float64) / white for values in found)
    return first, second


def _mapping(source: Any, target: Any) -> Table:
    """Return the brightness mapping from a frame to another."""
    given, wanted = _sampled(source, target)
    channels = 1 if source.pixels.ndim == 2 else source.pixels.shape[2]
    levels = np.arange(LEVELS) / (LEVELS - 1)
    if len(given) < LEAST_PIXELS:
        return np.tile(levels, (channels, 1))
    table = np.empty((channels, LEVELS))
    for c in range(channels):
        bins = np.clip(np.rint(given[:, c] * (LEVELS - 1)), 0, LEVELS - 1).astype(int)
        counts = np.bincount(bins, minlength=LEVELS)
        there = counts > 0
        means = np.bincount(bins, wanted[:, c], LEVELS)[there] / counts[there]
        table[c] = np.interp(levels, levels[there], np.maximum.accumulate(means))
    return table


def _mapped(values: NDArray[Any], table: Table, white: float) -> NDArray[np.float64]:
    """Return values (N,) or (N, C) mapped to another exposure."""
    levels = np.arange(LEVELS) * (white / (LEVELS - 1))
    flat = values.reshape(len(values), -1)
    mapped = np.stack([white * np.interp(flat[:, c], levels, table[c]) for c in range(flat.shape[1])], axis=1)
    return mapped.reshape(values.shape)
