"""What each operator of ONNX is, in operators that are counted: one function a kind."""

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType

import numpy as np

from costmodel.conventions import Work
from costmodel.networks.description import Obstacle
from costmodel.networks.functions import OF_TWO, SUM, function, known
from costmodel.networks.keras_call import reduction
from costmodel.networks.onnx_arrangement import (
    blocks,
    concat,
    flatten,
    padded,
    reshape,
    resize,
    sliced,
    split,
    squeeze,
    transpose,
    unsqueeze,
)
from costmodel.networks.onnx_step import Step, like, moved
from costmodel.networks.onnx_values import Constant, Tensor, onnx_picture
from costmodel.networks.operators import Dense, Elementwise, Softmax, Standardise, View, fixed_normalisation
from costmodel.networks.windows import Pads, Pooling, TransposedConvolution, convolution, same_pads
from npfuse.ops import Add, Operator, Subtract
from npfuse.ops.operator import Pair
from npfuse.padding import extent

Reader = Callable[[Step], "Tensor | list[Tensor]"]


def _around(step: Step, kernel: Pair, stride: Pair, dilation: Pair, *, ceil: bool = False) -> Pads:
    """Return the zeros (top, bottom, left, right) around an input."""
    tensor = step.picture()
    auto = step.attributes.get("auto_pad", b"NOTSET").decode()
    if auto == "SAME_UPPER":
        return same_pads(tensor.picture, kernel, stride, dilation)
    if auto == "SAME_LOWER":
        top, bottom, left, right = same_pads(tensor.picture, kernel, stride, dilation)
        return bottom, top, right, left
    top, left, bottom, right = step.attributes.get("pads", (0, 0, 0, 0)) if auto == "NOTSET" else (0, 0, 0, 0)
    if ceil:  # the last window may reach beyond the padding, if it begins before it
        ends = []
        for n, before, after, k, s, d in zip(
            tensor.picture, (top, left), (bottom, right), kernel, stride, dilation, strict=False
        ):
            steps = -(-(n + before + after - extent(k, d)) // s)
            steps -= steps * s >= n + before
            ends.append(max(after, steps * s + extent(k, d) - n - before))
        bottom, right = ends
    return int(top), int(bottom), int(left), int(right)


def _conv(step: Step) -> Tensor:
    tensor, weight = step.picture(), step.weight(1)
    if len(weight.shape) != 4:
        raise step.obstacle("rank of the kernel", len(weight.shape), "4")
    kernel, stride, dilation = weight.shape[2:4], step.pair("strides"), step.pair("dilations")
    bias = len(step.inputs) > 2 and step.inputs[2] is not None
    groups = int(step.attributes.get("group", 1))
    if groups < 1 or weight.shape[1] * groups != tensor.shape[1] or (bias and step.weight(2).size != weight.shape[0]):
        raise step.obstacle("kernel shape", weight.shape, f"one that fits {tensor.shape[1]} channels and its bias")
    op = convolution(
        step.kind,
        tensor.picture,
        features=weight.shape[0],
        kernel_size=(kernel[0], kernel[1]),
        stride=stride,
        dilation=dilation,
        around=_around(step, (kernel[0], kernel[1]), stride, dilation),
        groups=groups,
        use_bias=bias,
    )
    return step.first(op, tensor, weight)


def _conv_transpose(step: Step) -> Tensor:
    tensor, weight = step.picture(), step.weight(1)
    if len(weight.shape) != 4 or weight.shape[0] != tensor.shape[1]:
        raise step.obstacle("kernel shape", weight.shape, f"({tensor.shape[1]}, features, kH, kW)")
    if "output_shape" in step.attributes or step.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise step.obstacle("padding", "automatic", "numbers")
    groups = int(step.attributes.get("group", 1))
    top, left, bottom, right = step.attributes.get("pads", (0, 0, 0, 0))
    bias = len(step.inputs) > 2 and step.inputs[2] is not None
    if bias:
        step.weight(2)
    op = TransposedConvolution(
        label=step.kind,
        features=weight.shape[1] * groups,
        kernel_size=(weight.shape[2], weight.shape[3]),
        stride=step.pair("strides"),
        dilation=step.pair("dilations"),
        around=(top, bottom, left, right),
        groups=groups,
        use_bias=bias,
        output_padding=step.pair("output_padding", 0),
    )
    return step.first(op, tensor, weight)


def _dense(step: Step, weight: Constant, axis: int, use_bias: bool) -> Tensor:
    tensor = step.tensor()
    if len(weight.shape) != 2 or weight.shape[axis] != tensor.shape[-1] or (len(tensor.shape) == 4 and not tensor.last):
        if len(tensor.shape) != 4:
            raise step.obstacle("matrix", weight.shape, f"one that maps {tensor.shape[-1]} channels")
        raise step.obstacle("input shape", tensor.shape, "a vector or channels last")
    features = weight.shape[1 - axis]
    op = Dense(label=step.kind, features=features, use_bias=use_bias)
    return step.add(op, [tensor], (*tensor.shape[:-1], features), last=tensor.last, key=weight)


def _gemm(step: Step) -> Tensor:
    if step.attributes.get("transA"):
        raise step.obstacle("transA", 1, "0")
    bias = len(step.inputs) > 2 and step.inputs[2] is not None
    weight = step.weight(1)
    axis = 1 if step.attributes.get("transB") else 0
    if bias and step.weight(2).size != weight.shape[1 - axis]:
        raise step.obstacle("bias", step.weight(2).shape, f"({weight.shape[1 - axis]},)")
    return _dense(step, weight, axis, bias)


def _matmul(step: Step) -> Tensor:
    return _dense(step, step.weight(1), 0, use_bias=False)


def _stored(step: Step, names: Mapping[str, int]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, step.weight(index).shape) for name, index in names.items())


