"""Weights of a network with all that is needed to use them, and the limits that every loader keeps to.

No file format is known here: `npfuse.weights.loading` picks the loader of a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse import models
from npfuse.graph import Graph, check_weights
from npfuse.padding import GRID, on_grid
from npfuse.pictures.picture import one_line

Normalization = Literal["full_range", "min_max"]

MAX_BYTES = 1 << 28  # of all arrays together; LightFuse has 75 KB
MARGINS = (0, 8, 16)
KEPT_GRAPHS = 16


class WeightsError(ValueError):
    """A weights file or name that cannot be used; the message says which, why, and what was expected, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 1000))  # damaged files put their bytes into libraries' messages


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """The weights of a model, with the settings to run it.

    Parameters
    ----------
    model : "tonefuse", "lightfuse", "t_cnn", "deepfuse" or "mefnet"
    build : arguments of the model's function besides the size, e.g. {"hidden": [256, 64]}
    arrays : ndarrays by full name, "<node>/<weight>"; kept as read-only float32
    normalization : range of a picture that is mapped to [-1, 1]: "full_range" (0 to white) or "min_max" (its own least
        to greatest value, as LightFuse's authors do)
    source : origin of the weights in free words: data, recipe, licence
    name : name in messages
    margin : 0, 8 or 16 extra rows and columns of edge padding at the bottom and the right. They keep GlobalNet's zero
        padding (8 pixels) and its bilinear upsampling (8 more) outside the picture. 0 for networks trained with zeros
        at the border, like the authors'.

    Raises
    ------
    WeightsError : an unknown model, argument, normalization or margin; arrays missing, left over, misshapen or not
        finite
    """

    model: str
    build: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    normalization: Normalization
    source: str
    name: str = ""
    margin: int = 0

    def __post_init__(self) -> None:
        """Check everything and freeze the arrays."""
        if self.normalization not in get_args(Normalization):
            known = ", ".join(get_args(Normalization))
            raise WeightsError(f"{self.label}: normalization is {self.normalization!r}, expected one of {known}")
        if self.margin not in MARGINS:
            known = ", ".join(map(str, MARGINS))
            raise WeightsError(f"{self.label}: margin is {self.margin!r}, expected one of {known}")
        _check_size(self.label, self.graph(GRID, GRID).weight_shapes)
        arrays = {}
        for key, array in self.arrays.items():
            if not np.issubdtype(array.dtype, np.floating):
                raise WeightsError(f"{self.label}: {key} has dtype {array.dtype}, expected a floating-point one")
            with np.errstate(over="ignore"):  # what float32 cannot hold is reported below
                frozen = np.array(array, np.float32, order="C")
            if not np.isfinite(frozen).all():
                bad = int(np.count_nonzero(~np.isfinite(frozen)))
                raise WeightsError(f"{self.label}: {key} has {bad} values that are no finite float32, expected none")
            frozen.setflags(write=False)
            arrays[key] = frozen
        object.__setattr__(self, "arrays", arrays)
        try:
            check_weights(self.graph(GRID, GRID), arrays)
        except ValueError as error:
            raise WeightsError(f"{self.label}: {error}") from None

    @property
    def label(self) -> str:
        """Name in messages."""
        return self.name or f"weights of {self.model}"

    @cached_property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(array.size for array in self.arrays.values())

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which pictures are brought, by repeating their last row and column, for the network.

        Examples
        --------
        >>> from npfuse.weights.loading import load_weights
        >>> load_weights("tonefuse").padded_size(15, 16)
        (32, 32)
        """
        rows, columns = on_grid(height, width)
        return rows + self.margin, columns + self.margin

    def graph(self, height: int, width: int) -> Graph:
        """Return the model's graph for one picture size; the last few are kept, since fusing a pair asks repeatedly."""
        graph = self._graphs.get((height, width))
        if graph is None:
            try:
                graph = models.build(self.model, height, width, **self.build)
            except (ValueError, TypeError) as error:
                raise WeightsError(f"{self.label}: {error}") from None
            if len(self._graphs) >= KEPT_GRAPHS:
                self._graphs.clear()
            self._graphs[height, width] = graph
        return graph

    @cached_property
    def _graphs(self) -> dict[tuple[int, int], Graph]:
        return {}


def _check_size(label: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a model whose declared widths make no sensible network, before anything is allocated for it."""
    size = 4 * sum(prod(shape) for shape in shapes.values())
    if size > MAX_BYTES:
        raise WeightsError(f"{label}: the model takes {size} bytes of weights, expected at most {MAX_BYTES}")
