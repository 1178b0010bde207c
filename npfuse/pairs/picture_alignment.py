"""Aligns the pictures of a bracket, with their alpha and metadata, in memory or in their files; says what it did."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from npfuse.pairs.alignment import LEAST_SHARED, fill, find_motions, moved_by, moved_frame
from npfuse.pairs.file_options import Extent, Teller
from npfuse.pairs.motion_search import Motion
from npfuse.pairs.motions import Matrix, described
from npfuse.pairs.moved_pictures import Area, MovedAlpha, MovedPicture, shared_area, whole_shift
from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.pictures.views import Part

Some = TypeVar("Some", Picture, StoredPicture)


def align_pictures(pictures: Sequence[Some], extent: Extent, tell: Teller) -> list[Some]:
    """Align pictures onto the first.

    Parameters
    ----------
    pictures : at least two, of one shape and dtype
    extent : "crop" to the area that all share, or "keep" the first one's and fill the others with its pixels
    tell : Teller, is told what was done and what is in doubt

    Raises
    ------
    ValueError : extent is "keep", but the pictures stay in their files
    """
    if extent == "keep" and any(not isinstance(picture.pixels, np.ndarray) for picture in pictures):
        raise ValueError("--align keep: works on pictures that are read whole; use --align, which crops")
    motions = find_motions([picture.pixels for picture in pictures], [picture.alpha for picture in pictures])
    matrices = [moved_by(motion) for motion in motions]
    for i, motion in enumerate(motions[1:], 2):
        if not motion.sure:
            tell.warn(f"picture {i} is left as it is: unsure how it lies to picture 1 ({motion.doubt})")
        elif (matrices[i - 1] == np.eye(3)).all():
            tell.say(f"picture {i} is aligned already, to {motion.size + motion.left:.1f} pixels")
    if all((matrix == np.eye(3)).all() for matrix in matrices):
        return list(pictures)
    height, width = pictures[0].pixels.shape[:2]
    whole = slice(0, height), slice(0, width)
    area = whole if extent == "keep" else shared_area(matrices, height, width)
    share = (area[0].stop - area[0].start) * (area[1].stop - area[1].start) / (height * width)
    if share < LEAST_SHARED:
        tell.warn(f"the pictures are left as they are: aligned, they would share {share:.0%} of the area")
        return list(pictures)
    done = [_moved(picture, matrix, area) for picture, matrix in zip(pictures, matrices, strict=True)]
    if extent == "keep":
        _fill(done, pictures, matrices)
    for i, (motion, matrix) in enumerate(zip(motions, matrices, strict=True), 1):
        if not (matrix == np.eye(3)).all():
            tell.say(f"aligned: picture {i} {_told(motion)}")
    if extent == "crop":
        tell.say(f"all are cropped to the {done[0].pixels.shape[0]}x{done[0].pixels.shape[1]} that they share")
    return done


def _told(motion: Motion) -> str:
    """Return a phrase: the motion that was undone, and what is left of it."""
    was = described(motion.matrix, motion.height, motion.width)
    return f"was {was}; now within {motion.left:.1f} pixels everywhere on a grid"


def _moved(picture: Some, matrix: Matrix, area: Area) -> Some:
    """Return an area of a moved picture."""
    if isinstance(picture, Picture):
        pixels, shown = moved_frame(picture.pixels, picture.alpha, matrix, area)
        if picture.alpha is None:
            return replace(picture, pixels=pixels)
        alpha, _ = moved_frame(picture.alpha, None, matrix, area)
        return replace(picture, pixels=pixels, alpha=np.where(shown, alpha, alpha.dtype.type(0)))
    part = None if picture.alpha is None else _part(MovedAlpha(picture.alpha, matrix), area)
    return replace(picture, pixels=_part(MovedPicture(picture.pixels, matrix), area), alpha=part)


def _part(moved: MovedPicture, area: Area) -> Part:
    """Return an area of moved pixels; they are computed when they are asked for."""
    pixels, matrix = moved.picture, moved.matrix
    shift = whole_shift(matrix, *pixels.shape[:2])
    if shift is None:
        return Part(moved, area)
    rows, columns = (slice(cut.start + by, cut.stop + by) for cut, by in zip(area, shift, strict=True))
    return Part(pixels, (rows, columns))


def _fill(done: Sequence[Some], pictures: Sequence[Some], matrices: Sequence[Matrix]) -> None:
    """Fill moved pictures with the first one's pixels where they show nothing."""
    height, width = pictures[0].pixels.shape[:2]
    everywhere = np.broadcast_to(np.uint8(1), (height, width))
    for picture, matrix in zip(done[1:], matrices[1:], strict=True):
        _, there = moved_frame(everywhere, None, matrix, (slice(0, height), slice(0, width)))
        if not there.all():
            fill(picture.pixels, there, pictures[0].pixels)
            if picture.alpha is not None and pictures[0].alpha is not None:
                picture.alpha[~there] = pictures[0].alpha[~there]
