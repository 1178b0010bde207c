"""Mertens 2009 as a method: dtypes, grey pictures, stacks and clipping, against OpenCV."""

import numpy as np
import pytest

import npfuse
from npfuse.examples import example_pair
from npfuse.models import mertens
from npfuse.pictures.reading import read_picture
from npfuse.run import run
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


def by_graph(pictures):
    """Fuse pictures by the method's graph, values in [0, 1] before they are rounded, clipped."""
    white = 1 if pictures[0].dtype.kind == "f" else np.iinfo(pictures[0].dtype).max
    height, width, *channels = pictures[0].shape
    graph = mertens(height, width, exposures=len(pictures), channels=(channels or [1])[0])
    inputs = {
        f"exposure{k}": (x / white).astype(np.float32).reshape(1, height, width, -1) for k, x in enumerate(pictures, 1)
    }
    return np.clip(run(graph, inputs, {})["fused"], 0, 1).reshape(pictures[0].shape)


@pytest.mark.parametrize("name", ["city", "forest"])
def test_strips_differ_from_the_graph_by_a_level_in_a_few_of_100_000_bytes(name):
    pair = [read_picture(path).pixels[1:] for path in example_pair(name)]  # an odd number of rows
    fused, expected = npfuse.fuse(*pair, method="mertens"), np.rint(by_graph(pair) * 255).astype(np.uint8)
    apart = np.abs(fused.astype(int) - expected)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= 1e-4 * apart.size


@pytest.mark.parametrize("size", [(4, 4), (4, 9), (9, 5), (33, 20), (20, 129), (64, 65), (203, 98)])
@pytest.mark.parametrize(("count", "channels"), [(2, 3), (5, 3), (3, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strips_equal_the_graph_at_every_kind_of_size(size, count, channels, dtype):
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pictures = [
        (x * white).astype(dtype)[..., :channels].squeeze(axis=2 if channels == 1 else ())
        for x in exposures(count, *size)
    ]
    fused = npfuse.fuse_stack(pictures, method="mertens", order="given")
    # Roundings of luma, some 2**-24, stand against contrasts from 2**-20 on; where contrasts are small, so are details.
    assert_close(fused / white, by_graph(pictures), 0.5 / white * (white > 1) + 2e-5)


def test_strips_do_not_depend_on_threads_that_cut_them():
    pictures = [(x * 255).astype(np.uint8) for x in exposures(3, 301, 90)]
    one = npfuse.fuse_stack(pictures, method="mertens", threads=1)  # one strip, with four threads eight
    assert np.array_equal(npfuse.fuse_stack(pictures, method="mertens", threads=4), one)
    thirds = [np.asfortranarray(picture) for picture in pictures]
    assert np.array_equal(npfuse.fuse_stack(thirds, method="mertens", threads=3), one)


def test_pictures_below_the_level_that_strips_keep_are_fused_by_the_graph():
    pictures = [(x * 255).astype(np.uint8) for x in exposures(2, 3, 50)]
    assert_close(npfuse.fuse(*pictures, method="mertens") / 255, by_graph(pictures), 0.5 / 255 + 1e-6)
