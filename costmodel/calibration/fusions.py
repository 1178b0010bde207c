"""What `npfuse.fuse` does for a pair of 8-bit pictures, part by part: the graph, and each method's work around it.

The rules follow the code of `npfuse.methods`: how pictures are cut, what is computed twice where strips overlap, and
how many passes of NumPy over how many values there are. Their rates are measured on arrays of other sizes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from costmodel.calibration.amounts import REGIONS, Part, graph_parts
from costmodel.calibration.operators import operator_graph
from costmodel.calibration.rates import Amounts
from costmodel.rules import operator_cost
from npfuse.graph import Graph
from npfuse.methods.method import BuildGraph, strips
from npfuse.methods.pyramid_sizes import KEPT, REACH, strip_rows, strip_values
from npfuse.models.mertens import coarsest_level
from npfuse.ops import DepthwiseConv2D, Resize
from npfuse.padding import GRID, on_grid
from npfuse.strip_form import form_or_none, lone_looks, match_form
from npfuse.strips import look_sides, strip_sides, tile_side, tiles_along
from npfuse.weights.weights import Weights

STRIPS = "strips"  # the part of a network of LightFuse's form that goes over its pixels
FUSION = "fusion"  # what any fusion takes in Python besides its work
ARRAYS = "arrays"  # passes of NumPy over values
PYRAMIDS = "pyramids"  # compiled pyramids of a strip
TAPS = "taps"  # weights and places of samples along an axis
SURVEY = "survey"  # statistics of a picture
THUMBNAIL = "survey, thumbnail"  # and a thumbnail
LOOKS = "looks"  # strips of a network of looks alone, row by row
GRAPH = "graph"  # building one, for a strip or a tile
PAIR = 2


def _windows(graph: Graph, sides: tuple[int, int]) -> Counter[tuple[int, int]]:
    """Return how many windows of (rows, columns) a pair is computed in, for strips or tiles of these sides."""
    (height, width, _) = graph.inputs[0][1]
    rows, columns = (
        Counter(tile.window[1] - tile.window[0] for tile in tiles_along(axis, n, side, graph))
        for axis, (n, side) in enumerate(zip((height, width), sides, strict=True))
    )
    return Counter({(h, w): a * b for h, a in rows.items() for w, b in columns.items()})


def _strip_windows(graph: Graph, threads: int) -> Counter[tuple[int, int]]:
    """Return how many windows of (rows, columns) a network of LightFuse's form is computed in."""
    height, width, _ = graph.inputs[0][1]
    return _windows(graph, strip_sides(height, width, threads))


def strip_amounts(strips: int, pixels: int, coarse: float, counts: Amounts) -> Amounts:
    """Return what strips do.

    Parameters
    ----------
    strips : number of them
    pixels : of all together
    coarse : multiply-adds of their coarse branches, where one compiled pass does them
    counts : of the chain of their pixels, as of `costmodel.calibration.regions.pair_amounts`
    """
    return {"strips": float(strips), "pixels": float(pixels), "coarse": coarse, **counts}


def look_amounts(weights: Weights, windows: Mapping[tuple[int, int], int]) -> Amounts:
    """Return what strips of (rows, columns) do in a network of looks alone; `around` are depthwise multiply-adds."""
    pixels = sum(number * rows * columns for (rows, columns), number in windows.items())
    graph = weights.graph(GRID, GRID)
    macs = {True: 0, False: 0}
    for node in graph.nodes:
        macs[isinstance(node.op, DepthwiseConv2D)] += operator_cost(node.op, *graph.input_shapes(node)).work.macs
    around, pointwise = (pixels * macs[key] / GRID**2 for key in (True, False))
    return {"strips": float(sum(windows.values())), "pixels": float(pixels), "around": around, "pointwise": pointwise}


def coarse_work(build: BuildGraph, height: int, width: int, threads: int) -> tuple[float, list[Part]]:
    """Return the coarse branches of all strips of a network of LightFuse's form.

    Returns
    -------
    multiply-adds of those that the pass over the strip does itself
    list of Part : the steps of others
    """
    macs, steps = 0.0, []
    for size, number in _strip_windows(build(*on_grid(height, width)), threads).items():
        form = form_or_none(build(*size))
        branch = form.coarse_branch if form else None
        if form is None or branch is None:
            continue
        if form.looks:
            macs += number * sum(operator_cost(node.op, *branch.input_shapes(node)).work.macs for node in branch.nodes)
        else:
            steps += number * graph_parts(branch, merge=False)
    return macs, steps


