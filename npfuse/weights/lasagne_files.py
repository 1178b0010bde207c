"""DeepFuse's weights as its authors publish them: an `.npz` of Lasagne's parameters, `arr_0` to `arr_5`.

Each is the kernel of a layer, in order, as (features, channels, rows, columns), for a true convolution: both axes are
flipped here, since the graph correlates.
"""

import warnings
import zipfile
from pathlib import Path

from npfuse.weights.npz_files import read_array
from npfuse.weights.weights import MAX_BYTES, Weights, WeightsError

KERNELS = 6


def load_lasagne_file(path: Path) -> Weights:
    """Load DeepFuse's weights.

    Parameters
    ----------
    path : path of an `.npz` file with `arr_0` to `arr_5`

    Returns
    -------
    Weights

    Raises
    ------
    WeightsError : the file is malformed, or arrays are missing, left over or misshapen
    """
    arrays = {}
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(path) as archive, warnings.catch_warnings(action="ignore"):
            expected = [f"arr_{i}.npy" for i in range(KERNELS)]
            if sorted(archive.namelist()) != expected:
                told = ", ".join(sorted(archive.namelist())[:10])
                raise WeightsError(f"{path}: the arrays are {told}, expected arr_0 to arr_{KERNELS - 1}, of DeepFuse")
            for i in range(KERNELS):
                array = read_array(path, archive, f"arr_{i}", left)
                left -= array.nbytes
                if array.ndim != 4:
                    raise WeightsError(
                        f"{path}: arr_{i} has shape {array.shape}, expected (features, channels, rows, columns)"
                    )
                arrays[f"conv{i + 1}/kernel"] = array[:, :, ::-1, ::-1].transpose(2, 3, 1, 0)
    except WeightsError:
        raise
    except Exception as error:  # the libraries raise almost anything on damaged bytes
        raise WeightsError(f"{path}: {error}; expected DeepFuse's .npz") from None
    return Weights(
        model="deepfuse",
        build={},
        arrays=arrays,
        normalization="full_range",
        source=f"{path.name}, DeepFuse's parameters as Lasagne stores them",
        name=path.name.split(".")[0],
    )
