"""Reads a network from a file of any known format."""

from collections.abc import Mapping
from pathlib import Path

from costmodel.networks.description import Network
from costmodel.networks.keras_model import read_keras_model

SUFFIXES = {".keras": "Keras 3", ".h5": "Keras", ".hdf5": "Keras", ".onnx": "ONNX"}


def read_network(path: Path, height: int, width: int, sizes: Mapping[str, tuple[int, int]] | None = None) -> Network:
    """Read a network from a `.keras`, `.h5` or `.onnx` file; nothing in it is executed.

    Parameters
    ----------
    path : of the file
    height, width : of inputs whose sizes the file leaves open
    sizes : (height, width) of some of them by name, where they differ

    Returns
    -------
    Network, which `costmodel.count` takes

    Raises
    ------
    ValueError : another format, a malformed file, or parts that are not counted; the message names them all
    OSError : the file cannot be read
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: ending is {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    try:
        if SUFFIXES[suffix] != "ONNX":
            return read_keras_model(path, height, width, sizes)
        from costmodel.networks.onnx_model import read_onnx_model

        return read_onnx_model(path, height, width, sizes)
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {error}") from None  # an operator does not know the file
