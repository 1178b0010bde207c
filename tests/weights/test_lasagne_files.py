"""DeepFuse's file as its authors publish it: six kernels of true convolutions, and nothing else."""

import io
import zipfile

import numpy as np
import pytest
from scipy import signal

from npfuse.models import deepfuse
from npfuse.run import run
from npfuse.weights.lasagne_files import load_lasagne_file
from npfuse.weights.loading import load_weights
from npfuse.weights.weights import WeightsError
from tests.arrays import assert_close
from tests.networks import random_weights

SHAPES = [(32, 1, 3, 3), (64, 32, 5, 5), (64, 64, 7, 7), (32, 64, 5, 5), (16, 32, 5, 5), (1, 16, 7, 7)]


def published(path, seed=0):
    """Write a file with the published names and shapes; return its arrays."""
    rng = np.random.default_rng(seed)
    arrays = [(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32) for shape in SHAPES]
    np.savez(path, *arrays)
    return arrays


def test_a_published_file_becomes_weights_of_deepfuse(tmp_path):
    path = tmp_path / "DF_model_Epoch99.npz"
    arrays = published(path)
    weights = load_weights(path)
    assert (weights.model, weights.parameter_count, weights.name) == ("deepfuse", 316_976, "DF_model_Epoch99")
    assert_close(weights.arrays["conv2/kernel"][1, 0, 7, 9], arrays[1][9, 7, 3, 4])


def test_the_kernels_are_those_of_true_convolutions(tmp_path):
    """The first layer's features, by SciPy's convolution of the stored kernels."""
    (first, *_) = published(tmp_path / "published.npz")
    weights = load_lasagne_file(tmp_path / "published.npz")
    luma = np.random.default_rng(1).random((12, 17))
    graph = deepfuse(12, 17)
    inputs = dict.fromkeys(("under", "over"), luma[np.newaxis, :, :, np.newaxis])
    arrays = {name: array.astype(float) for name, array in weights.arrays.items()}
    part = type(graph)(name="first", inputs=graph.inputs, nodes=graph.nodes[:1], outputs=("under_conv1",))
    features = run(part, inputs, {"conv1/kernel": arrays["conv1/kernel"]})["under_conv1"][0]
    for i in range(32):
        assert_close(features[..., i], signal.convolve2d(luma, first[i, 0], mode="same"), 1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: arrays[:5],
            "arr_2.npy, arr_3.npy, arr_4.npy, expected arr_0 to arr_5",
        ),
        (lambda arrays: [*arrays, arrays[0]], "expected arr_0 to arr_5, of DeepFuse"),
        (lambda arrays: [arrays[0][0], *arrays[1:]], "arr_0 has shape (1, 3, 3), expected (features, channels, rows"),
        (
            lambda arrays: [arrays[0][:, :, :2], *arrays[1:]],
            "conv1/kernel has shape (2, 3, 1, 32), expected (3,",
        ),
        (lambda arrays: [arrays[0] * np.nan, *arrays[1:]], "conv1/kernel has 288 values that are no finite float32"),
        (
            lambda arrays: [arrays[0].astype(int), *arrays[1:]],
            "conv1/kernel has dtype int64, expected a float",
        ),
    ],
)
def test_what_is_not_deepfuse_is_refused(tmp_path, change, message):
    path = tmp_path / "published.npz"
    np.savez(path, *change(published(path)))
    with pytest.raises(WeightsError) as told:
        load_weights(path)
    assert message in str(told.value)


def test_pickled_arrays_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "published.npz"
    arrays = published(path)
    np.savez(path, np.array([object()]), *arrays[1:])
    with pytest.raises(WeightsError, match="arr_0 holds Python objects, expected plain numbers"):
        load_weights(path)
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    for cut in (100, 2000, 300_000):
        path.write_bytes(buffer.getvalue()[:cut])
        with pytest.raises(WeightsError, match=r"published\.npz: "):
            load_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(6):
            archive.writestr(f"arr_{i}.npy", b"\x93NUMPY\x01\x00")
    with pytest.raises(WeightsError, match="arr_0 is damaged"):
        load_weights(path)


def test_own_weights_of_deepfuse_are_read_as_such(tmp_path):
    from npfuse.weights.npz_files import save_weights

    save_weights(tmp_path / "own.npz", random_weights("deepfuse"))
    assert load_weights(tmp_path / "own.npz").source == "drawn at random"