def fusion_parts(
    model: str, weights: Weights | None, height: int, width: int, *, threads: int = 1, counts: Amounts | None = None
) -> list[Part]:
    """Return the parts of `npfuse.fuse` of a pair of 8-bit RGB pictures.

    Parameters
    ----------
    model : key of `npfuse.methods.METHODS`
    weights : of the method; None for one without
    height, width : of the pictures
    threads : number of threads
    counts : of the pair, as of `costmodel.calibration.regions.pair_amounts`; needed for a network of LightFuse's form
    """
    result: list[Part] = []
    # One look at either picture tells their order, and a network all that it asks of whole pictures.
    told = weights is not None and "thumbnail" in dict(weights.graph(*on_grid(8, 8)).inputs)
    seen = {"call": float(PAIR), "values": PAIR * 3.0 * height * width}
    result.append(Part(name="statistics", kind=THUMBNAIL if told else SURVEY, amounts=seen))
    result.append(Part(name="fusion", kind=FUSION, amounts={"call": 1.0}))
    if weights is not None and lone_looks(whole := weights.graph(*weights.padded_size(height, width))):
        windows = _windows(whole, look_sides(height, threads))
        return [*result, _graphs(weights, 0), Part(name="looks", kind=LOOKS, amounts=look_amounts(weights, windows))]
    if weights is None or form_or_none(weights.graph(*on_grid(height, width))) is None:
        return [*result, *RULES[model](weights, height, width, threads)]
    if counts is None:
        raise ValueError(f"{model}: counts of the pair are missing, expected those of pair_amounts")
    graph = weights.graph(*on_grid(height, width))
    form, strips = match_form(graph), _strip_windows(graph, threads)
    coarse, steps = coarse_work(weights.graph, height, width, threads)
    if form.thumbnail_branch:
        steps += graph_parts(form.thumbnail_branch, merge=False)
    return [
        *result,
        _graphs(weights, len(strips)),
        Part(name=STRIPS, kind=REGIONS, amounts=strip_amounts(strips.total(), height * width, coarse, counts)),
        *steps,
    ]


def _graphs(weights: Weights, number: int) -> Part:
    """Return the building of the whole picture's graphs, and of so many for its strips or tiles."""
    built = number + 3.0
    nodes = built * len(weights.graph(*on_grid(8, 8)).nodes)
    return Part(name="graphs", kind=GRAPH, amounts={"call": built, "nodes": nodes})


# Passes over the values of a pixel, by the functions that methods share. "values" lie side by side; of "strided" ones
# only one channel is read or written; "converted" ones change between bytes and floats.
AS_FLOATS = Counter(converted=3, values=3)
LUMA = Counter(strided=3, values=4)
TO_YCBCR = LUMA + Counter(strided=5, values=6)
TO_RGB = Counter(strided=8, values=8)
TO_LEVELS = Counter(values=9, converted=3)


def _times(passes: Mapping[str, int], pixels: int) -> Counter[str]:
    """Return passes over so many pixels."""
    return Counter({name: number * pixels for name, number in passes.items()})


def _arrays(name: str, passes: Mapping[str, int], calls: int) -> Part:
    """Return a part of NumPy's work."""
    return Part(name=name, kind=ARRAYS, amounts={"call": float(calls), **{k: float(v) for k, v in passes.items()}})


def _mefnet(weights: Weights | None, height: int, width: int, threads: int) -> Iterator[Part]:
    """Yield small copies, network and guided filter of each picture, and the blending of both."""
    from npfuse.methods.mefnet import low_resolution

    assert weights is not None
    pixels, cut = height * width, sum(1 for _ in strips(height, width))
    small = low_resolution(height, width)
    yield _arrays("luma", _times(AS_FLOATS + LUMA + Counter(values=1), PAIR * pixels), PAIR * 12 * cut)
    shrink = Resize(height=small[0], width=small[1], method="antialiased")
    yield from PAIR * graph_parts(operator_graph(shrink, ((height, width, 1),)))
    yield from PAIR * graph_parts(weights.graph(*small))
    # Four means over windows, along both axes: sum, insert, two takes, difference, quotient; in float64.
    guided = Counter(values=2 * (4 * 2 * 4 + 10), taken=2 * 4 * 2 * 2)
    yield _arrays("guided filter", _times(guided, PAIR * small[0] * small[1]), PAIR * 100)
    enlarged = Counter(taken=2, values=3)
    share = 2 * enlarged["taken"], 2 * enlarged["values"] + 4
    average = Counter(values=3 * PAIR, strided=PAIR)
    chroma = Counter(strided=PAIR + 1, values=2 * PAIR) + average
    each = AS_FLOATS + TO_YCBCR + Counter(taken=share[0], values=share[1])
    blend = Counter({k: PAIR * v for k, v in each.items()}) + average + chroma + chroma + Counter(values=1, strided=1)
    yield _arrays("blending", _times(blend + TO_RGB + TO_LEVELS, pixels), 150 * cut)


