"""What each layer of Keras is, in operators that are counted: one function a kind of layer.

A setting that is not understood is an obstacle, never a default.
"""

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import Any

from costmodel.conventions import Work
from costmodel.networks.description import Value
from costmodel.networks.functions import OF_TWO, SUM, function
from costmodel.networks.keras_call import (
    Call,
    combined,
    joined,
    layer_function,
    reduction,
    reshaped,
    resized,
    transposed,
    whole_numbers,
)
from costmodel.networks.operators import Dense, Elementwise, Shift, Softmax, Standardise, fixed_normalisation
from costmodel.networks.windows import Pooling, TransposedConvolution, convolution, same_pads
from npfuse import padding as pad
from npfuse.ops import Conv2DTranspose, Operator, PointwiseConv2D

Reader = Callable[[Call, list[Value]], Value]


def _window(call: Call, values: list[Value]) -> dict[str, Any]:
    """Return kernel, stride, dilation and the zeros around of a convolution."""
    call.require("data_format", "channels_last")
    call.require("padding", "same", "valid")
    kernel, stride = call.pair("kernel_size"), call.pair("strides")
    dilation = call.pair("dilation_rate") if "dilation_rate" in call.config else (1, 1)
    same = call.setting("padding") == "same"
    around = same_pads(call.picture(values), kernel, stride, dilation) if same else (0, 0, 0, 0)
    return {"kernel_size": kernel, "stride": stride, "dilation": dilation, "around": around}


def _without_lora(call: Call) -> None:
    """Raise an obstacle for weights beside the kernel."""
    call.require("lora_rank", None)
    call.require("quantization_config", None)


def _conv2d(call: Call, values: list[Value]) -> Value:
    _without_lora(call)
    groups = call.whole("groups") if "groups" in call.config else 1
    window = _window(call, values)
    op = convolution(
        call.kind,
        call.picture(values),
        features=call.whole("filters"),
        groups=groups,
        use_bias=bool(call.setting("use_bias")),
        **window,
    )
    return call.activated(call.add(op, values))


def _depthwise(call: Call, values: list[Value], use_bias: bool) -> Operator:
    channels, window = call.picture(values)[2], _window(call, values)
    multiplier = call.whole("depth_multiplier") if "depth_multiplier" in call.config else 1
    features = channels * multiplier
    return convolution(call.kind, call.picture(values), features=features, groups=channels, use_bias=use_bias, **window)


def _depthwise_conv2d(call: Call, values: list[Value]) -> Value:
    return call.activated(call.add(_depthwise(call, values, bool(call.setting("use_bias"))), values))


def _separable_conv2d(call: Call, values: list[Value]) -> Value:
    depthwise = call.add(_depthwise(call, values, use_bias=False), values, suffix="_depthwise")
    pointwise = PointwiseConv2D(features=call.whole("filters"), use_bias=bool(call.setting("use_bias")))
    return call.activated(call.add(pointwise, [depthwise], suffix="_pointwise"))


def _conv2d_transpose(call: Call, values: list[Value]) -> Value:
    call.require("data_format", "channels_last")
    call.require("padding", "same", "valid")
    call.picture(values)
    kernel, stride = call.pair("kernel_size"), call.pair("strides")
    dilation = call.pair("dilation_rate") if "dilation_rate" in call.config else (1, 1)
    padding: pad.Padding = call.setting("padding")
    features, use_bias = call.whole("filters"), bool(call.setting("use_bias"))
    op: Operator = Conv2DTranspose(
        features=features, use_bias=use_bias, kernel_size=kernel, stride=stride, dilation=dilation, padding=padding
    )
    if call.config.get("output_padding") is not None:
        added = call.pair("output_padding", least=0)
        cut = [pad.extent(k, d) // 2 if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        op = TransposedConvolution(
            label=call.kind,
            features=features,
            use_bias=use_bias,
            kernel_size=kernel,
            stride=stride,
            dilation=dilation,
            around=(cut[0], cut[0], cut[1], cut[1]),
            output_padding=added,
        )
    return call.activated(call.add(op, values))


def _dense(call: Call, values: list[Value]) -> Value:
    _without_lora(call)
    features, value = call.whole("units"), call.only(values)
    op = Dense(label=call.kind, features=features, use_bias=bool(call.setting("use_bias")))
    return call.activated(call.add(op, values, shape=(*value.shape[:-1], features)))


