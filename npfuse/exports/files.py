"""The formats that weights are exported to, each with its writer and the check that the written model equals npfuse.

A model is checked before its file gets its name: it and npfuse run on a part of an example pair, whose sides are no
multiples of 8, and must agree within a level everywhere. If the program that runs the model is not installed, the
result says so.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.examples import example_pair
from npfuse.fusion import fuse
from npfuse.graph import Graph
from npfuse.integer import ARITHMETICS
from npfuse.integer_pair import integer_network
from npfuse.padding import GRID
from npfuse.pictures.atomic import written_in_place
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from npfuse.weights.weights import Weights

FLOATS = "float32"
LEVEL = 2 / 255  # of values in [-1, 1]
CHECKED = slice(101, 194), slice(205, 330)  # 93 rows and 125 columns, no multiples of 8
CHECKED_INPUT = (5 * GRID, 6 * GRID)  # height and width, for a network without the steps around it

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An export: the weights, the arithmetic and the size.

    Parameters
    ----------
    weights : Weights
    arithmetic : "float32", or one of `npfuse.integer.ARITHMETICS`
    size : (height, width) of the pictures, or None for any
    """

    weights: Weights
    arithmetic: str = FLOATS
    size: Size | None = None

    @property
    def of_pair(self) -> bool:
        """Return whether the network turns two RGB pictures into one, so that a model can take and return bytes."""
        return self.graph(GRID, GRID).inputs[0][0] == "exposures"

    def graph(self, *size: int) -> Graph:
        """Return the network's graph for one size."""
        return self.weights.graph(*size)


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A kind of file.

    Parameters
    ----------
    title : name in messages
    writes : names of the modules that writing needs
    extra : name of the extra, for pip install "npfuse[EXTRA]"
    arithmetics, sized : whether integers, and a fixed size, can be chosen
    write : function of a Request that returns the file's content
    check : function of a Request and the content that runs it beside npfuse; returns the result, in words
    """

    title: str
    writes: tuple[str, ...] = ()
    extra: str = ""
    arithmetics: bool = False
    sized: bool = False
    write: Callable[[Request], bytes]
    check: Callable[[Request, bytes], str]


def export_weights(
    path: str | os.PathLike[str],
    weights: Weights,
    *,
    arithmetic: str = FLOATS,
    size: Size | None = None,
    overwrite: bool = False,
) -> str:
    """Write a network for another program, in the format that the file's name ends with, and check it.

    Parameters
    ----------
    path : path of the file: .onnx, .keras, .tflite or .h
    weights : Weights
    arithmetic : "float32"; for .onnx also "int16", "int16-shift" or "mixed"
    size : (height, width) of the pictures, for .onnx and .tflite; None for any
    overwrite : whether an existing file may be replaced

    Returns
    -------
    str : a line that says what was written and how it was checked

    Raises
    ------
    ValueError : the format is unknown, a package is missing, the format does not have the network or option, or the
        model differs from npfuse by more than a level; nothing is written then
    FileExistsError : the file exists and may not be replaced
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: format is {suffix or 'missing'!r}, expected one of {', '.join(FORMATS)}")
    form, request = FORMATS[suffix], Request(weights=weights, arithmetic=arithmetic, size=size)
    _check_request(str(path), suffix, request)
    missing = [name for name in form.writes if find_spec(name) is None]
    if missing:
        raise ValueError(f'{path}: {form.title} is written with {missing[0]}; pip install "npfuse[{form.extra}]"')
    with written_in_place(path, overwrite=overwrite) as file:
        content = form.write(request)
        found = form.check(request, content)
        file.write(content)
    return f"{path}: {form.title}, {arithmetic}, {len(content):,} bytes; {found}"


def _check_request(path: str, suffix: str, request: Request) -> None:
    """Raise ValueError for options that the format or the network does not have."""
    known = (FLOATS, *ARITHMETICS) if FORMATS[suffix].arithmetics else (FLOATS,)
    if request.arithmetic not in known:
        raise ValueError(
            f"{path}: arithmetic is {request.arithmetic!r}, expected one of {', '.join(known)} for {suffix}"
        )
    if request.size is not None and (not FORMATS[suffix].sized or min(request.size) < 1):
        raise ValueError(f"{path}: size is {request.size}, expected none for {suffix}, or one of at least 1x1")
    bytes_wanted = suffix == ".tflite" or request.arithmetic != FLOATS or request.size is not None
    if bytes_wanted and not request.of_pair:
        raise ValueError(
            f"{path}: network is {request.weights.model}, expected one from two RGB pictures to one, such as tonefuse; "
            "export this one to .onnx, in float32 and without a size, or to .keras"
        )


def _write_onnx(request: Request) -> bytes:
    from npfuse.exports.onnx_integers import onnx_integer_model
    from npfuse.exports.onnx_pair import onnx_network, onnx_pair_model

    if not request.of_pair:
        return onnx_network(request.weights)
    if request.arithmetic == FLOATS:
        return onnx_pair_model(request.weights, request.size)
    return onnx_integer_model(request.weights, _integers(request), request.size)


def _write_keras(request: Request) -> bytes:
    from npfuse.exports.keras_model import keras_file, keras_model

    return keras_file(keras_model(request.graph(3 * GRID, 5 * GRID), request.weights.arrays))


