"""How much memory `npfuse.fuse` takes at most: the pictures, and what the parts that are at work need.

A network of a pair goes over strips or tiles, each thread over one at a time; DeepFuse's over tiles too, MEF-Net's and
Mertens' graphs over whole pictures. Around their graphs, those three keep planes of floats. The result is written to
only as its parts are ready, and until then takes no memory. Left out: the interpreter, libraries and compiled code, and
the weights.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from npfuse.engine.layout import (
    BLOCK_SIDE,
    CHANNELS,
    GROUP_SIDE,
    PAIR_PIXELS,
    STRIP_GROUPS,
    TAPS,
    WIDEST_VECTOR,
    plane_width,
)
from npfuse.graph import Graph
from npfuse.graph_memory import Peak, peak
from npfuse.methods.mefnet import low_resolution
from npfuse.methods.method import STRIP_PIXELS
from npfuse.models import build
from npfuse.ops import PointwiseConv2D
from npfuse.run import Engine
from npfuse.strip_form import Form, form_or_none
from npfuse.strips import GRID, strip_sides, tile_side, tiles_along

Values = tuple[tuple[str, int], ...]  # (name, bytes)

TILES = 3  # along an axis; further ones are no larger

# Planes of floats of a strip that a method holds at once around its graph, counted in its module in npfuse.methods.
LUMA_PLANES = 7  # three of the colours, three in computing luma, and luma
DEEPFUSE_COLOUR_PLANES = 28  # of two pictures 6, the result's YCbCr 3, luma 2, chroma 8, and RGB with rounding 9
MEFNET_BLEND_PLANES = 32  # of two pictures, RGB and YCbCr, 12, the result's 3, shares 5, and RGB with rounding 12
MERTENS_RESULT_PLANES = 18  # of two pictures 6, and the result with clipping and rounding 12


def part_values(
    network: Callable[[int, int], Graph],
    shape: Sequence[int],
    dtype: np.dtype,
    *,
    engine: Engine = "fast",
    threads: int = 1,
    copied: bool = False,
) -> Values:
    """Return what one thread holds when it fuses a part of a pair with a network of a pair.

    Parameters
    ----------
    network : makes the graph for (height, width)
    shape : of a picture, (H, W) or (H, W, 3)
    dtype : of a picture
    engine : of the network
    threads : that work at once, on which the parts' size depends
    copied : whether parts of the pictures are copies, as of pictures that stay in their files

    Returns
    -------
    (name, bytes) of everything in use at the fullest moment

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> values = part_values(lightfuse, (896, 1344, 3), np.dtype(np.uint8))
    >>> [name for name, _ in values]
    ['chain', 'rows', 'halved 1', 'halved 2', 'halved 3', 'groups']
    """
    height, width = (-(-n // GRID) * GRID for n in shape[:2])
    whole = network(height, width)
    form = form_or_none(whole) if engine == "fast" else None
    element = 8 if dtype == np.float64 else 4
    sides = strip_sides(height, width, threads) if form else (tile_side(whole, engine, element, threads),) * 2
    rows, columns = (
        max(tile.window[1] - tile.window[0] for tile in tiles_along(axis, min(n, TILES * side), side, whole))
        for axis, (n, side) in enumerate(zip((height, width), sides, strict=True))
    )
    if form is None:
        mapped = (("mapped pictures", rows * columns * CHANNELS * element),)
        return mapped + peak(network(rows, columns), merge=engine == "fast", element_bytes=element).values
    copies: Values = ()
    if copied or len(shape) == 2 or columns < width:
        copies = (("copies of the pictures", rows * columns * CHANNELS * dtype.itemsize),)
    return copies + tuple((name, count * element) for name, count in _strip_values(whole, form, rows, columns))


def _strip_values(whole: Graph, form: Form, rows: int, columns: int) -> Iterator[tuple[str, int]]:
    """Yield (name, count of numbers) of the arrays in which a strip is halved and its chain evaluated."""
    yield "chain", _chain_numbers(whole, form)
    yield "rows", TAPS * CHANNELS * plane_width(columns)
    for stage in range(1, len(form.halvings) + 1):
        yield f"halved {stage}", (rows >> stage) * CHANNELS * plane_width(columns >> stage)
    yield "groups", STRIP_GROUPS * GROUP_SIDE**2 * (CHANNELS + 3)  # pixels and results


def _chain_numbers(whole: Graph, form: Form) -> int:
    """Return, about, how many numbers `npfuse.engine.chains` lays out for a chain: its weights, and room to work in."""
    nodes = [node for node in form.chain if isinstance(node.op, PointwiseConv2D)]
    widths = [whole.input_shapes(nodes[0])[0][2], *(whole.shapes[node.name][2] for node in nodes)]
    padded = [-(-width // WIDEST_VECTOR) * WIDEST_VECTOR for width in widths]
    basis, widest = sum(widths[:-1]), max(padded)
    # Values at a block's pixels; two layers of a row pair, and ranges lane by lane.
    block = BLOCK_SIDE**2 * (basis + widest) + 2 * (PAIR_PIXELS + WIDEST_VECTOR) * widest
    weights = 2 * sum((before + 1) * after for before, after in pairwise(padded))
    coefficients = sum((1 + sum(widths[:i])) * padded[i] for i in range(1, len(widths)))
    panels = (basis + 1) * widest
    return block + weights + coefficients + panels


def fusion_peak(model: str, height: int, width: int, *, threads: int = 1) -> Peak:
    """Return the peak of the memory that `npfuse.fuse` takes for a pair of 8-bit RGB pictures.

    Parameters
    ----------
    model : key of `npfuse.models.MODELS`
    height, width : of the pictures
    threads : that work at once

    Returns
    -------
    Peak

    Examples
    --------
    >>> found = fusion_peak("tonefuse", 4000, 6000)
    >>> found.during, found.values[:3]
    ('parts', (('under', 72000000), ('over', 72000000), ('result', 72000000)))
    """
    picture = height * width * 3
    inputs = (("under", picture), ("over", picture))
    moments = _MOMENTS.get(model, _pair_moments)(model, height, width, threads)
    done = [
        (during, inputs + ((("result", picture),) if written else ()) + values) for during, written, values in moments
    ]
    during, values = max(done, key=lambda moment: _sum(moment[1]))
    return Peak(bytes=_sum(values), during=during, values=values)


Moments = Iterator[tuple[str, bool, Values]]  # (what is done, whether the result is being written, what is held)


def _pair_moments(model: str, height: int, width: int, threads: int) -> Moments:
    def network(rows: int, columns: int) -> Graph:
        return build(model, rows, columns)

    part = part_values(network, (height, width, 3), np.dtype(np.uint8), threads=threads)
    kept = tuple((f"{name}, kept", count) for name, count in part if name == "chain")  # each thread works in a copy
    yield "parts", True, kept + _times(part, threads)


def _deepfuse_moments(model: str, height: int, width: int, threads: int) -> Moments:
    whole = build(model, height, width)
    side = tile_side(whole, "fast", 4, threads)
    luma = (("luma", height * width * 4),)
    rows, columns = (max(b - a for a, b in _windows(whole, axis, n, side)) for axis, n in enumerate((height, width)))
    colours = (("colours of a tile", rows * columns * 3 * 4),)
    tile = peak(build(model, rows, columns), merge=True).values
    yield "tiles", False, luma + _times(colours + tile, threads)
    yield "colour", True, luma + _times(_strip_planes(height, width, DEEPFUSE_COLOUR_PLANES), threads)


def _windows(whole: Graph, axis: int, n: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield what tiles along an axis depend on."""
    for start in range(0, min(n, TILES * side), side):
        yield whole.input_spans(axis, start, min(start + side, n))["under"]


