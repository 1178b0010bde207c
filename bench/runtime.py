"""Fuses a pair from bytes to bytes by one engine, npfuse or a peer, whole or in tiles."""

import numpy as np
from numpy.typing import NDArray

import npfuse
from bench.peers import peer
from bench.tiling import GRID, Network, Picture, fuse_in_tiles, padded, window_shape
from npfuse.graph import Graph
from npfuse.survey import bands
from npfuse.thumbnail import Thumbnail
from npfuse.weights.weights import Weights

NPFUSE = "npfuse"
HALF_WHITE = 127.5


def title(name: str) -> str:
    """Return what an engine is called in tables."""
    return NPFUSE if name == NPFUSE else str(peer(name).TITLE)


class Engine:
    """A network with its weights in one runtime, for pictures of any size.

    Parameters
    ----------
    name : "npfuse", or a peer's
    weights : Weights, with normalization "full_range"
    threads : number of threads that may work
    """

    def __init__(self, name: str, weights: Weights, threads: int) -> None:
        self.name, self.weights, self.threads = name, weights, threads
        self._networks: dict[tuple[int, int], Network] = {}

    def fuse(self, under: Picture, over: Picture, side: int | None) -> Picture:
        """Fuse a pair, in tiles of `side` or whole; npfuse cuts pictures as it sees fit."""
        if self.name == NPFUSE:
            return npfuse.fuse(under, over, self.weights, order="given", threads=self.threads)
        graph = self._graph(under)
        margin = self.weights.margin
        network = self._network(window_shape(graph, side, margin))
        return fuse_in_tiles(network, under, over, thumbnails(under, over, self.weights), graph, side, margin)

    def warm(self, under: Picture, over: Picture, side: int | None) -> None:
        """Prepare what is made once for pictures of this size, and run it once: on one tile, or the whole."""
        if self.name == NPFUSE or side is None:
            self.fuse(under, over, side)
            return
        graph = self._graph(under)
        height, width = window_shape(graph, side, self.weights.margin)
        others = thumbnails(under, over, self.weights)
        corner = (np.ascontiguousarray(padded(picture, graph)[:height, :width]) for picture in (under, over))
        self._network((height, width))(*corner, others)

    def forget(self) -> None:
        """Drop all networks that were made, and their memory."""
        self._networks.clear()

    def _graph(self, picture: Picture) -> Graph:
        """Return the graph of a picture's size, padded."""
        return self.weights.graph(*self.weights.padded_size(*picture.shape[:2]))

    def _network(self, shape: tuple[int, int]) -> Network:
        if shape not in self._networks:
            self._networks[shape] = peer(self.name).prepare(self.weights, *shape, self.threads)
        return self._networks[shape]


def thumbnails(under: Picture, over: Picture, weights: Weights) -> dict[str, NDArray[np.float32]]:
    """Return the other inputs of a network: the thumbnail of both whole pictures, if it reads one."""
    _, *others = weights.graph(GRID, GRID).inputs
    found = {}
    for name, (height, width, _) in others:
        means = [_means(picture, height, width) / HALF_WHITE - 1 for picture in (under, over)]
        found[name] = np.concatenate(means, axis=2)[np.newaxis].astype(np.float32)
    return found


def _means(picture: Picture, height: int, width: int) -> NDArray[np.float64]:
    """Return the thumbnail of a picture as npfuse makes it, without the rest of its survey."""
    taps = Thumbnail(picture.shape, height, width)
    for first, part in bands(picture):
        taps.add(first, first + len(part), taps.band_sums(part, first)[0])
    return taps.result()[1]


def check_weights(weights: Weights) -> None:
    """Raise ValueError for weights that the peers cannot run from bytes to bytes."""
    if weights.normalization != "full_range":
        raise ValueError(
            f"{weights.label}: normalization is {weights.normalization}, expected full_range: the peers' models have "
            "the mapping of bytes built in"
        )
    inputs = [name for name, _ in weights.graph(GRID, GRID).inputs]
    if inputs not in (["exposures"], ["exposures", "thumbnail"]):
        raise ValueError(f"{weights.label}: inputs are {', '.join(inputs)}, expected exposures, or with a thumbnail")
