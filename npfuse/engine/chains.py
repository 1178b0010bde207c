"""Prepares a chain of pointwise convolutions for `npfuse.engine.pixel_groups`: weights, margins, and a place for each.

All numbers that an evaluation reads or writes besides pixels lie in one array, the memory, and all lists of units in
another; compiled functions are given places in them. (Each array more that they handed on would be counted by Numba
as it is, with an atomic instruction.) Rows of coefficients are padded with zeros to a multiple of UNITS.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import bias_or_zeros
from npfuse.engine.dense_layer import LANES, packed
from npfuse.engine.region_bounds import ROWS, TILES
from npfuse.engine.vectors import WIDTH_BYTES

UNITS = WIDTH_BYTES // 4  # the most numbers in a vector

Layer = tuple[NDArray[Any], NDArray[Any] | None, bool]

# Columns of a chain's table, which has a row for the input and for each layer: widths, padded and not; whether ReLU
# follows; and the places of what a layer has of its own.
WIDTH, PADDED, RECTIFY, PACKED, KERNEL, BIAS, MARGINS, COEFFICIENTS = range(8)


class Places(NamedTuple):
    """Where things are in the memory and in the lists, and a few whole numbers; "basis" is features, then units."""

    depth: int  # number of layers
    opponent: int  # whether the features are those of three channels, or the channels
    macs: int  # multiply-adds a pixel where nothing is decided
    limit: int  # a leaf's largest feature for which nothing overflows
    basis: int  # (TILES, basis, LANES): values at the leaf's pixels
    basis_stride: int  # from tile to tile
    values: int  # (TILES, widest, LANES): of one layer's undecided units
    values_stride: int
    plain: int  # (widest, LANES): a layer of a tile, where a leaf is evaluated plainly
    plain_next: int  # the same, of the next layer
    box: int  # (ROWS, features): as in region_bounds
    lanes: int  # (2 * widest, UNITS): of ranges, lane by lane
    found: int  # (2 * widest,): least of each, then most of each, with its sign turned
    linear: int  # (features + 1, widest): coefficients once undecided units are relaxed
    gaps: int  # (2, widest): as in region_bounds
    no_gaps: int  # the same for the first layer: zeros
    relaxation: int  # (basis, features + 3): as in region_bounds
    states: int  # (widest,)
    before: int  # (C1 padded,): states in the leaf before
    panels: int  # packed weights of the undecided units
    undecided: int  # in the lists, (widest + 1,): which units are
    changed: int  # (widest + 1,): and which others are to be folded
    every: int  # (basis,): 0, 1, 2, …


class Chain(NamedTuple):
    """A chain, ready to be evaluated; `memory` and `lists` are to be copied for each thread that does."""

    table: NDArray[np.int64]
    places: Places
    memory: NDArray[Any]
    lists: NDArray[np.int64]


def chain_of(layers: Sequence[Layer]) -> Chain:
    """Prepare a chain.

    Parameters
    ----------
    layers : (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows), all of one dtype, channels in order
    """
    kernels = [kernel for kernel, *_ in layers]
    biases = [bias_or_zeros(bias, kernel.shape[1], kernel.dtype) for kernel, bias, _ in layers]
    first = _kernel_of_features(kernels[0])
    margins, limit = _margins([first, *kernels[1:]], biases)
    features, depth, dtype = len(first), len(layers), first.dtype
    widths = [features, *(kernel.shape[1] for kernel in kernels)]
    padded = [_padded(width) for width in widths]
    widest, basis = max(padded), sum(widths[:-1])

    memory, lists = _Layout(), _Layout()
    table = np.zeros((depth + 1, 8), np.int64)
    table[:, WIDTH], table[:, PADDED] = widths, padded
    for i, (kernel, bias, rectified) in enumerate(zip(kernels, biases, [layer[2] for layer in layers], strict=True), 1):
        table[i, RECTIFY] = rectified
        table[i, PACKED] = memory.put(packed(kernel, bias))
        table[i, KERNEL] = memory.put(_padded_rows(kernel))
        table[i, BIAS] = memory.put(_padded_rows(bias))
        table[i, MARGINS] = memory.put(_padded_rows(margins[i - 1]))
        start = _padded_rows(np.concatenate([bias[np.newaxis], first])) if i == 1 else np.zeros(0)
        table[i, COEFFICIENTS] = memory.put(start, (1 + sum(widths[:i])) * padded[i])
    places = Places(
        depth=depth,
        opponent=int(features % 3 == 0),
        macs=sum(a * b for a, b in pairwise(widths)),
        limit=memory.put(np.array([limit])),
        basis=memory.put(size=TILES * basis * LANES),
        basis_stride=basis * LANES,
        values=memory.put(size=TILES * widest * LANES),
        values_stride=widest * LANES,
        plain=memory.put(size=widest * LANES),
        plain_next=memory.put(size=widest * LANES),
        box=memory.put(size=ROWS * features),
        lanes=memory.put(size=2 * widest * UNITS),
        found=memory.put(size=2 * widest),
        linear=memory.put(size=(features + 1) * widest),
        gaps=memory.put(size=2 * widest),
        no_gaps=memory.put(size=2 * widest),
        relaxation=memory.put(size=basis * (features + 3)),
        states=memory.put(size=widest),
        before=memory.put(size=widest),
        panels=memory.put(size=(basis + 1) * widest),
        undecided=lists.put(size=widest + 1),
        changed=lists.put(size=widest + 1),
        every=lists.put(np.arange(basis)),
    )
    with np.errstate(over="ignore"):
        return Chain(table=table, places=places, memory=memory.array(dtype), lists=lists.array(np.int64))


class _Layout:
    """Lays arrays out one after another, each from a multiple of a cache line on."""

    LINE = 16

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[tuple[int, NDArray[Any]]] = []

    def put(self, array: NDArray[Any] | None = None, size: int = 0) -> int:
        """Lay out an array, or zeros, or an array with zeros behind it; return its place."""
        place = self.size
        values = np.zeros(0) if array is None else array.reshape(-1)
        self.parts.append((place, values))
        self.size += -(-max(size, len(values)) // self.LINE) * self.LINE
        return place

    def array(self, dtype: Any) -> NDArray[Any]:
        result = np.zeros(self.size, dtype)
        for place, values in self.parts:
            result[place : place + len(values)] = values
        return result


def _padded(count: int) -> int:
    return -(-count // UNITS) * UNITS


def _padded_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the array with zeros behind its last axis."""
    missing = _padded(rows.shape[-1]) - rows.shape[-1]
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])