def _batch_normalization(step: Step) -> Tensor:
    names = {"gamma": 1, "beta": 2, "moving_mean": 3, "moving_variance": 4}
    return like(step, fixed_normalisation(step.kind, _stored(step, names)), step.weight(1))


def _instance_normalization(step: Step) -> Tensor:
    tensor = step.tensor()
    op = Standardise(label=step.kind, sets=tensor.shape[1], stored=_stored(step, {"gamma": 1, "beta": 2}))
    return like(step, op, step.weight(1))


def _layer_normalization(step: Step) -> Tensor:
    tensor = step.tensor()
    axis = int(step.attributes.get("axis", -1)) % len(tensor.shape)
    names = {"gamma": 1} | ({"beta": 2} if len(step.inputs) > 2 and step.inputs[2] is not None else {})
    op = Standardise(label=step.kind, sets=prod(tensor.shape[:axis]), stored=_stored(step, names))
    return like(step, op, step.weight(1))


def _prelu(step: Step) -> Tensor:
    slope = step.weight(1)
    op = Elementwise(label=step.kind, each=Work(comparisons=1, multiplications=1), stored=(("alpha", slope.shape),))
    return like(step, op, slope)


def _clip(step: Step) -> Tensor:
    ends = [end in step.attributes or (i < len(step.inputs) and step.inputs[i]) for i, end in ((1, "min"), (2, "max"))]
    return like(step, Elementwise(label=step.kind, each=Work(comparisons=sum(map(bool, ends)))))


def _of_two(step: Step) -> Tensor:
    """Append a sum, product or the like, of two values or of one and constants."""
    each = OF_TWO[step.kind.lower()]
    tensors = [value for value in step.inputs if isinstance(value, Tensor)]
    constants = [value for value in step.inputs if isinstance(value, Constant)]
    shape = _broadcast(step, [value.shape for value in step.inputs if value is not None])
    last = any(tensor.last and len(tensor.shape) == 4 for tensor in tensors)
    many = [constant for constant in constants if constant.size > 1]
    _store(step, many)
    stored = tuple(("constant", constant.shape) for constant in many)
    op: Operator = Elementwise(label=step.kind, each=each * max(len(step.inputs) - 1, 1), stored=stored)
    alike = not constants and len({tensor.picture for tensor in tensors}) == 1
    if alike and each == SUM:
        op = Add() if step.kind == "Add" else Subtract()
    return step.add(op, tensors, shape, last=last, key=many[0] if many else None)


def _store(step: Step, many: list[Constant]) -> None:
    """Note the one array of several numbers among a node's constants, if there is one."""
    if len(many) > 1 or (many and not many[0].name):
        raise step.obstacle("constants", "worked out", "numbers, or one initializer")
    for constant in many:
        step.arrays[constant.name] = constant.size


