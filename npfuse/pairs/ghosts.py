"""Finds what moved between the exposures of a bracket, and takes such regions from one of them.

Two aligned exposures are consistent where each is plausible beside the other (`npfuse.pairs.plausible_levels`), or
beside what the neighbouring pixels of the other show, since an alignment is never perfect. Where enough connected
pixels are inconsistent, something moved. There, one exposure's pixels replace those of all others, each at its own
brightness; so every method fuses them as if nothing had moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.color import luma_of
from npfuse.pairs.brightness import HIGH, Mapping, find_mapping
from npfuse.pairs.connected import labelled
from npfuse.pairs.edge_fields import MARGIN
from npfuse.pairs.medians import median
from npfuse.pairs.moved_pictures import Area
from npfuse.pairs.plane_filters import greatest_around, least_around, means_around, median_of_nine
from npfuse.pairs.plausible_levels import LEVELS, WHITE_LEVEL, Bytes, find_plausible, levels_of, tolerance
from npfuse.pairs.small_copies import convex_hull
from npfuse.strips import WHITE

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

NEAR = 2  # pixels of the small copy, within which a neighbour may explain what is seen
FLAT = 8  # levels of 255 between near pixels, up to which there is no texture
CLEAR_OFF = 0.7  # tolerances, on average around a pixel at a region's heart
LOOSE_OFF = 0.5  # tolerances, at each pixel of a region
MOST_OFF = 4.0  # tolerances that a pixel counts for
HEART_SIDE = 5  # pixels
LEAST_WEIGHT = 0.001  # of the picture's pixels: tolerances of a heart's pixels, added up
JOINED = 0.025  # of the longer side: parts nearer than twice this are of one thing, and so is what lies between
LEAST_FILLED, MOST_CONVEX_SHARE = 0.6, 0.05  # of its convex hull, and of the picture: of a region that is made convex
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
    valid : (h, w), where all exposures show something: nothing is taken elsewhere; None for everywhere
    """

    regions: tuple[Region, ...]
    source: int
    inside: Mask
    valid: Mask | None = None

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
    copies : at least two aligned exposures (h, w) or (h, w, 3), shares of white
    valid : (h, w), True where all of them show something; None for everywhere
    k : side of the blocks of the pictures that the copies' pixels are, pixels

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
    views = [_View.of(copy, k) for copy in copies]
    if valid is not None:
        # Pixels beside those that show nothing are means over both.
        valid = least_around(valid.astype(np.uint8), 2 * _near(k) + 1) > 0
    order = np.argsort([float(copy.mean()) for copy in copies], kind="stable")
    off = np.zeros(copies[0].shape[:2], np.float32)
    for i, j in pairwise(order):
        np.maximum(off, inconsistency(views[i], views[j], valid), out=off)
    return _regions([view.levels.astype(np.float32) / np.float32(LEVELS - 1) for view in views], off, valid, k)


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    """What is compared of an exposure: its luma as levels, 0 to 255, without the noise of single pixels.

    Parameters
    ----------
    levels : (h, w)
    darkest, brightest : (h, w), of the pixels that are near, which an alignment may have taken for this one
    white : (h, w), True where a channel is white: there, luma tells only the least that the light may be
    near_white : (h, w), True where one of the pixels that are near is so
    """

    levels: Bytes
    darkest: Bytes
    brightest: Bytes
    white: Mask
    near_white: Mask

    @classmethod
    def of(cls, copy: Floats, k: int) -> "_View":
        """Return what is compared of a small copy."""
        luma = strongest = copy
        if copy.ndim == 3:
            red, green, blue = np.moveaxis(copy, 2, 0)
            luma, strongest = luma_of(copy), np.maximum(np.maximum(red, green), blue)
        levels = median_of_nine(levels_of(luma))
        white = median_of_nine((strongest >= HIGH).view(np.uint8))
        side = 2 * _near(k) + 1
        return cls(
            levels=levels,
            darkest=least_around(levels, side),
            brightest=greatest_around(levels, side),
            white=white > 0,
            near_white=greatest_around(white, side) > 0,
        )


def _near(k: int) -> int:
    """Return how far from its place a neighbour may explain what is seen, in pixels of the small copies."""
    return max(1, round(NEAR / k))


