"""Two descriptions of each network, made apart, give the same pictures: the graph's engines against Keras."""

import numpy as np
import pytest

pytest.importorskip("keras")

from npfuse.weights.loading import load_weights
from npfuse.weights.npz_files import save_weights
from reference import crosscheck, keras_models
from reference.__main__ import main
from tests.networks import random_weights

# 256x256, odd sizes and sizes that are no multiples of 8.
SIZES = ((256, 256), (8, 8), (37, 52), (1, 1), (9, 70))


def check(weights, sizes=SIZES):
    differences = list(crosscheck.compare(weights, sizes))
    assert {(d.height, d.width) for d in differences} == set(sizes)
    assert {(d.dtype, d.engine) for d in differences} == {
        (dtype, engine) for dtype in ("float32", "float64") for engine in ("definition", "fast")
    }
    for difference in differences:
        limit = 5e-6 if difference.dtype == "float32" else 1e-12
        assert difference.largest <= limit, difference


@pytest.mark.parametrize("decoder", ["nearest", "bilinear", "transposed"])
def test_random_lightfuse_equals_keras(decoder):
    check(crosscheck.random_weights(hidden=[256, 64], decoder=decoder))


@pytest.mark.parametrize("decoder", ["nearest", "bilinear", "transposed"])
def test_other_widths_equal_keras(decoder):
    check(crosscheck.random_weights(hidden=[7, 3, 11], decoder=decoder, seed=1), [(16, 24), (5, 3)])


def test_random_t_cnn_equals_keras():
    check(crosscheck.random_weights("t_cnn", hidden=[256, 64]), [(64, 64), (37, 52)])


@pytest.mark.parametrize("hidden", [[32, 32], [5], [7, 3, 11]])
def test_random_tonefuse_equals_keras(hidden):
    check(crosscheck.random_weights("tonefuse", hidden=hidden, seed=2), [(16, 24), (37, 52), (1, 1)])


def test_random_deepfuse_equals_keras():
    check(crosscheck.random_weights("deepfuse", seed=3), [(16, 24), (37, 52), (1, 1)])


@pytest.mark.parametrize("name", crosscheck.bundled_networks())
def test_bundled_weights_equal_keras(name):
    weights = load_weights(name)
    check(weights, SIZES if weights.parameter_count < 100_000 else SIZES[1:])


def test_the_two_keras_forms_of_bilinear_are_equal():
    small = np.random.default_rng(0).normal(size=(1, 3, 5, 2))
    single, double = (
        np.asarray(keras_models._bilinear(small.astype(dtype), dtype)) for dtype in ("float32", "float64")
    )
    assert np.abs(single - double).max() < 1e-6


def test_random_networks_do_not_saturate():
    weights = crosscheck.random_weights(hidden=[256, 64], decoder="transposed")
    from npfuse.run import run

    picture = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 6)).astype(np.float32)
    fused = run(weights.graph(64, 64), {"exposures": picture}, weights.arrays)["fused"]
    assert fused.std() > 0.1
    assert np.mean(np.abs(fused) > 0.99) < 0.05


def test_crosscheck_prints_a_row_a_size_and_succeeds(tmp_path, capsys):
    save_weights(tmp_path / "w.npz", random_weights())
    assert main(["crosscheck", str(tmp_path / "w.npz")]) == 0
    out = capsys.readouterr().out
    assert out.count("lightfuse random") == 2 * len(crosscheck.SIZES)
    assert "all within their limits" in out


def test_crosscheck_fails_where_a_limit_is_exceeded(tmp_path, capsys, monkeypatch):
    save_weights(tmp_path / "w.npz", random_weights())
    monkeypatch.setattr(crosscheck, "FLOAT64_LIMIT", 0.0)
    assert main(["crosscheck", str(tmp_path / "w.npz")]) == 1
    assert "exceeds its limit" in capsys.readouterr().out


def test_crosscheck_says_in_one_line_what_is_wrong(capsys):
    assert main(["crosscheck", "nothing"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("reference: weights 'nothing'")
    assert err.count("\n") == 1
