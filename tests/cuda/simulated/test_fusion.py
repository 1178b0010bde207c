"""Pictures fused by the kernels, against the NumPy definition: the same float32 arithmetic in another order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cuda

from npfuse import card_fusion, card_run, fuse, fuse_stack
from npfuse.cuda.card import SIMULATED, to_card
from npfuse.survey import survey
from tests.networks import random_pair, random_weights

SMALL = {"hidden": [5, 3]}  # a part and a step of the kernel; [10, 6] takes two of each in the simulator


def check_against_definition(a, b, weights, fused):
    """See that a result is the definition's, or a level apart where that lies between two levels; floats to 1e-5."""
    expected = fuse(a, b, weights, engine="definition")
    assert (fused.shape, fused.dtype) == (expected.shape, expected.dtype)
    assert expected.std() > 0
    apart = np.abs(fused.astype(np.float64) - expected.astype(np.float64))
    if expected.dtype.kind == "f":
        assert apart.max() < 1e-5
    else:
        # Of 65,536 levels, an error of 1e-6 in [0, 1] crosses the middle between two for some 13 % of the values.
        assert apart.max() <= 1
        assert np.count_nonzero(apart) <= (0.3 if expected.dtype == np.uint16 else 0.01) * apart.size


def test_this_process_simulates_a_card():
    assert SIMULATED


@pytest.mark.parametrize(
    "build",
    [
        {"hidden": [10, 6]},
        SMALL | {"decoder": "bilinear"},
        SMALL | {"decoder": "transposed"},
        {"hidden": []},
        {"hidden": [5]},
        {"hidden": [3, 4, 2]},
    ],
    ids=str,
)
def test_lightfuse_of_any_widths_and_decoder_equals_definition(build):
    weights = random_weights("lightfuse", **build)
    a, b = random_pair((9, 11, 3))
    check_against_definition(a, b, weights, fuse(a, b, weights, engine="cuda"))


@pytest.mark.parametrize("build", [{}, {"hidden": []}, {"hidden": [5]}, {"decoder": "transposed"}], ids=str)
def test_networks_of_up_to_two_hidden_layers_go_through_the_kernels(build):
    assert card_run._kernels_form(random_weights("lightfuse", **build).graph(16, 16)) is not None


def test_a_third_hidden_layer_goes_layer_by_layer():
    assert card_run._kernels_form(random_weights("lightfuse", hidden=[3, 4, 2]).graph(16, 16)) is None


def test_tonefuse_equals_definition():
    weights = random_weights("tonefuse", coarse=3, tones=2, **SMALL)
    a, b = random_pair((9, 10, 3))
    check_against_definition(a, b, weights, fuse(b, a, weights, engine="cuda"))


def test_t_cnn_equals_definition():
    weights = random_weights("t_cnn", hidden=[4, 3])
    a, b = random_pair((5, 9, 3))
    check_against_definition(a, b, weights, fuse(a, b, weights, engine="cuda"))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(7, 10), (8, 9, 3)], ids=["grey", "rgb"])
def test_every_dtype_equals_definition(shape, dtype):
    weights = random_weights(**SMALL)
    a, b = random_pair(shape, dtype)
    check_against_definition(a, b, weights, fuse(a, b, weights, engine="cuda"))


def test_own_range_of_each_picture_equals_definition():
    weights = random_weights(normalization="min_max", **SMALL)
    a, b = random_pair((8, 7, 3))
    check_against_definition(a, b, weights, fuse(a, b, weights, engine="cuda"))


@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 10), width=st.integers(1, 10), widths=st.data())
def test_drawn_weights_and_sizes_equal_definition(seed, height, width, widths):
    hidden = widths.draw(st.lists(st.integers(1, 9), max_size=2))
    weights = random_weights(seed=seed, hidden=hidden)
    a, b = random_pair((height, width, 3), np.float32, seed)
    check_against_definition(a, b, weights, fuse(a, b, weights, engine="cuda", order="given"))


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (2, 4, 5, 3)])
def test_arrays_on_the_card_come_back_on_the_card_with_the_same_values(shape):
    weights = random_weights(**SMALL)
    a, b = random_pair(shape)
    on_card = fuse(cuda.to_device(b), cuda.to_device(a), weights, engine="cuda")
    assert card_fusion.is_card_array(on_card)
    assert np.array_equal(on_card.copy_to_host(), fuse(b, a, weights, engine="cuda"))


