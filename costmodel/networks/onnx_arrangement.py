"""Operators of ONNX that move numbers, join them, give them another shape or resample them."""

from math import prod

import numpy as np

from costmodel.networks.onnx_step import Step, moved
from costmodel.networks.onnx_values import Tensor, onnx_picture
from costmodel.networks.operators import Blocks, Interpolation, Rearrangement, View
from npfuse.ops import Concatenate, Operator, Resize

TAPS = {"nearest": 1, "linear": 2, "cubic": 4}


def concat(step: Step) -> Tensor:
    """Append a concatenation."""
    tensors = [step.tensor(i) for i in range(len(step.inputs))]
    rank = len(tensors[0].shape)
    axis = int(step.attributes["axis"]) % rank
    shapes = [list(tensor.shape) for tensor in tensors]
    if any(len(s) != rank or s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise step.obstacle("input shapes", shapes, f"shapes that agree but along axis {axis}")
    shape = tuple(sum(s[axis] for s in shapes) if i == axis else n for i, n in enumerate(shapes[0]))
    last = tensors[0].last
    channels = (rank == 4 and axis == (3 if last else 1)) or (rank == 2 and axis == 1)
    op: Operator = Concatenate()
    if not channels or len(tensors) < 2:
        op = Rearrangement(label=step.kind, shape=onnx_picture(shape, last))
    return step.add(op, tensors, shape, last=last)


def padded(step: Step) -> Tensor:
    """Append padding, of which each number is written."""
    tensor = step.tensor()
    rank, margins = len(tensor.shape), step.numbers(1, "pads")
    axes = step.numbers(3) if len(step.inputs) > 3 else None
    if margins is None or len(margins) != 2 * (len(axes) if axes else rank):
        raise step.obstacle("pads", margins, f"two for each of {rank} axes")
    half = len(margins) // 2
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes or range(rank)):
        before[int(axis)], after[int(axis)] = int(margins[i]), int(margins[half + i])
    shape = tuple(n + a + b for n, a, b in zip(tensor.shape, before, after, strict=True))
    if min(shape) < 1 or shape[0] != 1:
        raise step.obstacle("pads", margins, "pads that leave something, and the batch")
    rows = (1, 2) if tensor.last else (2, 3)
    offset = (-before[rows[0]], -before[rows[1]]) if rank == 4 else None
    return moved(step, shape, last=tensor.last, offset=offset)


def sliced(step: Step) -> Tensor:
    """Append a slice."""
    tensor = step.tensor()
    starts, stops = step.numbers(1, "starts"), step.numbers(2, "ends")
    if starts is None or stops is None:
        raise step.obstacle("starts and ends", "missing", "numbers")
    axes = step.numbers(3, "axes") or list(range(len(starts)))
    steps = step.numbers(4) or [1] * len(starts)
    spans = [range(n) for n in tensor.shape]
    for axis, start, stop, by in zip(axes, starts, stops, steps, strict=True):
        spans[int(axis)] = spans[int(axis)][int(start) : int(stop) : int(by)]
    shape = tuple(map(len, spans))
    if min(shape) < 1 or shape[0] != 1:
        raise step.obstacle("slice", shape, "one that is not empty, and keeps the batch")
    rows = (1, 2) if tensor.last else (2, 3)
    plain = len(shape) == 4 and all(abs(span.step) == 1 for span in spans)
    offset = (spans[rows[0]].start, spans[rows[1]].start) if plain else None
    return moved(step, shape, last=tensor.last, offset=offset)


def _reshaped(step: Step, shape: tuple[int, ...]) -> Tensor:
    tensor = step.tensor()
    if prod(shape) != prod(tensor.shape) or min(shape, default=1) < 1:
        raise step.obstacle("shape", shape, f"one of {prod(tensor.shape)} numbers")
    return step.add(View(label=step.kind, shape=onnx_picture(shape)), [tensor], shape)


