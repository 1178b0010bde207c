"""Finds what moved between the exposures of a bracket, and takes such regions from one of them.

Two aligned exposures are consistent where the brightness of each stands for that of the other
(`npfuse.pairs.brightness`), within what noise does, and within what the neighbouring pixels show, since an alignment is
never perfect. What is inconsistent over some area has moved. There, one exposure's pixels replace those of all others,
each at its own brightness; so every method fuses them as if nothing had moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from npfuse.pairs.brightness import HIGH, LOW, Mapping, find_mapping
from npfuse.pairs.moved_pictures import Area
from npfuse.strips import WHITE

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

NEAR = 2  # pixels of the small copy, within which a neighbour may explain what is seen
SPREADS = 3.0  # standard deviations, within which noise may
LEAST_OFF = 0.04  # of white, that is off in a region
CLEAR_OFF = 0.04  # of white, beyond both of these, at a region's heart
LEAST_AREA = 0.0009  # of the picture, of a region's heart: more than a block of a JPEG's colours
SOFT = 0.006  # of the longer side, over which a region is joined to what is around it


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """A part of the picture in which something moved.

    Parameters
    ----------
    rows, columns : (first, one past the last) pixel
    share : of the picture's pixels
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    share: float

    def __str__(self) -> str:
        """Say where it is, and how large."""
        return (
            f"{self.share:.1%} of the picture, rows {self.rows[0]} to {self.rows[1] - 1}, "
            f"columns {self.columns[0]} to {self.columns[1] - 1}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Ghosts:
    """What moved.

    Parameters
    ----------
    regions : the largest first; empty where nothing moved
    source : the exposure that all regions are best taken from, from 0 on: from several, what moved might be seen twice
    inside : (h, w), of the small copies, where the regions are
    """

    regions: tuple[Region, ...]
    source: int
    inside: Mask

    def __bool__(self) -> bool:
        """Whether anything moved."""
        return bool(self.regions)

    @property
    def share(self) -> float:
        """How much of the picture they are."""
        return sum(region.share for region in self.regions)


def find_ghosts(copies: Sequence[Floats], valid: Mask | None = None, k: int = 1) -> Ghosts:
    """Find what moved between exposures.

    Parameters
    ----------
    copies : aligned lumas (h, w), as shares of white; at least two
    valid : (h, w), where all of them show something; None for everywhere
    k : side of the blocks of the pictures that the copies' pixels are

    Returns
    -------
    Ghosts

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dark = np.kron(rng.uniform(0.1, 0.5, (10, 15)), np.ones((10, 10))).astype(np.float32)
    >>> bright = dark * 1.8
    >>> len(find_ghosts([dark, bright]).regions)
    0
    >>> bright[40:60, 70:90] = 0.95
    >>> print(find_ghosts([dark, bright]).source)
    0
    """
    order = np.argsort([float(copy.mean()) for copy in copies], kind="stable")
    shape = copies[0].shape
    loose, heart = np.zeros(shape, bool), np.zeros(shape, bool)
    for i, j in pairwise(order):
        off = np.maximum(inconsistency(copies[i], copies[j], valid, k), inconsistency(copies[j], copies[i], valid, k))
        loose |= off > LEAST_OFF / 2
        heart |= scipy.ndimage.uniform_filter(off, 3, mode="nearest") > CLEAR_OFF
    return _regions(copies, loose, heart, k)


def inconsistency(a: Floats, b: Floats, valid: Mask | None = None, k: int = 1) -> Floats:
    """Return how far b is from all that a makes plausible, as a share of white; 0 where it is consistent."""
    mapping = find_mapping(a, b, valid)
    near = max(1, round(NEAR / k)) * 2 + 1
    # Noise of single pixels is not an edge that may have moved: it is in the spread.
    calm = scipy.ndimage.median_filter(a, 3, mode="nearest")
    darkest = scipy.ndimage.minimum_filter(calm, near, mode="nearest")
    brightest = scipy.ndimage.maximum_filter(calm, near, mode="nearest")
    # Where a is black or white, it says only that b is no brighter or no darker.
    low = np.where(darkest <= LOW, 0, mapping.of(np.minimum(darkest, HIGH)))
    high = np.where(brightest >= HIGH, 1, mapping.of(np.maximum(brightest, LOW)))
    may = SPREADS * mapping.spread_of(a) + np.float32(LEAST_OFF)
    calm_b = scipy.ndimage.median_filter(b, 3, mode="nearest")
    off: Floats = np.maximum(np.maximum(low - may - calm_b, calm_b - high - may), 0)
    if valid is not None:
        off *= valid
    return off


def _regions(copies: Sequence[Floats], loose: Mask, heart: Mask, k: int) -> Ghosts:
    """Return the regions around hearts that are large enough."""
    height, width = loose.shape
    least = max(6, LEAST_AREA * height * width)
    hearts, count = scipy.ndimage.label(heart)
    sizes = np.bincount(hearts.ravel(), minlength=count + 1)
    sizes[0] = 0
    large = (sizes >= least)[hearts]
    if not large.any():
        return Ghosts(regions=(), source=0, inside=np.zeros(loose.shape, bool))
    reach = max(2, round(SOFT * max(height, width)))
    disk = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    grown = scipy.ndimage.binary_propagation(large, mask=loose | large)
    solid = scipy.ndimage.binary_closing(np.pad(grown, 2 * reach), disk, iterations=1)[
        2 * reach : -2 * reach, 2 * reach : -2 * reach
    ]
    solid = scipy.ndimage.binary_fill_holes(scipy.ndimage.binary_dilation(solid | grown, disk))
    labels, count = scipy.ndimage.label(solid)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    regions = [
        Region(
            rows=(rows.start * k, rows.stop * k),
            columns=(columns.start * k, columns.stop * k),
            share=float(area / loose.size),
        )
        for area, (rows, columns) in zip(areas, scipy.ndimage.find_objects(labels), strict=True)
    ]
    regions.sort(key=lambda region: -region.share)
    source = int(np.argmax([_exposed(copy[solid]) for copy in copies]))
    return Ghosts(regions=tuple(regions), source=source, inside=solid)


def _exposed(shares: Floats) -> float:
    """Return how well pixels are exposed: Mertens' measure, which is 1 at half of white, less the share of white ones.

    What is white in the source would be flat in all exposures.
    """
    return float(np.exp(-((shares - 0.5) ** 2) / (2 * 0.2**2)).mean() - (shares >= HIGH).mean())


def soft_weights(ghosts: Ghosts) -> Floats:
    """Return how much of the source is taken at each pixel of the small copies: 1 within, 0 elsewhere, softly between.

    It is 1 wherever something moved: the regions were grown before by as much as they are softened.
    """
    reach = max(2, round(SOFT * max(ghosts.inside.shape)))
    soft = ghosts.inside.astype(np.float32)
    for _ in range(2):
        soft = scipy.ndimage.uniform_filter(soft, reach)
    weights: Floats = np.where(soft < 1e-4, 0, soft).astype(np.float32)  # of sums that are not quite 0
    return weights


class MendedPicture:
    """A picture whose regions in which something moved are taken from another, computed where it is asked for.

    Parameters
    ----------
    picture, source : (H, W) or (H, W, C), alike; give an ndarray for `picture[rows, columns]`
    mappings : from the source's levels to the picture's, of each channel
    weights : (h, w), of blocks of k x k pixels, of the source
    k : side of the blocks
    """

    def __init__(self, picture: Any, source: Any, mappings: Sequence[Mapping], weights: Floats, k: int) -> None:
        self.picture, self.source, self.mappings, self.weights, self.k = picture, source, mappings, weights, k
        self.shape, self.dtype, self.ndim = tuple(picture.shape), np.dtype(picture.dtype), len(picture.shape)

    def __getitem__(self, part: Area) -> NDArray[Any]:
        """Return a part; the picture's own pixels, to the bit, where nothing moved."""
        rows, columns = (slice(*cut.indices(n)[:2]) for cut, n in zip(part, self.shape[:2], strict=True))
        out = np.array(self.picture[rows, columns])
        weights = enlarged(self.weights, self.k, rows, columns)
        there = weights > 0
        if not there.any():
            return out
        white, taken = WHITE[self.dtype], weights[there]
        other = np.asarray(self.source[rows, columns])
        own, theirs = (values.reshape(*values.shape[:2], -1) for values in (out, other))
        for channel, mapping in enumerate(self.mappings):
            mapped = mapping.of(theirs[..., channel][there] / white) * white
            values = own[..., channel][there] * (1 - taken) + mapped * taken
            own[..., channel][there] = np.rint(values) if self.dtype.kind == "u" else values
        return out


def enlarged(small: Floats, k: int, rows: slice, columns: slice) -> Floats:
    """Return a part of a small plane at the size of the picture, interpolated along straight lines."""
    taps = []
    for cut, n in zip((rows, columns), small.shape, strict=True):
        at = np.clip((np.arange(cut.start, cut.stop) - (k - 1) / 2) / k, 0, n - 1)
        first = np.minimum(at.astype(int), max(n - 2, 0))
        taps.append((first, np.minimum(first + 1, n - 1), (at - first).astype(np.float32)))
    (top, bottom, down), (left, right, along) = taps
    down, along = down[:, None], along[None]
    upper = small[top][:, left] * (1 - along) + small[top][:, right] * along
    lower = small[bottom][:, left] * (1 - along) + small[bottom][:, right] * along
    values: Floats = upper * (1 - down) + lower * down
    return values


def mended(pictures: Sequence[Any], ghosts: Ghosts, small: Sequence[NDArray[Any]], k: int) -> list[Any]:
    """Return pictures whose ghosts are gone.

    Parameters
    ----------
    pictures : aligned, alike; each gives an ndarray for `picture[rows, columns]`
    ghosts : of `find_ghosts`
    small : (h, w, C) of each picture, as shares of white, means over blocks of k x k pixels
    k : side of the blocks

    Returns
    -------
    list of MendedPicture; the pictures themselves where nothing moved
    """
    if not ghosts:
        return list(pictures)
    weights, still = soft_weights(ghosts), ~ghosts.inside
    source, of_source = pictures[ghosts.source], small[ghosts.source]
    done = list(pictures)
    for i, picture in enumerate(pictures):
        if i != ghosts.source:
            mappings = [find_mapping(of_source[..., c], small[i][..., c], still) for c in range(of_source.shape[2])]
            done[i] = MendedPicture(picture, source, mappings, weights, k)
    return done
