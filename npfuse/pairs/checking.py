"""Checks the pictures of a bracket before they are fused: warns of faults, aligns them, and takes out what moved."""

from collections.abc import Sequence
from typing import TypeVar

from npfuse.pairs.alignment import find_motions
from npfuse.pairs.diagnosis import SMALL_PIXELS, diagnose, findings, is_moved
from npfuse.pairs.file_options import FileOptions, Teller
from npfuse.pairs.mending import mend_pictures
from npfuse.pairs.motions import described
from npfuse.pairs.picture_alignment import align_pictures
from npfuse.pairs.white_balance import balance_of
from npfuse.pictures.picture import Picture, StoredPicture

Some = TypeVar("Some", Picture, StoredPicture)


def checked(pictures: Sequence[Some], options: FileOptions, tell: Teller) -> list[Some]:
    """Return pictures that are checked, aligned and mended, as the options ask.

    Parameters
    ----------
    pictures : at least two, of one shape and dtype
    options : FileOptions
    tell : Teller, is told the faults and what is done
    """
    if options.check:
        with tell.timed("checked the pictures"):
            for fault in faults(pictures, options):
                tell.warn(fault)
    done = list(pictures)
    if options.align is not None:
        with tell.timed("aligned the pictures"):
            done = align_pictures(done, options.align, tell)
    if options.deghost:
        with tell.timed("looked for what moved"):
            done = mend_pictures(done, options.ghost_mask, options.overwrite, tell)
    return done


def faults(pictures: Sequence[Some], options: FileOptions) -> list[str]:
    """Return the faults that the options do not mend."""
    pixels = [picture.pixels for picture in pictures]
    if len(pictures) == 2:
        balance = balance_of(*pixels)
        measured = diagnose(*pixels, alphas=[picture.alpha for picture in pictures])
        found = findings(measured, align=options.align is not None, deghost=options.deghost)
        return found + ([balance.finding] if balance is not None and balance.differs else [])
    if options.align is not None:
        return []
    motions = find_motions(pixels, [picture.alpha for picture in pictures], SMALL_PIXELS)
    return [
        f"picture {i} is {described(motion.matrix, motion.height, motion.width)} against picture 1; "
        "use --align, or a tripod"
        for i, motion in enumerate(motions[1:], 2)
        if is_moved(motion)
    ]
