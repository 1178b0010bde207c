"""Bytes and arrays drawn at random: a picture, weights, or an error of one line; bench/fuzz does it for longer."""

import contextlib

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import npfuse
from npfuse.pictures.reading import Picture, PictureError, read_picture
from npfuse.pictures.stored import opened
from npfuse.weights.loading import BUNDLED, load_weights
from npfuse.weights.weights import Weights, WeightsError
from tests.hostile.corpus import h5_with, noise, npy, picture
from tests.networks import random_weights
from tests.pictures.examples import all_examples

WEIGHTS = random_weights(hidden=[4])
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)


def seeds():
    made = [*all_examples().values(), picture("TIFF"), npy(noise()), (BUNDLED / "tonefuse.npz").read_bytes()]
    with contextlib.suppress(ImportError):  # an extra is missing
        made.append(h5_with("loop"))
    return made


SEEDS = seeds()


@st.composite
def damaged(draw):
    """A file with some bytes changed, or cut, or of nothing but drawn bytes."""
    content = bytearray(draw(st.sampled_from(SEEDS) | st.binary(max_size=400)))
    for _ in range(draw(st.integers(0, 5)) if content else 0):
        at = draw(st.integers(0, min(len(content), 300) - 1) | st.integers(0, len(content) - 1))
        content[at] = draw(st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@fuzzed
@given(content=damaged(), suffix=st.sampled_from([".png", ".npy", ".tif", ".npz", ".h5", ".exr", ""]))
def test_any_bytes_are_a_picture_or_weights_or_an_error_of_one_line(tmp_path, content, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    told = []
    for read, kind, error in ((read_picture, Picture, PictureError), (load_weights, Weights, WeightsError)):
        try:
            assert isinstance(read(file), kind)
        except error as refusal:
            told.append(str(refusal))
    try:
        with opened(file) as stored:
            if stored is not None:
                stored.pixels[:3, :3]
    except PictureError as refusal:
        told.append(str(refusal))
    assert all(text.isprintable() for text in told)


DTYPES = st.sampled_from([np.uint8, np.uint16, np.float32, np.float64, np.float16, np.int32, np.bool_, np.complex64])


@fuzzed
@given(data=st.data(), dtype=DTYPES, shape=array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9))
def test_any_arrays_are_fused_or_refused(data, dtype, shape):
    if data.draw(st.booleans()) and len(shape) > 2:
        shape = (*shape[:-1], 3)
    options = {"allow_subnormal": True} if np.dtype(dtype).kind == "f" else {}
    a, b = (data.draw(arrays(dtype, shape, elements=options or None, fill=st.nothing())) for _ in range(2))
    refusal = "fuse: "
    try:
        fused = npfuse.fuse(a, b, WEIGHTS)
    except (ValueError, TypeError) as error:
        refusal = str(error)
    else:
        assert (fused.shape, fused.dtype) == (a.shape, a.dtype)
        assert np.isfinite(fused).all()
    assert refusal.startswith("fuse: ")


def test_the_pictures_and_weights_it_begins_with_are_whole(tmp_path):
    kinds = []
    for content in SEEDS:
        (tmp_path / "a").write_bytes(content)
        for read in (read_picture, load_weights):
            try:
                kinds.append(type(read(tmp_path / "a")))
            except (PictureError, WeightsError):
                continue
    assert kinds.count(Picture) >= 2
    assert kinds.count(Weights) == 1