def reshape(step: Step) -> Tensor:
    """Append another view of the same numbers."""
    shape, target = step.tensor().shape, step.numbers(1, "shape")
    if target is None or target.count(-1) > 1:
        raise step.obstacle("shape", target, "numbers, one of which may be -1")
    keep = not step.attributes.get("allowzero")
    lengths = [shape[i] if n == 0 and keep and i < len(shape) else int(n) for i, n in enumerate(target)]
    rest = prod(n for n in lengths if n != -1)
    if rest < 1:
        raise step.obstacle("shape", target, "lengths of at least 1")
    return _reshaped(step, tuple(prod(shape) // rest if n == -1 else n for n in lengths))


def flatten(step: Step) -> Tensor:
    """Append a view in two axes."""
    shape, axis = step.tensor().shape, int(step.attributes.get("axis", 1))
    return _reshaped(step, (prod(shape[:axis]), prod(shape[axis:])))


def squeeze(step: Step) -> Tensor:
    """Append a view without axes of length 1."""
    shape, axes = step.tensor().shape, step.numbers(1, "axes")
    gone = {int(axis) % len(shape) for axis in axes} if axes else {i for i, n in enumerate(shape) if n == 1 and i}
    return _reshaped(step, tuple(n for i, n in enumerate(shape) if i not in gone))


def unsqueeze(step: Step) -> Tensor:
    """Append a view with more axes of length 1."""
    shape, axes = step.tensor().shape, step.numbers(1, "axes")
    if not axes:
        raise step.obstacle("axes", axes, "numbers")
    rank = len(shape) + len(axes)
    new, rest = {int(axis) % rank for axis in axes}, iter(shape)
    return _reshaped(step, tuple(1 if i in new else next(rest) for i in range(rank)))


def transpose(step: Step) -> Tensor:
    """Append a transposition; one to or from channels last keeps the picture."""
    tensor = step.tensor()
    order = tuple(step.attributes.get("perm", range(len(tensor.shape))[::-1]))
    if sorted(order) != list(range(len(tensor.shape))):
        raise step.obstacle("perm", order, f"each of {len(tensor.shape)} axes once")
    shape = tuple(tensor.shape[axis] for axis in order)
    last = (order == (0, 2, 3, 1)) if not tensor.last else order not in ((0, 3, 1, 2),)
    return moved(step, shape, last=last and len(shape) == 4)


def blocks(step: Step) -> Tensor:
    """Append DepthToSpace or SpaceToDepth."""
    tensor, block = step.picture(), int(step.attributes.get("blocksize", 0))
    _, channels, height, width = tensor.shape
    deeper = step.kind == "SpaceToDepth"
    if block < 1 or (height % block or width % block if deeper else channels % block**2):
        raise step.obstacle("blocksize", block, f"one that divides {tensor.shape}")
    pair = (block, block)
    if deeper:
        shape = (1, channels * block**2, height // block, width // block)
        op = Blocks(label=step.kind, shape=onnx_picture(shape), shrinking=pair)
    else:
        shape = (1, channels // block**2, height * block, width * block)
        op = Blocks(label=step.kind, shape=onnx_picture(shape), enlarging=pair)
    return step.add(op, [tensor], shape)


def resize(step: Step) -> Tensor:
    """Append a resize, as `npfuse.ops.Resize` where that reads the same positions."""
    tensor = step.picture()
    old = step.kind == "Upsample" or step.opset < 11
    scales = step.numbers(1 if old else 2, "scales")
    sizes = step.numbers(3) if len(step.inputs) > 3 else None
    if sizes is not None:
        shape = tuple(int(n) for n in sizes)
    elif scales is not None and len(scales) == 4:
        shape = tuple(int(np.floor(n * scale)) for n, scale in zip(tensor.shape, scales, strict=True))
    else:
        raise step.obstacle("scales", scales, "four numbers, or sizes")
    if len(shape) != 4 or shape[:2] != tensor.shape[:2] or min(shape) < 1:
        raise step.obstacle("sizes", shape, "those of rows and columns alone")
    mode = step.attributes.get("mode", b"nearest").decode()
    if mode not in TAPS or step.attributes.get("antialias"):
        raise step.obstacle("mode", mode, f"one of {', '.join(TAPS)}, without antialias")
    height, width = shape[2:]
    op: Operator = Interpolation(label=step.kind, height=height, width=width, taps=TAPS[mode])
    place = step.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    whole = height % tensor.shape[2] == width % tensor.shape[3] == 0
    if mode == "nearest" and whole:
        op = Resize(height=height, width=width, method="nearest")
    elif mode == "linear" and place in ("half_pixel", "pytorch_half_pixel"):
        op = Resize(height=height, width=width, method="bilinear")
    return step.add(op, [tensor], shape)


def split(step: Step) -> list[Tensor]:
    """Append a slice for each part."""
    tensor, axis = step.tensor(), int(step.attributes.get("axis", 0)) % len(step.tensor().shape)
    lengths = step.numbers(1, "split")
    parts = int(step.attributes.get("num_outputs", step.attributes.get("results", 1)))
    if lengths is None:
        part = -(-tensor.shape[axis] // parts)
        lengths = [min(part, tensor.shape[axis] - i * part) for i in range(parts)]
    if sum(lengths) != tensor.shape[axis] or min(lengths) < 1 or axis == 0:
        raise step.obstacle("split", lengths, f"lengths whose sum is {tensor.shape[axis]}")
    found = []
    for i, length in enumerate(lengths):
        shape = (*tensor.shape[:axis], int(length), *tensor.shape[axis + 1 :])
        name = f"{step.name}_part{i + 1}"
        op = Rearrangement(label=step.kind, shape=onnx_picture(shape, tensor.last))
        step.description.add(name, op, (tensor.name,), number_bytes=step.number_bytes)
        found.append(Tensor(name, shape, tensor.last))
    return found