def _write_tflite(request: Request) -> bytes:
    from npfuse.exports.tflite_model import tflite_pair_model

    return tflite_pair_model(request.weights, request.size)


def _write_header(request: Request) -> bytes:
    from npfuse.exports.c_header import c_header

    return c_header(request.weights)


def _check_onnx(request: Request, content: bytes) -> str:
    if find_spec("onnxruntime") is None:
        return 'not checked: ONNX Runtime is missing; pip install "npfuse[onnx]"'
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    if not request.of_pair:
        inputs = _network_inputs(request)
        (value,) = session.run(None, inputs)
        return _compared_floats(request, inputs, value, "ONNX Runtime")
    under, over = _checked_pair(request)
    (fused,) = session.run(None, {"under": under[np.newaxis], "over": over[np.newaxis]})
    return _compared_bytes(request, under, over, fused[0], "ONNX Runtime")


def _check_keras(request: Request, content: bytes) -> str:
    from npfuse.exports.keras_model import run_keras_file

    inputs = _network_inputs(request)
    return _compared_floats(request, inputs, run_keras_file(content, inputs), "Keras")


def _check_tflite(request: Request, content: bytes) -> str:
    from npfuse.exports.tflite_model import run_tflite_model

    under, over = _checked_pair(request)
    fused, name = run_tflite_model(content, {"under": under[np.newaxis], "over": over[np.newaxis]})
    return _compared_bytes(request, under, over, fused[0], name)


def _check_header(request: Request, content: bytes) -> str:
    from npfuse.exports.c_header import read_c_header

    found = list(read_c_header(content).values())
    expected = list(request.weights.arrays.values())
    same = len(found) == len(expected) and all(
        np.array_equal(a, b.ravel()) for a, b in zip(found, expected, strict=True)
    )
    if not same:
        raise ValueError(f"{request.weights.label}: numbers in the header differ from the weights, expected the same")
    return f"read back: all {request.weights.parameter_count:,} numbers are equal"


def _integers(request: Request) -> Any:
    return integer_network(request.weights, request.arithmetic)  # type: ignore[arg-type]


def _checked_pair(request: Request) -> list[NDArray[np.uint8]]:
    """Return a part of an example pair; for a fixed size, repeated to that size."""
    parts = [read_picture(path).pixels[CHECKED] for path in example_pair("interior")]
    if request.size is None:
        return parts
    rows, columns = (np.arange(n) % length for n, length in zip(request.size, parts[0].shape, strict=False))
    return [part[rows[:, np.newaxis], columns] for part in parts]


def _network_inputs(request: Request) -> dict[str, NDArray[np.float32]]:
    """Return inputs in [-1, 1] of a network without the steps around it, the same on every machine."""
    rng = np.random.default_rng(0)
    inputs = request.graph(*CHECKED_INPUT).inputs
    return {name: rng.uniform(-1, 1, (1, *shape)).astype(np.float32) for name, shape in inputs}


def _compared_bytes(request: Request, under: Any, over: Any, actual: NDArray[Any], name: str) -> str:
    """Return how far a fused picture is from npfuse's, in words; raise ValueError beyond one level."""
    engine: Any = "definition" if request.arithmetic == FLOATS else request.arithmetic
    expected = fuse(under, over, request.weights, order="given", engine=engine)
    apart = np.abs(actual.astype(int) - expected)
    if actual.shape != expected.shape or apart.max() > 1:
        raise ValueError(
            f"{request.weights.label}: {name} is {int(apart.max())} levels from npfuse in a picture of shape "
            f"{actual.shape}, expected at most 1; nothing was written"
        )
    height, width = expected.shape[:2]
    return (
        f"{name} and npfuse differ in {np.count_nonzero(apart):,} of {apart.size:,} bytes by one level, at "
        f"{height}x{width} (height x width)"
    )


def _compared_floats(request: Request, inputs: Mapping[str, NDArray[Any]], actual: NDArray[Any], name: str) -> str:
    """Return how far a network's values are from npfuse's, in words; raise ValueError beyond one level."""
    graph = request.graph(*CHECKED_INPUT)
    (expected,) = run(graph, inputs, request.weights.arrays, engine="definition").values()
    most = float(np.abs(actual - expected).max())
    if not most <= LEVEL:
        raise ValueError(
            f"{request.weights.label}: {name} is {most:.3g} from npfuse, expected at most {LEVEL:.3g}; nothing was "
            "written"
        )
    return f"{name} and npfuse differ by at most {most:.1g}"


FORMATS: Mapping[str, ExportFormat] = {
    ".onnx": ExportFormat(
        title="ONNX", writes=("onnx",), extra="onnx", arithmetics=True, sized=True, write=_write_onnx, check=_check_onnx
    ),
    ".keras": ExportFormat(
        title="Keras", writes=("keras", "tensorflow"), extra="keras", write=_write_keras, check=_check_keras
    ),
    ".tflite": ExportFormat(
        title="TensorFlow Lite",
        writes=("tensorflow",),
        extra="keras",
        sized=True,
        write=_write_tflite,
        check=_check_tflite,
    ),
    ".h": ExportFormat(title="C99 header", write=_write_header, check=_check_header),
}
