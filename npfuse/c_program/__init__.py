"""A network in integers as a self-contained C99 program that works row by row, with a check against its vectors.

`c_files` returns its files: `network.h`, `network.c` and `weights.h` are the program, `check.c`, `npfuse_values.h`,
`cortex_m.c` and `Makefile` compare it with a set of vectors.
"""

from npfuse.c_program.check import CORTEX_M, check_program, makefile, values_header
from npfuse.c_program.headers import header, weight_header
from npfuse.c_program.source import program
from npfuse.c_program.streams import Stream, streamed
from npfuse.integer import IntegerGraph
from npfuse.vectors.vector_set import VectorSet
from npfuse.weights.weights import Weights


def c_files(
    network: IntegerGraph, weights: Weights, vectors: VectorSet, *, passes: int | None = None
) -> dict[str, bytes]:
    """Return the files of a C program and of its check, by name.

    Parameters
    ----------
    network : IntegerGraph of the weights
    weights : Weights
    vectors : VectorSet of the same network, with all values, in the layout "npfuse"
    passes : number of times that the program reads the pictures; see `npfuse.c_program.streams.streamed`

    Returns
    -------
    dict of str to str : content of the files by name

    Examples
    --------
    >>> import numpy as np
    >>> from npfuse.integer_pair import integer_network
    >>> from npfuse.vectors import integer_vectors
    >>> from npfuse.weights.loading import load_weights
    >>> weights = load_weights("tonefuse")
    >>> network = integer_network(weights)
    >>> vectors = integer_vectors(*np.zeros((2, 9, 10, 3), np.uint8), weights, network)
    >>> sorted(c_files(network, weights, vectors))
    ['Makefile', 'check.c', 'cortex_m.c', 'network.c', 'network.h', 'npfuse_values.h', 'weights.h']
    """
    stream = streamed(network, weights.graph, passes=passes)
    levels = vectors.manifest["levels"] if weights.normalization == "min_max" else None
    texts = {
        "network.h": header(stream, weights),
        "network.c": program(stream, weights),
        "weights.h": weight_header(stream),
        "check.c": check_program(stream, levels),
        "npfuse_values.h": values_header(stream, vectors),
        "Makefile": makefile(vectors),
        "cortex_m.c": CORTEX_M,
    }
    return {name: text.encode() for name, text in texts.items()}


__all__ = ["Stream", "c_files", "streamed"]
