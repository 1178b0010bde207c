"""Contact sheets: pictures side by side in one picture, in labelled rows under captioned columns.

`npfuse demo` makes one with the columns under, over and fused, and one row per scene; comparisons of methods have one
column per method. Pictures are scaled down, never up, in their encoded (sRGB) values: a sheet is for looking, not for
measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (46, 46, 46)  # dark and neutral: it neither tints the pictures nor outshines the dark ones
INK = (225, 225, 225)
LETTERS = 110  # width of a wide sheet over the height of its letters, so that captions can be read in a small copy


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    captions: Sequence[str],
    labels: Sequence[str] | None = None,
    *,
    cell_height: int = 240,
    margin: int = 16,
) -> NDArray[np.uint8]:
    """Lay pictures out in rows of equal height.

    Parameters
    ----------
    rows : sequence of rows, each a sequence of ndarray (H, W, 3) or (H, W), uint8
        One picture for each caption; heights and widths may differ, even in a row.
    captions : sequence of str
        Texts above the columns; an empty one leaves its column without.
    labels : sequence of str, optional
        Texts at the left of the rows.
    cell_height : int
        Height of every picture in the sheet, in pixels; lower pictures keep their height, since none is scaled up.
    margin : int
        Pixels of background around the sheet and between pictures.

    Returns
    -------
    ndarray (H, W, 3), uint8
        Each column is as wide as its widest picture or caption; narrower pictures stand in its middle.

    Raises
    ------
    ValueError
        No rows or captions, a row of another length than `captions`, another number of labels than rows, a picture of
        another shape, or a `cell_height` or `margin` out of range.
    TypeError
        A picture is not uint8.

    Examples
    --------
    >>> dark, light = np.zeros((20, 30), np.uint8), np.full((20, 30), 255, np.uint8)
    >>> contact_sheet([[dark, light]], ["", ""], margin=5).shape  # 5 + 20 + 5 high, 5 + 30 + 5 + 30 + 5 wide
    (30, 75, 3)
    """
    _check(rows, captions, labels, cell_height, margin)
    cell_height = min(cell_height, *(picture.shape[0] for row in rows for picture in row))
    cells = [[_scaled(picture, cell_height) for picture in row] for row in rows]
    columns = [max(row[column].width for row in cells) for column in range(len(captions))]
    letters = max(12, cell_height // 13, min(sum(columns) // LETTERS, cell_height // 7))
    font = ImageFont.load_default(size=letters)
    ascent, descent = _extent_of_letters(font)

    widths = [max(_text_width(font, caption), width) for caption, width in zip(captions, columns, strict=True)]
    left = margin
    if labels is not None and any(labels):
        left += max(_text_width(font, label) for label in labels) + margin
    top = margin
    if any(captions):
        top += descent - ascent + (margin + 1) // 2
    lefts = list(accumulate((width + margin for width in widths), initial=left))
    tops = [top + (cell_height + margin) * index for index in range(len(cells) + 1)]

    sheet = Image.new("RGB", (lefts.pop(), tops.pop()), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(captions):
        draw.text(
            (lefts[column] + (widths[column] - _text_width(font, caption)) // 2, margin - ascent), caption, INK, font
        )
    for index, row in enumerate(cells):
        if labels is not None:
            middle = tops[index] + (cell_height - ascent - descent) // 2
            draw.text((left - margin - _text_width(font, labels[index]), middle), labels[index], INK, font)
        for column, cell in enumerate(row):
            sheet.paste(cell, (lefts[column] + (widths[column] - cell.width) // 2, tops[index]))
    return np.array(sheet)


def _check(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    captions: Sequence[str],
    labels: Sequence[str] | None,
    cell_height: int,
    margin: int,
) -> None:
    if not rows or not captions:
        raise ValueError(
            f"contact_sheet: got {len(rows)} rows and {len(captions)} captions, expected at least 1 of each"
        )
    if cell_height < 1 or margin < 0:
        raise ValueError(f"contact_sheet: cell_height is {cell_height} and margin {margin}, expected >= 1 and >= 0")
    if labels is not None and len(labels) != len(rows):
        raise ValueError(f"contact_sheet: got {len(labels)} labels, expected {len(rows)}, one for each row")
    for index, row in enumerate(rows):
        if len(row) != len(captions):
            raise ValueError(
                f"contact_sheet: row {index} has {len(row)} pictures, expected {len(captions)}, one per caption"
            )
        for column, picture in enumerate(row):
            shape = picture.shape
            if picture.dtype != np.uint8:
                raise TypeError(f"contact_sheet: picture [{index}][{column}] is {picture.dtype}, expected uint8")
            if not (picture.ndim == 2 or (picture.ndim == 3 and shape[2] == 3)) or 0 in shape:
                raise ValueError(
                    f"contact_sheet: picture [{index}][{column}] has shape {shape}, "
                    "expected (H, W, 3) or (H, W), not empty"
                )


def _scaled(picture: NDArray[np.uint8], height: int) -> Image.Image:
    image = Image.fromarray(picture).convert("RGB")
    if image.height == height:
        return image
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _text_width(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> int:
    return int(np.ceil(font.getlength(text)))


def _extent_of_letters(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    box = font.getbbox("Hg")  # the tallest and the lowest of common letters, so that all texts share a base line
    return int(box[1]), int(box[3])
