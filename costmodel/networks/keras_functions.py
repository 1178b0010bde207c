"""What each function of `keras.ops` is that stands in a model like a layer, and of Keras 2 each TFOpLambda."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from costmodel.networks.description import Value
from costmodel.networks.functions import OF_TWO, function, known
from costmodel.networks.keras_call import Call, combined, joined, reduction, reshaped, resized, transposed
from costmodel.networks.operators import Blocks, Rearrangement, Shift, Softmax


@dataclass(frozen=True)
class Arguments:
    """What a function is called with.

    Parameters
    ----------
    values : values of the network
    constants : all other positional arguments
    """

    values: list[Value]
    constants: list[Any]


def call_function(call: Call, given: Arguments) -> Value:
    """Append what a function does.

    Raises
    ------
    Obstacle : the function or a setting is not understood
    """
    name = call.kind.lower().replace("_", "")
    two = OF_TWO.get(name)
    if two and len(given.values) + len(given.constants) == 2 and not (name in ("max", "min") and given.constants):
        _check_scalars(call, given.constants)
        return combined(call, given.values, two)
    if name in FUNCTIONS:
        return FUNCTIONS[name](call, given)
    spelled = call.kind if known(call.kind) else _SPELLED.get(name, "")
    if spelled and len(given.values) == 1:
        _check_scalars(call, given.constants)
        return _of_one(call, given.values, spelled)
    raise call.obstacle("function", repr(call.kind), "one that is counted, or a rule of costmodel.rule")


# Of classes of keras.ops and functions of tf.nn, whose names are written without underscores.
_SPELLED: Mapping[str, str] = MappingProxyType(
    {
        "clipbyvalue": "clip",
        "hardsilu": "hard_silu",
        "hardsigmoid": "hard_sigmoid",
        "hardswish": "hard_silu",
        "leakyrelu": "leaky_relu",
        "logsigmoid": "log_sigmoid",
    }
)


def _check_scalars(call: Call, constants: list[Any]) -> None:
    for constant in constants:
        if constant is not None and not isinstance(constant, int | float):
            raise call.obstacle("argument", type(constant).__name__, "a number or a value of the network")


def _of_one(call: Call, values: list[Value], name: str) -> Value:
    value = call.only(values)
    if name.lower() == "softmax":
        axis = call.config.get("axis", -1)
        if axis not in (-1, len(value.shape)):
            raise call.obstacle("axis", repr(axis), f"-1 or {len(value.shape)}, the last")
        return call.add(Softmax(label=call.kind), values, shape=value.shape)
    if name.lower() == "gelu" and call.config.get("approximate", True):
        name = "gelu_tanh"
    slope = call.config.get("negative_slope", call.config.get("alpha", 0.2))
    return call.add(function(name, call.kind, slope=slope), values, shape=value.shape)


Reader = Callable[[Call, Arguments], Value]


def _axes(call: Call, rank: int) -> tuple[int, ...]:
    """Return the axes that a function reduces, without the batch."""
    axis = call.config.get("axis")
    axes = list(range(1, rank + 1)) if axis is None else axis if isinstance(axis, list | tuple) else [axis]
    if not all(isinstance(each, int) and -rank <= each <= rank and each != 0 for each in axes) or axis is None:
        raise call.obstacle("axis", repr(axis), f"axes from 1 to {rank}")
    return tuple(sorted({each - 1 if each > 0 else rank + each for each in axes}))


def _reduced(kind: str) -> Reader:
    def read(call: Call, given: Arguments) -> Value:
        value = call.only(given.values)
        rank = len(value.shape)
        axes = _axes(call, rank)
        kept = bool(call.config.get("keepdims"))
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(value.shape) if kept or axis not in axes)
        if rank not in (1, 3):
            raise call.obstacle("input shape", value.shape, "(H, W, C) or (C,)")
        places = axes if rank == 3 else (2,)
        reduced = call.add(reduction(call.kind, kind, places), given.values, shape=shape)
        if Value("", shape).picture == call.description.shapes[reduced.name]:
            return reduced
        inner = Call(**{**vars(call), "name": call.name + "_view", "key": call.key + "_view"})
        return reshaped(inner, [Value(reduced.name, call.description.shapes[reduced.name])], shape)

    return read


def _reshape(call: Call, given: Arguments) -> Value:
    target = call.config.get("newshape", call.config.get("shape"))
    if not isinstance(target, list | tuple) or not all(isinstance(n, int) for n in target) or len(target) < 1:
        raise call.obstacle("shape", repr(target), "whole numbers")
    lengths = tuple(target[1:])
    if target[0] not in (-1, 1) and -1 not in lengths:  # the batch is left to follow from the rest, or is one
        raise call.obstacle("shape", repr(target), "one that keeps the batch")
    return reshaped(call, given.values, lengths)


def _transpose(call: Call, given: Arguments) -> Value:
    axes = call.config.get("axes", call.config.get("perm"))
    if not isinstance(axes, list | tuple) or len(axes) < 2 or axes[0] != 0:
        raise call.obstacle("axes", repr(axes), "an order that begins with 0, the batch")
    return transposed(call, given.values, tuple(axis - 1 for axis in axes[1:]))


def _concatenate(call: Call, given: Arguments) -> Value:
    return joined(call, given.values, call.config.get("axis", -1))


def _cast(call: Call, given: Arguments) -> Value:
    value = call.only(given.values)
    return call.add(Rearrangement(label=call.kind, shape=value.picture), given.values, shape=value.shape)


def _expand_dims(call: Call, given: Arguments) -> Value:
    value = call.only(given.values)
    axis = call.config.get("axis")
    rank = len(value.shape) + 1
    if not isinstance(axis, int) or axis == 0 or not -rank <= axis <= rank:
        raise call.obstacle("axis", repr(axis), f"one from 1 to {rank}")
    at = axis - 1 if axis > 0 else rank + axis
    return reshaped(call, given.values, (*value.shape[:at], 1, *value.shape[at:]))


def _squeeze(call: Call, given: Arguments) -> Value:
    value = call.only(given.values)
    axes = _axes(call, len(value.shape))
    return reshaped(call, given.values, tuple(n for axis, n in enumerate(value.shape) if axis not in axes))


def _get_item(call: Call, given: Arguments) -> Value:
    value = call.only(given.values)
    parts = given.constants[0] if given.constants else None
    if not isinstance(parts, list) or len(parts) != len(value.shape) + 1 or not all(map(_is_slice, parts)):
        raise call.obstacle("index", "another", f"a slice for each of {len(value.shape) + 1} axes")
    spans = [
        range(n)[slice(*(part["config"].get(end) for end in ("start", "stop", "step")))]
        for n, part in zip(value.shape, parts[1:], strict=True)
    ]
    batch = parts[0]["config"]
    if any(batch.get(end) is not None for end in ("start", "stop", "step")) or not all(spans):
        raise call.obstacle("index", "another", "a slice that keeps the batch and is not empty")
    shape = tuple(map(len, spans))
    steps = {span.step for span in spans}
    if len(shape) == 3 and steps == {1} and shape[2] == value.shape[2]:
        offset = spans[0].start, spans[1].start
        return call.add(Shift(label=call.kind, shape=(shape[0], shape[1], shape[2]), offset=offset), given.values)
    return call.add(Rearrangement(label=call.kind, shape=Value("", shape).picture), given.values, shape=shape)


def _is_slice(part: object) -> bool:
    return (
        isinstance(part, dict)
        and part.get("class_name") == "__slice__"
        and isinstance(part.get("config"), dict)
        and all(n is None or isinstance(n, int) for n in part["config"].values())
        and part["config"].get("step") != 0
    )


def _pad(call: Call, given: Arguments) -> Value:
    height, width, channels = call.picture(given.values)
    margins = call.config.get("pad_width")
    if not isinstance(margins, list) or len(margins) != 4 or margins[0] != [0, 0] or margins[3] != [0, 0]:
        raise call.obstacle("pad_width", repr(margins), "margins of rows and columns only")
    inner = Call(**{**vars(call), "config": {"margins": margins[1:3]}})
    top, bottom, left, right = inner.margins("margins")
    shape = height + top + bottom, width + left + right, channels
    return call.add(Shift(label=call.kind, shape=shape, offset=(-top, -left)), given.values)


def _resize(call: Call, given: Arguments) -> Value:
    for setting in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"):
        call.require(setting, False)
    call.require("data_format", None, "channels_last")
    call.picture(given.values)
    height, width = call.pair("size")
    return resized(call, given.values, height, width)


def _depth_to_space(call: Call, given: Arguments) -> Value:
    height, width, channels = call.picture(given.values)
    call.require("data_format", "NHWC", "channels_last")
    block = call.whole("block_size")
    if channels % block**2:
        raise call.obstacle("block_size", block, f"a number whose square divides {channels} channels")
    shape = height * block, width * block, channels // block**2
    return call.add(Blocks(label=call.kind, shape=shape, enlarging=(block, block)), given.values)


def _clip(call: Call, given: Arguments) -> Value:
    return _of_one(call, given.values, "clip")


FUNCTIONS: Mapping[str, Reader] = MappingProxyType(
    {
        "amax": _reduced("max"),
        "cast": _cast,
        "clip": _clip,
        "concat": _concatenate,
        "concatenate": _concatenate,
        "depthtospace": _depth_to_space,
        "expanddims": _expand_dims,
        "getitem": _get_item,
        "max": _reduced("max"),
        "mean": _reduced("mean"),
        "pad": _pad,
        "reducemax": _reduced("max"),
        "reducemean": _reduced("mean"),
        "reducesum": _reduced("sum"),
        "reshape": _reshape,
        "resize": _resize,
        "squeeze": _squeeze,
        "sum": _reduced("sum"),
        "transpose": _transpose,
    }
)