def test_a_stack_is_put_in_order_on_the_card():
    weights = random_weights(**SMALL)
    a, b = random_pair((4, 5, 3))
    middle = (a // 2 + b // 2).astype(a.dtype)
    fused = fuse_stack([middle, b, a], weights, engine="cuda", pair=True)
    assert np.array_equal(fused, fuse(a, b, weights, engine="cuda", order="given"))


def test_strips_of_a_card_with_little_memory_equal_the_whole(monkeypatch):
    weights = random_weights(**SMALL, decoder="bilinear")
    a, b = random_pair((70, 2, 3))
    whole = fuse(a, b, weights, engine="cuda")
    windows = []
    monkeypatch.setattr("npfuse.cuda.card.free_bytes", lambda: 200)
    monkeypatch.setattr("npfuse.fusion.has_room", lambda pictures, weights: True)
    run = card_run.fuse_window
    monkeypatch.setattr(card_run, "fuse_window", lambda *given: (windows.append(given[0]), run(*given)))
    assert np.array_equal(fuse(a, b, weights, engine="cuda"), whole)
    assert len(windows) == 2


def test_windows_through_the_lanes_equal_the_whole(monkeypatch):
    weights = random_weights(**SMALL, decoder="bilinear")
    a, b = random_pair((70, 2, 3))
    whole = fuse(a, b, weights, engine="cuda")
    monkeypatch.setattr("npfuse.card_windows.PIXELS", 64)
    monkeypatch.setattr("npfuse.fusion.has_room", lambda pictures, weights: False)
    parts = []
    fused = fuse(a, b, weights, engine="cuda", threads=2, progress=lambda done, total: parts.append((done, total)))
    assert np.array_equal(fused, whole)
    assert parts == [(1, 2), (2, 2)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_survey_on_the_card_equals_the_processors(dtype):
    picture = random_pair((9, 7, 3), dtype)[0]
    here, there = survey(picture, 4, 3), card_fusion.card_survey(to_card(picture), 4, 3)
    assert (here.least, here.most, here.outside) == (there.least, there.most, there.outside)
    if dtype == np.float32:
        np.testing.assert_allclose(there.thumbnail, here.thumbnail, rtol=1e-14)
        assert there.mean == pytest.approx(here.mean, rel=1e-14)
    else:
        assert np.array_equal(there.thumbnail, here.thumbnail)
        assert there.mean == here.mean


@pytest.mark.parametrize("bad", [np.nan, -0.5, 2])
def test_values_outside_on_the_card_are_named_with_their_place(bad):
    a, b = random_pair((3, 4, 3), np.float32)
    b[1, 2, 0] = bad
    message = r"1 of 36 values of exposure 2 are NaN or outside \[0, 1\].*the first is .* at \(1, 2, 0\)"
    with pytest.raises(ValueError, match=message):
        fuse(cuda.to_device(a), cuda.to_device(b), random_weights(**SMALL), engine="cuda")


def test_pictures_in_two_places_are_refused():
    a, b = random_pair((3, 4, 3))
    with pytest.raises(TypeError, match="fuse: b on a graphics card, expected all pictures there and the engine cuda"):
        fuse(a, cuda.to_device(b), random_weights(), engine="cuda")
    with pytest.raises(TypeError, match=r"a, b on a graphics card, expected .* engine cuda; the engine is fast"):
        fuse(cuda.to_device(a), cuda.to_device(b), random_weights())


def test_float64_is_refused():
    a, b = random_pair((3, 4, 3), np.float64)
    with pytest.raises(TypeError, match="dtype is float64, expected one of uint8, uint16, float32 for the engine cuda"):
        fuse(a, b, random_weights(), engine="cuda")
