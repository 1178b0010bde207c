"""Weights files of this package: a versioned `.npz` that says which model it is for and where it came from.

The file holds one array per weight, under the graph's own names, and `metadata`, the UTF-8 bytes of a JSON object.
Nothing in it is executed (no pickle), and sizes are checked before anything is read.
"""

import io
import json
import warnings
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pictures.atomic import written_in_place
from npfuse.weights.weights import MAX_BYTES, Weights, WeightsError

FORMAT = "npfuse-weights"
VERSION = 1
METADATA = "metadata"
METADATA_MAX_BYTES = 1 << 16


def member_names(path: Path) -> list[str]:
    """Return the names in a zip file; none where it is not one. This package's weights have "metadata.npy"."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except Exception:  # `load_npz` says what is wrong
        return []


def load_npz(path: Path) -> Weights:
    """Load weights from this project's own `.npz` format; WeightsError where it is not one."""
    try:
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings(action="ignore"):
            metadata = _metadata(path, archive)
            arrays = _arrays(path, archive)
    except WeightsError:
        raise
    except Exception as error:  # the libraries raise almost anything on damaged bytes
        raise WeightsError(f"{path}: {error}; expected an npfuse weights file (.npz)") from None
    try:
        return Weights(**metadata, arrays=arrays)
    except WeightsError as error:  # it says the name inside the file
        raise WeightsError(f"{path}: {error}") from None


def save_weights(path: "str | Path", weights: Weights, *, overwrite: bool = False) -> None:
    """Write weights to this project's `.npz` format, under a temporary name that is then moved into place.

    Parameters
    ----------
    path : ends in .npz
    weights : Weights
    overwrite : whether a file of that name may be replaced

    Raises
    ------
    WeightsError : another ending
    OSError : the file exists and may not be replaced, or cannot be written
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise WeightsError(f"{path}: ending is {path.suffix!r}, expected '.npz'")
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "name": weights.name or path.stem,
        "model": weights.model,
        "build": dict(weights.build),
        "normalization": weights.normalization,
        "source": weights.source,
        "margin": weights.margin,
    }
    text = np.frombuffer(json.dumps(metadata, ensure_ascii=False).encode(), np.uint8)
    buffer = io.BytesIO()
    members: dict[str, Any] = {METADATA: text, **weights.arrays}
    np.savez(buffer, **members)
    with written_in_place(path, overwrite=overwrite) as file:
        file.write(buffer.getvalue())


def _metadata(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """Read and check the JSON object; return the arguments of Weights that it holds."""
    if f"{METADATA}.npy" not in archive.namelist():
        raise WeightsError(f"{path}: no {METADATA!r} in the file, expected an npfuse weights file (.npz)")
    try:
        text = read_array(path, archive, METADATA, METADATA_MAX_BYTES)
        metadata = json.loads(text.tobytes().decode()) if text.dtype == np.uint8 else None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: {METADATA!r} is not that of an npfuse weights file")
    if metadata.get("version") != VERSION or isinstance(metadata["version"], bool):
        raise WeightsError(
            f"{path}: version is {metadata.get('version')!r}, expected {VERSION}; a newer npfuse may read it"
        )
    metadata.setdefault("margin", 0)
    kinds = {"name": str, "model": str, "build": dict, "normalization": str, "source": str, "margin": int}
    for key, kind in kinds.items():
        if not isinstance(metadata.get(key), kind):
            raise WeightsError(f"{path}: {METADATA} {key!r} is {metadata.get(key)!r}, expected a {kind.__name__}")
    return {key: metadata[key] for key in kinds}


def _arrays(path: Path, archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Read all arrays but the metadata."""
    arrays = {}
    left = MAX_BYTES
    for member in archive.namelist():
        key = member.removesuffix(".npy")
        if member == key:
            raise WeightsError(f"{path}: {member!r} in the file is no array, expected .npy members only")
        if key != METADATA:
            if key in arrays:
                raise WeightsError(f"{path}: {key} is in the file twice, expected once")
            arrays[key] = read_array(path, archive, key, left)
            left -= arrays[key].nbytes
    return arrays


def read_array(path: Path, archive: zipfile.ZipFile, key: str, max_bytes: int) -> NDArray[Any]:
    """Read one array of an `.npz` without pickle, after checking the size that its header declares."""
    try:
        with archive.open(f"{key}.npy") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise WeightsError(f"{path}: {key} holds Python objects, expected plain numbers")
        size = prod(shape) * dtype.itemsize
        if size > max_bytes or size > archive.getinfo(f"{key}.npy").file_size:
            raise WeightsError(
                f"{path}: {key} declares shape {shape} of {dtype}, more than the file or the limit holds"
            )
        with archive.open(f"{key}.npy") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"{path}: {key} is damaged: {error}") from None
    return array
