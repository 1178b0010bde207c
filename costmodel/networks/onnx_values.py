"""Values and constants of an ONNX model, and the few operators that work out shapes from shapes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.networks.description import Obstacle, picture_shape
from npfuse.ops import Shape

MOST_NUMBERS = 4096  # of a constant whose numbers are looked at: sizes, axes, scales


@dataclass(frozen=True, kw_only=True)
class Constant:
    """An array that a model holds.

    Parameters
    ----------
    name : of the initializer, by which uses are told to share it; empty where it was worked out
    shape : of the array
    bytes : of one number
    numbers : ndarray, or None where there are too many to be sizes
    """

    name: str
    shape: tuple[int, ...]
    bytes: int
    numbers: NDArray[Any] | None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Tensor:
    """A value of the network under construction.

    Parameters
    ----------
    name : of the input or node
    shape : as ONNX has it, with the batch, which is 1
    last : whether channels come last, where the rank is 4
    """

    name: str
    shape: tuple[int, ...]
    last: bool = False

    @property
    def picture(self) -> Shape:
        """The shape as (H, W, C)."""
        return onnx_picture(self.shape, self.last)


def onnx_picture(shape: tuple[int, ...], last: bool = False) -> Shape:
    """Return an ONNX shape as (H, W, C).

    Examples
    --------
    >>> onnx_picture((1, 3, 4, 6)), onnx_picture((1, 10))
    ((4, 6, 3), (1, 1, 10))
    """
    if len(shape) == 4 and not last:
        return shape[2], shape[3], shape[1]
    return picture_shape(shape[1:])


def worked_out(kind: str, attributes: Mapping[str, Any], inputs: Sequence[Constant | None]) -> Constant | None:
    """Return what an operator makes of small constants alone; None where it is none of `ARITHMETIC`.

    Raises
    ------
    Obstacle : the constants do not fit
    """
    arrays = [each.numbers if each else None for each in inputs]
    if kind not in ARITHMETIC or not arrays or any(a is None for a, i in zip(arrays, inputs, strict=True) if i):
        return None
    try:
        with np.errstate(all="ignore"):  # of numbers that are no sizes
            result = np.asarray(ARITHMETIC[kind](attributes, arrays))
    except (ValueError, IndexError, TypeError, ZeroDivisionError, KeyError) as error:
        raise Obstacle(f"{kind} of constants does not work out ({error}), expected sizes that fit") from None
    if result.size > MOST_NUMBERS:
        raise Obstacle(f"{kind} makes {result.size} constants, expected at most {MOST_NUMBERS}")
    return Constant(name="", shape=result.shape, bytes=result.dtype.itemsize, numbers=result)


Arithmetic = Callable[[Mapping[str, Any], list[Any]], Any]


def _slice(attributes: Mapping[str, Any], arrays: list[Any]) -> Any:
    x, starts, stops = arrays[:3]
    axes = arrays[3] if len(arrays) > 3 and arrays[3] is not None else range(len(starts))
    steps = arrays[4] if len(arrays) > 4 and arrays[4] is not None else [1] * len(starts)
    parts = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        parts[int(axis)] = slice(int(start), int(stop), int(step))
    return x[tuple(parts)]


def _axes_of(attributes: Mapping[str, Any], arrays: list[Any]) -> tuple[int, ...]:
    axes = arrays[1] if len(arrays) > 1 else attributes.get("axes", ())
    return tuple(int(axis) for axis in axes)


def _filled(attributes: Mapping[str, Any], arrays: list[Any]) -> Any:
    if np.prod(arrays[0], dtype=float) > MOST_NUMBERS:
        raise ValueError("too many numbers")
    value = attributes.get("value")
    return np.full(tuple(map(int, arrays[0])), 0 if value is None else value.numbers.flat[0])


def _divided(attributes: Mapping[str, Any], arrays: list[Any]) -> Any:
    a, b = arrays
    return a // b if a.dtype.kind == b.dtype.kind == "i" else a / b


ARITHMETIC: Mapping[str, Arithmetic] = MappingProxyType(
    {
        "Add": lambda _, a: a[0] + a[1],
        "Cast": lambda attributes, a: a[0].astype(np.int64 if attributes["to"] in (6, 7) else np.float64),
        "Ceil": lambda _, a: np.ceil(a[0]),
        "Concat": lambda attributes, a: np.concatenate(a, axis=attributes["axis"]),
        "ConstantOfShape": _filled,
        "Div": _divided,
        "Equal": lambda _, a: a[0] == a[1],
        "Floor": lambda _, a: np.floor(a[0]),
        "Gather": lambda attributes, a: np.take(a[0], a[1], axis=attributes.get("axis", 0)),
        "Identity": lambda _, a: a[0],
        "Mul": lambda _, a: a[0] * a[1],
        "ReduceProd": lambda _, a: np.prod(a[0], keepdims=True),
        "Reshape": lambda _, a: a[0].reshape(tuple(map(int, a[1]))),
        "Slice": _slice,
        "Squeeze": lambda attributes, a: np.squeeze(a[0], axis=_axes_of(attributes, a) or None),
        "Sub": lambda _, a: a[0] - a[1],
        "Unsqueeze": lambda attributes, a: np.expand_dims(a[0], _axes_of(attributes, a)),
        "Where": lambda _, a: np.where(*a),
    }
)
