"""Finds how one picture lies against another, coarse to fine, and says how well that is known.

A small copy is searched first, turned by several angles. Then, in each larger copy, blocks measure the distance that is
left: by their edges, and in the largest copy by their levels, too. The motion gets as many of shift, turn, zoom and
perspective as the blocks need. What remains is measured on a grid over the whole picture. A motion is sure if the
blocks agree with it everywhere and determine the places of the corners.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.blocks import Blocks, inverted
from npfuse.pairs.edge_fields import Luma, coarse_motion, edge_blocks
from npfuse.pairs.level_fields import level_blocks
from npfuse.pairs.medians import median
from npfuse.pairs.motions import KINDS, Frame, Matrix, enlarged, farthest, moved, scaled
from npfuse.pairs.plane_filters import means_around

COARSE = 200  # pixels along the longer side, at most, of the copy that is searched first
ANGLES = (0.0, -1.5, 1.5, -3.0, 3.0, -4.5, 4.5)  # degrees, of the first search
SIDES = (16, 32)  # pixels: sides of the blocks of the smallest copy, and of the others
STEPS = (6, 3)  # at most, for the smallest copy and for each of the others
SETTLED = 0.12  # pixels at the corners: after a smaller step, no further one is taken
# Least error of a block's place, in pixels, however well it is known: by its edges alone; by levels; by edges where
# other blocks are known by levels; and by edges where the same block is, since exposure moves wide edges. Chosen on the
# brackets of bench.alignment that are not for validation, as are the limits below.
FLOOR, LEVELS_FLOOR, EDGES_FLOOR, DOUBLE_FLOOR = 0.07, 0.15, 0.3, 1.0
LIKE = 0.3  # least correlation of a block that shows the same in both pictures
CUT = 6.0  # squared distance, in standard deviations, around which a block's weight falls
# Pixels at the corners: up to the first, a motion of fewer parameters is as good; from the second on, it is not
ALIKE, UNLIKE = 0.2, 0.5
# Limits beyond which a motion is not sure
LEAST_SCORE = 7.4  # of the first search's peak
LEAST_BLOCKS = 12
LEAST_BELIEVED = 0.5  # share of the blocks' information that agrees with the motion
PARTS = 2  # overlapping parts along each side of a picture, in each of which some blocks must agree with the motion
LEAST_SEEN, LEAST_ANYWHERE = 0.08, 0.1  # share of the blocks that makes a part count; of those in it, that must agree
LEAST_LIKENESS = 0.75
MOST_SPREAD = 0.5  # pixels: standard deviation at the corners
WINDOWS = 4  # overlapping windows along each side of a picture, in which the rest is measured
MOST_LEFT = 1.0  # pixels, in any window


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """How a picture lies against another, and how well that is known.

    Parameters
    ----------
    matrix : (3, 3), from (row, column, 1) of the first picture to the second
    kind : "still", "shifted", "turned", "zoomed" or "tilted", each including those before it
    height, width : size of the pictures
    left : largest residual that was measured on a grid over the whole picture, pixels
    spread : standard deviation of the corners' places, pixels
    doubt : reason why the motion is not sure; empty if it is
    known : whether it is known at least roughly, so that only its precision can be in doubt
    """

    matrix: Matrix
    kind: str
    height: int
    width: int
    left: float
    spread: float
    doubt: str
    known: bool = True

    @property
    def sure(self) -> bool:
        """Return whether the motion can be relied on."""
        return not self.doubt

    @property
    def size(self) -> float:
        """Return how far a corner is moved at most, in pixels."""
        return farthest(self.matrix, np.eye(3), self.height, self.width)


def tolerance(height: int, width: int) -> float:
    """Return the factor by which limits in pixels grow: 1 up to 7 megapixels, more in larger pictures.

    Examples
    --------
    >>> tolerance(2000, 3000), round(tolerance(4000, 6000), 1)
    (1.0, 2.0)
    """
    return max(1.0, float(np.hypot(height, width)) / 3606)


def still(height: int, width: int) -> Motion:
    """Return the motion of a picture against itself."""
    return Motion(matrix=np.eye(3), kind="still", height=height, width=width, left=0.0, spread=0.0, doubt="")


def joined(first: Motion, second: Motion) -> Motion:
    """Return the motion that is two sure motions, one after the other."""
    kinds = tuple(KINDS)
    return Motion(
        matrix=scaled(second.matrix @ first.matrix),
        kind=max(first.kind, second.kind, key=kinds.index),
        height=first.height,
        width=first.width,
        left=max(first.left, second.left),
        spread=float(np.hypot(first.spread, second.spread)),
        doubt="",
    )


def unknown(height: int, width: int, doubt: str) -> Motion:
    """Return a motion of which nothing is known."""
    return Motion(
        matrix=np.eye(3), kind="still", height=height, width=width, left=np.inf, spread=np.inf, doubt=doubt, known=False
    )


def find_motion(a: Luma, b: Luma, k: int = 1, shape: tuple[int, int] | None = None) -> Motion:
    """Find how b lies against a.

    Parameters
    ----------
    a, b : Lumas of one size
    k : factor by which a and b were reduced: each of their pixels is the mean of k x k pixels of a picture
    shape : height and width of the pictures; None for those of a

    Returns
    -------
    Motion of the pictures

    Examples
    --------
    >>> scene = np.random.default_rng(0).uniform(0, 255, (50, 70)).astype(np.float32).repeat(5, 0).repeat(5, 1)
    >>> found = find_motion(Luma(levels=scene[10:, 20:]), Luma(levels=scene[:-10, :-20] / 3))
    >>> found.sure, found.kind, found.matrix[:2, 2].round(1)
    (True, 'shifted', array([10., 20.]))
    """
    height, width = shape or a.levels.shape
    if min(a.levels.shape) < 3 * SIDES[0]:
        return unknown(height, width, "the pictures are too small to tell")
    copies = [(replace(a), b)]  # a copy of a, so that what it keeps is freed with it
    while max(copies[-1][0].levels.shape) > COARSE:
        copies.append((copies[-1][0].halved(), copies[-1][1].halved()))
    matrix, score = coarse_motion(*copies[-1], ANGLES)
    fit: Fit | None = None
    smallest = True
    while copies:
        one, other = copies.pop()
        if not smallest:
            matrix = enlarged(matrix, 2)
        side, steps = SIDES[not smallest], STEPS[not smallest]
        for _ in range(steps):
            groups, seen = _blocks(one, other, matrix, side, by_levels=not copies)
            if len(groups[0].by) < LEAST_BLOCKS:
                if not smallest and fit is not None:
                    break
                return unknown(height, width, "too few edges are seen in both pictures")
            fit = fitted(groups, one.frame, parameters=4 if smallest else 8)
            step = one.frame.step(fit.parameters)
            matrix = scaled(matrix @ step)
            moves = farthest(step, np.eye(3), one.frame.height, one.frame.width)
            if not np.isfinite(moves) or farthest(matrix, np.eye(3), *a.levels.shape) > max(a.levels.shape):
                return unknown(height, width, "the pictures do not seem to show the same")
            if moves < SETTLED:
                break
        smallest = False
    assert fit is not None
    return _judged(a.frame, matrix, score, fit, seen, k=k, shape=(height, width))


def _blocks(
    one: Luma, other: Luma, matrix: Matrix, side: int, *, by_levels: bool
) -> tuple[list[Blocks], NDArray[np.bool_]]:
    """Compare the blocks of two pictures.

    Returns
    -------
    groups : list of Blocks, those that show the same by their edges; and by levels if enough pixels are exposed in both
    seen : (rows, columns) of blocks, whether edges are seen in both pictures, the same or others
    """
    there = other.seen_through(matrix, one.frame)
    levels = level_blocks(one, there, side, LEVELS_FLOOR) if by_levels else None
    edges = edge_blocks(one, there, side, FLOOR)
    seen = _strong(edges)
    alike = seen & (edges.likeness > LIKE)
    if levels is None:
        return [edges.of(alike)], seen.reshape(edges.grid)
    known = _strong(levels) & (levels.likeness > LIKE)
    edges = replace(edges, floor=np.where(known, DOUBLE_FLOOR, EDGES_FLOOR))
    return [edges.of(alike), levels.of(known)], seen.reshape(edges.grid)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The parameters of a motion, fitted to blocks.

    Parameters
    ----------
    groups : list of Blocks, N blocks in all
    parameters : (P,)
    weights : (N,), weight of each block, less for those that disagree
    information : (N, 2, 2), information about each block's place, in 1 / pixels**2
    normal : (P, P), information about the parameters
    left : (N, 2), residuals: distances of the blocks that the parameters do not explain, pixels
    """

    groups: Sequence[Blocks]
    parameters: Matrix
    weights: Matrix
    information: Matrix
    normal: Matrix
    left: Matrix

    @property
    def places(self) -> Matrix:
        """Return the middles of the blocks, (N, 2), pixels."""
        return np.concatenate([blocks.places for blocks in self.groups])

    def spread(self, frame: Frame) -> float:
        """Return the standard deviation of the place of the worst corner, in pixels."""
        reach = frame.jacobian(frame.corners)[:, :, : len(self.parameters)]
        inverse = np.linalg.inv(self.normal)
        return float(np.sqrt(np.einsum("nij,jk,nik->n", reach, inverse, reach).max()))


