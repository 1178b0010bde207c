"""Plans how a network in integers works row by row: which values are kept in line buffers, and how many rows of each.

A value is stored if a layer reads the surroundings of a position, if several layers read it, or if it is enlarged.
Every other value is computed for the present pixel and not kept. Rows of stored values are made as soon as the rows
that they read are there. How many rows of each are needed at once is found by running this plan, without numbers, for
pictures of many heights.

Networks with a thumbnail read the pictures twice: the result cannot be computed before the thumbnail is there. The
coarse picture, before it is enlarged, is then made in the first pass and stored whole.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from npfuse.graph import Graph
from npfuse.integer import IntegerGraph, Layer
from npfuse.ops import Conv2DTranspose, DepthwiseConv2D, DepthwiseConv2DTranspose, Operator, Resize

PICTURE = "exposures"
THUMBNAIL = "thumbnail"
HEIGHTS = (1, 2, 3, 5, 8, 13, 24)  # in cells of 8 rows, of the pictures that the plan is tried with

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """How a network works row by row.

    Parameters
    ----------
    network : IntegerGraph
    passes : number of times that the pictures are read, 1 or 2
    stored : names of the stored values of the picture, in order, without the pictures
    planes : names of the stored values that are kept whole between the passes
    first_pass : names of the stored values that are made in the first of two passes
    rows : number of rows of each line buffer, by name, those of the pictures included; planes are not in it
    """

    network: IntegerGraph
    passes: int
    stored: tuple[str, ...]
    planes: tuple[str, ...]
    first_pass: tuple[str, ...]
    rows: Mapping[str, int]

    def column_bytes(self, name: str) -> Fraction:
        """Return the bytes that a row of a stored value takes, per column of the picture."""
        channels = self.network.shape(name)[2]
        size = 1 if name == PICTURE else self.network.formats[name].dtype.itemsize
        return Fraction(channels * size, scale_of(self.network.graph, name))

    @property
    def bytes_a_column(self) -> Fraction:
        """Return the bytes of all line buffers, per column of the picture."""
        return sum((rows * self.column_bytes(name) for name, rows in self.rows.items()), Fraction(0))


def operator_of(network: IntegerGraph, layer: Layer) -> Operator:
    """Return the operator of the first node of a layer."""
    return next(node.op for node in network.graph.nodes if node.name == layer.nodes[0])


def scale_of(graph: Graph, name: str) -> int:
    """Return how many times smaller than the picture a value is."""
    return graph.shapes[PICTURE][0] // graph.shapes[name][0]


def of_picture(network: IntegerGraph) -> set[str]:
    """Return the names of the values that depend on the pictures directly, the pictures included."""
    found = {PICTURE}
    for layer in network.layers:
        if found & set(layer.inputs):
            found.add(layer.name)
    return found


def is_enlarging(op: Operator) -> bool:
    """Tell whether an operator makes a value larger."""
    return isinstance(op, DepthwiseConv2DTranspose | Conv2DTranspose | Resize) and not (
        isinstance(op, Resize) and op.method == "area"
    )


def is_view(op: Operator) -> bool:
    """Tell whether an operator only repeats pixels."""
    return isinstance(op, DepthwiseConv2DTranspose) or (isinstance(op, Resize) and op.method == "nearest")


def stored_values(network: IntegerGraph) -> list[str]:
    """Return the names of the values that are stored, in order, without the inputs."""
    readers: dict[str, list[Layer]] = {name: [] for name in network.formats}
    for layer in network.layers:
        for name in layer.inputs:
            readers[name].append(layer)
    enlarged = {layer.name for layer in network.layers if is_view(operator_of(network, layer))}
    found = []
    for layer in network.layers:
        after = readers[layer.name]
        around = any(isinstance(operator_of(network, reader), DepthwiseConv2D | Conv2DTranspose) for reader in after)
        larger = any(is_enlarging(operator_of(network, reader)) for reader in after)
        added = any(reader.added is not None and reader.inputs[1] == layer.name for reader in after)
        if around or added or len(after) > 1 or (larger and layer.name not in enlarged):
            found.append(layer.name)
    return found


def streamed(network: IntegerGraph, build: Callable[[int, int], Graph], *, passes: int | None = None) -> Stream:
    """Plan how a network works row by row.

    Parameters
    ----------
    network : IntegerGraph
    build : function that makes its graph for a height and a width, multiples of 8
    passes : number of passes, 1 or 2; None for 2 if the network reads a thumbnail, else 1

    Returns
    -------
    Stream : serves pictures of any height and width

    Raises
    ------
    ValueError : passes is neither 1 nor 2, or is 1 for a network that reads a thumbnail

    Examples
    --------
    >>> from npfuse.integer_pair import integer_network
    >>> from npfuse.weights.loading import load_weights
    >>> weights = load_weights("lightfuse")
    >>> streamed(integer_network(weights), weights.graph).rows
    {'exposures': 15, 'global1': 3, 'global2': 3, 'global3_pointwise': 1}
    """
    thumbnail = THUMBNAIL in dict(network.graph.inputs)
    passes = passes or (2 if thumbnail else 1)
    if passes not in (1, 2) or (thumbnail and passes == 1):
        raise ValueError(f"c program: passes is {passes}, expected {2 if thumbnail else '1 or 2'}")
    large = network.at(build(64, 64))
    picture = of_picture(large)
    stored = tuple(name for name in stored_values(large) if name in picture)
    planes = _stored_whole(large) if passes == 2 else ()
    before = _made_from_pictures(large, planes)
    first_pass = tuple(name for name in stored if name in before)
    second = tuple(name for name in stored if name not in first_pass)
    rows: dict[str, int] = dict.fromkeys((PICTURE, *stored), 1)
    for cells in HEIGHTS:
        sized = network.at(build(8 * cells, 8))
        if first_pass:
            _try(sized, first_pass, planes, rows, whole=False)
        _try(sized, second, planes, rows, whole=True)
    return Stream(
        network=network,
        passes=passes,
        stored=stored,
        planes=planes,
        first_pass=first_pass,
        rows={name: n for name, n in rows.items() if name not in planes},
    )


def _stored_whole(network: IntegerGraph) -> tuple[str, ...]:
    """Return the values of the picture that are enlarged, and were not enlarged themselves."""
    picture = of_picture(network)
    enlarging = [
        layer for layer in network.layers if layer.name in picture and is_enlarging(operator_of(network, layer))
    ]
    made = {layer.name for layer in enlarging}
    return tuple(dict.fromkeys(name for layer in enlarging for name in layer.inputs if name not in made))


def _made_from_pictures(network: IntegerGraph, names: tuple[str, ...]) -> set[str]:
    """Return values, and all those of the picture that they are computed from."""
    picture, found = of_picture(network), set(names)
    for layer in reversed(network.layers):
        if layer.name in found:
            found.update(name for name in layer.inputs if name in picture)
    return found


def _try(
    network: IntegerGraph, names: tuple[str, ...], planes: tuple[str, ...], rows: dict[str, int], *, whole: bool
) -> None:
    """Run one pass without numbers; note in `rows` how many rows of each value are needed at once."""
    (result,) = network.graph.outputs
    stages = [*names, *([result] if whole else [])]
    kept = {PICTURE, *names, *planes}
    heights = {name: network.shape(name)[0] for name in (PICTURE, *stages)}
    made = dict.fromkeys((PICTURE, *stages), 0)
    spans = {stage: [rows_read(network, stage, row, kept) for row in range(heights[stage])] for stage in stages}

    def ready(stage: str) -> bool:
        row = made[stage]
        return row < heights[stage] and all(
            last < made[value] for value, (_, last) in spans[stage][row].items() if value in made
        )

    for _ in range(heights[PICTURE]):
        name: str | None = PICTURE
        while name:
            made[name] += 1
            for value in (PICTURE, *names):
                waiting = [spans[s][made[s]] for s in stages if made[s] < heights[s]]
                oldest = min((read[value][0] for read in waiting if value in read), default=made[value])
                rows[value] = max(rows[value], made[value] - oldest)
            name = next((stage for stage in reversed(stages) if ready(stage)), None)  # the nearest to the result first
    assert made == heights, "a row was never made"


def rows_read(network: IntegerGraph, name: str, row: int, kept: set[str]) -> dict[str, Span]:
    """Return the first and the last row of each kept value that a row of another value is computed from."""
    layers = {layer.name: layer for layer in network.layers}
    found: dict[str, Span] = {}
    for value, first, last in _reads(network, layers, name, row, row, kept - {name}):
        seen = found.get(value, (first, last))
        found[value] = min(first, seen[0]), max(last, seen[1])
    return found


def _reads(
    network: IntegerGraph, layers: Mapping[str, Layer], name: str, first: int, last: int, kept: set[str]
) -> Iterator[tuple[str, int, int]]:
    layer = layers[name]
    op = operator_of(network, layer)
    for i, value in enumerate(layer.inputs):
        if i == 1 and layer.added is not None:
            continue  # AddChannels reads no rows
        n = network.shape(value)[0]
        start, stop = op.input_span(0, first, last + 1, n)
        start, stop = max(start, 0), min(stop, n)
        if value in kept:
            yield value, start, stop - 1
        elif value in layers:
            yield from _reads(network, layers, value, start, stop - 1, kept)
