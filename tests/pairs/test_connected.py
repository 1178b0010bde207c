"""Connected parts and medians are those of SciPy and NumPy."""

import numpy as np
import pytest
import scipy.ndimage

from npfuse.pairs.connected import labelled
from npfuse.pairs.medians import median

RNG = np.random.default_rng(7)
SPIRAL = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ],
    bool,
)


@pytest.mark.parametrize(
    "mask",
    [
        *(
            RNG.random(shape) < share
            for shape in [(1, 1), (1, 9), (9, 1), (37, 53), (80, 60)]
            for share in (0.1, 0.5, 0.6)
        ),
        np.zeros((4, 5), bool),
        np.ones((4, 5), bool),
        np.eye(6, dtype=bool),
        SPIRAL,
        np.kron(SPIRAL, np.ones((3, 5), bool))[::-1, ::-1],
    ],
)
def test_labels_are_scipys(mask: np.ndarray) -> None:
    labels, count = labelled(mask)
    expected, number = scipy.ndimage.label(mask)
    assert count == number
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_the_median_is_numpys(count: int, dtype: type) -> None:
    values = (100 * RNG.random(count)).astype(dtype)
    found = median(values)
    assert found == np.median(values)
    assert np.asarray(found).dtype.kind in "fu"