def _strong(blocks: Blocks) -> NDArray[np.bool_]:
    """Return which blocks know something of their place."""
    trace = blocks.tensor[:, 0, 0] + blocks.tensor[:, 1, 1]
    some = trace > 0
    return some & (trace > 1e-3 * median(trace[some])) if some.any() else some


def fitted(groups: Sequence[Blocks], frame: Frame, parameters: int) -> Fit:
    """Fit a small motion to blocks; those that disagree with the rest get less weight.

    Parameters
    ----------
    groups : list of Blocks of a picture; the noise of each group is estimated by itself
    frame : Frame of the picture
    parameters : number of `GENERATORS` that are fitted
    """
    places, by, tensor = (
        np.concatenate([getattr(blocks, name) for blocks in groups]) for name in ("places", "by", "tensor")
    )
    reach = frame.jacobian(places)[:, :, :parameters]
    covariance = np.concatenate([_covariance(blocks) for blocks in groups])
    floor = np.concatenate([blocks.floor for blocks in groups])[:, None, None]
    ends = np.cumsum([len(blocks.by) for blocks in groups])
    prior = np.eye(parameters) * (0.1 / frame.half) ** 2 * 0.01
    noise = np.full(len(by), 0.03)  # of the fields: a first guess
    weights = np.ones(len(by))
    for turn in range(9):
        if turn in (0, 3, 6):
            information = inverted(noise[:, None, None] * covariance + floor**2 * np.eye(2))
            known = information @ reach  # (N, 2, P)
        normal = np.einsum("n,nij,nik->jk", weights, reach, known) + prior
        solution = np.linalg.solve(normal, np.einsum("n,nik,ni->k", weights, known, by))
        left = by - reach @ solution
        distance = np.einsum("ni,nij,nj->n", left, information, left)
        weights = (1 + distance / CUT) ** -2
        if turn in (2, 5):
            pull = np.einsum("ni,nij,nj->n", left, tensor, left)
            for some in np.split(np.arange(len(by)), ends[:-1]):
                if len(some):  # the median of chi squared, of two degrees of freedom, is 1.386
                    noise[some] = max(float(median(pull[some])) / 1.386, 1e-6)
    return Fit(groups=groups, parameters=solution, weights=weights, information=information, normal=normal, left=left)


