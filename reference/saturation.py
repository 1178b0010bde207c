"""More colour for a trained network, by its last layers alone: LightFuse's results are paler than their labels.

LightFuse adds the outputs of DetailNet's and of GlobalNet's last pointwise convolutions. Where both give colours that
are farther from grey, so does their sum. That costs nothing: no layer is added and no number more is kept. It is exact
up to DetailNet's last ReLU, which cuts off below 0, and to the tanh, which bends.
"""

from collections.abc import Mapping

import numpy as np

from reference.arrays import Array


def saturated(arrays: Mapping[str, Array], factor: float) -> dict[str, Array]:
    """Return LightFuse's weights with the last layers' colours `factor` times as far from their grey.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As of `reference.export.export_arrays`. The last layers are the pointwise ones with three outputs.
    factor : float

    Returns
    -------
    dict of str to ndarray
        The other arrays are the same objects.

    Examples
    --------
    >>> arrays = {"detail3/kernel": np.eye(3, dtype=np.float32), "detail3/bias": np.float32([3, 0, 0])}
    >>> saturated(arrays, 1.5)["detail3/bias"].tolist()
    [4.0, -0.5, -0.5]
    """
    grey = np.full((3, 3), 1 / 3)
    matrix = grey + factor * (np.eye(3) - grey)
    results = dict(arrays)
    for name, array in arrays.items():
        layer = name.split("/")[0]
        if array.shape[-1] == 3 and not layer.endswith("depthwise"):
            results[name] = (array @ matrix).astype(array.dtype)
    return results