def _deepfuse(weights: Weights | None, height: int, width: int, threads: int) -> Iterator[Part]:
    """Yield the network's tiles, the range of its result, and colour."""
    assert weights is not None
    pixels, cut = height * width, sum(1 for _ in strips(height, width))
    whole = weights.graph(height, width)
    side = tile_side(whole, "fast", 4, threads)
    spans: list[Counter[int]] = []
    for axis, n in enumerate((height, width)):
        ends = (whole.input_spans(axis, start, min(start + side, n))["under"] for start in range(0, n, side))
        spans.append(Counter(last - first for first, last in ends))
    windows = Counter({(h, w): a * b for h, a in spans[0].items() for w, b in spans[1].items()})
    seen = sum(number * rows * columns for (rows, columns), number in windows.items())
    yield _graphs(weights, windows.total())
    yield _arrays("luma of tiles", _times(AS_FLOATS + LUMA, PAIR * seen), PAIR * 12 * windows.total())
    for size, number in windows.items():
        yield from number * graph_parts(weights.graph(*size))
    levels = Counter(values=5)
    rounded = Counter(values=12)  # of three channels
    chroma = Counter(strided=5, values=8)
    pair = AS_FLOATS + TO_YCBCR + rounded
    colour = levels + pair + pair + chroma + chroma + rounded + TO_RGB + TO_LEVELS + Counter(values=5, strided=1)
    yield _arrays("range", _times(levels + Counter(values=2, converted=1, taken=1), pixels), 10 * cut)
    yield _arrays("colour", _times(colour, pixels), 100 * cut)


def _mertens(weights: Weights | None, height: int, width: int, threads: int) -> Iterator[Part]:
    """Yield what the pyramids of all strips deal out, weigh, halve, blend and collect.

    Both passes over the pictures make the finer levels, with REACH rows more at either end of a strip.
    """
    rows = strip_rows(height, width, PAIR, threads)
    done: Counter[str] = Counter()
    halvings = columns = 0
    planes = PAIR * (3 + 1)  # the pictures' channels, and their weights
    for first in range(0, height, rows):
        inside = min(rows, height - first)
        seen = min(inside + 2 * REACH, height)
        pixels = seen * width
        made = {"dealt": PAIR * 3 * pixels, "weighed": PAIR * pixels, "halved": planes * pixels // 2}
        done.update({name: PAIR * amount for name, amount in made.items()})  # in either pass
        done["halved"] += planes * inside * width // 8  # level 1 to level 2, in the first pass
        blended = 3 * inside * width + 3 * seen * width // 4
        done["blended"] += PAIR * blended
        done["enlarged"] += (PAIR + 1) * blended
        done["collected"] += 3 * inside * width
        done["call"] += 9  # dealing twice a picture, weighing twice, blending twice, and collecting
        done["call"] += 6
        halvings, columns = halvings + 6, columns + 5 * width  # four of whole rows, two of halves
    for level in range(KEPT, coarsest_level(height, width)):
        size = (-(-height >> level)) * (-(-width >> level))
        done["halved"] += planes * size // 2
        done["blended"] += PAIR * 3 * size
        done["enlarged"] += (PAIR + 1) * 3 * size
        done["call"] += 3
        halvings, columns = halvings + 2, columns + 2 * -(-width >> level)
    room = sum(size for _, size in strip_values((height, width, 3), np.dtype(np.uint8), PAIR, threads))
    shapes = 1 if rows >= height else 4  # of strips: at the border or within, in either pass
    yield _arrays("room", Counter(values=shapes * room // 4), 10 * shapes)
    yield Part(name="taps", kind=TAPS, amounts={"call": float(halvings), "columns": float(columns)})
    yield Part(name="pyramids", kind=PYRAMIDS, amounts={name: float(amount) for name, amount in done.items()})


Rule = Callable[[Weights | None, int, int, int], Iterator[Part]]
RULES: Mapping[str, Rule] = MappingProxyType({"mefnet": _mefnet, "deepfuse": _deepfuse, "mertens": _mertens})
