"""How far one picture is shifted against another of the same scene at another exposure, in pixels.

Exposure changes how strong an edge is, but not which way it runs, so the pictures are first turned into the directions
of their edges (orientation correlation: Fitch, Kadyrov, Christmas and Kittler, BMVC 2002), which are then correlated by
Fourier transforms with half of their spectrum's weight taken out: between plain correlation, whose peak is broad along
straight lines, and phase correlation, which noise upsets. A small copy is searched first; windows of the full picture
say the rest. Left out: turning, zooming, and parts that move by themselves.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are first used: half of what the command line takes to start
from numpy.typing import NDArray

SMALL_PIXELS = 400_000  # of the copy that is searched first
WINDOW = 512  # side of the full picture's windows, of which there are 2 x 2
EDGE = 2.0  # levels of 255 between neighbours but one, after a blur of a pixel; less is noise
# The peak's height above the mean, in standard deviations of all shifts. Measured on 44 pairs of 11 scenes, up to 9
# stops apart: 72 to 438 where the shift was right, 11 where it was not.
SURE = 25.0
AS_GOOD = 0.9  # of another peak's score, from which on the smaller shift is taken


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Where a picture's content is found in another: that many rows further down and columns further right.

    Parameters
    ----------
    rows, columns : pixels, with a fraction
    score : of the peak, in standard deviations; sure from `SURE` on
    """

    rows: float
    columns: float
    score: float

    @property
    def sure(self) -> bool:
        """Whether the estimate can be relied on."""
        return self.score >= SURE

    @property
    def whole(self) -> tuple[int, int]:
        """Rows and columns, rounded."""
        return round(self.rows), round(self.columns)


def reduction(height: int, width: int) -> int:
    """Return by how much a picture of this size is reduced for the first search.

    Examples
    --------
    >>> reduction(400, 600), reduction(4000, 6000)
    (1, 8)
    """
    return max(1, int(np.ceil(np.sqrt(height * width / SMALL_PIXELS))))


def find_shift(a: Any, b: Any, small_a: NDArray[Any], small_b: NDArray[Any], white: float) -> Shift:
    """Find by how much b is shifted against a.

    Parameters
    ----------
    a, b : (H, W) or (H, W, 3), anything that gives an array for `picture[rows, columns]`
    small_a, small_b : ndarray (H // k, W // k), means over blocks of k x k, k being `reduction(H, W)`; in levels of a
    white : the highest level

    Returns
    -------
    Shift

    Examples
    --------
    >>> scene = np.random.default_rng(0).integers(0, 255, (200, 300)).astype(np.uint8)
    >>> a, b = scene[10:, 20:], scene[:-10, :-20] // 3
    >>> find_shift(a, b, a, b, 255).whole
    (10, 20)
    """
    k = reduction(*a.shape[:2])
    coarse = _peak(_correlation(small_a, small_b, white))
    if k == 1 or not coarse.sure:
        return Shift(rows=coarse.rows * k, columns=coarse.columns * k, score=coarse.score)
    moved = round(coarse.rows * k), round(coarse.columns * k)
    fine = _fine_shift(a, b, moved, white)
    if moved != (0, 0):
        # Of a scene that repeats itself, as bricks do, the small copy may match at another place as well.
        still = _fine_shift(a, b, (0, 0), white)
        fine = still if still.score >= fine.score * AS_GOOD else fine
    if fine.score == 0:
        return Shift(rows=coarse.rows * k, columns=coarse.columns * k, score=0.0)
    return Shift(rows=fine.rows, columns=fine.columns, score=min(coarse.score, fine.score))


def _fine_shift(a: Any, b: Any, moved: tuple[int, int], white: float) -> Shift:
    """Find a shift near a given one by windows of the full picture; score 0 where it has no room for any."""
    height, width = a.shape[:2]
    total: NDArray[Any] | None = None
    for row in _starts(height, moved[0]):
        for column in _starts(width, moved[1]):
            here, there = (
                luma_of(picture[r : r + WINDOW, c : c + WINDOW])
                for picture, r, c in ((a, row, column), (b, row + moved[0], column + moved[1]))
            )
            surface = _correlation(here, there, white)
            total = surface if total is None else total + surface
    if total is None:
        return Shift(rows=0.0, columns=0.0, score=0.0)
    found = _peak(total)
    return Shift(rows=moved[0] + found.rows, columns=moved[1] + found.columns, score=found.score)


def _starts(n: int, moved: int) -> list[int]:
    """Return where two windows begin along an axis, so that the shifted ones lie in the other picture."""
    low, high = max(0, -moved), min(n, n - moved) - WINDOW
    return sorted({low + (high - low) * i // 4 for i in (1, 3)}) if high >= low else []


def luma_of(part: Any) -> NDArray[Any]:
    """Return the green channel, which has most of the luma; of floats, what is NaN or beyond [0, 1] is clipped."""
    luma: NDArray[Any] = np.asarray(part)
    luma = luma[..., 1] if luma.ndim == 3 else luma
    return np.nan_to_num(luma, nan=0.0).clip(0, 1) if luma.dtype.kind == "f" else luma


def _directions(luma: NDArray[Any], white: float) -> NDArray[np.complex64]:
    """Return the direction of each pixel's edge as a number of size 1, or 0 where there is none."""
    scaled = scipy.ndimage.gaussian_filter(luma.astype(np.float32) * np.float32(255 / white), 1.0)
    edges = np.zeros(scaled.shape, np.complex64)
    edges.real[:, 1:-1] = scaled[:, 2:] - scaled[:, :-2]
    edges.imag[1:-1] = scaled[2:] - scaled[:-2]
    size = np.abs(edges)
    return np.divide(edges, size, out=np.zeros_like(edges), where=size > EDGE)


def _correlation(a: NDArray[Any], b: NDArray[Any], white: float) -> NDArray[Any]:
    """Correlate the edges of two pictures of one size: the value at (r, c) is for a shift of r rows and c columns."""
    height, width = a.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectra = [scipy.fft.fft2(_directions(picture, white) * window) for picture in (a, b)]
    cross = np.conj(spectra[0]) * spectra[1]
    size = np.abs(cross)
    cross /= np.sqrt(np.maximum(size, 1e-6 * size.max() + np.finfo(np.float32).tiny))
    surface: NDArray[Any] = scipy.fft.ifft2(cross).real
    return surface


def _peak(surface: NDArray[Any]) -> Shift:
    """Find the highest point of a correlation, between the positions by a parabola along each axis."""
    spread = float(surface.std())
    if spread == 0 or min(surface.shape) < 3:
        return Shift(rows=0.0, columns=0.0, score=0.0)
    place = np.unravel_index(int(np.argmax(surface)), surface.shape)
    top = float(surface[place])
    shift = []
    for axis, n in enumerate(surface.shape):
        before, after = (
            float(surface.take(place[axis] + step, axis, mode="wrap")[place[1 - axis]]) for step in (-1, 1)
        )
        bend = before - 2 * top + after
        whole = int(place[axis]) - (n if place[axis] > n // 2 else 0)
        shift.append(whole + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return Shift(rows=shift[0], columns=shift[1], score=(top - float(surface.mean())) / spread)
