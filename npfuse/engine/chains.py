"""Prepares a chain of pointwise convolutions for `npfuse.engine.pixel_groups`: weights, margins, and a place for each.

Apart from the pixels, all numbers that an evaluation reads or writes lie in one array, the memory. All lists of units
lie in another. Compiled functions are given places in them. (Numba counts references to each array argument of a call
by an atomic instruction; one array keeps that cheap.) Rows of coefficients are padded with zeros to a multiple of
VECTOR_NUMBERS.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.engine.compiled import bias_or_zeros
from npfuse.engine.dense_layer import packed
from npfuse.engine.layout import PAIR_PIXELS, ROW_PAIRS
from npfuse.engine.processor import VECTOR_NUMBERS
from npfuse.engine.region_bounds import BOX_ROWS

Layer = tuple[NDArray[Any], NDArray[Any] | None, bool]

# Columns of a chain's table, which has one row for the input and one per layer: the width, the padded width, whether
# ReLU follows, and the places of the layer's own numbers.
WIDTH, PADDED, RECTIFY, PACKED, KERNEL, BIAS, MARGINS, COEFFICIENTS = range(8)


class Places(NamedTuple):
    """Sizes of a chain, and places of arrays in its memory and lists.

    The basis holds the features first, then the undecided units.
    """

    # Sizes.
    depth: int  # number of layers
    colour_differences: bool  # whether the features are sums and differences of every three channels, or the channels
    macs: int  # multiply-adds per pixel if no unit is decided
    basis_stride: int  # numbers from row pair to row pair of the basis
    values_stride: int  # numbers from row pair to row pair of the values
    # Places in the memory.
    limit: int  # (1,): a block's largest feature for which nothing overflows
    basis: int  # (ROW_PAIRS, basis, PAIR_PIXELS): the basis at the block's pixels
    values: int  # (ROW_PAIRS, widest, PAIR_PIXELS): pre-activations of one layer's undecided units
    plain: int  # (widest, PAIR_PIXELS): one layer at a row pair, for blocks that are evaluated plainly
    plain_next: int  # (widest, PAIR_PIXELS): the next layer at the row pair
    box: int  # (BOX_ROWS, features): see region_bounds
    vectors: int  # (2 * widest, VECTOR_NUMBERS): sums or ranges, lane by lane
    reduced: int  # (2 * widest,): sums or ranges over all lanes; `region_bounds.range_of` reads the ranges
    linear: int  # (features + 1, widest): coefficients of the relaxed pre-activations
    gaps: int  # (2, widest): see region_bounds
    no_gaps: int  # (2, widest): zeros, the gaps of the first layer
    relaxation: int  # (basis, features + 3): see region_bounds
    states: int  # (widest,): OFF, ON or UNDECIDED of one layer's units
    folded_states: int  # (C1 padded,): states of the first layer's units as the second layer's coefficients hold them
    panels: int  # packed weights of the undecided units
    # Places in the lists.
    undecided: int  # (widest + 1,): undecided units
    changed: int  # (widest + 1,): units to fold
    every: int  # (basis,): 0, 1, 2, …


class Chain(NamedTuple):
    """A chain, ready to be evaluated; each thread works in its own copy of `memory` and `lists`."""

    table: NDArray[np.int64]
    places: Places
    memory: NDArray[Any]
    lists: NDArray[np.int64]


def chain_of(layers: Sequence[Layer]) -> Chain:
    """Prepare a chain for evaluation.

    Parameters
    ----------
    layers : sequence of (kernel (Ci, Co), bias (Co,) or None, whether ReLU follows); all arrays are of one dtype, and
        each layer's Ci is the Co of the layer before

    Returns
    -------
    Chain
    """
    kernels = [kernel for kernel, *_ in layers]
    biases = [bias_or_zeros(bias, kernel.shape[1], kernel.dtype) for kernel, bias, _ in layers]
    first = _kernel_of_features(kernels[0])
    margins, limit = _margins([first, *kernels[1:]], biases)
    features, depth, dtype = len(first), len(layers), first.dtype
    widths = [features, *(kernel.shape[1] for kernel in kernels)]
    padded = [_padded(width) for width in widths]
    widest, basis = max(padded), sum(widths[:-1])

    memory, lists = _Arena(), _Arena()
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
        colour_differences=features % 3 == 0,
        macs=sum(a * b for a, b in pairwise(widths)),
        limit=memory.put(np.array([limit])),
        basis=memory.put(size=ROW_PAIRS * basis * PAIR_PIXELS),
        basis_stride=basis * PAIR_PIXELS,
        values=memory.put(size=ROW_PAIRS * widest * PAIR_PIXELS),
        values_stride=widest * PAIR_PIXELS,
        plain=memory.put(size=widest * PAIR_PIXELS),
        plain_next=memory.put(size=widest * PAIR_PIXELS),
        box=memory.put(size=BOX_ROWS * features),
        vectors=memory.put(size=2 * widest * VECTOR_NUMBERS),
        reduced=memory.put(size=2 * widest),
        linear=memory.put(size=(features + 1) * widest),
        gaps=memory.put(size=2 * widest),
        no_gaps=memory.put(size=2 * widest),
        relaxation=memory.put(size=basis * (features + 3)),
        states=memory.put(size=widest),
        folded_states=memory.put(size=widest),
        panels=memory.put(size=(basis + 1) * widest),
        undecided=lists.put(size=widest + 1),
        changed=lists.put(size=widest + 1),
        every=lists.put(np.arange(basis)),
    )
    with np.errstate(over="ignore"):
        return Chain(table=table, places=places, memory=memory.array(dtype), lists=lists.array(np.int64))


class _Arena:
    """Arrays laid out one after another; each begins on a cache line."""

    LINE = 16

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[tuple[int, NDArray[Any]]] = []

    def put(self, array: NDArray[Any] | None = None, size: int = 0) -> int:
        """Lay out an array, with zeros behind it up to `size` numbers; return its place."""
        place = self.size
        values = np.zeros(0) if array is None else array.reshape(-1)
        self.parts.append((place, values))
        self.size += -(-max(size, len(values)) // self.LINE) * self.LINE
        return place

    def array(self, dtype: Any) -> NDArray[Any]:
        """Return one array with all parts in it."""
        result = np.zeros(self.size, dtype)
        for place, values in self.parts:
            result[place : place + len(values)] = values
        return result


def _padded(count: int) -> int:
    return -(-count // VECTOR_NUMBERS) * VECTOR_NUMBERS


def _padded_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the array with zeros behind its last axis."""
    missing = _padded(rows.shape[-1]) - rows.shape[-1]
    return np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])