def _kernel_of_features(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the first kernel's coefficients of the features: R + G + B, R - G, G - B for every three channels."""
    if kernel.shape[0] % 3:
        return kernel
    red, green, blue = np.moveaxis(kernel.reshape(-1, 3, kernel.shape[1]), 1, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # where this overflows, leaves are evaluated plainly
        features = [(red + green + blue) / 3, (2 * red - green - blue) / 3, (red + green - 2 * blue) / 3]
    result: NDArray[Any] = np.stack(features, axis=1).reshape(kernel.shape).astype(kernel.dtype)
    return result


def _margins(kernels: list[NDArray[Any]], biases: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], float]:
    """Return how far the computed pre-activation of each unit, or a bound of it, may be off, in a leaf.

    A sum of n products is off by at most n eps times the sum of their absolute values (Higham 2002, section 3.1). Those
    are bounded by running the chain on absolute values; n counts all additions on a path, those of the updates too: a
    leaf's sums are those of the group's first, to which each unit has at most been added and taken from once a leaf.

    Parameters
    ----------
    kernels : of the features
    biases : of the layers

    Returns
    -------
    list of ndarray (2, Co) : the margin is the first row times the leaf's largest feature, plus the second
    float : the largest feature for which nothing overflows; negative where the weights overflow by themselves
    """
    dtype = kernels[0].dtype
    # (2, units): the part that grows with the largest feature, and the part that does not
    reach = np.stack([np.ones(len(kernels[0])), np.zeros(len(kernels[0]))])
    additions = 16
    margins, largest_reach = [], np.ones(2)
    with np.errstate(over="ignore", invalid="ignore"):
        for kernel, bias in zip(kernels, biases, strict=True):
            reach = reach @ np.abs(kernel).astype(np.float64)
            reach[1] += np.abs(bias)
            additions += 3 * kernel.shape[0] + 16
            margins.append((additions * float(np.finfo(dtype).eps) * reach).astype(dtype))
            largest_reach = np.maximum(largest_reach, reach.max(axis=1))
        room = float(np.finfo(dtype).max) / 16 - largest_reach[1]
        limit = room / largest_reach[0] if np.isfinite(largest_reach).all() else -1.0
    return margins, float(limit)
