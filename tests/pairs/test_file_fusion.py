"""Files fused: warnings, alignment, and what a picture's companions become."""

from pathlib import Path

import numpy as np
import pytest

import npfuse
from npfuse.examples import example_pair
from npfuse.pairs.file_fusion import FileOptions, Teller, fuse_files
from npfuse.picture_shares import exposure_shares, share_colours
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.weights.npz_files import save_weights
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights


class Told(Teller):
    def __init__(self):
        self.said, self.warned = [], []

    def say(self, *lines):
        self.said += lines

    def warn(self, line):
        self.warned.append(line)


@pytest.fixture
def shifted(tmp_path, monkeypatch):
    """A pair whose second picture is shifted by (4, -6)."""
    monkeypatch.chdir(tmp_path)
    under, over = (read_picture(path).pixels for path in example_pair("forest"))
    write_picture("under.png", Picture(pixels=under[4:, :-6]))
    write_picture("over.png", Picture(pixels=over[:-4, 6:]))
    save_weights("small.npz", random_weights())


def fuse(told, **options):
    files = Path("under.png"), Path("over.png"), Path("fused.png")
    fuse_files(*files, FileOptions(weights="small.npz", **options), told)
    return read_picture("fused.png")


def test_align_crops_both_to_what_they_share(shifted):
    told = Told()
    fused = fuse(told, align="crop")
    under, over = (read_picture(name) for name in ("under.png", "over.png"))
    expected = npfuse.fuse(under.pixels[:-4, 6:], over.pixels[4:, :-6], random_weights())
    np.testing.assert_array_equal(fused.pixels, expected)
    assert told.warned == []
    assert any("aligned: picture 2 was shifted by +4.0 rows and -6.0 columns" in line for line in told.said)


def test_without_align_the_shift_is_a_warning(shifted):
    told = Told()
    fused = fuse(told)
    assert fused.pixels.shape == read_picture("under.png").pixels.shape
    assert any("shifted by +4.0 rows and -6.0 columns" in line for line in told.warned)


def test_without_the_check_nothing_is_said(shifted):
    told = Told()
    fuse(told, check=False)
    assert told.warned == []


def test_align_leaves_alone_what_is_not_sure_and_says_so(shifted):
    rng = np.random.default_rng(0)
    for name, low in (("under.png", 0), ("over.png", 120)):
        write_picture(name, Picture(pixels=rng.integers(low, low + 100, (60, 80), np.uint8)), overwrite=True)
    told = Told()
    assert fuse(told, align="crop").pixels.shape == (60, 80)
    assert [line.split(" (")[0] for line in told.warned] == [
        "picture 2 is left as it is: unsure how it lies to picture 1"
    ]


def test_a_map_of_the_exposures_is_written_as_colours_or_as_shares(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair = random_pair((21, 34, 3))
    for name, pixels in zip(("a.png", "b.png"), pair, strict=True):
        write_picture(name, Picture(pixels=pixels))
    for name in ("map.png", "map.npy"):
        options = FileOptions(method="mertens", weights_map=name, overwrite=True)
        fuse_files(Path("a.png"), Path("b.png"), Path("fused.png"), options)
    shares = exposure_shares(pair, method="mertens")
    assert_close(np.load("map.npy"), shares)
    assert_close(read_picture("map.png").pixels, share_colours(shares))


def test_a_map_is_refused_before_the_work_where_it_cannot_be_written(tmp_path):
    options = FileOptions(weights_map=str(tmp_path / "map.txt"))
    with pytest.raises(ValueError, match=r"map\.txt"):
        fuse_files(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "fused.png", options)


def test_three_pictures_are_aligned_onto_the_first(shifted):
    told = Told()
    files = Path("under.png"), Path("over.png"), Path("fused.png")
    options = FileOptions(method="mertens", align="crop")
    fuse_files(*files, options, told, more=[Path("over.png")])
    under, over = (read_picture(name).pixels for name in ("under.png", "over.png"))
    expected = npfuse.fuse_stack([under[:-4, 6:], *[over[4:, :-6]] * 2], method="mertens")
    np.testing.assert_array_equal(read_picture("fused.png").pixels, expected)
    assert told.warned == []
