"""Moves pictures onto another: resamples them once, whole or part by part, and finds the area that several share."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.motions import Matrix, moved

STRIP_PIXELS = 1 << 19
WHOLE = 0.1  # pixels: a motion so close to a shift by whole pixels needs no resampling
LEAST_PART = 0.001  # share in a pixel's colours that a transparent pixel may have
CELLS = 256  # cells along the longer side, of the grid on which a shared area is looked for

Area = tuple[slice, slice]


class MovedPicture:
    """A picture that is moved onto another; a part of it is computed when it is asked for.

    Parameters
    ----------
    picture : (H, W) or (H, W, C), uint8, uint16, float32 or float64; gives an ndarray for `picture[rows, columns]`
    matrix : (3, 3), from (row, column, 1) of the other picture to the place in this one

    Examples
    --------
    >>> picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> MovedPicture(picture, np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1.0]]))[0:2, 0:3]
    array([[ 5,  6,  7],
           [ 9, 10, 11]], dtype=uint8)
    """

    def __init__(self, picture: Any, matrix: Matrix) -> None:
        self.picture, self.matrix = picture, np.ascontiguousarray(matrix, np.float64)
        self.shape, self.dtype, self.ndim = tuple(picture.shape), np.dtype(picture.dtype), len(picture.shape)

    def __getitem__(self, part: Area) -> NDArray[Any]:
        """Return a part; 0 where the picture shows nothing."""
        return self.read(part)[0]

    def read(self, part: Area) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return a part, and where it shows something."""
        from npfuse.engine.resampling import LOBES, lanczos_table, resample  # Numba, which takes its time to load

        (top, bottom, _), (left, right, _) = (cut.indices(n) for cut, n in zip(part, self.shape[:2], strict=True))
        out = np.zeros((bottom - top, right - left, *self.shape[2:]), self.dtype)
        there = np.zeros(out.shape[:2], np.uint8)
        corners = np.array([[r, c] for r in (top, bottom - 1) for c in (left, right - 1)], np.float64)
        taken = moved(self.matrix, corners)
        low = np.clip(np.floor(taken.min(axis=0)).astype(int) - LOBES, 0, np.array(self.shape[:2]) - 1)
        high = np.clip(np.ceil(taken.max(axis=0)).astype(int) + LOBES + 1, low + 1, self.shape[:2])
        source = np.ascontiguousarray(self.picture[low[0] : high[0], low[1] : high[1]])
        whole = self.dtype.kind == "u"
        resample(
            source.reshape(*source.shape[:2], -1),
            (int(low[0]), int(low[1])),
            (int(self.shape[0]), int(self.shape[1])),
            self.matrix,
            top,
            left,
            lanczos_table(),
            0.0,
            float(np.iinfo(self.dtype).max) if whole else 1.0,
            whole,
            out.reshape(*out.shape[:2], -1),
            there,
        )
        return out, there.view(np.bool_)

    def strips(self, area: Area) -> Iterator[Area]:
        """Cut an area into strips that are resampled at once."""
        rows, columns = area
        count = max(1, STRIP_PIXELS // max(1, columns.stop - columns.start))
        for start in range(rows.start, rows.stop, count):
            yield slice(start, min(start + count, rows.stop)), columns


class MovedAlpha(MovedPicture):
    """An alpha channel as it is seen from another's place: 0 wherever a transparent pixel has a share in the colours.

    What lies under transparency may be anything, and must not show.

    Examples
    --------
    >>> alpha = np.full((9, 30), 255, np.uint8)
    >>> alpha[:, :10] = 0
    >>> half = np.array([[1, 0, 0], [0, 1, 0.5], [0, 0, 1]])
    >>> MovedAlpha(alpha, half)[0:1, 0:16]
    array([[  0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0, 255,
            255, 255, 255]], dtype=uint8)
    """

    def read(self, part: Area) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return a part, and where it shows something."""
        out, there = super().read(part)
        out[~self.shown(part)] = 0
        return out, there

    def shown(self, part: Area) -> NDArray[np.bool_]:
        """Return True where no transparent pixel has a share in the colours."""
        opaque = MovedPicture(_Opaque(self.picture), self.matrix)[part]
        return np.abs(opaque - 0.5) < 0.5 * LEAST_PART


class _Opaque:
    """An alpha channel, 0 where it is transparent and 0.5 elsewhere, so that an interpolation beyond that is seen."""

    def __init__(self, alpha: Any) -> None:
        self.alpha, self.shape, self.dtype = alpha, alpha.shape, np.dtype(np.float32)

    def __getitem__(self, part: Area) -> NDArray[np.float32]:
        return (np.asarray(self.alpha[part]) > 0) * np.float32(0.5)


def whole_shift(matrix: Matrix, height: int, width: int) -> tuple[int, int] | None:
    """Return the rows and columns of a shift by whole pixels; None if a corner is more than `WHOLE` pixels off it."""
    corners = np.array([[r, c] for r in (0, height - 1) for c in (0, width - 1)], np.float64)
    by = moved(matrix, corners) - corners
    shift = np.rint(by.mean(axis=0))
    return (int(shift[0]), int(shift[1])) if np.abs(by - shift).max() <= WHOLE else None


def shared_area(matrices: Sequence[Matrix], height: int, width: int) -> Area:
    """Return a rectangle in which all moved pictures show something: the largest on a grid, grown to the pixel.

    Parameters
    ----------
    matrices : matrix from the first picture to each
    height, width : size of the pictures

    Returns
    -------
    slices of rows and columns; empty if there is no such rectangle

    Examples
    --------
    >>> shared_area([np.array([[1, 0, 2.0], [0, 1, -3], [0, 0, 1]])], 10, 20)
    (slice(0, 8, None), slice(3, 20, None))
    """
    step = max(1, -(-max(height, width) // CELLS))
    rows, columns = (np.minimum(np.arange(0, n + step, step), n) for n in (height, width))

    def inside(places: Matrix) -> NDArray[np.bool_]:
        limit = np.array([height - 1, width - 1]) + 1e-6
        within = np.ones(len(places), bool)
        for matrix in matrices:
            taken = moved(matrix, places)
            within &= ((taken >= -1e-6) & (taken <= limit)).all(axis=1)
        return within

    # A convex region holds a whole cell if it holds the pixels at the cell's corners.
    held = np.ones((len(rows) - 1, len(columns) - 1), bool)
    for at_rows in (rows[:-1], rows[1:] - 1):
        for at_columns in (columns[:-1], columns[1:] - 1):
            grid = np.stack(np.meshgrid(at_rows, at_columns, indexing="ij"), -1).reshape(-1, 2)
            held &= inside(grid.astype(np.float64)).reshape(held.shape)
    top, bottom, left, right = _largest_rectangle(held)
    if bottom == top:
        return slice(0, 0), slice(0, 0)
    edges = [int(rows[top]), int(rows[bottom]), int(columns[left]), int(columns[right])]
    _grow(edges, inside, height, width)
    return slice(edges[0], edges[1]), slice(edges[2], edges[3])


def _largest_rectangle(held: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the largest rectangle of cells that are held."""
    best, found = 0, (0, 0, 0, 0)
    depth = np.zeros(held.shape[1] + 1, int)  # number of held cells above each; the last one stays 0
    for i, row in enumerate(held):
        depth[:-1] = np.where(row, depth[:-1] + 1, 0)
        open_: list[tuple[int, int]] = []  # (where it began, depth), ever deeper
        for j, deep in enumerate(depth.tolist()):
            begin = j
            while open_ and open_[-1][1] >= deep:
                begin, high = open_.pop()
                if high * (j - begin) > best:
                    best, found = high * (j - begin), (i + 1 - high, i + 1, begin, j)
            open_.append((begin, deep))
    return found


def _grow(edges: list[int], inside: Any, height: int, width: int) -> None:
    """Move the edges of a rectangle outwards, pixel by pixel, as long as a convex region holds its corners."""
    limits, steps = (0, height, 0, width), (-1, 1, -1, 1)
    moving = True
    while moving:
        moving = False
        for side in range(4):
            grown = edges.copy()
            grown[side] += steps[side]
            top, bottom, left, right = grown
            corners = np.array([[r, c] for r in (top, bottom - 1) for c in (left, right - 1)], np.float64)
            if edges[side] != limits[side] and inside(corners).all():
                edges[side], moving = grown[side], True
