"""Zarr arrays."""

import sys

import numpy as np
import pytest

from npfuse.pictures.picture import PictureError, StoredPicture
from npfuse.pictures.stored import opened, stored_output
from tests.picture_files import (
    assert_same_samples,
    random_samples,
)


def test_a_part_of_a_zarr_array_is_that_part_of_the_array(tmp_path):
    zarr = pytest.importorskip("zarr")
    samples = random_samples("uint16", 3)
    zarr.create_array(store=str(tmp_path / "a.zarr"), data=samples, chunks=(4, 5, 3))
    with opened(tmp_path / "a.zarr") as picture:
        assert_same_samples(np.asarray(picture.pixels[2:9, 3:7]), samples[2:9, 3:7])


def test_an_array_is_written_part_by_part_and_replaced_when_asked(tmp_path):
    zarr = pytest.importorskip("zarr")
    for seed in (0, 1):
        samples = random_samples("uint8", 3, seed)
        with stored_output(
            tmp_path / "a.zarr", StoredPicture(pixels=samples), samples.shape, overwrite=seed == 1, notes=[]
        ) as out:
            out[3:11, :] = samples[3:]
            out[0:3, :] = samples[:3]
        assert_same_samples(np.asarray(zarr.open_array(str(tmp_path / "a.zarr"), mode="r")[:]), samples)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / "a.zarr").mkdir()
    message = r'a\.zarr: needs the package zarr; install it with: pip install "npfuse\[zarr\]"'
    with pytest.raises(PictureError, match=message), opened(tmp_path / "a.zarr"):
        pass
    samples = random_samples("uint8", 3)
    with (
        pytest.raises(PictureError, match=r"b\.zarr: needs the package zarr"),
        stored_output(tmp_path / "b.zarr", StoredPicture(pixels=samples), samples.shape, overwrite=False, notes=[]),
    ):
        pass
