"""Dask arrays: fused chunk by chunk, to the same byte as NumPy arrays."""

import re
import sys

import numpy as np
import pytest

import npfuse
from npfuse.models import lightfuse, t_cnn, tonefuse
from tests.networks import random_pair, random_weights

pytest.importorskip("dask.array")

import dask
import dask.array as da

from npfuse.dask_arrays import halo_along, is_dask


@pytest.mark.parametrize(
    ("model", "dtype", "shape", "chunks"),
    [
        ("lightfuse", np.uint8, (220, 203, 3), (100, 90, 3)),
        ("tonefuse", np.float32, (220, 203, 3), (220, 64, 1)),
        ("t_cnn", np.uint16, (220, 203, 3), (64, 203, 3)),
        ("tonefuse", np.float64, (200, 150), (64, 150)),
        ("tonefuse", np.uint8, (5, 7, 3), (2, 3, 3)),
    ],
)
def test_chunks_do_not_show_in_a_single_byte(model, dtype, shape, chunks):
    under, over = random_pair(shape, dtype)
    weights = random_weights(model, normalization="min_max")
    expected = npfuse.fuse(under, over, weights)
    for a, b in ((under, over), (over, under)):
        fused = npfuse.fuse(
            da.from_array(a, chunks=chunks), da.from_array(b, chunks=chunks[::-1][:1] + chunks[1:]), weights
        )
        assert is_dask(fused)
        assert (fused.shape, fused.dtype) == (shape, dtype)
        with dask.config.set(scheduler="threads"):
            np.testing.assert_array_equal(fused.compute(), expected)


@pytest.mark.parametrize("decoder", ["bilinear", "transposed"])
def test_decoders_that_look_back_are_exact_too(decoder):
    weights = random_weights(decoder=decoder)
    under, over = random_pair((200, 140, 3))
    a, b = (da.from_array(picture, chunks=(70, 100, 3)) for picture in (under, over))
    np.testing.assert_array_equal(
        npfuse.fuse(a, b, weights, order="given").compute(), npfuse.fuse(under, over, weights)
    )


def test_halos_are_what_the_networks_read():
    # lightfuse: rows 8i to 8i + 14 make row i of the coarsest grid. t_cnn: a 3x3 convolution after another.
    assert halo_along(0, lightfuse(512, 512)) == (0, 8)
    assert halo_along(1, t_cnn(512, 512)) == (64, 8)
    assert halo_along(0, tonefuse(512, 512))[0] == 64


def test_nothing_is_computed_before_the_result_is():
    def fail(block):
        raise RuntimeError("computed")

    a = da.zeros((100, 100, 3), dtype=np.uint8, chunks=50).map_blocks(
        fail, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    fused = npfuse.fuse(a, a, random_weights())
    with pytest.raises(RuntimeError, match="computed"):
        fused.compute(scheduler="synchronous")


def test_values_out_of_range_are_an_error_of_the_computation():
    a = np.full((150, 160, 3), 0.5, np.float32)
    a[100, 130, 2] = a[120, 3, 0] = np.nan
    fused = npfuse.fuse(*(da.from_array(x, chunks=64) for x in (a, a)), random_weights())
    with pytest.raises(
        ValueError,
        match=re.escape(
            "2 of 72000 values of a are NaN or outside [0, 1], expected none; the first is at (100, 130, 2)"
        ),
    ):
        fused.compute(scheduler="synchronous")


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (
            (4, 5, 3),
            np.zeros((4, 5, 3), np.uint8),
            TypeError,
            "b is ndarray, expected a dask array as the other picture",
        ),
        ((4, 5, 4), None, ValueError, "shape of a is (4, 5, 4), expected (H, W, 3) or (H, W)"),
        ((0, 5, 3), None, ValueError, "shape of a is (0, 5, 3), expected"),
        (
            (4, 5, 3),
            da.zeros((4, 6, 3), dtype=np.uint8),
            ValueError,
            "shape of b is (4, 6, 3), expected (4, 5, 3) as a",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(a, b, error, message):
    a = da.zeros(a, dtype=np.uint8)
    with pytest.raises(error, match=re.escape(message)):
        npfuse.fuse(a, a if b is None else b, random_weights())


def test_other_methods_do_not_take_dask_arrays():
    a = da.zeros((9, 9, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="Mertens 2009 takes no dask arrays"):
        npfuse.fuse(a, a, method="mertens")


def test_fusing_numpy_arrays_imports_no_dask():
    import subprocess

    code = "import sys, numpy as np, npfuse; a = np.zeros((9, 9)); npfuse.fuse(a, a); sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0
