"""MEF-Net as a method: the whole of it against PyTorch, the network against TensorFlow, strips against the whole."""

import numpy as np
import pytest
from PIL import Image

import npfuse
from npfuse.methods.guided_filter import guided_coefficients
from npfuse.run import run
from tests.arrays import assert_close
from tests.methods.networks import exposures
from tests.networks import random_weights
from tests.oracles import tensorflow_methods, torch_methods

WEIGHTS = random_weights("mefnet")


@pytest.mark.parametrize(
    ("count", "shape", "engine"),
    [
        (2, (140, 201), "definition"),
        (2, (140, 201), "fast"),
        (3, (190, 131), "fast"),
        (4, (60, 90), "fast"),
    ],
)
def test_mefnet_equals_pytorch(count, shape, engine):
    torch = pytest.importorskip("torch")
    stack = exposures(count, *shape)
    expected = torch_methods.mefnet(torch, stack, WEIGHTS.arrays)
    assert_close(npfuse.fuse_stack(stack, WEIGHTS, engine=engine), expected, 1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-5)])
def test_mefnet_network_equals_tensorflow(tf, dtype, tolerance):
    luma = exposures(1, 40, 61)[0][..., 1]
    expected = tensorflow_methods.mefnet(tf, luma, WEIGHTS.arrays)
    arrays = {name: array.astype(dtype) for name, array in WEIGHTS.arrays.items()}
    inputs = {"luma": luma.astype(dtype)[np.newaxis, :, :, np.newaxis]}
    actual = run(WEIGHTS.graph(40, 61), inputs, arrays)["weight_map"][0, :, :, 0]
    assert_close(actual, expected, tolerance * np.abs(expected).max())


def test_mefnet_of_grey_pictures_equals_its_steps_made_by_pillow_and_tensorflow(tf):
    """The small copy and the enlarging by Pillow, whose bilinear is antialiased and does not align corners."""
    stack = [x[..., 1] for x in exposures(3, 150, 203)]

    def resized(plane, height, width):
        return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))

    shares = []
    for x in stack:
        guide = resized(x, 128, 203 * 128 // 150).astype(np.float64)
        target = tensorflow_methods.mefnet(tf, guide, WEIGHTS.arrays)
        a, b = (resized(c, 150, 203) for c in guided_coefficients(guide, target, radius=1, epsilon=1e-4))
        shares.append(np.abs(a * x + b) + 1e-8)
    expected = np.clip(sum(x * share for x, share in zip(stack, shares, strict=True)) / sum(shares), 0, 1)
    assert_close(npfuse.fuse_stack(stack, WEIGHTS), expected, 1e-5)


def test_mefnet_by_strips_and_threads_is_that_of_the_whole(monkeypatch):
    stack = exposures(3, 45, 70)
    whole = npfuse.fuse_stack(stack, WEIGHTS, threads=1)
    monkeypatch.setattr("npfuse.methods.method.STRIP_PIXELS", 300)
    assert_close(npfuse.fuse_stack(stack, WEIGHTS, threads=2), whole, 1e-14)


def test_mefnet_of_equal_exposures_is_the_exposure_in_every_dtype():
    picture = (exposures(1, 50, 60)[0] * 255).astype(np.uint8)
    assert_close(npfuse.fuse_stack([picture] * 3, WEIGHTS), picture)
    assert_close(npfuse.fuse_stack([picture * np.uint16(257)] * 3, WEIGHTS), picture * np.uint16(257))


def test_mefnet_does_not_care_for_the_order():
    stack = [(x * 255).astype(np.uint8) for x in exposures(3, 30, 40)]
    expected = npfuse.fuse_stack(stack, WEIGHTS)
    assert_close(npfuse.fuse_stack(stack[::-1], WEIGHTS), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 300), (129, 3)])
def test_mefnet_takes_pictures_of_any_size(shape, monkeypatch):
    monkeypatch.setattr("npfuse.methods.mefnet.SHORT_SIDE", 8)  # quicker
    monkeypatch.setattr("npfuse.methods.mefnet.LONG_SIDE", 128)
    stack = exposures(2, *shape)
    assert npfuse.fuse_stack(stack, WEIGHTS).shape == (*shape, 3)
