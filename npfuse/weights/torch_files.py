"""Weights out of PyTorch checkpoints, without PyTorch and without running anything that is in them.

A checkpoint is a pickle, which may name any function to be called. Here its opcodes are only read (`pickletools`), by a
small machine that knows lists, dicts, tuples and numbers, and for a call either makes a tensor's description or an
opaque value: nothing is imported, and nothing called. Both layouts are known, the zip of PyTorch 1.6 and later and the
plain stream before it. MEF-Net's checkpoint becomes weights; its optimizer's state and the like are left out.
"""

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.weights.weights import MAX_BYTES, Weights, WeightsError

MAX_PICKLE_BYTES = 1 << 20  # of the opcodes; MEF-Net's take some 20 KB, and a byte can become an object of 64
STREAM_MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
MEFNET_BLOCKS = 6  # convolution, normalisation, activation; their numbers count through the sequence


@dataclass(frozen=True)
class Global:
    """A name that the pickle would have imported."""

    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A tensor, not yet read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Opaque:
    """The result of a call that was not made."""


class _Mark:
    """Where a run of values on the stack begins."""


def load_torch_file(path: Path) -> Weights:
    """Load MEF-Net's weights from a checkpoint of its authors' training.

    Parameters
    ----------
    path : path of a `.pt` or `.pth` file

    Returns
    -------
    Weights

    Raises
    ------
    WeightsError : the file is malformed, or its tensors are not MEF-Net's
    """
    arrays = _mefnet_arrays(path, read_tensors(path))
    return Weights(
        model="mefnet",
        build={},
        arrays=arrays,
        normalization="full_range",
        source=f"{path.name}, a PyTorch checkpoint of MEF-Net",
        name=path.name.split(".")[0],
    )


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a checkpoint's `state_dict`, or of a checkpoint that is one.

    Parameters
    ----------
    path : path of a `.pt` or `.pth` file

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    WeightsError : the file is malformed, or holds no tensors by name
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path}: the file is larger than {MAX_BYTES} bytes")
        value, read = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path)
        if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
            value = value["state_dict"]
        named = value.items() if isinstance(value, dict) else ()
        found = {name: tensor for name, tensor in named if isinstance(tensor, Tensor)}
        if not found:
            raise WeightsError(
                f"{path}: no tensors by name in the file, expected a checkpoint with a state_dict, as of "
                "torch.save(model.state_dict(), FILE); a whole model is code, which is not run here"
            )
        total = sum(8 * prod(tensor.shape) for tensor in found.values())
        if total > MAX_BYTES:
            raise WeightsError(f"{path}: the tensors take more than {MAX_BYTES} bytes")
        return {name: _array(path, name, tensor, read) for name, tensor in found.items()}
    except WeightsError:
        raise
    except Exception as error:  # damaged bytes end in almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{path}: {reason}; expected a PyTorch checkpoint") from None


Reader = Callable[[Storage], bytes]