def _last_axis(call: Call, value: Value) -> int:
    """Return the length of the axis that is normalised, which has to be the last."""
    axis = call.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(value.shape)):
        raise call.obstacle("axis", repr(axis), f"-1 or {len(value.shape)}, the last")
    return value.shape[-1]


def _learned_affine(call: Call, shape: tuple[int, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    names = (("scale", "gamma"), ("center", "beta"))
    return tuple((name, shape) for setting, name in names if call.config.get(setting, True))


def _batch_normalization(call: Call, values: list[Value]) -> Value:
    value = call.only(values)
    call.require("renorm", False)
    channels = _last_axis(call, value)
    moments = (("moving_mean", (channels,)), ("moving_variance", (channels,)))
    op = fixed_normalisation(call.kind, (*_learned_affine(call, (channels,)), *moments))
    return call.add(op, values, shape=value.shape)


def _layer_normalization(call: Call, values: list[Value]) -> Value:
    value = call.only(values)
    call.require("rms_scaling", False)
    channels = _last_axis(call, value)
    op = Standardise(label=call.kind, sets=prod(value.shape[:-1]), stored=_learned_affine(call, (channels,)))
    return call.add(op, values, shape=value.shape)


def _group_normalization(call: Call, values: list[Value]) -> Value:
    value = call.only(values)
    channels, groups = _last_axis(call, value), call.setting("groups")
    groups = channels if groups == -1 else call.whole("groups")
    if channels % groups:
        raise call.obstacle("groups", groups, f"a divisor of {channels} channels")
    op = Standardise(label=call.kind, sets=groups, stored=_learned_affine(call, (channels,)))
    return call.add(op, values, shape=value.shape)


def _normalization(call: Call, values: list[Value]) -> Value:
    value = call.only(values)
    channels = _last_axis(call, value)
    given = call.config.get("mean") is not None
    # Adapted: mean, variance, and how many samples they are of.
    stored = () if given else (("mean", (channels,)), ("variance", (channels,)), ("count", ()))
    op = Elementwise(label=call.kind, each=Work(additions=1, divisions=1), stored=stored)
    return call.add(op, values, shape=value.shape)


def _rescaling(call: Call, values: list[Value]) -> Value:
    op = Elementwise(label=call.kind, each=Work(multiplications=1, additions=1))
    return call.add(op, values, shape=call.only(values).shape)


def _pooling(average: bool) -> Reader:
    def read(call: Call, values: list[Value]) -> Value:
        call.require("data_format", "channels_last")
        call.require("padding", "valid", "same")
        size, shape = call.pair("pool_size"), call.picture(values)
        stride = size if call.config.get("strides") is None else call.pair("strides")
        around = same_pads(shape, size, stride, (1, 1)) if call.config.get("padding") == "same" else (0, 0, 0, 0)
        op = Pooling(label=call.kind, average=average, kernel_size=size, stride=stride, around=around)
        return call.add(op, values)

    return read


def _global_pooling(kind: str) -> Reader:
    def read(call: Call, values: list[Value]) -> Value:
        call.require("data_format", "channels_last")
        channels = call.picture(values)[2]
        shape = (1, 1, channels) if call.config.get("keepdims") else (channels,)
        return call.add(reduction(call.kind, kind, (0, 1)), values, shape=shape)

    return read


def _zero_padding2d(call: Call, values: list[Value]) -> Value:
    call.require("data_format", "channels_last")
    (height, width, channels), (top, bottom, left, right) = call.picture(values), call.margins("padding")
    shape = height + top + bottom, width + left + right, channels
    return call.add(Shift(label=call.kind, shape=shape, offset=(-top, -left)), values)


def _cropping2d(call: Call, values: list[Value]) -> Value:
    call.require("data_format", "channels_last")
    (height, width, channels), (top, bottom, left, right) = call.picture(values), call.margins("cropping")
    shape = height - top - bottom, width - left - right, channels
    if min(shape) < 1:
        raise call.obstacle("cropping", (top, bottom, left, right), f"less than the input's {height}x{width}")
    return call.add(Shift(label=call.kind, shape=shape, offset=(top, left)), values)


def _up_sampling2d(call: Call, values: list[Value]) -> Value:
    call.require("data_format", "channels_last")
    (height, width, _), (rows, columns) = call.picture(values), call.pair("size")
    return resized(call, values, height * rows, width * columns)


def _resizing(call: Call, values: list[Value]) -> Value:
    for setting in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        call.require(setting, False)
    call.require("data_format", "channels_last")
    call.picture(values)
    return resized(call, values, call.whole("height"), call.whole("width"))


def _flatten(call: Call, values: list[Value]) -> Value:
    call.require("data_format", "channels_last")
    return reshaped(call, values, (prod(call.only(values).shape),))


def _reshape(call: Call, values: list[Value]) -> Value:
    target = call.setting("target_shape")
    if not isinstance(target, list | tuple) or not whole_numbers(target, len(target)):
        raise call.obstacle("target_shape", repr(target), "whole numbers")
    return reshaped(call, values, tuple(target))


def _permute(call: Call, values: list[Value]) -> Value:
    dims = call.setting("dims")
    if not isinstance(dims, list | tuple) or not whole_numbers(dims, len(dims)):
        raise call.obstacle("dims", repr(dims), "axes from 1")
    return transposed(call, values, tuple(axis - 1 for axis in dims))


def _identity(call: Call, values: list[Value]) -> Value:
    return call.only(values)


def _activation(call: Call, values: list[Value]) -> Value:
    return call.activated(call.only(values), alone=True)


def _layer_function(call: Call, values: list[Value]) -> Value:
    return call.add(layer_function(call.kind, call.config), values, shape=call.only(values).shape)


def _prelu(call: Call, values: list[Value]) -> Value:
    value = call.only(values)
    shared = call.config.get("shared_axes") or []
    alpha = tuple(1 if axis + 1 in shared else n for axis, n in enumerate(value.shape))
    op = Elementwise(label=call.kind, each=Work(comparisons=1, multiplications=1), stored=(("alpha", alpha),))
    return call.add(op, values, shape=value.shape)


def _named(name: str) -> Reader:
    def read(call: Call, values: list[Value]) -> Value:
        return call.add(function(name, call.kind), values, shape=call.only(values).shape)

    return read


def _softmax(call: Call, values: list[Value]) -> Value:
    _last_axis(call, call.only(values))
    return call.add(Softmax(label=call.kind), values, shape=call.only(values).shape)


def _combination(name: str) -> Reader:
    def read(call: Call, values: list[Value]) -> Value:
        if len(values) < 2:
            raise call.obstacle("number of inputs", len(values), "2 or more")
        return combined(call, values, OF_TWO[name])

    return read


def _average(call: Call, values: list[Value]) -> Value:
    op = Elementwise(label=call.kind, each=SUM * (len(values) - 1) + Work(divisions=1))
    return call.add(op, values, shape=values[0].shape)


def _concatenate(call: Call, values: list[Value]) -> Value:
    return joined(call, values, call.config.get("axis", -1))


_NOTHING_AT_INFERENCE = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "SpatialDropout2D",
)

LAYERS: Mapping[str, Reader] = MappingProxyType(
    {
        **dict.fromkeys(_NOTHING_AT_INFERENCE, _identity),
        "Activation": _activation,
        "Add": _combination("add"),
        "Average": _average,
        "AveragePooling2D": _pooling(average=True),
        "BatchNormalization": _batch_normalization,
        "Concatenate": _concatenate,
        "Conv2D": _conv2d,
        "Conv2DTranspose": _conv2d_transpose,
        "Cropping2D": _cropping2d,
        "Dense": _dense,
        "DepthwiseConv2D": _depthwise_conv2d,
        "ELU": _layer_function,
        "Flatten": _flatten,
        "GlobalAveragePooling2D": _global_pooling("mean"),
        "GlobalMaxPooling2D": _global_pooling("max"),
        "GroupNormalization": _group_normalization,
        "LayerNormalization": _layer_normalization,
        "LeakyReLU": _layer_function,
        "MaxPooling2D": _pooling(average=False),
        "Maximum": _combination("maximum"),
        "Minimum": _combination("minimum"),
        "Multiply": _combination("multiply"),
        "Normalization": _normalization,
        "PReLU": _prelu,
        "Permute": _permute,
        "ReLU": _layer_function,
        "Rescaling": _rescaling,
        "Reshape": _reshape,
        "Resizing": _resizing,
        "SeparableConv2D": _separable_conv2d,
        "Softmax": _softmax,
        "Subtract": _combination("subtract"),
        "ThresholdedReLU": _named("threshold"),
        "UpSampling2D": _up_sampling2d,
        "ZeroPadding2D": _zero_padding2d,
    }
)
