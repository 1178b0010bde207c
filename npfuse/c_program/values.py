"""Describes every value for the writers of the C program: its type, its channels, and its lengths as C expressions."""

from npfuse.c_program.streams import PICTURE, Stream, of_picture, scale_of
from npfuse.weights.weights import Weights

ANY_SIZE = (64, 64)  # of the pictures of a graph whose shapes stand for those of every size


class Values:
    """The values of a network, as the program has them.

    Parameters
    ----------
    stream : Stream
    weights : Weights of the network
    """

    def __init__(self, stream: Stream, weights: Weights) -> None:
        self.stream, self.weights = stream, weights
        self.graph = weights.graph(*ANY_SIZE)
        self.network = stream.network.at(self.graph)
        self.layers = {layer.name: layer for layer in self.network.layers}
        self.of_picture = of_picture(self.network)
        self.numbers = {name: i for i, name in enumerate(self.network.formats)}
        self.adders = {layer.inputs[1]: layer for layer in self.network.layers if layer.added is not None}
        (self.result,) = self.graph.outputs
        self.own_levels = weights.normalization == "min_max"

    def kind(self, name: str) -> str:
        """Return the C type of a value's numbers; pictures are kept as bytes."""
        return "uint8_t" if name == PICTURE else f"{self.network.formats[name].dtype.name}_t"

    def channels(self, name: str) -> int:
        """Return how many channels a value has."""
        return self.graph.shapes[name][2]

    def scale(self, name: str) -> int:
        """Return how many times smaller than the picture a value is."""
        return scale_of(self.graph, name)

    def rows(self, name: str) -> str:
        """Return how many rows a value has, as an expression of C."""
        return f"(rows / {self.scale(name)})" if name in self.of_picture else str(self.graph.shapes[name][0])

    def columns(self, name: str) -> str:
        """Return how many columns a value has, as an expression of C."""
        return f"(columns / {self.scale(name)})" if name in self.of_picture else str(self.graph.shapes[name][1])