def _mefnet_moments(model: str, height: int, width: int, threads: int) -> Moments:
    rows, columns = low_resolution(height, width)
    luma = (("luma", height * width * 4),)
    strip = _strip_planes(height, width, LUMA_PLANES)
    small = (("luma, rows", rows * width * 4), *peak(build(model, rows, columns), merge=True).values)
    exposures = min(threads, 2)
    yield "weight maps", False, _times(luma + max(strip, small, key=_sum), exposures)
    yield "blending", True, _times(_strip_planes(height, width, MEFNET_BLEND_PLANES), threads)


def _mertens_moments(model: str, height: int, width: int, threads: int) -> Moments:
    yield "pyramids", False, peak(build(model, height, width), merge=True).values
    yield "rounding", True, (("floats", height * width * MERTENS_RESULT_PLANES * 4),)


_MOMENTS = {"deepfuse": _deepfuse_moments, "mefnet": _mefnet_moments, "mertens": _mertens_moments}


def _strip_planes(height: int, width: int, planes: int) -> Values:
    """Return planes of floats of a strip, of the rows that `npfuse.methods.method.strips` takes."""
    pixels = min(max(1, STRIP_PIXELS // width), height) * width
    return ((f"{planes} planes of a strip", pixels * planes * 4),)


def _times(values: Values, threads: int) -> Values:
    """Return what every thread holds, of all of them together."""
    return tuple((name, threads * count) for name, count in values)


def _sum(values: Values) -> int:
    return sum(count for _, count in values)
