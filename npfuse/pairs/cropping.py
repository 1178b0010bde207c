"""Crops frames whose sizes differ by a few pixels, as raw converters make them, to their common size."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from npfuse.pairs.file_options import Teller
from npfuse.pictures.picture import Picture, StoredPicture
from npfuse.pictures.views import Part

Some = TypeVar("Some", Picture, StoredPicture)
MOST_CROPPED = 0.02  # of a side


def cropped_alike(pictures: Sequence[Some], tell: Teller) -> list[Some]:
    """Crop pictures around their middle to the rows and columns that all have.

    Raises
    ------
    ValueError : the sizes differ by more than a little
    """
    sizes = [picture.pixels.shape[:2] for picture in pictures]
    height, width = (min(side) for side in zip(*sizes, strict=True))
    if all(size == (height, width) for size in sizes):
        return list(pictures)
    highest, widest = (max(side) for side in zip(*sizes, strict=True))
    if highest - height > MOST_CROPPED * height or widest - width > MOST_CROPPED * width:
        raise ValueError(
            f"--crop: sizes (height, width) are {', '.join(map(str, sizes))}, expected at most {MOST_CROPPED:.0%}"
            " apart; resize them"
        )
    tell.say(f"cropped to the {height}x{width} that all have")
    return [_cropped(picture, height, width) for picture in pictures]


def _cropped(picture: Some, height: int, width: int) -> Some:
    high, wide = picture.pixels.shape[:2]
    row, column = (high - height) // 2, (wide - width) // 2
    place = slice(row, row + height), slice(column, column + width)
    if isinstance(picture.pixels, np.ndarray):
        alpha = None if picture.alpha is None else picture.alpha[place]
        return replace(picture, pixels=picture.pixels[place], alpha=alpha)
    kept = None if picture.alpha is None else Part(picture.alpha, place)
    return replace(picture, pixels=Part(picture.pixels, place), alpha=kept)
