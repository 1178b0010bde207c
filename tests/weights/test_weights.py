"""Weights files: what is written is read back, and nothing that does not fit its model, or is hostile, is taken."""

import io
import json
import pickle
import re
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npfuse
from npfuse.weights.loading import BUNDLED, bundled_names, load_weights
from npfuse.weights.npz_files import save_weights
from npfuse.weights.weights import MAX_BYTES, Weights, WeightsError
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_zip(path, contents):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array))
    return buffer.getvalue()


def npy_header(shape, dtype="<f4") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


@pytest.fixture
def saved(tmp_path):
    """A weights file of a small LightFuse, to be damaged."""
    path = tmp_path / "small.npz"
    save_weights(path, random_weights(decoder="transposed"))
    return path


def damage(path, **changes):
    """Replace members of a file; None removes one."""
    contents = members(path)
    for name, content in changes.items():
        contents[f"{name}.npy"] = content
    write_zip(path, {name: content for name, content in contents.items() if content is not None})


def change_metadata(path, **changes):
    metadata = json.loads(np.load(path)["metadata"].tobytes()) | changes
    damage(path, metadata=npy(np.frombuffer(json.dumps(metadata).encode(), np.uint8)))


@pytest.mark.parametrize("model", ["lightfuse", "t_cnn"])
def test_saved_weights_are_read_back_exactly(tmp_path, model):
    weights = random_weights(model, normalization="min_max")
    save_weights(tmp_path / "w.npz", weights)
    loaded = load_weights(tmp_path / "w.npz")
    assert (loaded.model, loaded.build, loaded.normalization) == (model, weights.build, "min_max")
    assert (loaded.source, loaded.name) == ("drawn at random", "random")
    assert loaded.arrays.keys() == weights.arrays.keys()
    for name, array in weights.arrays.items():
        assert_close(loaded.arrays[name], array)


def test_saving_is_reproducible_to_the_byte(tmp_path):
    for name in ("a", "b"):
        save_weights(tmp_path / f"{name}.npz", random_weights())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_saving_refuses_to_replace_unless_told(saved):
    before = saved.read_bytes()
    with pytest.raises(FileExistsError, match="exists already"):
        save_weights(saved, random_weights(seed=1))
    assert saved.read_bytes() == before
    save_weights(saved, random_weights(seed=1), overwrite=True)
    assert_close(load_weights(saved).arrays["detail1/bias"], random_weights(seed=1).arrays["detail1/bias"])


def test_saving_wants_the_ending_npz(tmp_path):
    with pytest.raises(WeightsError, match=r"ending is '\.h5', expected '\.npz'"):
        save_weights(tmp_path / "w.h5", random_weights())


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        random_weights().arrays["detail1/bias"][0] = 1


def test_weights_that_are_loaded_already_are_returned():
    weights = random_weights()
    assert load_weights(weights) is weights


def test_every_way_to_name_weights_gives_the_same_picture(saved):
    pair = random_pair((9, 12, 3))
    expected = npfuse.fuse(*pair, random_weights(decoder="transposed"))
    assert_close(npfuse.fuse(*pair, saved), expected)
    assert_close(npfuse.fuse(*pair, str(saved)), expected)


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_weights_load_and_have_a_card(name):
    weights = load_weights(name)
    assert weights.name == name
    assert len(weights.source) > 50
    card = (BUNDLED / f"{name}.md").read_text()
    assert f"{weights.parameter_count:,} parameters" in card


