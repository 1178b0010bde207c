"""Mertens' pyramids in strips: the fast way to what the graph of `npfuse.models.mertens` defines.

A first pass over the pictures makes the level KEPT of every pyramid, which is small, strip by strip. This level is
blended as a whole, with the coarser ones. A second pass makes the finer levels of each strip again, and blends them. So
the only memory beside the pictures is that of a few strips, and of a sixteenth of the pixels of each picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.pyramids import Rows, blend, collect_planes, deal_planes, halve, measures_of, weigh
from npfuse.engine.scratch import Scratch, Spare
from npfuse.methods.method import Phases
from npfuse.methods.pyramid_sizes import KEPT, strip_rows
from npfuse.models.mertens import coarsest_level
from npfuse.ops.resize import resize_taps
from npfuse.strips import WHITE, Pixels

Floats = NDArray[np.float32]
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level of all pyramids as a whole: pictures (K, C, H, W) and weights (K, H, W)."""

    pictures: Floats
    weights: Floats

    @classmethod
    def of(cls, count: int, channels: int, height: int, width: int) -> "Level":
        """Return a level with empty arrays."""
        return cls(
            pictures=np.empty((count, channels, height, width), np.float32),
            weights=np.empty((count, height, width), np.float32),
        )

    def blended(self, further: int) -> Floats:
        """Return the result (C, H, W) at this level, made with `further` coarser levels."""
        fused: Floats
        if not further:
            fused = (self.pictures * self.weights[:, np.newaxis]).sum(axis=0)
            return fused
        count, channels, height, width = self.pictures.shape
        pictures, weights = Rows(self.pictures, 0, height), Rows(self.weights, 0, height)
        coarser = Level.of(count, channels, -(-height // 2), -(-width // 2))
        _halve(pictures, 0, coarser.pictures)
        _halve_weights(weights, 0, coarser.weights)
        below = Rows(coarser.pictures, 0, -(-height // 2))
        fused = np.empty((channels, height, width), np.float32)
        _blend(pictures, weights, below, below._replace(planes=coarser.blended(further - 1)[np.newaxis]), 0, fused)
        return fused


@dataclass(frozen=True, kw_only=True, eq=False)
class Strip:
    """Rows of all pictures at level 0 and level 1: pictures (K, C, R, W) and weights (K, R, W)."""

    pictures: tuple[Rows, Rows]
    weights: tuple[Rows, Rows]


@dataclass(kw_only=True, eq=False)
class Fusion:
    """A fusion by strips: its pictures, its result, and the arrays that its jobs hand on to each other.

    Parameters
    ----------
    exposures, out : as for `strip_phases`
    kept : Level KEPT, filled by `make_kept`
    fused : result (C, H, W) at that level, made by `blend_kept`
    spare : arrays to work in that no thread uses at present
    """

    exposures: Sequence[Pixels]
    out: Any
    kept: Level
    fused: Floats | None = None
    spare: Spare = field(default_factory=Spare)

    def make_kept(self, first: int, last: int) -> None:
        """Fill rows [first, last) of the level that is kept."""
        with self.spare.one() as scratch:
            height, _ = self._size(1)
            strip = self._strip(_rows_halved(first, last, height), (first, first), scratch)
            _halve(strip.pictures[1], first, self.kept.pictures[:, :, first:last])
            _halve_weights(strip.weights[1], first, self.kept.weights[:, first:last])

    def blend_kept(self) -> None:
        """Blend the level that is kept."""
        self.fused = self.kept.blended(coarsest_level(*self._size(0)) - KEPT)

    def blend_rows(self, first: int, last: int) -> None:
        """Blend rows [first, last) of the result, and write them."""
        assert self.fused is not None
        (height1, width1), (height2, _), (_, width) = self._size(1), self._size(2), self._size(0)
        span1 = _rows_doubled(first, last, height1)
        channels = self.kept.pictures.shape[1]
        dtype = np.dtype(self.out.dtype)
        with self.spare.one() as scratch:
            strip = self._strip(span1, (first, last), scratch)
            fused1 = scratch.array("fused 1", (1, channels, span1[1] - span1[0], width1), np.float32)
            kept, fused2 = Rows(self.kept.pictures, 0, height2), Rows(self.fused[np.newaxis], 0, height2)
            _blend(strip.pictures[1], strip.weights[1], kept, fused2, span1[0], fused1[0])
            planes = scratch.array("fused", (channels, last - first, width), np.float32)
            fused = Rows(fused1, span1[0], height1)
            _blend(strip.pictures[0], strip.weights[0], strip.pictures[1], fused, first, planes)
            levels = scratch.array("levels", (last - first, width * channels), dtype)
            collect_planes(planes, np.float32(WHITE[dtype]), dtype.kind == "u", levels)
            self.out[first:last, 0:width] = levels.reshape(last - first, *self.out.shape[1:])

    def _strip(self, span1: Span, span: Span, scratch: Scratch) -> Strip:
        """Return a strip with the rows `span` of level 0, or more, and the rows `span1` of level 1."""
        height, width = self._size(0)
        count, channels = self.kept.pictures.shape[:2]
        first, last = _rows_halved(*span1, height)
        first, last = min(first, span[0]) if span[1] > span[0] else first, max(last, span[1])
        top, bottom = max(first - 1, 0), min(last + 1, height)  # neighbours, for the contrast
        dtype = self.exposures[0].dtype
        planes = scratch.array("planes", (count, channels, bottom - top, width), dtype)
        for exposure, its in zip(self.exposures, planes, strict=True):
            part = np.ascontiguousarray(exposure[top:bottom, 0:width])
            deal_planes(part.reshape(bottom - top, width * channels), its)
        pictures = Rows(planes, top, height)
        weights = Rows(scratch.array("weights", (count, last - first, width), np.float32), first, height)
        lumas = np.empty((count, 3, width), np.float32)
        weigh(pictures, first, measures_of(WHITE[dtype]), lumas, np.empty(width, np.float32), weights.planes)
        height1, width1 = self._size(1)
        rows1 = span1[1] - span1[0]
        coarser = Rows(scratch.array("planes 1", (count, channels, rows1, width1), np.float32), span1[0], height1)
        _halve(pictures, span1[0], coarser.planes)
        coarser_weights = Rows(scratch.array("weights 1", (count, rows1, width1), np.float32), span1[0], height1)
        _halve_weights(weights, span1[0], coarser_weights.planes)
        return Strip(pictures=(pictures, coarser), weights=(weights, coarser_weights))

    def _size(self, level: int) -> Span:
        """Return the rows and columns of a level."""
        height, width = self.out.shape[:2]
        return -(-height >> level), -(-width >> level)


def strip_phases(exposures: Sequence[Pixels], out: Any, *, threads: int) -> Phases:
    """Return the jobs that fuse exposures strip by strip.

    Parameters
    ----------
    exposures : pictures (H, W, 3) or (H, W) of one shape and dtype; their sides are at least LEAST_SIDE, their dtype
        one of DEPTHS (`npfuse.methods.pyramid_sizes`)
    out : picture of the same shape and dtype; takes `out[rows, columns] = values`
    threads : number of threads that will work at once; the result does not depend on it
    """
    height, width = out.shape[:2]
    channels = out.shape[2] if len(out.shape) == 3 else 1
    rows2, columns2 = -(-height >> KEPT), -(-width >> KEPT)
    fusion = Fusion(exposures=exposures, out=out, kept=Level.of(len(exposures), channels, rows2, columns2))
    rows = strip_rows(height, width, len(exposures), threads)
    return [
        _by_rows(fusion.make_kept, rows2, rows >> KEPT),
        [fusion.blend_kept],
        _by_rows(fusion.blend_rows, height, rows),
    ]


def _by_rows(work: Callable[[int, int], None], height: int, rows: int) -> list[Callable[[], None]]:
    """Return jobs that work on `rows` rows each."""
    return [partial(work, first, min(first + rows, height)) for first in range(0, height, rows)]


def _rows_halved(first: int, last: int, finer: int) -> Span:
    """Return the rows, of a level of `finer` rows, from which rows [first, last) of the next coarser one are made."""
    return max(2 * first - 2, 0), min(2 * last + 1, finer)


def _rows_doubled(first: int, last: int, coarser: int) -> Span:
    """Return the rows, of a level of `coarser` rows, from which rows [first, last) of the next finer one are made."""
    return max(first // 2 - 1, 0), min((last - 1) // 2 + 2, coarser)


def _halve(finer: Rows, first: int, out: Floats) -> None:
    """Write rows of the next coarser level (K, C, rows, W), from row `first` on."""
    width = finer.planes.shape[-1]
    columns, _ = resize_taps(width, -(-width // 2), "pyramid_down")
    halve(finer, first, columns, np.empty(width, np.float32), out)


def _blend(finer: Rows, weights: Rows, coarser: Rows, fused: Rows, first: int, out: Floats) -> None:
    """Write rows of the result at a level, from row `first` on; `fused` is the result at the next coarser level."""
    between, enlarged = (np.empty(level.planes.shape[3], np.float32) for level in (fused, finer))
    blend(finer, weights, coarser, fused, first, between, enlarged, out)


def _halve_weights(finer: Rows, first: int, out: Floats) -> None:
    """Write rows of the next coarser level of weights (K, rows, W), from row `first` on."""
    _halve(finer._replace(planes=finer.planes[:, np.newaxis]), first, out[:, np.newaxis])
