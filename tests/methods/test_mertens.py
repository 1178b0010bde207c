"""Mertens 2009 as a method: dtypes, grey pictures, stacks and clipping, against OpenCV."""

import numpy as np
import pytest

import npfuse
from tests.arrays import assert_close
from tests.methods.networks import exposures


@pytest.mark.parametrize("count", [2, 3])
def test_mertens_equals_opencv_to_a_level(count):
    cv2 = pytest.importorskip("cv2")
    # Noise keeps every weight above the rounding of OpenCV's float32 luma, see tests/models/test_mertens.py.
    stack = list(np.random.default_rng(0).integers(0, 256, (count, 40, 61, 3), dtype=np.uint8))
    expected = np.clip(cv2.createMergeMertens(1, 1, 1).process(stack), 0, 1) * 255
    # Half a level of rounding, and 2e-4 of 255.
    assert_close(npfuse.fuse_stack(stack, method="mertens").astype(float), expected, 0.5 + 2e-4 * 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_mertens_returns_the_dtype_it_gets(dtype):
    white = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    pair = [(x * white).astype(dtype) for x in exposures(2, 20, 30)]
    fused = npfuse.fuse(*pair, method="mertens")
    assert (fused.dtype, fused.shape) == (dtype, (20, 30, 3))
    expected = npfuse.fuse(*(x.astype(np.float64) / white for x in pair), method="mertens")
    assert_close(fused / white, expected, 0.5 / white + 2e-4)


def test_mertens_of_grey_pictures_is_a_picture_of_its_own():
    pair = [x[..., 1] for x in exposures(2, 20, 30)]
    fused = npfuse.fuse(*pair, method="mertens")
    assert fused.shape == (20, 30)
    # As RGB they have no saturation: every weight is the floor, and the average comes back.
    as_rgb = npfuse.fuse(*(np.repeat(x[..., np.newaxis], 3, axis=2) for x in pair), method="mertens")
    assert_close(as_rgb[..., 0], (pair[0] + pair[1]) / 2, 1e-12)
    assert np.abs(fused - as_rgb[..., 0]).max() > 0.02


def test_mertens_clips_what_overshoots():
    black, white = np.zeros((32, 32, 3)), np.ones((32, 32, 3))
    black[:, 16:] = white[:, :16] = 0.5
    fused = npfuse.fuse(black, white, method="mertens")
    assert fused.min() >= 0
    assert fused.max() <= 1