def _covariance(blocks: Blocks) -> Matrix:
    """Return the covariances of the blocks' places, (N, 2, 2)."""
    least = 1e-6 * np.trace(blocks.tensor, axis1=1, axis2=2).max(initial=0.0)
    return inverted(blocks.tensor + max(float(least), 1e-30) * np.eye(2))


def _simplest(matrix: Matrix, fit: Fit, frame: Frame, k: int) -> tuple[Matrix, str]:
    """Return the motion of the fewest parameters that is as good as the one with all, and its kind.

    It is as good if it moves the corners alike, or if the blocks cannot tell the two apart. A shift by whole pixels is
    tried first, since it needs no resampling.
    """
    places = fit.places
    targets = moved(matrix, places + fit.left)

    def misfit(found: Matrix) -> float:
        off = targets - moved(found, places)
        return float(np.einsum("n,ni,nij,nj->", fit.weights, off, fit.information, off))

    full = misfit(matrix)
    for kind, parameters in KINDS.items():
        if parameters == 8:
            break
        found = np.eye(3)
        for _ in range(6 if parameters else 0):
            reach = frame.jacobian(places)[:, :, :parameters]
            off = targets - moved(found, places)
            known = fit.information @ reach
            normal = np.einsum("n,nij,nik->jk", fit.weights, reach, known)
            pull = np.einsum("n,nik,ni->k", fit.weights, known, off)
            found = scaled(found @ frame.step(np.linalg.solve(normal + 1e-9 * np.eye(parameters), pull)))
        candidates = [found]
        if kind == "shifted":
            whole = found.copy()
            whole[:2, 2] = np.rint(found[:2, 2] * k) / k
            candidates = [whole, found]
        for candidate in candidates:
            apart = farthest(candidate, matrix, frame.height, frame.width) * k
            if apart < ALIKE or (apart < UNLIKE and misfit(candidate) - full < 2 * (8 - parameters)):
                return candidate, kind
    return matrix, "tilted"


