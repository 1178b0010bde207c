"""The base of all operators, and the check of arrays against an operator.

An operator is a frozen dataclass of plain numbers and words: it holds no weights and runs nothing. It knows the shape
of its result, the shapes of its weights, and the input positions behind each output position. Shapes here are
(H, W, C), without the batch.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

Shape = tuple[int, int, int]
Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator with its attributes. An elementwise operator of one input needs no methods of its own."""

    input_count: ClassVar[int | None] = 1  # None: two or more
    kernel_axes: ClassVar[tuple[str, ...]] = ()  # of the weight "kernel", where there is one

    @property
    def kind(self) -> str:
        """The operator's name, as printed in tables and errors."""
        return type(self).__name__

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the (H, W, C) of the result, here the input's; ValueError if the inputs' shapes do not fit."""
        self.require_count(*inputs)
        return inputs[0]

    def weight_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight by name, in the order of the functions' parameters."""
        return {}

    def constants(self, *inputs: Shape) -> dict[str, NDArray[Any]]:
        """Return fixed arrays by name, which the functions take like weights; they count as no parameters."""
        return {}

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the definition and of the fast function."""
        return {}

    def input_span(self, axis: int, start: int, stop: int, n: int) -> Pair:
        """Return the input positions [start, stop) that output positions [start, stop) read.

        Parameters
        ----------
        axis : 0 for rows, 1 for columns
        start, stop : output positions
        n : input length along the axis

        Returns
        -------
        (start, stop), which may reach beyond [0, n) where padding is read
        """
        return start, stop

    def error(self, thing: str, actual: object, expected: str, *inputs: Shape) -> ValueError:
        """Build the error in the one form that all operators use."""
        shapes = ", ".join(str(shape) for shape in inputs)
        return ValueError(f"{self.kind}: {thing} is {actual}, expected {expected}; input shapes {shapes or 'none'}")

    def require_count(self, *inputs: Shape) -> None:
        """Raise ValueError unless the number of inputs is right and none is empty."""
        if self.input_count is None:
            if len(inputs) < 2:
                raise self.error("number of inputs", len(inputs), "2 or more", *inputs)
        elif len(inputs) != self.input_count:
            raise self.error("number of inputs", len(inputs), str(self.input_count), *inputs)
        for shape in inputs:
            if min(shape) < 1:
                raise self.error("input shape", shape, "(H, W, C) of at least 1 each", *inputs)


def check_arrays(op: Operator, *inputs: NDArray[Any], **weights: NDArray[Any] | None) -> Shape:
    """Check input and weight arrays against an operator; the definitions and the fast functions both call it.

    Parameters
    ----------
    op : Operator
    inputs : ndarrays (N, H, W, C)
    weights : the operator's weights by name; None where it has none

    Returns
    -------
    (OH, OW, C) of the result

    Raises
    ------
    ValueError : a rank, batch or shape is wrong; the message names it with what was expected
    """
    for x in inputs:
        if x.ndim != 4:
            raise ValueError(f"{op.kind}: input rank is {x.ndim}, expected 4 (N, H, W, C); input shape {x.shape}")
        if x.shape[0] != inputs[0].shape[0]:
            raise ValueError(
                f"{op.kind}: batch is {x.shape[0]}, expected {inputs[0].shape[0]} as in the first input; "
                f"input shapes {', '.join(str(i.shape) for i in inputs)}"
            )
    shapes = tuple((x.shape[1], x.shape[2], x.shape[3]) for x in inputs)
    output = op.output_shape(*shapes)
    expected = op.weight_shapes(*shapes)
    for name, array in weights.items():
        if array is not None and array.shape != expected.get(name):
            raise op.error(f"{name} shape", array.shape, str(expected.get(name, "no such weight")), *shapes)
    return output
