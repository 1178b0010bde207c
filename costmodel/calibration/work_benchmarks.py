"""Benchmarks of the work around graphs: passes of NumPy over values, surveys, and compiled pyramids of a strip."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.calibration.fusions import ARRAYS, PYRAMIDS, SURVEY, TAPS, THUMBNAIL
from costmodel.calibration.rates import Amounts
from npfuse.engine.pyramids import Rows, blend, collect_planes, deal_planes, halve, measures_of, weigh
from npfuse.ops.resize import resize_taps
from npfuse.survey import survey

Floats = NDArray[np.float32]
Work = tuple[str, Amounts, int, Callable[[], object]]  # kind, amounts, values read and written, and the action

ARRAYS_AT_ONCE = 8
STRIPS = 4  # of a picture
SIZES = ((40, 70), (190, 410), (330, 900), (500, 960))  # rows and columns


def array_work(pool: NDArray[np.float32]) -> Iterator[Work]:
    """Yield passes over values that lie side by side, over channels, conversions and takes; and surveys.

    Each action goes over several arrays and keeps what it makes: in a method, too, few values lie in a near cache.
    """
    number, half = np.float32(0.7), np.float32(0.5)
    for rows, columns in SIZES:
        pixels = rows * columns
        planes = [pool[k * pixels : (k + 1) * pixels].reshape(rows, columns) for k in range(ARRAYS_AT_ONCE)]
        colours = [pool[k * pixels : (k + 3) * pixels].reshape(rows, columns, 3) for k in range(ARRAYS_AT_ONCE)]
        levels = [(rgb * np.float32(255)).astype(np.uint8) for rgb in colours]
        places = np.arange(columns) * 2 // 3

        def sums(x: Floats) -> object:
            return np.abs(x * number + x) / (x + half)

        def rounded(rgb: Floats) -> object:
            return np.rint(np.clip(rgb, 0, 1) * number)

        def channels(rgb: Floats) -> object:
            out = np.empty_like(rgb)
            out[..., 1] = rgb[..., 0] * number
            out[..., 2] = rgb[..., 1] - rgb[..., 0]
            return out

        def converted(whole: NDArray[np.uint8]) -> object:
            floats = whole.astype(np.float32)
            return floats, floats.astype(np.uint8)

        def taken(x: Floats, places: NDArray[np.intp] = places) -> object:
            return np.take(x, places, axis=1)

        passes: tuple[tuple[str, int, Callable[[Any], object], list[Any]], ...] = (
            ("values", 4, sums, planes),
            ("values", 9, rounded, colours),
            ("strided", 5, channels, colours),
            ("converted", 6, converted, levels),
            ("taken", 1, taken, planes),
        )
        for name, count, action, arrays in passes:
            amounts = {"call": 4.0 * ARRAYS_AT_ONCE, name: float(ARRAYS_AT_ONCE * count * pixels)}
            yield ARRAYS, amounts, ARRAYS_AT_ONCE * pixels, partial(_all_of, action, arrays)
    for rows, columns in SIZES:
        picture = (pool[: 3 * rows * columns] * np.float32(255)).astype(np.uint8).reshape(rows, columns, 3)
        amounts = {"call": 1.0, "values": float(picture.size)}
        yield SURVEY, amounts, picture.size, partial(survey, picture)
        yield THUMBNAIL, amounts, picture.size, partial(survey, picture, 10, 14)


def _all_of(action: Callable[[Any], object], arrays: list[Any]) -> list[object]:
    """Return what an action makes of each array."""
    return [action(array) for array in arrays]


def pyramid_work(pool: NDArray[np.float32]) -> Iterator[Work]:
    """Yield each compiled function of the pyramids, on strips of one picture and of three."""
    for count in (1, 3):
        for rows, columns in ((36, 500), (240, 1400), (130, 2600), (6, 30)):
            yield from _pyramid_strip(pool, count, rows, columns)


def _pyramid_strip(pool: NDArray[np.float32], count: int, rows: int, columns: int) -> Iterator[Work]:
    pixels = rows * columns
    whole = (pool[: 3 * pixels * STRIPS] * np.float32(255)).astype(np.uint8)
    pictures_levels = whole.reshape(STRIPS, rows, 3 * columns)  # pictures are read, and written, from end to end
    planes = np.empty((count, 3, rows, columns), np.uint8)
    for its in planes:
        deal_planes(pictures_levels[0], its)
    pictures = Rows(planes, 0, rows)
    weights = pool[: count * pixels].reshape(count, rows, columns)
    half = -(-rows // 2), -(-columns // 2)
    coarser = pool[: count * 3 * half[0] * half[1]].reshape(count, 3, *half)
    below = Rows(coarser, 0, half[0])
    row, between = np.empty(columns, np.float32), np.empty(half[1], np.float32)
    fused = np.empty((3, rows, columns), np.float32)
    written = np.empty_like(pictures_levels)
    room: dict[str, Any] = {"lumas": np.empty((count, 3, columns), np.float32), "out": np.empty_like(weights)}
    halved = np.empty((count, 3, *half), np.float32)

    def dealing() -> None:
        for part in pictures_levels:
            deal_planes(part, planes[0])

    positions, _ = resize_taps(columns, half[1], "pyramid_down")
    halving = partial(halve, pictures, 0, positions, row, halved)

    def collecting() -> None:
        for part in written:
            collect_planes(fused, np.float32(255), True, part)

    blending = partial(
        blend, pictures, Rows(weights, 0, rows), below, Rows(coarser[:1], 0, half[0]), 0, between, row, fused
    )
    weighing = partial(weigh, pictures, 0, measures_of(255.0), room["lumas"], row, room["out"])
    values = 3 * pixels
    for amounts, moved, action in (
        ({"call": STRIPS, "dealt": STRIPS * values}, STRIPS * values, dealing),
        ({"call": 1, "weighed": count * pixels}, count * pixels, weighing),
        ({"call": 1, "halved": 3 * count * half[0] * columns}, count * values, halving),
        ({"call": 1, "blended": count * values, "enlarged": (count + 1) * values}, count * values, blending),
        ({"call": STRIPS, "collected": STRIPS * values}, STRIPS * values, collecting),
    ):
        yield PYRAMIDS, {name: float(amount) for name, amount in amounts.items()}, moved, action
    yield (
        TAPS,
        {"call": 1.0, "columns": float(columns)},
        columns,
        partial(resize_taps, columns, half[1], "pyramid_down"),
    )