def _judged(
    frame: Frame,
    matrix: Matrix,
    score: float,
    fit: Fit,
    seen: NDArray[np.bool_],
    *,
    k: int,
    shape: tuple[int, int],
) -> Motion:
    """Choose the motion's kind, and find its residual and whether it is in doubt.

    Doubt is judged by edges alone, since they are seen in more places than comparable levels are.
    """
    matrix, kind = _simplest(matrix, fit, frame, k)
    edges = fit.groups[0]
    alone = fitted([replace(edges, floor=np.full(len(edges.by), FLOOR))], frame, len(fit.parameters))
    spread = alone.spread(frame) * k
    apart = farthest(frame.step(alone.parameters), frame.step(fit.parameters), frame.height, frame.width)
    left = max(_largest_left(alone), apart if len(fit.groups) > 1 else 0.0) * k
    believed = float(np.average(alone.weights, weights=np.trace(alone.information, axis1=1, axis2=2)))
    likeness = float(np.average(edges.likeness, weights=np.trace(edges.tensor, axis1=1, axis2=2)))
    doubt = ""
    scale = tolerance(*shape)
    alike = score >= LEAST_SCORE and likeness >= LEAST_LIKENESS
    known = alike and believed >= LEAST_BELIEVED and _least_believed(alone, seen) >= LEAST_ANYWHERE
    if not alike:
        doubt = "the pictures do not seem to show the same"
    elif not known:
        doubt = "parts of the pictures disagree on how they lie to each other"
    elif spread > MOST_SPREAD * scale:
        doubt = "the edges that are seen in both pictures do not hold all corners fast"
    elif left > MOST_LEFT * scale:
        doubt = f"parts of the pictures stay {left:.1f} pixels apart"
    return Motion(
        matrix=enlarged(matrix, k),
        kind=kind,
        height=shape[0],
        width=shape[1],
        left=left,
        spread=spread,
        doubt=doubt,
        known=known,
    )


def _least_believed(fit: Fit, seen: NDArray[np.bool_]) -> float:
    """Return the mean weight of the blocks in the part of the picture where it is least; unlike ones have none."""
    (edges,) = fit.groups
    believed = np.zeros(edges.grid)
    index = (edges.places // edges.side).astype(int)
    believed[index[:, 0], index[:, 1]] = fit.weights
    high, wide = (n // PARTS | 1 for n in edges.grid)
    sums, counts = (means_around(of, (high, wide), "constant") for of in (believed, seen.astype(np.float64)))
    some = counts * (high * wide) >= LEAST_SEEN * np.count_nonzero(seen)
    return float((sums[some] / counts[some]).min(initial=1.0))


def _largest_left(fit: Fit) -> float:
    """Return the largest residual of neighbouring blocks together, in pixels, where it is known well enough."""
    (edges,) = fit.groups
    index = (edges.places // edges.side).astype(int)
    totals = np.zeros((5, *edges.grid))
    known = fit.weights[:, None, None] * fit.information
    pull = np.einsum("nij,nj->ni", known, fit.left)
    for plane, values in zip(
        totals, (known[:, 0, 0], known[:, 0, 1], known[:, 1, 1], pull[:, 0], pull[:, 1]), strict=True
    ):
        plane[index[:, 0], index[:, 1]] = values
    high, wide = (n // WINDOWS | 1 for n in edges.grid)
    sums = np.stack([means_around(plane, (high, wide), "constant") * (high * wide) for plane in totals])
    tensor = np.stack([np.stack([sums[0], sums[1]]), np.stack([sums[1], sums[2]])]).reshape(2, 2, -1).transpose(2, 0, 1)
    tensor = tensor + 1e-9 * np.eye(2)
    covariance = inverted(tensor)
    known = np.trace(covariance, axis1=1, axis2=2) < 0.2**2
    if not known.any():
        return np.inf
    by = np.einsum("nij,nj->ni", covariance[known], sums[3:].reshape(2, -1).T[known])
    return float(np.hypot(*by.T).max())