def _kernel_of_features(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return the first kernel's coefficients of the features: R + G + B, R - G, G - B for every three channels."""
    if kernel.shape[0] % 3:
        return kernel
    red, green, blue = np.moveaxis(kernel.reshape(-1, 3, kernel.shape[1]), 1, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # after an overflow, blocks are evaluated plainly
        features = [(red + green + blue) / 3, (2 * red - green - blue) / 3, (red + green - 2 * blue) / 3]
    result: NDArray[Any] = np.stack(features, axis=1).reshape(kernel.shape).astype(kernel.dtype)
    return result


def _margins(kernels: list[NDArray[Any]], biases: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], float]:
    """Return the largest rounding error of each unit's pre-activation in a block, and of its bounds.

    A sum of n products is off by at most n eps times the sum of their absolute values (Higham 2002, section 3.1). The
    sum of absolute values is bounded by running the chain on absolute values. The number n counts all additions on a
    path, those of the updates too: a block's sums begin with those of the group's first block, and each unit is added
    and taken out at most once per block.

    Parameters
    ----------
    kernels : list of ndarray (Ci, Co), the first one of the features
    biases : list of ndarray (Co,)

    Returns
    -------
    list of ndarray (2, Co) : the margin is the first row times the block's largest feature, plus the second row
    float : the largest feature for which nothing overflows; negative if the weights overflow by themselves
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
