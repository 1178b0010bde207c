"""Takes out of a bracket's pictures what moved between them, in memory or in their files, and says where it was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.file_options import Teller
from npfuse.pairs.ghosts import Ghosts, enlarged, find_ghosts, mended, soft_weights
from npfuse.pairs.moved_pictures import STRIP_PIXELS
from npfuse.pairs.small_copies import in_colour, opaque, reduction, small_shares
from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.pictures.writing import write_picture

Some = TypeVar("Some", Picture, StoredPicture)

SMALL_PIXELS = 400_000  # of the copies that are searched


def mend_pictures(pictures: Sequence[Some], mask: Path | None, overwrite: bool, tell: Teller) -> list[Some]:
    """Find what moved between pictures, and take such regions from one of them.

    Parameters
    ----------
    pictures : at least two, aligned and alike
    mask : where to write which pixels were replaced, as a grey picture; or None
    overwrite : whether the mask may replace a file
    tell : Teller, of what moved

    Returns
    -------
    list of pictures, those given where nothing moved
    """
    pixels = [picture.pixels for picture in pictures]
    height, width = pixels[0].shape[:2]
    k = reduction(height, width, SMALL_PIXELS)
    small = [small_shares(values, k) for values in pixels]
    ghosts = find_ghosts([in_colour(shares) for shares in small], opaque([one.alpha for one in pictures], k), k)
    for region in ghosts.regions:
        tell.say(f"moved: {region}; taken from picture {ghosts.source + 1}")
    if not ghosts:
        tell.say("nothing moved")
    if mask is not None:
        write_picture(mask, Picture(pixels=ghost_mask(ghosts, height, width, k)), overwrite=overwrite)
    done = []
    for picture, values in zip(pictures, mended(pixels, ghosts, small, k), strict=True):
        if values is picture.pixels:
            done.append(picture)
        elif isinstance(picture, Picture):
            done.append(replace(picture, pixels=_whole(values)))
        else:
            done.append(replace(picture, pixels=values))
    return done


def ghost_mask(ghosts: Ghosts, height: int, width: int, k: int) -> NDArray[np.uint8]:
    """Return which pixels are replaced, 255 wholly and 0 not at all, (H, W)."""
    return np.rint(255 * enlarged(soft_weights(ghosts), k, slice(0, height), slice(0, width))).astype(np.uint8)


def _whole(values: Any) -> NDArray[Any]:
    """Return all of a picture that is computed by parts."""
    height, width = values.shape[:2]
    rows = max(1, STRIP_PIXELS // width)
    out = np.empty(values.shape, values.dtype)
    for start in range(0, height, rows):
        strip = slice(start, min(start + rows, height))
        out[strip] = values[strip, 0:width]
    return out
