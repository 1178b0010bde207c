"""Finds the model's description in a Keras file: `config.json` of a `.keras` archive, `model_config` of an `.h5` file.

Files are data: nothing in them is executed, weights are not read, and no more is unpacked than MOST_BYTES.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

MOST_BYTES = 16 * 2**20  # of a description; those of published networks have less than 2 MiB

KERAS = "a .keras file of Keras 3, a zip archive with config.json"
HDF5 = "an .h5 file of a whole Keras model, with the attribute model_config"


def keras_config(path: Path) -> tuple[Mapping[str, Any], str, int | None]:
    """Return a model's description, the file's format with Keras's version, and the count of its stored numbers.

    The last is None where it is not looked for: a `.keras` file says whose every layer is, an `.h5` file does not.

    Raises
    ------
    ValueError : the file is malformed or holds no model, or h5py is missing
    OSError : the file cannot be read
    """
    with path.open("rb") as file:
        start = file.read(8)
    return _from_hdf5(path) if start == b"\x89HDF\r\n\x1a\n" else _from_archive(path)


def _from_archive(path: Path) -> tuple[Mapping[str, Any], str, int | None]:
    version = ""
    try:
        with zipfile.ZipFile(path) as archive:
            text = _unpacked(archive, "config.json", path)
            if "metadata.json" in archive.namelist():
                version = _version(_unpacked(archive, "metadata.json", path))
    except zipfile.BadZipFile:
        wanted = KERAS if path.suffix.lower() == ".keras" else f"{HDF5}, or {KERAS}"
        raise ValueError(f"{path}: file is {_flaw(path)}, expected {wanted}") from None
    except KeyError:
        raise ValueError(f"{path}: config.json is missing, expected {KERAS}") from None
    except (NotImplementedError, RuntimeError, EOFError, zlib.error, OSError) as error:  # OSError of bzip2
        raise ValueError(f"{path}: config.json is unreadable ({error}), expected {KERAS}") from None
    return _model(path, text, "config.json", KERAS), f".keras{version and ' of Keras ' + version}", None


def _flaw(path: Path) -> str:
    """Return what an unknown file is."""
    return "no zip archive" if path.stat().st_size else "empty"


def _unpacked(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return an entry's bytes; ValueError where there are too many."""
    size = archive.getinfo(name).file_size
    if size > MOST_BYTES:
        raise ValueError(f"{path}: {name} has {size} bytes, expected at most {MOST_BYTES}")
    return archive.read(name)


def _version(text: bytes) -> str:
    """Return Keras's version as metadata.json tells it, or nothing."""
    try:
        return str(json.loads(text)["keras_version"])[:20]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""


def _from_hdf5(path: Path) -> tuple[Mapping[str, Any], str, int | None]:
    try:
        import h5py
    except ImportError:
        raise ValueError(f'{path}: .h5 files are read with h5py; pip install "npfuse[keras]"') from None
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: file is empty, expected {HDF5}")
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            version = str(file.attrs.get("keras_version", ""))[:20]
            stored = _stored(file["model_weights"], h5py) if "model_weights" in file else None
    except Exception as error:  # the library raises almost anything on damaged bytes
        raise ValueError(f"{path}: {' '.join(str(error).split())}; expected {HDF5}") from None
    if not isinstance(text, str | bytes):
        raise ValueError(f"{path}: model_config is missing (a file of weights alone?), expected {HDF5}")
    if len(text) > MOST_BYTES:
        raise ValueError(f"{path}: model_config has {len(text)} bytes, expected at most {MOST_BYTES}")
    return _model(path, text, "model_config", HDF5), f".h5{version and ' of Keras ' + version}", stored


def _stored(group: Any, h5py: Any) -> int:
    """Return how many numbers the arrays of a group have; none is read."""
    count = 0

    def visit(name: str, item: Any) -> None:
        nonlocal count
        if isinstance(item, h5py.Dataset):
            count += prod(item.shape)

    group.visititems(visit)
    return count


def _model(path: Path, text: str | bytes, part: str, expected: str) -> Mapping[str, Any]:
    """Return the parsed description."""
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: {part} is no JSON, expected {expected}") from None
    if not isinstance(model, dict) or not {"class_name", "config"} <= model.keys():
        raise ValueError(f"{path}: {part} describes no model, expected {expected}")
    return model
