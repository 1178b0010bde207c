"""Numbers that count what is done to them, for running an operator's definition in object arrays."""

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.ops import DEFINITIONS, Operator, Shape


class CountingScalar:
    """A float that tallies its arithmetic. Adding a literal 0 (the start of a sum, padding) is no addition."""

    def __init__(self, value: float, tally: Counter[str]) -> None:
        self.value = value
        self.tally = tally

    def _result(self, kind: str, value: float) -> "CountingScalar":
        self.tally[kind] += 1
        return CountingScalar(value, self.tally)

    def __add__(self, that: Any) -> "CountingScalar":
        if isinstance(that, int) and that == 0:
            return self
        return self._result("additions", self.value + _value(that))

    __radd__ = __add__

    def __sub__(self, that: Any) -> "CountingScalar":
        return self._result("additions", self.value - _value(that))

    def __mul__(self, that: Any) -> "CountingScalar":
        return self._result("multiplications", self.value * _value(that))

    __rmul__ = __mul__

    def __truediv__(self, that: Any) -> "CountingScalar":
        return self._result("divisions", self.value / _value(that))

    def __abs__(self) -> "CountingScalar":
        return self._result("comparisons", abs(self.value))

    def __gt__(self, that: Any) -> bool:
        self.tally["comparisons"] += 1
        return self.value > _value(that)

    def __ge__(self, that: Any) -> bool:
        self.tally["comparisons"] += 1
        return self.value >= _value(that)

    def __lt__(self, that: Any) -> bool:
        self.tally["comparisons"] += 1
        return self.value < _value(that)

    def __le__(self, that: Any) -> bool:
        self.tally["comparisons"] += 1
        return self.value <= _value(that)

    def __float__(self) -> float:
        """Only functions (tanh, square root) need the float."""
        self.tally["functions"] += 1
        return float(self.value)


def _value(number: Any) -> float:
    return number.value if isinstance(number, CountingScalar) else number


def counted_work(op: Operator, *inputs: Shape) -> Counter[str]:
    """Run an operator's definition on counting scalars, and return what it did."""
    tally: Counter[str] = Counter()
    random = np.random.default_rng(0)

    def array(shape: tuple[int, ...]) -> NDArray[Any]:
        values = np.empty(math.prod(shape), object)
        values[:] = [CountingScalar(value, tally) for value in random.uniform(0.5, 1.5, values.size).tolist()]
        return values.reshape(shape)

    weights = {name: array(shape) for name, shape in op.weight_shapes(*inputs).items()}
    constants = {name: constant.astype(object) for name, constant in op.constants(*inputs).items()}
    DEFINITIONS[type(op)](*(array((1, *shape)) for shape in inputs), **constants, **weights, **op.arguments())
    return tally