def _broadcast(step: Step, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        raise step.obstacle("input shapes", shapes, "shapes that broadcast") from None


def _sum(step: Step) -> Tensor:
    tensors = [step.tensor(i) for i in range(len(step.inputs))]
    each = SUM * (len(tensors) - 1) + (Work(divisions=1) if step.kind == "Mean" else Work())
    shape = _broadcast(step, [tensor.shape for tensor in tensors])
    return step.add(Elementwise(label=step.kind, each=each), tensors, shape, last=tensors[0].last)


def _pow(step: Step) -> Tensor:
    exponent = step.numbers(1)
    each = Work(multiplications=1) if exponent == [2.0] else Work(functions=1)
    return like(step, Elementwise(label=step.kind, each=each))


def _pooling(average: bool) -> Reader:
    def read(step: Step) -> Tensor:
        kernel, stride, dilation = step.pair("kernel_shape"), step.pair("strides"), step.pair("dilations")
        around = _around(step, kernel, stride, dilation, ceil=bool(step.attributes.get("ceil_mode")))
        op = Pooling(
            label=step.kind, average=average, kernel_size=kernel, stride=stride, dilation=dilation, around=around
        )
        return step.first(op, step.picture())

    return read


def _reduced(kind: str, *, whole: bool = False) -> Reader:
    def read(step: Step) -> Tensor:
        tensor = step.tensor()
        rank = len(tensor.shape)
        axes = [2, 3] if whole else step.numbers(1, "axes")
        if axes is None or rank != 4:
            raise step.obstacle("axes", axes, "some of those of (1, C, H, W)")
        axes = sorted({int(axis) % rank for axis in axes})
        places = {(1 if tensor.last else 2): 0, (2 if tensor.last else 3): 1, (3 if tensor.last else 1): 2}
        if 0 in axes:
            raise step.obstacle("axes", axes, "axes without the batch")
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(tensor.shape))
        op = reduction(step.kind, kind, tuple(sorted(places[axis] for axis in axes)))
        if step.attributes.get("keepdims", 1) or whole:
            return step.add(op, [tensor], kept, last=tensor.last)
        shape = tuple(n for axis, n in enumerate(tensor.shape) if axis not in axes)
        made = step.description.add(step.name, op, (tensor.name,), number_bytes=step.number_bytes)
        if onnx_picture(shape) == made:
            return Tensor(step.name, shape)
        view = step.name + "_view"
        step.description.add(view, View(label="Squeeze", shape=onnx_picture(shape)), (step.name,))
        return Tensor(view, shape)

    return read


def _softmax(step: Step) -> Tensor:
    tensor = step.tensor()
    rank = len(tensor.shape)
    axis = int(step.attributes.get("axis", -1 if step.opset >= 13 else 1)) % rank
    if step.opset < 13 and axis != rank - 1:  # everything from the axis on was one vector
        raise step.obstacle("axis", axis, f"{rank - 1}, the last, in operators of version {step.opset}")
    channel = 1 if rank == 4 and not tensor.last else rank - 1
    if axis != channel:
        raise step.obstacle("axis", axis, f"{channel}, the channels'")
    return like(step, Softmax(label=step.kind))


def _identity(step: Step) -> Tensor:
    return step.tensor()


def _function(step: Step) -> Tensor:
    name = "gelu_tanh" if step.kind == "Gelu" and step.attributes.get("approximate") == b"tanh" else step.kind
    return like(step, function(name, step.kind, slope=float(step.attributes.get("alpha", 0.01))))


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "Add": _of_two,
        "AveragePool": _pooling(average=True),
        "BatchNormalization": _batch_normalization,
        "Cast": lambda step: moved(step, step.tensor().shape, last=step.tensor().last),
        "Clip": _clip,
        "Concat": concat,
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "DepthToSpace": blocks,
        "Div": _of_two,
        "Dropout": _identity,
        "Flatten": flatten,
        "Gemm": _gemm,
        "GlobalAveragePool": _reduced("mean", whole=True),
        "GlobalMaxPool": _reduced("max", whole=True),
        "Identity": _identity,
        "InstanceNormalization": _instance_normalization,
        "LayerNormalization": _layer_normalization,
        "LogSoftmax": _softmax,
        "MatMul": _matmul,
        "Max": _of_two,
        "MaxPool": _pooling(average=False),
        "Mean": _sum,
        "Min": _of_two,
        "Mul": _of_two,
        "PRelu": _prelu,
        "Pad": padded,
        "Pow": _pow,
        "ReduceMax": _reduced("max"),
        "ReduceMean": _reduced("mean"),
        "ReduceSum": _reduced("sum"),
        "Reshape": reshape,
        "Resize": resize,
        "Slice": sliced,
        "Softmax": _softmax,
        "SpaceToDepth": blocks,
        "Split": split,
        "Squeeze": squeeze,
        "Sub": _of_two,
        "Sum": _sum,
        "Transpose": transpose,
        "Unsqueeze": unsqueeze,
        "Upsample": resize,
    }
)


def read_step(step: Step) -> list[Tensor]:
    """Append what a node does; return its values.

    Raises
    ------
    Obstacle : the operator or an attribute is not understood
    """
    if step.kind in READERS:
        found = READERS[step.kind](step)
        return found if isinstance(found, list) else [found]
    if known(step.kind):
        return [_function(step)]
    raise Obstacle(f"node {step.name} is a {step.kind}, expected one that is counted, or one with a rule")