def inconsistency(a: _View, b: _View, valid: Mask | None = None) -> Floats:
    """Return how far two exposures contradict each other at each pixel, in tolerances; 0 where they are consistent."""
    # Mapping and noise are told by the pixels without texture, half of all.
    rough = np.maximum(a.brightest - a.darkest, b.brightest - b.darkest)
    flat = rough <= max(int(median(rough[::4, ::4])), FLAT)
    if valid is not None:
        flat &= valid
    off = np.zeros(rough.shape, np.float32)
    for one, other in ((a, b), (b, a)):
        told = ~one.white & ~(other.white & (other.levels < WHITE_LEVEL))
        plausible = find_plausible(one.levels, other.levels, flat & told)
        if plausible is None:
            continue
        shares = other.levels / np.float32(LEVELS - 1)
        dark = plausible.lowest[one.darkest] - shares
        dark[other.white] = 0
        bright = shares - plausible.highest[one.brightest]
        bright[one.near_white] = 0
        np.maximum(off, np.maximum(dark, bright) / tolerance(shares), out=off)
    if valid is not None:
        off *= valid
    return off


def _regions(lumas: Sequence[Floats], off: Floats, valid: Mask | None, k: int) -> Ghosts:
    """Return the regions of connected pixels that contradict enough, all together."""
    height, width = off.shape
    none = Ghosts(regions=(), source=0, inside=np.zeros(off.shape, bool), valid=valid)
    # A seam along an edge is thinner than what moves.
    heart = means_around(off, HEART_SIDE, "constant") > CLEAR_OFF
    # Frames that were aligned before may show nothing, or what is no scene, along the border.
    heart[:MARGIN], heart[-MARGIN:], heart[:, :MARGIN], heart[:, -MARGIN:] = False, False, False, False
    if not heart.any():
        return none
    loose, count = labelled(off > LOOSE_OFF)
    weight = np.bincount(loose.ravel(), (np.minimum(off, MOST_OFF) * heart).ravel(), count + 1)
    weight[0] = 0
    grown = (weight >= LEAST_WEIGHT * height * width)[loose]
    if not grown.any():
        return none
    import scipy.ndimage  # takes longer to load than all of this, and in most pairs nothing moved

    reach = max(2, round(SOFT * max(height, width)))
    # What moved may look, in places, like what it hides: those lie within it.
    around = max(2, round(JOINED * max(height, width)))
    distance = scipy.ndimage.distance_transform_edt
    near = distance(np.pad(~grown, around + 1, constant_values=True)) <= around
    joined = (distance(near) > around)[around + 1 : -around - 1, around + 1 : -around - 1]
    solid = scipy.ndimage.binary_fill_holes(distance(~(joined | grown)) <= 2 * reach)
    solid = _without_bays(solid)
    if valid is not None:
        solid &= valid
    labels, count = labelled(solid)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    regions = [
        Region(
            rows=(rows.start * k, rows.stop * k),
            columns=(columns.start * k, columns.stop * k),
            share=float(area / off.size),
        )
        for area, (rows, columns) in zip(areas, scipy.ndimage.find_objects(labels), strict=True)
    ]
    regions.sort(key=lambda region: -region.share)
    source = int(np.argmax([_exposed(luma[solid]) for luma in lumas]))
    return Ghosts(regions=tuple(regions), source=source, inside=solid, valid=valid)


def _without_bays(solid: Mask) -> Mask:
    """Return regions of which the small and compact ones are convex: in a bay, what moved looks like what it hides."""
    import scipy.ndimage

    labels, _ = scipy.ndimage.label(solid)
    done = solid.copy()
    for number, place in enumerate(scipy.ndimage.find_objects(labels), 1):
        own = labels[place] == number
        hull = convex_hull(own)
        if own.sum() >= MOST_CONVEX_SHARE * solid.size or own.sum() < LEAST_FILLED * hull.sum():
            continue
        done[place] |= hull
    return done


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
        soft = means_around(soft, reach)
    soft[soft < 1e-4] = 0  # of sums that are not quite 0
    return soft if ghosts.valid is None else soft * ghosts.valid


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
