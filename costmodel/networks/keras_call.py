"""One call of a Keras layer: its settings, read strictly, and the nodes that it adds to a description.

Below it stand the steps that several layers and functions share: reshaping, joining, resizing, and functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from costmodel.conventions import Work
from costmodel.networks.description import Description, Obstacle, Value
from costmodel.networks.functions import KERAS_LEAKY_SLOPE, SUM, function, known
from costmodel.networks.operators import Elementwise, Interpolation, Rearrangement, Reduction, View
from costmodel.networks.windows import Pads
from npfuse.ops import Add, Concatenate, LeakyReLU, Operator, ReLU, Resize, Subtract
from npfuse.ops.operator import Pair

Config = Mapping[str, Any]

MOST = 2**31 - 1  # of a number in a layer's settings
TAPS = {"bicubic": 4, "lanczos3": 6, "lanczos5": 10}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a layer: its settings, read strictly, and the nodes that it adds.

    Parameters
    ----------
    description : network under construction
    kind : name of the layer's class
    config : its settings
    name, key : of its nodes, and of its weights, which its other calls share
    number_bytes, weight_bytes : of a number that it makes and that it stores
    """

    description: Description
    kind: str
    config: Config
    name: str
    key: str
    number_bytes: int
    weight_bytes: int

    def obstacle(self, setting: str, actual: object, expected: str) -> Obstacle:
        """Build the obstacle that names a setting."""
        return Obstacle(f"{setting} of layer {self.key} ({self.kind}) is {actual}, expected {expected}")

    def setting(self, name: str) -> Any:
        """Return a setting that has to be there."""
        if name not in self.config:
            raise self.obstacle(name, "missing", "a value, as Keras writes it")
        return self.config[name]

    def require(self, setting: str, *allowed: Any) -> None:
        """Raise an obstacle unless a setting, where present, has a supported value; the first is the default."""
        actual = self.config.get(setting, allowed[0])
        if actual not in allowed:
            raise self.obstacle(setting, repr(actual), " or ".join(map(repr, allowed)))

    def whole(self, setting: str) -> int:
        """Return a setting that is a whole number of at least 1."""
        value = self.setting(setting)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.obstacle(setting, repr(value), "a whole number of at least 1")
        if value > MOST:
            raise self.obstacle(setting, value, f"at most {MOST}")
        return value

    def pair(self, setting: str, least: int = 1) -> Pair:
        """Return a setting of two whole numbers; one stands for both."""
        value = self.setting(setting)
        numbers = (value, value) if isinstance(value, int) else value
        if not whole_numbers(numbers, 2) or min(numbers) < least:
            raise self.obstacle(setting, repr(value), f"two whole numbers of at least {least}")
        if max(numbers) > MOST:
            raise self.obstacle(setting, value, f"at most {MOST}")
        return numbers[0], numbers[1]

    def margins(self, setting: str) -> Pads:
        """Return a setting of (top, bottom, left, right), as one number, two, or two pairs."""
        value = self.setting(setting)
        numbers = [value] * 2 if isinstance(value, int) else value
        if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) != 2:
            raise self.obstacle(setting, repr(value), "margins of rows and columns")
        pairs = [(each, each) if isinstance(each, int) else each for each in numbers]
        if not all(whole_numbers(each, 2) and min(each) >= 0 for each in pairs):
            raise self.obstacle(setting, repr(value), "margins of rows and columns of at least 0")
        if max(map(max, pairs)) > MOST:
            raise self.obstacle(setting, value, f"at most {MOST}")
        (top, bottom), (left, right) = pairs
        return top, bottom, left, right

    def picture(self, values: list[Value]) -> tuple[int, int, int]:
        """Return the (H, W, C) of the only input."""
        shape = self.only(values).shape
        if len(shape) != 3:
            raise self.obstacle("input shape", shape, "(H, W, C)")
        return shape[0], shape[1], shape[2]

    def only(self, values: list[Value]) -> Value:
        """Return the only input."""
        if len(values) != 1:
            raise self.obstacle("number of inputs", len(values), "1")
        return values[0]

    def add(
        self, op: Operator, values: list[Value], *, suffix: str = "", shape: tuple[int, ...] | None = None
    ) -> Value:
        """Append a node.

        Parameters
        ----------
        op : Operator
        values : that it reads
        suffix : of its name, where a call makes several nodes
        shape : of the result, where its rank is not 3
        """
        found = self.description.add(
            self.name + suffix,
            op,
            tuple(value.name for value in values),
            weight_key=self.key + suffix,
            number_bytes=self.number_bytes,
            weight_bytes=self.weight_bytes,
        )
        return Value(self.name + suffix, found if shape is None else shape)

    def activated(self, value: Value, setting: str = "activation", *, alone: bool = False) -> Value:
        """Append the activation that a setting names, if any; `alone` where it is all that the layer does."""
        name, config = self.config.get(setting, "linear"), {}
        if isinstance(name, dict):  # a serialized layer or function
            inner = name.get("config")
            config = inner if isinstance(inner, dict) else {}
            name = inner if isinstance(inner, str) else name.get("class_name")
        if name in (None, "linear"):
            return value
        suffix = "" if alone else f"_{str(name).lower()}"
        if name in LAYER_FUNCTIONS:
            return self.add(layer_function(name, config), [value], suffix=suffix, shape=value.shape)
        if not isinstance(name, str) or not known(name) or config:
            raise self.obstacle(setting, repr(name), "a function of keras.activations")
        return self.add(function(name, name), [value], suffix=suffix, shape=value.shape)


