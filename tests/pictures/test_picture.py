"""Pictures in memory."""

import numpy as np
import pytest

from npfuse.pictures.reading import Picture


@pytest.mark.parametrize(
    ("pixels", "alpha", "kind", "message"),
    [
        (np.zeros((4, 5), np.int64), None, TypeError, "pixels are int64, expected uint8, uint16 or float32"),
        (np.zeros((4, 5, 4), np.uint8), None, ValueError, r"shape of the pixels is \(4, 5, 4\), expected \(H, W, 3\)"),
        (np.zeros((0, 5), np.uint8), None, ValueError, r"shape of the pixels is \(0, 5\)"),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint16), TypeError, "alpha is uint16, expected uint8"),
        (np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8), ValueError, r"alpha is \(5, 4\), expected \(4, 5\)"),
    ],
)
def test_a_picture_rejects_arrays_that_are_none(pixels, alpha, kind, message):
    with pytest.raises(kind, match=message):
        Picture(pixels=pixels, alpha=alpha)
