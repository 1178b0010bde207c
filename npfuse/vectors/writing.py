"""Writes a set of vectors into a folder; the manifest comes last, so where it is, the set is complete."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from npfuse.pictures.atomic import written_in_place
from npfuse.vectors.array_files import FORMATS
from npfuse.vectors.vector_set import VectorSet


def write_vectors(
    folder: Path, vectors: VectorSet, formats: Sequence[str] = ("npy",), *, overwrite: bool = False
) -> list[Path]:
    """Write a set of vectors.

    Parameters
    ----------
    folder : path of the folder; made if it is missing, but the folder around it must exist
    vectors : VectorSet
    formats : some of "npy", "bin", "h" and "hex"
    overwrite : whether files of the same names may be replaced

    Returns
    -------
    list of Path : the files written, `manifest.json` last

    Raises
    ------
    ValueError : a format is unknown
    OSError : a file exists and may not be replaced, or cannot be written
    """
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"vectors: format is {name!r}, expected some of {', '.join(FORMATS)}")
    files = {
        f"{stem}.{ending}": FORMATS[ending](array, Path(stem).name, vectors.axes[stem])
        for stem, array in vectors.arrays.items()
        for ending in formats
    }
    manifest = {**vectors.manifest, "formats": list(formats)}
    files["manifest.json"] = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    return write_files(folder, files, overwrite=overwrite)


def write_files(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> list[Path]:
    """Write files by their names within a folder, each whole or not at all; return their paths."""
    paths = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=path.parent != folder, exist_ok=True)
        with written_in_place(path, overwrite=overwrite) as file:
            file.write(content)
        paths.append(path)
    return paths
