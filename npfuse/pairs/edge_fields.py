"""Finds how far a scene moved between two exposures, by the directions of its edges.

Exposure changes how strong an edge is, but not which way it runs. So a picture is turned into the directions of its
edges (orientation correlation: Fitch, Kadyrov, Christmas and Kittler, BMVC 2002), a field of two numbers per pixel.
`coarse_motion` correlates whole fields by Fourier transforms. It divides their spectrum by the square root of its
magnitude: a compromise between plain correlation, whose peak is broad along straight lines, and phase correlation,
which is sensitive to noise. `edge_blocks` then measures what remains, block by block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.blocks import Blocks, blocks_of, likeness_of
from npfuse.pairs.motions import Frame, Matrix
from npfuse.pairs.plane_filters import Floats, blurred, least_around, values_at

EDGE = 2.0  # levels of 255 between pixels two apart, after a blur of one pixel; less is noise
LOW, HIGH = 6, 247  # levels of 255; levels beyond them are not compared
MARGIN = 5  # pixels beside transparent or padded parts, whose edges are not the scene's


@dataclass(frozen=True, kw_only=True)
class Luma:
    """The luma of a picture in levels of 255, and where it shows something.

    Parameters
    ----------
    levels : (H, W)
    valid : (H, W), 1 where the picture shows something and 0 where it is transparent or padded; None for everywhere
    """

    levels: Floats
    valid: Floats | None = None

    @property
    def frame(self) -> Frame:
        """Return the coordinates of a picture of this size."""
        return Frame(height=self.levels.shape[0], width=self.levels.shape[1])

    def halved(self) -> "Luma":
        """Return a copy of half the size, of means over 2 x 2 pixels; a mean is valid where all four pixels are."""
        valid = None if self.valid is None else np.floor(_halved(self.valid))
        return Luma(levels=_halved(self.levels), valid=valid)

    def seen_through(self, matrix: Matrix, frame: Frame) -> "Luma":
        """Return this picture, moved by a matrix from the places of another picture to places here."""
        rows, columns = np.indices((frame.height, frame.width), np.float32, sparse=True)
        m = matrix.astype(np.float32)
        below = m[2, 0] * rows + (m[2, 1] * columns + m[2, 2])
        there = np.stack(
            [(m[i, 0] * rows + (m[i, 1] * columns + m[i, 2])) / below for i in (0, 1)]
        )  # (2, H, W), float32: exact to 0.0001 pixels in pictures of up to 1600 columns
        height, width = self.levels.shape
        inside = (there >= 0).all(axis=0) & (there[0] <= height - 1) & (there[1] <= width - 1)
        levels = values_at(self.levels, there)
        valid = inside.astype(np.float32)
        if self.valid is not None:
            valid *= values_at(self.valid, there) > 0.999
        return Luma(levels=levels, valid=None if valid.all() else valid)

    @cached_property
    def smooth(self) -> Floats:
        """Return the levels, blurred by a pixel, (H, W)."""
        return blurred(self.levels)

    @cached_property
    def field(self) -> Floats:
        """Return the directions of the edges along rows and columns, (2, H, W), of size 1 at edges and 0 elsewhere."""
        field = np.zeros((2, *self.levels.shape), np.float32)
        field[0, 1:-1] = self.smooth[2:] - self.smooth[:-2]
        field[1, :, 1:-1] = self.smooth[:, 2:] - self.smooth[:, :-2]
        field /= np.sqrt(field[0] ** 2 + field[1] ** 2 + np.float32(EDGE**2))
        field *= self.inner
        return field

    @cached_property
    def smooth_field(self) -> Floats:
        """Return the field, blurred by a pixel, (2, H, W)."""
        return np.stack([blurred(part) for part in self.field])

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """Return True where no border of what is shown is near, (H, W)."""
        shown = np.ones(self.levels.shape, bool) if self.valid is None else self.valid > 0
        return least_around(shown, 2 * MARGIN + 1, "constant")

    @cached_property
    def telling(self) -> NDArray[np.bool_]:
        """Return True where, besides, neither a pixel nor a neighbour is black or white, (H, W)."""
        return least_around((self.levels > LOW) & (self.levels < HIGH), 3) & self.inner


def _halved(values: Floats) -> Floats:
    height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    pairs = values[:height:2, :width] + values[1:height:2, :width]
    halved: Floats = (pairs[:, ::2] + pairs[:, 1::2]) * np.float32(0.25)
    return halved


def coarse_motion(a: Luma, b: Luma, angles: Sequence[float]) -> tuple[Matrix, float]:
    """Find how b lies against a: turned by one of several angles, and shifted by whole pixels.

    Parameters
    ----------
    a, b : small Lumas of one size
    angles : angles to try, degrees

    Returns
    -------
    matrix : (3, 3), from a to b
    score : height of the correlation's peak above its mean, in standard deviations
    """
    frame = a.frame
    shape = (frame.height, frame.width)
    window = np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32)
    of_a = np.conj(_spectrum(a, window))
    best, score = np.eye(3), -np.inf
    for angle in angles:
        turned = frame.step(np.array([0, 0, np.radians(angle)]))
        cross = of_a * _spectrum(b.seen_through(turned, frame), window)
        size = np.abs(cross)
        cross /= np.sqrt(np.maximum(size, 1e-6 * size.max() + np.finfo(np.float32).tiny))
        surface = blurred(np.fft.ifft2(cross).real.astype(np.float32, copy=False), "wrap")
        spread = float(surface.std())
        place = np.unravel_index(int(np.argmax(surface)), shape)
        height = (float(surface[place]) - float(surface.mean())) / spread if spread else 0.0
        if height > score:
            shift = [int(at) - (n if at > n // 2 else 0) for at, n in zip(place, shape, strict=True)]
            best, score = turned @ np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]]), height
    return best, score


def _spectrum(luma: Luma, window: Floats) -> NDArray[np.complex64]:
    field = luma.field * window
    return np.fft.fft2(field[1] + 1j * field[0]).astype(np.complex64, copy=False)


def edge_blocks(a: Luma, there: Luma, side: int, floor: float) -> Blocks:
    """Find by edges how far the blocks of a picture are from where they are looked for in another.

    Parameters
    ----------
    a : Luma of the first picture
    there : Luma of the second picture, moved to where the first is thought to be
    side : side of a block, pixels
    floor : least error of a block's place, pixels, however well it is known
    """
    # Both must have an edge: where one picture is black or white, the other's edges say nothing of a motion.
    weight = np.sqrt((a.field**2).sum(axis=0) * (there.field**2).sum(axis=0))
    likeness = likeness_of(a.field, there.field, weight, side)
    return blocks_of(a.smooth_field, there.smooth_field, weight, likeness, side, floor)
