"""NumPy's array files."""

import numpy as np
import pytest

from npfuse.pictures.picture import PictureError, StoredPicture
from npfuse.pictures.stored import opened, stored_output
from tests.picture_files import (
    assert_one_line,
    assert_same_samples,
    exif_block,
    random_samples,
)


@pytest.mark.parametrize("dtype", [np.uint8, np.dtype(">u2"), np.float32, np.float64])
@pytest.mark.parametrize("channels", [0, 3])
def test_a_part_of_an_array_file_is_that_part_of_the_array(tmp_path, dtype, channels):
    samples = random_samples("uint8", channels).astype(dtype)
    np.save(tmp_path / "a.npy", samples)
    with opened(tmp_path / "a.npy") as picture:
        for place in ((slice(2, 9), slice(3, 7)), (slice(None), slice(None)), (slice(10, 99), slice(0, 99))):
            assert_same_samples(picture.pixels[place], samples[place].astype(samples.dtype.newbyteorder("=")))


def save(array, **options):
    return lambda file: np.save(file, array, **options)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (save(np.array([{}])), "holds object, expected uint8, uint16, float32 or float64"),
        (save(np.zeros((4, 5, 4), np.uint8)), r"shape is \(4, 5, 4\), expected \(H, W, 3\) or \(H, W\)"),
        (save(np.zeros((0, 5), np.uint8)), r"shape is \(0, 5\)"),
        (save(np.zeros((4, 5), np.int64)), "holds int64, expected"),
        (save(np.zeros((4, 5), np.uint8, order="F")), "lies in Fortran order, expected C order"),
        (lambda file: file.write_bytes(b""), "is no NumPy array file"),
        (lambda file: file.write_bytes(b"\x93NUMPY\x01\0\xff\xff{"), "is no NumPy array file"),
    ],
)
def test_arrays_that_are_no_pictures_are_named(tmp_path, write, message):
    write(tmp_path / "a.npy")
    with pytest.raises(PictureError, match=message) as error, opened(tmp_path / "a.npy"):
        pass
    assert_one_line(error)


def test_an_array_file_that_declares_more_than_it_holds_is_refused(tmp_path):
    with open(tmp_path / "a.npy", "wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(stream, header)
    with (
        pytest.raises(PictureError, match="declares 8000000000000 bytes of samples and holds 0"),
        opened(tmp_path / "a.npy"),
    ):
        pass


def test_an_array_file_that_shrinks_meanwhile_is_an_error(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 10), np.uint8))
    with opened(tmp_path / "a.npy") as picture:
        with open(tmp_path / "a.npy", "r+b") as stream:
            stream.truncate(150)
        with pytest.raises(PictureError, match=r"a\.npy: ends too early, expected all of its rows; copy it anew"):
            picture.pixels[:, :]


def test_an_array_is_written_part_by_part_in_any_order(tmp_path):
    samples = random_samples("uint16", 3)
    notes = []
    like = StoredPicture(pixels=samples, alpha=samples[..., 0], exif=exif_block())
    with stored_output(tmp_path / "a.NPY", like, samples.shape, overwrite=False, notes=notes) as out:
        out[5:11, 0:14] = samples[5:]
        out[0:5, 3:14] = samples[:5, 3:]
        out[0:5, 0:3] = samples[:5, :3]
    assert_same_samples(np.load(tmp_path / "a.NPY"), samples)
    assert notes == ["alpha dropped: NumPy array has none", "EXIF dropped: NumPy array holds none"]