def test_the_default_weights_are_the_ones_that_see_the_whole_picture():
    assert load_weights().name == "tonefuse"
    assert load_weights().parameter_count == 5_380
    assert load_weights("lightfuse").parameter_count == 18_630  # Table III


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detail1/bias": None}, "detail1/bias is missing, expected (12,)"),
        ({"detail9/bias": npy(np.zeros(3, np.float32))}, "detail9/bias (3,) is left over"),
        ({"up1/kernel": npy(np.zeros((4, 4, 3), np.float32))}, "up1/kernel has shape (4, 4, 3), expected (4, 4, 3, 3)"),
        ({"up1/bias": npy(np.array([0, np.nan, np.inf]))}, "up1/bias has 2 values that are no finite float32"),
        ({"up1/bias": npy(np.array([0, 1e300, 0]))}, "up1/bias has 1 values that are no finite float32"),
        ({"up1/bias": npy(np.array([1, 2, 3]))}, "up1/bias has dtype int64, expected a floating-point one"),
        ({"up1/bias": npy(np.array(["a", "b", "c"]))}, "up1/bias has dtype <U1, expected a floating-point one"),
        ({"up1/bias": b"\x93NUMPY\x01\x00"}, "up1/bias is damaged"),
        ({"up1/bias": b""}, "up1/bias is damaged"),
        ({"up1/bias": npy_header((10**12,))}, "up1/bias declares shape (1000000000000,) of float32, more than"),
        ({"up1/bias": npy_header((3,))}, "up1/bias is damaged"),
        ({"up1/bias": npy_header((-1,))}, "up1/bias"),
        ({"up1/bias": npy_header("(3,").replace(b"}", b"")}, "up1/bias is damaged"),
        ({"up1/bias": npy_header("(3L,)")}, "up1/bias is damaged"),
        ({"up1/bias": npy_header((3,), "|O")}, "up1/bias holds Python objects, expected plain numbers"),
        ({"metadata": None}, "no 'metadata' in the file"),
        ({"metadata": npy(np.frombuffer(b"{", np.uint8))}, "'metadata' is not that of an npfuse weights file"),
        ({"metadata": npy(np.frombuffer(b"[1]", np.uint8))}, "'metadata' is not that of an npfuse weights file"),
        ({"metadata": npy(np.frombuffer(b"[" * 60000, np.uint8))}, "'metadata' is not that of an npfuse weights file"),
        ({"metadata": npy(np.zeros(3))}, "'metadata' is not that of an npfuse weights file"),
        ({"metadata": npy(np.zeros(1 << 20, np.uint8))}, "metadata declares shape (1048576,)"),
    ],
)
def test_load_refuses_damaged_files(saved, changes, message):
    damage(saved, **changes)
    with pytest.raises(WeightsError, match=re.escape(message)):
        load_weights(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "'metadata' is not that of an npfuse weights file"),
        ({"version": 2}, "version is 2, expected 1; a newer npfuse may read it"),
        ({"model": "alexnet"}, "model is 'alexnet', expected one of lightfuse, t_cnn"),
        ({"model": 3}, "metadata 'model' is 3, expected a str"),
        ({"build": None}, "metadata 'build' is None, expected a dict"),
        ({"build": {"depth": 3}}, "lightfuse: build arguments are {'depth': 3}"),
        ({"build": {"hidden": [0]}}, "features is 0, expected at least 1"),
        ({"build": {"hidden": "wide"}}, "random"),
        ({"build": {"hidden": 7}}, "random"),
        ({"build": {"hidden": [1.5]}}, "random"),
        ({"build": {"hidden": [10**9, 10**9]}}, f"bytes of weights, expected at most {MAX_BYTES}"),
        ({"build": {"decoder": "magic"}}, "decoder is 'magic', expected one of nearest, bilinear, transposed"),
        ({"normalization": "log"}, "normalization is 'log', expected one of full_range, min_max"),
    ],
)
def test_load_refuses_metadata_that_do_not_fit(saved, changes, message):
    change_metadata(saved, **changes)
    with pytest.raises(WeightsError, match=re.escape(message)):
        load_weights(saved)


def test_load_executes_no_pickle(saved, tmp_path):
    marker = tmp_path / "executed"

    class Hostile:
        def __reduce__(self):
            return (marker.touch, ())

    hostile = np.empty(1, object)
    hostile[0] = Hostile()
    damage(saved, **{"up1/bias": npy_header((1,), "|O") + pickle.dumps(hostile)})
    with pytest.raises(WeightsError, match="holds Python objects"):
        load_weights(saved)
    assert not marker.exists()


def test_load_refuses_members_that_are_no_arrays_and_doubles(saved):
    contents = members(saved)
    write_zip(saved, contents | {"readme.txt": b"hello"})
    with pytest.raises(WeightsError, match=re.escape("'readme.txt' in the file is no array")):
        load_weights(saved)
    write_zip(saved, contents)
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("up1/bias.npy", contents["up1/bias.npy"])
    with pytest.raises(WeightsError, match="up1/bias is in the file twice, expected once"):
        load_weights(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello" * 100, b"\x93NUMPY\x01\x00"])
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="expected an npfuse weights file"):
        load_weights(path)


@pytest.mark.parametrize("source", ["nowhere.npz", "", "a\0b", "."])
def test_load_says_which_names_there_are_where_it_finds_nothing(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="^weights " + re.escape(repr(source))):
        load_weights(source)


def test_load_refuses_damaged_compression(saved):
    contents = members(saved)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    whole = saved.read_bytes()
    refused = 0
    for at in range(60, len(whole) - 400, 37):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            load_weights(saved)
        except WeightsError:
            refused += 1
    assert refused > 20


@given(st.data())
def test_load_takes_a_damaged_file_or_refuses_it_and_does_nothing_else(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "w.npz"
    save_weights(path, random_weights(hidden=[2]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        loaded = load_weights(path)
    except WeightsError:
        return
    assert isinstance(loaded, Weights)


def test_a_margin_is_kept_and_another_number_of_pixels_refused(tmp_path):
    weights = replace(random_weights(), margin=8)
    save_weights(tmp_path / "w.npz", weights)
    assert load_weights(tmp_path / "w.npz").margin == 8
    assert weights.padded_size(9, 16) == (24, 24)
    with pytest.raises(WeightsError, match="random: margin is 12, expected one of 0, 8, 16"):
        replace(weights, margin=12)


def test_a_file_without_a_margin_has_none(tmp_path):
    """As all files had before there were margins."""
    save_weights(tmp_path / "new.npz", replace(random_weights(), margin=16))
    with np.load(tmp_path / "new.npz") as file:
        members = dict(file)
    metadata = json.loads(members["metadata"].tobytes())
    del metadata["margin"]
    members["metadata"] = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    np.savez(tmp_path / "old.npz", **members)
    assert load_weights(tmp_path / "old.npz").margin == 0
