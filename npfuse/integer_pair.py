"""Prepares pictures of bytes for the network in integers, measures its ranges, and fuses a pair tile by tile.

A byte v is mapped to round(510 * (v - black) / (white - black)) - 255, which for the full range is 2v - 255. So
pictures are exact, unless their weights need them stretched ("min_max"). A mean m of the thumbnail is kept as
256m - 32640. Everything is rounded once, to the nearest, ties upwards, in whole numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from npfuse.examples import SCENES, example_pair
from npfuse.integer import Arithmetic, IntegerGraph, Ranges, Rounding, hidden_values, quantized, run_integers
from npfuse.integer.format import INPUT, THUMBNAIL
from npfuse.padding import GRID, on_grid
from npfuse.pictures.reading import read_picture
from npfuse.strips import Pixels, Tile, thumbnail_size, tile_side, tiles_along
from npfuse.survey import survey
from npfuse.weights.weights import Weights

CALIBRATION_STEP = 4  # every fourth pixel of every fourth row of the example pictures
WHITE = 255
CHART = (64, 96)  # rows and columns

Levels = tuple[int, int]  # the levels that become -1 and 1


def integer_network(
    weights: Weights,
    arithmetic: Arithmetic = "int16",
    *,
    rounding: Rounding = "single",
    ranges: Ranges | None = None,
) -> IntegerGraph:
    """Return the network of a pair in integers, for pictures of one grid cell; `IntegerGraph.at` makes it larger.

    Parameters
    ----------
    weights : Weights of LightFuse, ToneFuse or T_CNN
    arithmetic, rounding, ranges : as for `npfuse.integer.quantized`; for "mixed" without ranges, they are measured on
        the example pictures that ship with the package

    Raises
    ------
    ValueError : as for `npfuse.integer.quantized`

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> integer_network(load_weights("tonefuse")).arithmetic
    'int16'
    """
    if arithmetic == "mixed" and ranges is None:
        ranges = measured_ranges(weights, example_pictures())
    samples = integer_inputs(*chart_pair(), replace(weights, margin=0))  # what is repeated at the border says nothing
    graph = weights.graph(*CHART)
    network = quantized(graph, weights.arrays, arithmetic, rounding=rounding, ranges=ranges, samples=samples)
    return network.at(weights.graph(GRID, GRID))


def chart_pair() -> tuple[Pixels, Pixels]:
    """Return a made-up pair, from dark to bright, in tints of all hues; integer kernels are rounded for its sums.

    Returns
    -------
    under, over : ndarray (64, 96, 3), uint8; the same on every machine

    Examples
    --------
    >>> under, over = chart_pair()
    >>> under[0, 0].tolist(), over[0, 0].tolist(), under[-1, -1].tolist(), over[-1, -1].tolist()
    ([0, 10, 21], [64, 90, 116], [127, 105, 116], [255, 255, 255])
    """
    height, width = CHART
    row, column, channel = np.ogrid[:height, :width, :3]
    tint = 64 * ((column + channel * width // 3) % width) // width
    colour = 191 * row // (height - 1) + tint
    return (colour // 2).astype(np.uint8), np.minimum(64 + 5 * colour // 4, WHITE).astype(np.uint8)


def example_pictures() -> Iterator[tuple[Pixels, Pixels]]:
    """Yield the example pairs, every fourth pixel of every fourth row."""
    step = CALIBRATION_STEP
    for scene in SCENES:
        under, over = (read_picture(path).pixels[::step, ::step] for path in example_pair(scene))
        yield under, over


def measured_ranges(weights: Weights, pairs: Iterable[tuple[Pixels, Pixels]]) -> dict[str, tuple[float, ...]]:
    """Return the range of each channel of each hidden value over pairs of pictures, as "int16" computes them.

    A range is the geometric mean of the channel's greatest number and that of all channels, which leaves room for
    colours that the pictures do not show.

    Parameters
    ----------
    weights : Weights
    pairs : pairs of pictures, uint8, the under-exposed one first

    Returns
    -------
    dict of real numbers by name : those of the values that "mixed" keeps in 8 bits; they are computed from integers, so
        they do not depend on the machine
    """
    network = integer_network(weights)
    most = {name: np.ones(network.shape(name)[2], np.int64) for name in hidden_values(network.graph)}
    for under, over in pairs:
        sized = network.at(weights.graph(*weights.padded_size(*under.shape[:2])))
        found = run_integers(sized, integer_inputs(under, over, weights), keep=list(most))
        most = {name: np.maximum(seen, found[name].max(axis=(0, 1, 2))) for name, seen in most.items()}
    return {
        name: tuple((np.sqrt(seen * seen.max()) * network.formats[name].scale).tolist()) for name, seen in most.items()
    }


def picture_levels(under: Pixels, over: Pixels, weights: Weights) -> list[Levels]:
    """Return, of each picture, the levels that become -1 and 1."""
    return _Pair(under, over, weights).levels


def integer_inputs(under: Pixels, over: Pixels, weights: Weights) -> dict[str, NDArray[np.int16]]:
    """Return the inputs of a network in integers for a whole pair: padded, mapped, and a thumbnail if it reads one.

    Parameters
    ----------
    under, over : ndarray (H, W, 3) or (H, W), uint8
    weights : Weights

    Returns
    -------
    dict of ndarray (1, H, W, C), int16, by input name; "exposures" has the size `weights.padded_size`

    Raises
    ------
    TypeError : the pictures are not uint8

    Examples
    --------
    >>> from npfuse.weights.loading import load_weights
    >>> under, over = np.zeros((5, 7, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)
    >>> inputs = integer_inputs(under, over, load_weights("tonefuse"))
    >>> inputs["exposures"].shape, inputs["exposures"][0, -1, -1].tolist(), inputs["thumbnail"][0, 0, 0].tolist()
    ((1, 24, 24, 6), [-255, -255, -255, 255, 255, 255], [-32640, -32640, -32640, 32640, 32640, 32640])
    """
    pair = _Pair(under, over, weights)
    height, width = weights.padded_size(*under.shape[:2])
    return {"exposures": pair.window((0, height), (0, width)), **pair.others}


def fuse_integer_pair(
    under: Pixels, over: Pixels, out: Pixels, weights: Weights, network: IntegerGraph, *, threads: int = 1
) -> Iterator[Callable[[], None]]:
    """Yield the work of a pair, tile by tile: each job fills its part of `out`, (H, W, 3) or (H, W), uint8.

    A grey picture goes through the network as RGB; the mean of the three channels comes back, rounded half up.
    """
    pair = _Pair(under, over, weights)
    height, width = on_grid(*out.shape[:2])
    whole = weights.graph(*weights.padded_size(*out.shape[:2]))

    def job(row: Tile, column: Tile) -> None:
        exposures = pair.window(row.window, column.window)
        sized = network.at(weights.graph(*exposures.shape[1:3]))
        fused = run_integers(sized, {"exposures": exposures, **pair.others})["fused"][0]
        spans = [
            (tile.keep[0], min(tile.keep[1], size), tile.window[0])
            for tile, size in zip((row, column), out.shape, strict=False)
        ]
        (top, bottom, rows), (left, right, columns) = spans
        kept = fused[top - rows : bottom - rows, left - columns : right - columns]
        out[top:bottom, left:right] = kept if out.ndim == 3 else (2 * kept.sum(axis=2, dtype=np.int64) + 3) // 6

    side = tile_side(whole, "definition", 2, threads)
    for row in tiles_along(0, height, side, whole):
        for column in tiles_along(1, width, side, whole):
            yield partial(job, row, column)


class _Pair:
    """A pair of pictures as integers."""

    def __init__(self, under: Pixels, over: Pixels, weights: Weights) -> None:
        self.pictures = under, over
        for picture in self.pictures:
            if picture.dtype != np.uint8:
                raise TypeError(
                    f"network in integers: dtype of a picture is {picture.dtype}, expected uint8; "
                    f"shape {picture.shape}; save it with 8 bits, or choose another engine"
                )
        size = thumbnail_size(weights.graph(GRID, GRID))
        self.levels: list[Levels] = [(0, WHITE), (0, WHITE)]
        self.others: dict[str, NDArray[np.int16]] = {}
        if weights.normalization == "full_range" and size == (1, 1):
            return
        surveys = [survey(picture, *size) for picture in self.pictures]
        if weights.normalization == "min_max":
            ends = [(int(found.least), int(found.most)) for found in surveys]
            self.levels = [(0, WHITE) if black == white else (black, white) for black, white in ends]
        if size != (1, 1):
            pixels = under.shape[0] * under.shape[1]
            parts = [
                mapped_means(np.rint(found.thumbnail * pixels).astype(np.int64), pixels, levels)
                for found, levels in zip(surveys, self.levels, strict=True)
            ]
            self.others = {"thumbnail": _six(parts)}

    def window(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.int16]:
        """Return a window of the edge-repeated exposures, (1, rows, columns, 6)."""
        parts = []
        for picture, levels in zip(self.pictures, self.levels, strict=True):
            at = [np.minimum(np.arange(*span), n - 1) for span, n in zip((rows, columns), picture.shape, strict=False)]
            parts.append(mapped_levels(np.asarray(picture[at[0][:, np.newaxis], at[1]]), levels))
        return _six(parts)


def mapped_levels(picture: Pixels, levels: Levels) -> NDArray[np.int16]:
    """Map bytes so that black becomes -255 and white 255."""
    black, white = levels
    span = white - black
    stretched = (4 * INPUT.high * (picture.astype(np.int64) - black) + span) // (2 * span)
    return (stretched - INPUT.high).astype(np.int16)


def mapped_means(sums: NDArray[np.int64], pixels: int, levels: Levels) -> NDArray[np.int16]:
    """Map means, given as sums over a number of pixels, so that black becomes -32640 and white 32640."""
    black, white = levels
    span = pixels * (white - black)
    stretched = (4 * THUMBNAIL.high * (sums - pixels * black) + span) // (2 * span)
    return (stretched - THUMBNAIL.high).astype(np.int16)


def _six(parts: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    """Return two pictures beside each other as one of six channels, (1, H, W, 6); grey ones are repeated."""
    colours = [np.repeat(part[:, :, np.newaxis], 3, axis=2) if part.ndim == 2 else part for part in parts]
    return np.concatenate(colours, axis=2)[np.newaxis]