def _read_zip(path: Path) -> tuple[Any, Reader]:
    """Return what the pickle describes, and what reads a storage."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"{path}: {len(pickles)} data.pkl in the file, expected 1, of a PyTorch checkpoint")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder")[:8] == b"big":
            raise WeightsError(f"{path}: the byte order is big, expected little")
        if archive.getinfo(pickles[0]).file_size > MAX_PICKLE_BYTES:
            raise WeightsError(f"{path}: {pickles[0]} is larger than {MAX_PICKLE_BYTES} bytes")
        value = _Machine(io.BytesIO(archive.read(pickles[0]))).run()

    def read(storage: Storage) -> bytes:
        size = storage.count * np.dtype(DTYPES[storage.kind]).itemsize
        with zipfile.ZipFile(path) as archive, archive.open(f"{folder}data/{storage.key}") as file:
            return file.read(min(size, MAX_BYTES))

    return value, read


def _read_stream(path: Path) -> tuple[Any, Reader]:
    """Return what the pickles of the older layout describe, and what reads a storage."""
    data = path.read_bytes()
    stream = io.BytesIO(data)
    magic, _, _, value, keys = (_Machine(stream).run() for _ in range(5))
    if magic != STREAM_MAGIC or not isinstance(keys, list):
        raise WeightsError(f"{path}: not a PyTorch checkpoint")
    starts: dict[str, tuple[int, int]] = {}
    kinds = _storages(value)
    at = stream.tell()
    for key in keys:
        if key not in kinds:
            raise WeightsError(f"{path}: storage {key!r} belongs to no tensor")
        (count,) = struct.unpack_from("<q", data, at)
        size = count * np.dtype(DTYPES[kinds[key]]).itemsize
        if count < 0 or size > len(data) - at - 8:
            raise WeightsError(f"{path}: storage {key!r} declares {count} numbers, more than the file holds")
        starts[key] = at + 8, size
        at += 8 + size

    def read(storage: Storage) -> bytes:
        first, size = starts[storage.key]
        return data[first : first + size]

    return value, read


def _storages(value: Any) -> dict[str, str]:
    """Return the kind of every storage in nested lists, tuples and dicts, by key."""
    kinds: dict[str, str] = {}
    left, seen = [value], set()
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Tensor):
            kinds[item.storage.key] = item.storage.kind
        elif isinstance(item, list | tuple):
            left += item
        elif isinstance(item, dict):
            left += item.values()
    return kinds


def _array(path: Path, name: str, tensor: Tensor, read: Reader) -> NDArray[Any]:
    """Read a tensor, after checking that it lies inside its storage."""
    count, shape, stride = tensor.storage.count, tensor.shape, tensor.stride
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    fits = min((tensor.offset, *shape, *stride), default=0) >= 0 and prod(shape) <= count and last < count
    numbers = np.frombuffer(read(tensor.storage), DTYPES[tensor.storage.kind])
    if prod(shape) and (not fits or len(numbers) < count):
        told = f"shape {shape}, stride {stride} and offset {tensor.offset}"
        raise WeightsError(f"{path}: {name} has {told}, expected a part of its {count} numbers")
    strides = tuple(step * numbers.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, strides).copy()


class _Machine:
    """Follows the opcodes of one pickle; what it does not know is an error."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.stream = stream
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return what the pickle describes."""
        start = self.stream.tell()
        for opcode, argument, position in pickletools.genops(self.stream):
            if (position or 0) - start > MAX_PICKLE_BYTES:
                raise ValueError(f"a pickle of more than {MAX_PICKLE_BYTES} bytes")
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise ValueError("a pickle without an end")

    def _step(self, name: str, argument: Any) -> None:
        stack, memo = self.stack, self.memo
        if name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in LITERALS:
            stack.append(argument)
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(argument)])
        elif name == "GLOBAL":
            stack.append(Global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            function, module = stack.pop(), stack.pop()
            stack.append(Global(str(module), str(function)))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._marked()))
        elif name == "APPEND":
            self._extend([stack.pop()])
        elif name == "APPENDS":
            self._extend(self._marked())
        elif name in ("SETITEM", "SETITEMS"):
            items = self._marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            self._set(items)
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_called(function, arguments))
        elif name in ("NEWOBJ", "BUILD"):
            state = stack.pop()
            if name == "NEWOBJ":
                stack[-1] = Opaque()
            del state  # of an object: not needed
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"opcode {name} in the pickle, which no checkpoint has")

    def _marked(self) -> list[Any]:
        """Take what lies above the last mark off the stack."""
        mark = max(i for i, value in enumerate(self.stack) if isinstance(value, _Mark))
        values = self.stack[mark + 1 :]
        del self.stack[mark:]
        return values

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def _set(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str | int):
                    self.stack[-1][key] = value


CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT")
TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING")
BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
LITERALS = frozenset((*NUMBERS, *TEXTS, *BYTES))
EMPTY: Mapping[str, Callable[[], Any]] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict, "MARK": _Mark}


def _storage(reference: Any) -> Storage:
    """Return the storage that a persistent id names: ("storage", type, key, device, count), perhaps with a view."""
    word, kind, key, _, count = reference[:5]
    if word != "storage" or not isinstance(kind, Global) or kind.name not in DTYPES:
        raise ValueError(f"a storage of {getattr(kind, 'name', kind)!r}, expected one of {', '.join(DTYPES)}")
    if len(reference) > 5 and reference[5] is not None:
        raise ValueError("a storage that is a view of another one")
    if not isinstance(count, int) or not 0 <= count <= MAX_BYTES:
        raise ValueError(f"a storage of {count} numbers")
    return Storage(kind.name, str(key), count)


def _called(function: Any, arguments: Any) -> Any:
    """Return what stands for the result of a call: a tensor's description, a dict, or an opaque value."""
    if function == Global("collections", "OrderedDict"):
        return {}
    if function == Global("torch._utils", "_rebuild_parameter"):
        return arguments[0]
    if function in (Global("torch._utils", "_rebuild_tensor_v2"), Global("torch._utils", "_rebuild_tensor")):
        storage, offset, shape, stride = arguments[:4]
        numbers = (offset, *shape, *stride)
        if isinstance(storage, Storage) and all(isinstance(n, int) for n in numbers) and len(shape) == len(stride):
            return Tensor(storage, offset, tuple(shape), tuple(stride))
        raise ValueError("a tensor of no storage, shape and stride")
    return Opaque()


def _mefnet_arrays(path: Path, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return MEF-Net's tensors under the graph's names, in the graph's order of axes."""
    left = {name.removeprefix("module.").removeprefix("lr."): array for name, array in tensors.items()}
    arrays = {}
    for block in range(MEFNET_BLOCKS):
        names = {
            f"{3 * block}.weight": f"conv{block + 1}/kernel",
            f"{3 * block + 1}.w_0": f"conv{block + 1}_norm/w0",
            f"{3 * block + 1}.w_1": f"conv{block + 1}_norm/w1",
            f"{3 * block + 1}.in_norm.weight": f"conv{block + 1}_norm/gamma",
            f"{3 * block + 1}.in_norm.bias": f"conv{block + 1}_norm/beta",
        }
        for name, ours in names.items():
            if name in left:
                array = left.pop(name)
                # (Cout, Cin, kH, kW) becomes (kH, kW, Cin, Cout).
                arrays[ours] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
    last = f"{3 * MEFNET_BLOCKS}"
    if f"{last}.weight" in left:
        array = left.pop(f"{last}.weight")
        arrays["weight_map/kernel"] = array.reshape(array.shape[:2]).T if array.shape[2:] == (1, 1) else array
    if f"{last}.bias" in left:
        arrays["weight_map/bias"] = left.pop(f"{last}.bias")
    if left:
        found = ", ".join(f"{name} {array.shape}" for name, array in list(left.items())[:5])
        raise WeightsError(f"{path}: {found} is left over: MEF-Net has no such tensor")
    return arrays