def whole_numbers(value: object, count: int) -> bool:
    """Tell whether a value is a list of so many whole numbers."""
    return (
        isinstance(value, list | tuple)
        and len(value) == count
        and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
    )


LAYER_FUNCTIONS = ("ELU", "LeakyReLU", "ReLU", "Softmax")


def layer_function(kind: str, config: Config) -> Operator:
    """Return one of `LAYER_FUNCTIONS` with its settings as an operator."""
    if kind == "LeakyReLU":
        return LeakyReLU(slope=config.get("negative_slope", config.get("alpha", KERAS_LEAKY_SLOPE)))  # alpha: Keras 2
    if kind != "ReLU":
        return function(kind, kind)
    most, slope, threshold = (config.get(name) or 0 for name in ("max_value", "negative_slope", "threshold"))
    if config.get("max_value") is None and not threshold:
        return LeakyReLU(slope=slope) if slope else ReLU()
    compared = Work(comparisons=2 if most else 1)
    below = Work(multiplications=1, additions=1 if threshold else 0) if slope else Work()
    return Elementwise(label=kind, each=compared + below)


def reduction(label: str, kind: str, axes: tuple[int, ...]) -> Reduction:
    """Return a mean, sum or maximum over axes of (H, W, C)."""
    each, last = (Work(comparisons=1), Work()) if kind == "max" else (SUM, Work(divisions=1))
    return Reduction(label=label, axes=axes, each=each, last=Work() if kind == "sum" else last)


def resized(call: Call, values: list[Value], height: int, width: int) -> Value:
    """Append a resize by the method that `interpolation` names."""
    method = call.config.get("interpolation", "bilinear")
    if method in ("nearest", "bilinear"):
        return call.add(Resize(height=height, width=width, method=method), values)
    if method not in TAPS:
        raise call.obstacle("interpolation", repr(method), f"one of nearest, bilinear, {', '.join(TAPS)}")
    return call.add(Interpolation(label=call.kind, height=height, width=width, taps=TAPS[method]), values)


def reshaped(call: Call, values: list[Value], target: tuple[int, ...]) -> Value:
    """Append another view of the same numbers; a length of -1 follows from the others."""
    count = prod(call.only(values).shape)
    if target.count(-1) > 1 or min((n for n in target if n != -1), default=1) < 1:
        raise call.obstacle("target shape", target, "lengths of at least 1, one of which may be -1")
    rest = prod(n for n in target if n != -1)
    shape = tuple(count // rest if n == -1 else n for n in target)
    if prod(shape) != count:
        raise call.obstacle("target shape", target, f"a shape of {count} values")
    return call.add(View(label=call.kind, shape=Value("", shape).picture), values, shape=shape)


def transposed(call: Call, values: list[Value], order: tuple[int, ...]) -> Value:
    """Append a transposition: axis `order[i]` becomes axis i, from 0 and without the batch."""
    shape = call.only(values).shape
    if sorted(order) != list(range(len(shape))):
        raise call.obstacle("order of axes", order, f"each of {len(shape)} axes once")
    shape = tuple(shape[axis] for axis in order)
    return call.add(Rearrangement(label=call.kind, shape=Value("", shape).picture), values, shape=shape)


def combined(call: Call, values: list[Value], each: Work) -> Value:
    """Append a sum, product or the like of several values, which may broadcast; of one, with a constant."""
    ranks = [value.shape for value in values if len(value.shape) == max(len(v.shape) for v in values)]
    shape = tuple(max(lengths) for lengths in zip(*ranks, strict=True))
    pictures = {value.picture for value in values}
    op: Operator = Elementwise(label=call.kind, each=each * max(len(values) - 1, 1))
    if len(pictures) == 1 and len(values) > 1 and each == SUM and call.kind.lower().startswith("add"):
        op = Add()
    if len(pictures) == 1 and len(values) == 2 and call.kind.lower() in ("subtract", "sub"):
        op = Subtract()
    return call.add(op, values, shape=shape)


def joined(call: Call, values: list[Value], axis: object) -> Value:
    """Append a concatenation along an axis, counted from the batch."""
    rank = len(values[0].shape)
    if not isinstance(axis, int) or axis == 0 or not -rank <= axis <= rank:
        raise call.obstacle("axis", repr(axis), f"one from 1 to {rank}, or from the end")
    along = axis - 1 if axis > 0 else rank + axis
    shapes = [value.shape for value in values]
    if any(len(shape) != rank or shape[:along] + shape[along + 1 :] != _without(shapes[0], along) for shape in shapes):
        raise call.obstacle("input shapes", shapes, f"shapes that agree but along axis {axis}")
    shape = (*shapes[0][:along], sum(each[along] for each in shapes), *shapes[0][along + 1 :])
    if len(values) > 1 and along == rank - 1 and rank in (1, 3):
        return call.add(Concatenate(), values, shape=shape)
    return call.add(Rearrangement(label=call.kind, shape=Value("", shape).picture), values, shape=shape)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
