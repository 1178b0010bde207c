"""One node of an ONNX model: its attributes and inputs, read strictly, and what it adds to a description."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from costmodel.networks.description import Description, Obstacle
from costmodel.networks.onnx_values import Constant, Tensor, onnx_picture
from costmodel.networks.operators import Rearrangement, Shift
from npfuse.ops import Operator
from npfuse.ops.operator import Pair


@dataclass(frozen=True, kw_only=True)
class Step:
    """A node of an ONNX model.

    Parameters
    ----------
    description : network under construction
    kind : of the operator
    attributes : by name
    inputs : values and constants, None where one is left out
    name : of the node, or of its first result
    number_bytes : of a number that it makes
    opset : version of the operators
    arrays : sizes of the initializers that it reads as weights, by name
    """

    description: Description
    kind: str
    attributes: Mapping[str, Any]
    inputs: list[Tensor | Constant | None]
    name: str
    number_bytes: int
    opset: int
    arrays: dict[str, int] = field(default_factory=dict)

    def obstacle(self, thing: str, actual: object, expected: str) -> Obstacle:
        """Build the obstacle that names the node."""
        return Obstacle(f"{thing} of node {self.name} ({self.kind}) is {actual}, expected {expected}")

    def tensor(self, index: int = 0) -> Tensor:
        """Return an input that is a value of the network."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(found, Tensor):
            raise self.obstacle(f"input {index + 1}", "a constant" if found else "missing", "a value")
        return found

    def picture(self) -> Tensor:
        """Return the first input, (1, C, H, W)."""
        found = self.tensor()
        if len(found.shape) != 4 or found.last:
            raise self.obstacle("input shape", found.shape, "(1, C, H, W)")
        return found

    def constant(self, index: int) -> Constant | None:
        """Return an input that the model holds, or None where it is left out."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(found, Tensor):
            raise self.obstacle(f"input {index + 1}", "a value", "a constant")
        return found

    def weight(self, index: int) -> Constant:
        """Return an input that is learned."""
        found = self.constant(index)
        if found is None or not found.name:
            raise self.obstacle(f"input {index + 1}", "no initializer", "an initializer")
        self.arrays[found.name] = found.size
        return found

    def numbers(self, index: int, attribute: str = "") -> list[Any] | None:
        """Return the numbers of a constant input, or of the attribute that older versions have; None without."""
        if attribute in self.attributes:
            return list(self.attributes[attribute])
        found = self.constant(index)
        if found is None or found.size == 0:
            return None
        if found.numbers is None:
            raise self.obstacle(f"input {index + 1}", f"{found.size} numbers", "sizes")
        return list(found.numbers.reshape(-1).tolist())

    def pair(self, attribute: str, default: int = 1) -> Pair:
        """Return an attribute of two numbers."""
        found = list(self.attributes.get(attribute, (default, default)))
        if len(found) != 2:
            raise self.obstacle(attribute, found, "two numbers, of rows and columns")
        return int(found[0]), int(found[1])

    def add(
        self,
        op: Operator,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        *,
        last: bool = False,
        key: Constant | None = None,
    ) -> Tensor:
        """Append a node whose result has a shape in ONNX's order; `key` is its first weight.

        Raises
        ------
        Obstacle : the operator makes another shape, or has other weights than its arrays
        """
        shapes = op.weight_shapes(*(tensor.picture for tensor in inputs))
        weights = sum(map(prod, shapes.values()))
        if weights != sum(self.arrays.values()):
            raise self.obstacle("number of weights", weights, f"{sum(self.arrays.values())}, those of its arrays")
        made = self.description.add(
            self.name,
            op,
            tuple(tensor.name for tensor in inputs),
            weight_key=key.name if key else None,
            number_bytes=self.number_bytes,
            weight_bytes=key.bytes if key else self.number_bytes,
        )
        self.description.arrays[self.name] = self.arrays
        result = Tensor(self.name, shape, last)
        if made != result.picture:
            raise self.obstacle("shape", made, str(result.picture))
        return result

    def first(self, op: Operator, tensor: Tensor, key: Constant | None = None) -> Tensor:
        """Append a node that makes a (1, C, H, W) of such a value."""
        height, width, channels = op.output_shape(tensor.picture)
        return self.add(op, [tensor], (1, channels, height, width), key=key)


def like(step: Step, op: Operator, key: Constant | None = None) -> Tensor:
    """Append a node whose result has the shape of its input."""
    tensor = step.tensor()
    return step.add(op, [tensor], tensor.shape, last=tensor.last, key=key)


def moved(step: Step, shape: tuple[int, ...], *, last: bool = False, offset: Pair | None = None) -> Tensor:
    """Append a node that moves numbers."""
    target = onnx_picture(shape, last)
    op: Operator = Rearrangement(label=step.kind, shape=target)
    if offset is not None:
        op = Shift(label=step.kind, shape=target, offset=offset)
    return step.add(op, [step.tensor()], shape, last=last)
