"""Loads weights from a file of any known kind, or bundled ones by name.

Nothing in a file is executed (no pickle), and sizes are checked before anything is read. The bundled files lie in
`npfuse/bundled`, each with a model card.
"""

from importlib.resources import files
from pathlib import Path

from npfuse.weights.npz_files import load_npz, member_names
from npfuse.weights.weights import Weights, WeightsError

DEFAULT = "tonefuse"
BUNDLED = Path(str(files("npfuse"))) / "bundled"


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
    source : None, str, Path or Weights
        Bundled name or path of a file; None for the default weights; Weights are returned as they are. Files: npfuse's
        `.npz`; Keras's `.h5`, `.weights.h5` and `.keras` (with the extra `keras`); and, as their
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
        from npfuse.weights.keras_files import load_keras_file

        return load_keras_file(path)
    members = member_names(path)
    if any(name.endswith("/data.pkl") for name in members) or magic.startswith(b"\x80"):
        from npfuse.weights.torch_files import load_torch_file

        return load_torch_file(path)
    if "arr_0.npy" in members:
        from npfuse.weights.lasagne_files import load_lasagne_file

        return load_lasagne_file(path)
    return load_npz(path)
