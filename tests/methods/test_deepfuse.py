"""DeepFuse as a method: colours and range against PyTorch, the network against TensorFlow, tiles against the whole."""

import numpy as np
import pytest

import npfuse
from npfuse.color import STUDIO, luma_of
from npfuse.methods.deepfuse import stretch_limits
from npfuse.run import run
from tests.arrays import assert_close
from tests.methods.networks import exposures
from tests.networks import random_weights
from tests.oracles import tensorflow_methods, torch_methods

WEIGHTS = random_weights("deepfuse")


@pytest.mark.parametrize("engine", ["fast", "definition"])
@pytest.mark.parametrize("shape", [(21, 34), (30, 17)])
def test_deepfuse_equals_pytorch(shape, engine):
    torch = pytest.importorskip("torch")
    under, over = exposures(2, *shape)
    expected = torch_methods.deepfuse(torch, under, over, WEIGHTS.arrays)
    assert_close(npfuse.fuse(under, over, WEIGHTS, engine=engine), expected, 1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_deepfuse_network_equals_tensorflow(tf, dtype, tolerance):
    lumas = [luma_of(x, STUDIO) for x in exposures(2, 21, 34)]
    expected = tensorflow_methods.deepfuse(tf, *lumas, WEIGHTS.arrays)
    under, over = (x.astype(dtype)[np.newaxis, :, :, np.newaxis] for x in lumas)
    arrays = {name: array.astype(dtype) for name, array in WEIGHTS.arrays.items()}
    actual = run(WEIGHTS.graph(21, 34), {"under": under, "over": over}, arrays)["fused"][0, :, :, 0]
    assert_close(actual, expected, tolerance * np.abs(expected).max())


def test_deepfuse_by_tiles_and_threads_is_that_of_the_whole(monkeypatch):
    under, over = exposures(2, 45, 70)
    whole = npfuse.fuse(under, over, WEIGHTS, threads=1)
    monkeypatch.setattr("npfuse.methods.deepfuse.tile_side", lambda *_: 16)
    monkeypatch.setattr("npfuse.methods.method.STRIP_PIXELS", 300)
    # Tiles sum the same products in the same order; only the zeros of padding take part elsewhere.
    assert_close(npfuse.fuse(under, over, WEIGHTS, threads=2), whole, 1e-12)


def test_deepfuse_saturates_a_hundredth_of_the_pixels_at_either_end_and_keeps_grey_grey():
    under, over = (np.repeat(luma_of(x)[..., np.newaxis], 3, axis=2) for x in exposures(2, 30, 40))
    fused = npfuse.fuse(under, over, WEIGHTS)
    for end in (0, 1):
        assert 0.01 < np.mean(np.abs(fused[..., 0] - end) < 1e-12) < 0.03  # pixels of one level saturate together
    assert_close(fused[..., 1], fused[..., 0], 1e-12)
    # A grey picture's luma is not rounded to the 219 levels that luma has in colour pictures.
    assert_close(npfuse.fuse(under[..., 0], over[..., 0], WEIGHTS), fused[..., 0], 0.5 / 219 + 1e-12)


def levels_of(*runs):
    """Return the histogram of so many pixels of a level, from (level, count)."""
    counts = np.zeros(256, np.intp)
    for level, count in runs:
        counts[level] = count
    return counts


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Matlab's stretchlim: low is the first level whose share of pixels up to it exceeds 0.01, high the first whose
        # share reaches 0.99. Of 1000 pixels: more than 10, and 990.
        (levels_of((0, 10), (7, 1), (100, 978), (200, 1), (255, 10)), (7, 200)),
        (levels_of((0, 11), (100, 978), (200, 1), (255, 10)), (0, 200)),
        (levels_of((0, 10), (7, 1), (100, 978), (255, 11)), (7, 255)),
        (levels_of((0, 5), (100, 990), (255, 5)), (0, 255)),  # both limits are level 100
    ],
)
def test_stretch_limits_are_those_of_matlab(counts, expected):
    assert stretch_limits(counts) == expected


def test_deepfuse_rounds_chroma_to_bytes():
    # A pair whose colours differ from grey by less than half a byte of chroma fuses to grey.
    under, over = (np.repeat(luma_of(x)[..., np.newaxis], 3, axis=2) for x in exposures(2, 30, 40))
    tinted = [x + np.array([0.0, 0.0, 0.4 / 112]) * (x < 0.9) for x in (under, over)]  # Cb moves by 112 a unit of blue
    fused = npfuse.fuse(*tinted, WEIGHTS)
    assert_close(fused[..., 2], fused[..., 0], 1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_deepfuse_returns_the_dtype_it_gets(dtype):
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pair = [(x * white).astype(dtype) for x in exposures(2, 20, 30)]
    fused = npfuse.fuse(*pair, WEIGHTS)
    assert (fused.dtype, fused.shape) == (dtype, (20, 30, 3))
    expected = npfuse.fuse(*(x.astype(np.float64) / white for x in pair), WEIGHTS)
    # A value between two levels may be rounded the other way in float32: luma before the stretch, and chroma.
    assert_close(fused / white, expected, 2.5 / 219 + 1.8 / 224 + 0.5 / white)


def test_deepfuse_of_a_constant_pair_has_no_range_and_is_black():
    x = np.full((20, 20), 0.4)
    weights = npfuse.Weights(
        model="deepfuse",
        build={},
        arrays={name: np.zeros_like(array) for name, array in WEIGHTS.arrays.items()},
        normalization="full_range",
        source="zeros",
    )
    assert_close(npfuse.fuse(x, x, weights), np.zeros((20, 20)))
