"""Weights files: a versioned `.npz` that says which model it is for, what pictures it expects and where it came from.

The file holds one array a weight, under the graph's own names, and `metadata`, the UTF-8 bytes of a JSON object.
Nothing in it is executed (no pickle), and sizes are checked before anything is read. Keras's own files are read by
`npfuse.keras_files`, and those of DeepFuse's and MEF-Net's authors by `npfuse.lasagne_files` and `npfuse.torch_files`.
The bundled files lie in `npfuse/bundled`, each with a model card.
"""

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from npfuse import models
from npfuse.atomic import written_in_place
from npfuse.graph import Graph
from npfuse.picture import one_line
from npfuse.run import check_weights

Normalization = Literal["full_range", "min_max"]

FORMAT = "npfuse-weights"
VERSION = 1
DEFAULT = "tonefuse"
MAX_BYTES = 1 << 28  # of all arrays together; LightFuse has 75 KB
BUNDLED = Path(str(files("npfuse"))) / "bundled"
METADATA = "metadata"
METADATA_MAX_BYTES = 1 << 16
MARGINS = (0, 8, 16)


class WeightsError(ValueError):
    """A weights file or name that cannot be used; the message says which, why, and what was expected, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 1000))  # damaged files put their bytes into libraries' messages


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """A model's weights with all that is needed to use them.

    Parameters
    ----------
    model : "tonefuse", "lightfuse", "t_cnn", "deepfuse" or "mefnet"
    build : what the model's function is built with besides the size, e.g. {"hidden": [256, 64]}
    arrays : ndarray by full name, "<node>/<weight>"; kept as read-only float32
    normalization : what the network expects its pictures mapped to [-1, 1] from: "full_range" (0 to white) or "min_max"
        (each picture's own darkest to brightest value, as the authors do)
    source : where the weights came from: data, recipe, licence, in free words
    name : for messages
    margin : pixels that are repeated beyond the bottom and the right of a picture before the network runs, besides
        those that make its size a multiple of 8; a multiple of 8. GlobalNet pads with zeros there, which reach eight
        pixels into what it sees, and bilinear enlarging mixes the next eight in. A network that never met the zeros in
        its training needs 16; the authors' met them, and has none.

    Raises
    ------
    WeightsError : an unknown model, argument, normalization or margin; arrays missing, left over, misshapen or not
        finite
    """

    model: str
    build: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    normalization: Normalization
    source: str
    name: str = ""
    margin: int = 0

    def __post_init__(self) -> None:
        """Check everything and freeze the arrays."""
        if self.normalization not in get_args(Normalization):
            known = ", ".join(get_args(Normalization))
            raise WeightsError(f"{self.label}: normalization is {self.normalization!r}, expected one of {known}")
        if self.margin not in MARGINS:
            known = ", ".join(map(str, MARGINS))
            raise WeightsError(f"{self.label}: margin is {self.margin!r}, expected one of {known}")
        _check_size(self.label, self.graph(8, 8).weight_shapes)
        arrays = {}
        for key, array in self.arrays.items():
            if not np.issubdtype(array.dtype, np.floating):
                raise WeightsError(f"{self.label}: {key} has dtype {array.dtype}, expected a floating-point one")
            with np.errstate(over="ignore"):  # what float32 cannot hold is reported below
                frozen = np.array(array, np.float32, order="C")
            if not np.isfinite(frozen).all():
                bad = int(np.count_nonzero(~np.isfinite(frozen)))
                raise WeightsError(f"{self.label}: {key} has {bad} values that are no finite float32, expected none")
            frozen.setflags(write=False)
            arrays[key] = frozen
        object.__setattr__(self, "arrays", arrays)
        try:
            check_weights(self.graph(8, 8), arrays)
        except ValueError as error:
            raise WeightsError(f"{self.label}: {error}") from None

    @property
    def label(self) -> str:
        """The name for messages."""
        return self.name or f"weights of {self.model}"

    @cached_property
    def parameter_count(self) -> int:
        """The number of parameters."""
        return sum(array.size for array in self.arrays.values())

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size to which pictures are brought, by repeating their last row and column, for the network.

        Examples
        --------
        >>> load_weights("tonefuse").padded_size(15, 16)
        (32, 32)
        """
        return -(-height // 8) * 8 + self.margin, -(-width // 8) * 8 + self.margin

    def graph(self, height: int, width: int) -> Graph:
        """Build the model's graph for one picture size."""
        try:
            return models.build(self.model, height, width, **self.build)
        except (ValueError, TypeError) as error:
            raise WeightsError(f"{self.label}: {error}") from None


def bundled_names() -> list[str]:
    """Return the names of the weights that ship with the package.

    Examples
    --------
    >>> "lightfuse" in bundled_names()
    True
    """
    return sorted(path.stem for path in BUNDLED.glob("*.npz"))


def load_weights(source: "str | Path | Weights | None" = None) -> Weights:
    """Load weights.

    Parameters
    ----------
    source : None for the default ones, a bundled name, the path of a file, or weights, which are returned as they are
        Files: this package's `.npz`; Keras's `.h5`, `.weights.h5` and `.keras` (with the extra `keras`); and, as their
        authors publish them, DeepFuse's `.npz` and MEF-Net's `.pt`.

    Returns
    -------
    Weights

    Raises
    ------
    WeightsError : no such name or file, or the file is malformed or does not fit its model
    TypeError : `source` is something else

    Examples
    --------
    >>> load_weights("lightfuse").parameter_count
    18630
    """
    if isinstance(source, Weights):
        return source
    if source is None:
        source = DEFAULT
    if not isinstance(source, str | Path):
        raise TypeError(f"weights is {type(source).__name__}, expected None, a name, a path or Weights")
    if isinstance(source, str) and source in bundled_names():
        return load_npz(BUNDLED / f"{source}.npz")
    path = Path(source)
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        names = ", ".join(bundled_names())
        raise WeightsError(
            f"weights {str(source)!r}: {error.strerror or error}; expected a readable file or one of {names}"
        ) from None
    except ValueError as error:  # a NUL in the path
        raise WeightsError(f"weights {str(source)!r}: {error}") from None
    if magic.startswith(b"\x89HDF\r\n\x1a\n") or path.suffix == ".keras":
        from npfuse.keras_files import load_keras_file

        return load_keras_file(path)
    members = member_names(path)
    if any(name.endswith("/data.pkl") for name in members) or magic.startswith(b"\x80"):
        from npfuse.torch_files import load_torch_file

        return load_torch_file(path)
    if "arr_0.npy" in members:
        from npfuse.lasagne_files import load_lasagne_file

        return load_lasagne_file(path)
    return load_npz(path)


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


def _check_size(label: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a model whose declared widths make no sensible network, before anything is allocated for it."""
    size = 4 * sum(prod(shape) for shape in shapes.values())
    if size > MAX_BYTES:
        raise WeightsError(f"{label}: the model takes {size} bytes of weights, expected at most {MAX_BYTES}")
