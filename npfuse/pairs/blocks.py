"""Blocks of a picture, and how far each is from where it is looked for in another (Lucas and Kanade, IJCAI 1981).

Fields are compared: one or more numbers per pixel that a change of exposure leaves as they are. Each block also says
how well its place is known in each direction: across an edge well, along it not at all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.motions import Matrix
from npfuse.pairs.plane_filters import Floats


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Places in which the blocks of a picture are found in another picture.

    Parameters
    ----------
    places : (N, 2), middles of the blocks, pixels
    by : (N, 2), distance from where each block was looked for, pixels
    tensor : (N, 2, 2), structure tensor: how well that distance is known in each direction
    likeness : (N,), correlation of the two fields, 1 where they are the same
    grid : number of rows and columns of blocks
    side : side of a block, pixels
    floor : (N,), least error of each block's place, pixels, however well it is known
    """

    places: Matrix
    by: Matrix
    tensor: Matrix
    likeness: Matrix
    grid: tuple[int, int]
    side: int
    floor: Matrix

    def of(self, chosen: NDArray[np.bool_]) -> "Blocks":
        """Return some of the blocks."""
        return Blocks(
            places=self.places[chosen],
            by=self.by[chosen],
            tensor=self.tensor[chosen],
            likeness=self.likeness[chosen],
            grid=self.grid,
            side=self.side,
            floor=self.floor[chosen],
        )


def likeness_of(here: Floats, there: Floats, weight: Floats, side: int) -> Matrix:
    """Return the correlation of two fields (C, H, W) over each block, (N,)."""
    product = block_sums(weight * (here * there).sum(axis=0), side)
    energy = block_sums(weight * (here**2).sum(axis=0), side) * block_sums(weight * (there**2).sum(axis=0), side)
    likeness: Matrix = (product / np.sqrt(energy + 1e-12)).ravel()
    return likeness


def blocks_of(here: Floats, there: Floats, weight: Floats, likeness: Matrix, side: int, floor: float) -> Blocks:
    """Find how far the blocks of a smooth field are from where they are in another.

    Parameters
    ----------
    here, there : (C, H, W)
    weight : (H, W), weight of each pixel
    likeness : (N,), correlation of the two fields over each block
    side : side of a block, pixels
    floor : least error of a block's place, pixels, however well it is known
    """
    grid = here.shape[1] // side, here.shape[2] // side
    tensor, pull = np.zeros((2, 2, *grid)), np.zeros((2, *grid))
    for one, other in zip(here, there, strict=True):
        slopes = np.zeros((2, *one.shape), np.float32)
        mean = (one + other) * np.float32(0.5)
        slopes[0, 1:-1] = (mean[2:] - mean[:-2]) * np.float32(0.5)
        slopes[1, :, 1:-1] = (mean[:, 2:] - mean[:, :-2]) * np.float32(0.5)
        apart = one - other
        weighted = slopes * weight
        for i in (0, 1):
            pull[i] += block_sums(weighted[i] * apart, side)
            for j in range(i + 1):
                tensor[i, j] += block_sums(weighted[i] * slopes[j], side)
    tensor[0, 1] = tensor[1, 0]
    tensors = np.ascontiguousarray(tensor.reshape(2, 2, -1).transpose(2, 0, 1))
    trace = tensors[:, 0, 0] + tensors[:, 1, 1]
    least = 1e-9 * max(float(trace.max(initial=0.0)), 1e-30)
    rows, columns = np.indices(grid)
    return Blocks(
        places=np.stack([rows.ravel(), columns.ravel()], 1).astype(np.float64) * side + (side - 1) / 2,
        by=np.einsum("nij,nj->ni", inverted(tensors + least * np.eye(2)), pull.reshape(2, -1).T),
        tensor=tensors,
        likeness=likeness,
        grid=grid,
        side=side,
        floor=np.full(len(tensors), floor),
    )


def block_sums(values: Floats, side: int) -> Matrix:
    """Return the sum of values over each block, (N,)."""
    height, width = values.shape[0] // side, values.shape[1] // side
    cut = values[: height * side, : width * side]
    rows = np.add.reduceat(cut, np.arange(0, height * side, side), axis=0)
    sums: Matrix = np.add.reduceat(rows, np.arange(0, width * side, side), axis=1).astype(np.float64)
    return sums


def inverted(matrices: Matrix) -> Matrix:
    """Return the inverses of symmetric 2 x 2 matrices, (N, 2, 2)."""
    (p, q), (_, s) = matrices.transpose(1, 2, 0)
    made = np.stack([np.stack([s, -q], 1), np.stack([-q, p], 1)], 1)
    inverse: Matrix = made / (p * s - q * q)[:, None, None]
    return inverse
