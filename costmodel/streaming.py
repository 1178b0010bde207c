"""What a network needs in hardware that works row by row: line buffers, delay, weights, multiplies, accesses, energy.

The pictures arrive row by row. A row of a value is made as soon as the rows that it depends on have arrived, and kept
until the last row that reads it has been made; the rows kept at once are the value's line buffer. So a 3x3 convolution
keeps two rows of its input, and a value that the next layer reads at the same position keeps none. Which rows depend on
which follows from the graph alone (`costmodel.receptive_field.reaches`). Rows of the result leave as soon as they are
made, which for a network with stages at an eighth of the size is eight at a time.

Weights are counted as `npfuse.integer` stores them: kernels of 8 bits; a bias of 32, a multiplier of 32 and a shift of
8 bits for each output channel; and the levels of tanh. Left out: the values of the pixels at work, which do not grow
with the picture (`widest` is the most of one pixel), and the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np
from numpy.typing import NDArray

from costmodel.receptive_field import reaches, spans
from costmodel.rules import operator_cost
from npfuse.graph import Graph, Node
from npfuse.ops import Tanh

PICTURE_BITS = 8
KERNEL_BYTES, BIAS_BYTES, REQUANTISE_BYTES = 1, 4, 5  # REQUANTISE: a multiplier of 32 bits and a shift of 8
TANH_BYTES = 2 * 255  # the least number of each level


@dataclass(frozen=True, kw_only=True)
class StreamedValue:
    """A value of a network in a stream of rows.

    Parameters
    ----------
    name : of the input or node
    operator : class of the operator, "input" for a picture
    rows : rows kept at once, 0 where the next layer reads the row as it comes
    width, channels : of the value
    bits : of a number in 8-bit and in 16-bit arithmetic; pictures have 8 in both
    macs_per_pixel : multiply-adds for one pixel of the pictures
    integer_bytes : of kernels, biases and requantisation
    """

    name: str
    operator: str
    rows: int
    width: int
    channels: int
    bits: tuple[int, int]
    macs_per_pixel: Fraction
    integer_bytes: int

    @property
    def buffer_bytes(self) -> tuple[int, int]:
        """Bytes of the line buffer in 8-bit and in 16-bit arithmetic."""
        numbers = self.rows * self.width * self.channels
        return numbers * self.bits[0] // 8, numbers * self.bits[1] // 8


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """A network in a stream of rows.

    Parameters
    ----------
    height, width : of the pictures
    values : the pictures and every node that depends on them
    once : names of the nodes that depend on other inputs only and are computed once for a picture
    delay : most rows of the pictures that have arrived when a row of the result is made, counted from that row
    widest : numbers of the widest value of one pixel
    table_bytes : of tables of functions
    """

    height: int
    width: int
    values: tuple[StreamedValue, ...]
    once: tuple[str, ...]
    delay: int
    widest: int
    table_bytes: int

    @property
    def buffer_bytes(self) -> tuple[int, int]:
        """Bytes of all line buffers in 8-bit and in 16-bit arithmetic."""
        eight, sixteen = zip(*(value.buffer_bytes for value in self.values), strict=True)
        return sum(eight), sum(sixteen)

    @property
    def integer_bytes(self) -> int:
        """Bytes of weights, requantisation and tables, in either arithmetic."""
        return self.table_bytes + sum(value.integer_bytes for value in self.values)

    @property
    def macs_per_pixel(self) -> Fraction:
        """Multiply-adds for one pixel of the pictures."""
        return sum((value.macs_per_pixel for value in self.values), Fraction(0))


def streaming(graph: Graph) -> Streaming:
    """Return what a network needs in a stream of rows of its pictures.

    Parameters
    ----------
    graph : Graph
        Its pictures, the inputs as large as the first, arrive together, row by row. Other inputs, such as a thumbnail,
        are there before.

    Returns
    -------
    Streaming

    Examples
    --------
    >>> from npfuse.models import lightfuse
    >>> found = streaming(lightfuse(400, 640))
    >>> [(value.name, value.rows) for value in found.values if value.rows]
    [('exposures', 2), ('detail3_relu', 14), ('global1', 2), ('global2', 2)]
    >>> found.delay, [n // 640 for n in found.buffer_bytes]  # bytes a column
    (15, [63, 114])
    """
    height, width, _ = graph.inputs[0][1]
    pictures = {name: shape[2] for name, shape in graph.inputs if shape[:2] == (height, width)}
    arrival = {}
    for name, reach in reaches(graph, 0).items():
        if streamed := [each.stop for source, each in reach.items() if source in pictures]:
            arrival[name] = np.maximum.accumulate(np.max(streamed, axis=0))
    needed = _last_uses(graph, arrival)
    values = [
        StreamedValue(
            name=name,
            operator="input",
            rows=_most_kept(arrival[name], needed[name]),
            width=width,
            channels=channels,
            bits=(PICTURE_BITS, PICTURE_BITS),
            macs_per_pixel=Fraction(0),
            integer_bytes=0,
        )
        for name, channels in pictures.items()
    ]
    weighed: set[str] = set()
    for node in graph.nodes:
        macs, stored = _costs(graph, node, weighed)
        if node.name in arrival:
            _, columns, features = graph.shapes[node.name]
            values.append(
                StreamedValue(
                    name=node.name,
                    operator=node.op.kind,
                    rows=_most_kept(arrival[node.name], needed[node.name]),
                    width=columns,
                    channels=features,
                    bits=(8, 16),
                    macs_per_pixel=Fraction(macs, height * width),
                    integer_bytes=stored,
                )
            )
    done = arrival[graph.outputs[0]]
    return Streaming(
        height=height,
        width=width,
        values=tuple(values),
        once=tuple(node.name for node in graph.nodes if node.name not in arrival),
        delay=int(np.max(done - np.arange(len(done)) * height // len(done))),
        widest=max(value.channels for value in values),
        table_bytes=TANH_BYTES * any(isinstance(node.op, Tanh) for node in graph.nodes),
    )


def _last_uses(graph: Graph, arrival: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """Return, for every row of every value, how many rows of the pictures have arrived when it is last read."""
    needed = {name: times.copy() for name, times in arrival.items()}
    for node in graph.nodes:
        if node.name not in arrival:
            continue
        for name in dict.fromkeys(node.inputs):
            if name not in needed:
                continue
            n = graph.shapes[name][0]
            firsts, stops = spans(node.op, 0, len(arrival[node.name]), n)
            firsts, stops, times = firsts.clip(0), stops.clip(max=n), arrival[node.name]
            for tap in range(int(np.max(stops - firsts, initial=0))):
                reads = firsts + tap < stops
                np.maximum.at(needed[name], firsts[reads] + tap, times[reads])
    return needed


def _most_kept(made: NDArray[np.int64], needed: NDArray[np.int64]) -> int:
    """Return the most rows that are made and still needed at one time.

    Examples
    --------
    >>> _most_kept(np.array([1, 2, 3]), np.array([3, 3, 3]))  # two wait for the third
    2
    """
    change = np.zeros(int(needed.max()) + 2, np.int64)
    np.add.at(change, made, 1)
    np.add.at(change, needed, -1)
    return int(np.cumsum(change).max())


def _costs(graph: Graph, node: Node, weighed: set[str]) -> tuple[int, int]:
    """Return a node's multiply-adds, and the bytes of its weights unless an earlier node shares them."""
    inputs = graph.input_shapes(node)
    macs = operator_cost(node.op, *inputs).work.macs
    shapes = node.op.weight_shapes(*inputs)
    if not shapes or node.weight_key in weighed:
        return macs, 0
    weighed.add(node.weight_key)
    kernels = sum(prod(shape) for name, shape in shapes.items() if name != "bias")
    channels = graph.shapes[node.name][2]
    return macs, kernels * KERNEL_BYTES + channels * (BIAS_BYTES + REQUANTISE_BYTES)
