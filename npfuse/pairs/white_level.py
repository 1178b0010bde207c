"""White of 16-bit samples that have fewer bits: 10, 12 or 14, as scientific cameras and raw converters write them.

It is taken from an option, or from the files' tags if they agree (TIFF's MaxSampleValue), or from the values, if the
highest of all frames is a little below 2^10, 2^12 or 2^14. One frame is not enough: a dark one has no high values.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from npfuse.pairs.file_options import FileOptions, Teller
from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.pictures.views import Mapped

Some = TypeVar("Some", Picture, StoredPicture)
LEVELS = (1023, 4095, 16383)
FULL = 65535
CLOSE = 7 / 8  # of a level: the highest value must reach this share of it to be taken for white
ROWS = 256  # rows that are read at once


def with_full_white(pictures: Sequence[Some], options: FileOptions, tell: Teller) -> list[Some]:
    """Scale 16-bit frames of fewer bits to 16, all alike.

    Parameters
    ----------
    pictures : frames of one bracket
    options : FileOptions; its `white_level` takes precedence over tags and values
    tell : Teller, is warned if a level is taken from the values

    Raises
    ------
    ValueError : a value is above the white level of the options
    """
    if options.white_level == FULL or any(np.dtype(picture.pixels.dtype) != np.uint16 for picture in pictures):
        return list(pictures)
    given = options.white_level
    brightest = max(_brightest(picture.pixels, beyond=given or LEVELS[-1]) for picture in pictures)
    if given is not None and brightest > given:
        raise ValueError(f"--white-level is {given}, expected at least {brightest}, the highest value seen; raise it")
    tagged = {picture.white_level for picture in pictures}
    of_tags = tagged.pop() if len(tagged) == 1 else None
    if given is not None:
        level = given
    elif brightest > LEVELS[-1]:
        return list(pictures)
    elif of_tags is not None and of_tags >= brightest:
        level = of_tags
        tell.say(f"samples of {level.bit_length()} bits, as the files say, scaled to 16")
    else:
        level = next(level for level in LEVELS if level >= brightest)
        if brightest < CLOSE * level:
            tell.warn(
                f"no value is above {brightest} of {FULL}, nearly black; if the samples have fewer than 16 bits, name"
                " the value of white with --white-level"
            )
            return list(pictures)
        tell.warn(
            f"no value is above {brightest}: taken as samples of {level.bit_length()} bits, white at {level}; if"
            f" that is wrong, name the value of white with --white-level, {FULL} for all 16 bits"
        )
    return [_scaled(picture, level) for picture in pictures]


def _brightest(pixels: Any, beyond: int) -> int:
    """Return the highest value; stop at the first part whose highest value is beyond a limit."""
    highest = 0
    for first in range(0, pixels.shape[0], ROWS):
        highest = max(highest, int(np.asarray(pixels[first : first + ROWS, :]).max()))
        if highest > beyond:
            break
    return highest


def _scaled(picture: Some, level: int) -> Some:
    """Return a picture whose values, from 0 to a level, are scaled to 16 bits."""
    table = np.rint(np.minimum(np.arange(FULL + 1), level) * (FULL / level)).astype(np.uint16)

    def scale(part: NDArray[Any]) -> NDArray[Any]:
        scaled: NDArray[Any] = table[part]
        return scaled

    def applied(pixels: Any) -> Any:
        return scale(pixels) if isinstance(pixels, np.ndarray) else Mapped(pixels, scale)

    alpha = picture.alpha
    if alpha is not None and _brightest(alpha, beyond=level) <= level:
        alpha = applied(alpha)
    return replace(picture, pixels=applied(picture.pixels), alpha=alpha, white_level=None)
