"""The engine on a real card, against the processor's; skipped where there is none."""

import numpy as np
import pytest

from npfuse import fuse, load_weights
from npfuse.card_fusion import is_card_array
from npfuse.cuda.card import CardError, require_card
from npfuse.pairs.stored_fusion import fuse_into
from tests.networks import random_pair, random_weights

pytestmark = pytest.mark.card


@pytest.fixture(autouse=True)
def _card():
    try:
        require_card()
    except CardError as error:
        pytest.skip(str(error))


def check_close(actual, expected):
    """See that at most 0.01 % of the bytes are apart, by a level; of 65,536 levels more are, and floats by 1e-5."""
    apart = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    if expected.dtype.kind == "f":
        assert apart.max() < 1e-5
        return
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= (1e-4 if expected.dtype == np.uint8 else 0.2) * apart.size


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", ["lightfuse", "tonefuse"])
def test_bundled_weights_give_the_processors_result(name, dtype):
    a, b = random_pair((331, 517, 3), dtype)
    check_close(fuse(a, b, name, engine="cuda"), fuse(a, b, name))


@pytest.mark.parametrize("build", [{"decoder": "bilinear"}, {"decoder": "transposed"}, {"hidden": [3, 4, 2]}], ids=str)
def test_other_networks_give_the_processors_result(build):
    weights = random_weights("lightfuse", **build)
    a, b = random_pair((67, 90))
    check_close(fuse(a, b, weights, engine="cuda"), fuse(a, b, weights))


def test_t_cnn_gives_the_processors_result():
    a, b = random_pair((67, 90, 3))
    check_close(fuse(a, b, "t_cnn", engine="cuda"), fuse(a, b, "t_cnn"))


def test_arrays_on_the_card_are_not_copied_and_come_back_there():
    from numba import cuda

    a, b = random_pair((100, 60, 3))
    on_card = fuse(cuda.to_device(a), cuda.to_device(b), engine="cuda")
    assert is_card_array(on_card)
    assert np.array_equal(on_card.copy_to_host(), fuse(a, b, engine="cuda"))


def test_views_with_gaps_on_the_card_are_read_as_they_are():
    from numba import cuda

    a, b = random_pair((100, 60, 3))
    views = [cuda.to_device(np.repeat(x, 2, axis=1))[:, ::2] for x in (a, b)]
    assert np.array_equal(fuse(*views, engine="cuda").copy_to_host(), fuse(a, b, engine="cuda"))


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_pytorchs_tensors_come_back_as_tensors(shape):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    a, b = random_pair(shape)
    fused = fuse(torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda(), engine="cuda")
    assert isinstance(fused, torch.Tensor)
    assert np.array_equal(fused.cpu().numpy(), fuse(a, b, engine="cuda"))


def test_cupys_arrays_come_back_as_cupys():
    cupy = pytest.importorskip("cupy")
    a, b = random_pair((40, 50, 3))
    fused = fuse(cupy.asarray(a), cupy.asarray(b), engine="cuda")
    assert isinstance(fused, cupy.ndarray)
    assert np.array_equal(fused.get(), fuse(a, b, engine="cuda"))


def test_windows_on_two_streams_give_the_whole(monkeypatch):
    monkeypatch.setattr("npfuse.card_windows.PIXELS", 1 << 16)
    a, b = random_pair((700, 500, 3))
    out = np.empty_like(a)
    fuse_into([a, b], out, load_weights(), engine="cuda", threads=4)
    assert np.array_equal(out, fuse(a, b, engine="cuda"))


def test_strips_of_a_card_with_little_memory_give_the_whole(monkeypatch):
    a, b = random_pair((700, 500, 3))
    whole = fuse(a, b, engine="cuda")
    monkeypatch.setattr("npfuse.cuda.card.free_bytes", lambda: 1 << 20)
    monkeypatch.setattr("npfuse.fusion.has_room", lambda pictures, weights: True)
    assert np.array_equal(fuse(a, b, engine="cuda"), whole)
