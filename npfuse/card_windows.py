"""Fuses pictures in the computer's memory, or in files, on a graphics card, window by window.

This is for pictures that are read part by part, or that do not fit into the card's memory. There are two lanes, each
with pinned memory, which the card copies by itself. A thread takes a lane for a window. So while the card copies and
computes for one thread, another reads and decodes its next window, or writes the last one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.card_run import CardNetwork, bytes_a_pixel, fuse_window
from npfuse.cuda.card import SIMULATED, card_errors, empty, free_bytes, pinned, require_card, to_card, wait
from npfuse.engine.layout import GROUP_SIDE
from npfuse.graph import Graph

LANES = 1 if SIMULATED else 2  # the simulator runs one kernel at a time
COLUMNS = 8192  # of a window, at most
PIXELS = 4 << 20  # of a window, at most: enough to keep a card busy, and little beside its memory
SHARE = 0.4  # of the card's free memory that a lane may take


def window_sides(graph: Graph, dtype: Any) -> tuple[int, int]:
    """Return rows and columns that a window keeps, multiples of GROUP_SIDE; fewer rows if the card's memory is short.

    Parameters
    ----------
    graph : Graph of any size
    dtype : dtype of the pictures

    Raises
    ------
    CardError : there is no card, or so little memory that no window fits
    """
    require_card()
    each = 9 * np.dtype(dtype).itemsize + bytes_a_pixel(graph)
    pixels = min(PIXELS, int(free_bytes() * SHARE / each))
    return max(pixels // COLUMNS // GROUP_SIDE * GROUP_SIDE, GROUP_SIDE), COLUMNS


class Lane:
    """Memory for one window at a time, kept from one to the next."""

    def __init__(self) -> None:
        self._memory: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array in pinned memory, which the card copies by itself."""
        count = prod(shape) * np.dtype(dtype).itemsize
        if name not in self._memory or self._memory[name].size < count:
            self._memory[name] = pinned((count,), np.uint8)
        array: NDArray[Any] = self._memory[name][:count].view(dtype).reshape(shape)
        return array


class CardWindows:
    """Fuses windows of one pair by one network."""

    def __init__(self, network: CardNetwork) -> None:
        self.network = network
        self._lanes: SimpleQueue[Lane] = SimpleQueue()
        for _ in range(LANES):
            self._lanes.put(Lane())

    @contextmanager
    def fused(self, graph: Graph, pictures: tuple[Any, Any], keep: tuple[slice, slice]) -> Iterator[NDArray[Any]]:
        """Fuse a window; wait for a lane first.

        Parameters
        ----------
        graph : Graph of the window's size
        pictures : array-likes (H, W, 3) or (H, W), see `npfuse.card_run.fuse_window`
        keep : slices of the window's rows and columns that are returned

        Yields
        ------
        ndarray : the result there; it is overwritten once the block is left
        """
        parts = [np.asarray(picture) for picture in pictures]
        lane = self._lanes.get()
        try:
            with card_errors():
                sent = []
                for name, part in zip(("under", "over"), parts, strict=True):
                    shape = (*part.shape[:2], part.shape[2] if part.ndim == 3 else 1)
                    copy = lane.array(name, shape, part.dtype)
                    copy[...] = part.reshape(shape)
                    sent.append(to_card(copy))
                rows, columns = (k.stop - k.start for k in keep)
                shape = (rows, columns, *sent[0].shape[2:])
                out = empty(shape, parts[0].dtype)
                fuse_window(graph, self.network, (sent[0], sent[1]), (keep[0].start, keep[1].start), out)
                result = lane.array("fused", shape, parts[0].dtype)
                out.copy_to_host(result)
                wait()
            yield result.reshape(shape[: parts[0].ndim])
        finally:
            self._lanes.put(lane)
