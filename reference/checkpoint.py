"""Training checkpoints: the network, the optimizer and the number of epochs done, in one file moved into place.

No random state is stored, because there is none: the shuffle and the turns of an epoch follow from (seed, epoch)
alone. The settings that the run was started with are stored, so that it is not resumed with others.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reference.errors import InputError

FILE_NAME = "checkpoint.npz"


def save_checkpoint(
    folder: str | Path, model: keras.Model, optimizer: keras.Optimizer, epochs_done: int, settings: Mapping[str, Any]
) -> None:
    """Write the checkpoint to a temporary name, then move it into place: a crash leaves the old one or the new one.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    model : keras.Model
    optimizer : keras.Optimizer
    epochs_done : int
    settings : dict
        JSON values; `load_checkpoint` must be given the same.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {f"model/{i}": np.asarray(v.value) for i, v in enumerate(model.weights)}
    arrays |= {f"optimizer/{i}": np.asarray(v.value) for i, v in enumerate(optimizer.variables)}
    head = json.dumps({"epochs_done": epochs_done, "settings": settings})
    temporary = folder / (FILE_NAME + ".part")
    with open(temporary, "wb") as file:
        np.savez(file, head=head, **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / FILE_NAME)


def has_checkpoint(folder: str | Path) -> bool:
    """Tell whether the folder holds a checkpoint."""
    return (Path(folder) / FILE_NAME).is_file()


def load_checkpoint(
    folder: str | Path, model: keras.Model, optimizer: keras.Optimizer, settings: Mapping[str, Any]
) -> int:
    """Put a checkpoint's values into the model and the optimizer.

    Parameters
    ----------
    folder : path
    model : keras.Model
    optimizer : keras.Optimizer
        Built for the model's variables.
    settings : dict
        Settings of this run, in JSON values.

    Returns
    -------
    int
        Epochs done.

    Raises
    ------
    InputError : the folder holds no checkpoint, or one that cannot be read, or one of a run with other settings (the
        first that differs is named)
    """
    path = Path(folder) / FILE_NAME
    try:
        with np.load(path) as file:
            head = json.loads(str(file["head"]))
            arrays = {key: file[key] for key in file.files if key != "head"}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no checkpoint there to resume from") from error
    except Exception as error:  # zip, JSON, key and value errors alike
        raise InputError(f"{path}: not a checkpoint of this program ({error})") from error
    stored = head["settings"]
    for key, wanted in settings.items():
        if stored.get(key) != wanted:
            raise InputError(f"{path}: the checkpoint's {key} is {stored.get(key)}, this run's is {wanted}")
    variables = {f"model/{i}": v for i, v in enumerate(model.weights)}
    variables |= {f"optimizer/{i}": v for i, v in enumerate(optimizer.variables)}
    if {k: a.shape for k, a in arrays.items()} != {k: tuple(v.shape) for k, v in variables.items()}:
        raise InputError(f"{path}: the checkpoint's arrays are not those of this model and optimizer")
    for key, variable in variables.items():
        variable.assign(arrays[key])
    return head["epochs_done"]
