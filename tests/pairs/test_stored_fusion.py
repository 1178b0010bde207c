"""Pictures fused part by part: the same to the byte as in memory, and within the memory that is allowed."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import npfuse
from npfuse import strips
from npfuse.cli import main
from npfuse.pairs.stored_fusion import fuse_into
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.pictures.stored import opened
from npfuse.weights.npz_files import save_weights
from tests.networks import random_pair, random_weights
from tests.picture_files import exif_block

SHAPE = (150, 203, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_weights("small.npz", random_weights("tonefuse"))
    return tmp_path


def fuse(*arguments):
    return main(["fuse", *arguments, "--weights", "small.npz", "--no-check"])


class Reading:
    """A picture that is no array."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim

    def __getitem__(self, place):
        return self.array[place].copy()


@pytest.fixture
def small_parts(monkeypatch):
    """Cut pictures into parts of 64x64, the smallest there are."""
    monkeypatch.setattr(strips, "TILE_BYTES", 1)
    monkeypatch.setattr(strips, "STRIP_ROWS", strips.TILE_GRID)
    monkeypatch.setattr(strips, "STRIP_COLUMNS", strips.TILE_GRID)
    monkeypatch.setattr(strips, "LOOK_SIDES", (strips.TILE_GRID,) * 2)


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse", "t_cnn"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [SHAPE, (70, 90)])
def test_part_by_part_is_the_whole_to_the_byte(request, model, dtype, shape):
    under, over = random_pair(shape, dtype)
    weights = random_weights(model, normalization="min_max")
    whole = npfuse.fuse(under, over, weights)
    request.getfixturevalue("small_parts")
    parts = []
    for a, b, ranks in ((under, over, [0, 1]), (over, under, [1, 0])):
        out = np.empty_like(whole)
        assert fuse_into([Reading(a), Reading(b)], out, weights, progress=lambda *done: parts.append(done)) == ranks
        np.testing.assert_array_equal(out, whole)
    assert parts[-1] == (-(-shape[0] // 64) * -(-shape[1] // 64),) * 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_bracket_part_by_part_is_the_whole_to_the_byte(request, dtype):
    under, over = random_pair(SHAPE, dtype)
    middle = (under * 0.5 + over * 0.5).astype(dtype)
    weights = random_weights("tonefuse")
    whole = npfuse.fuse_stack([under, middle, over], weights)
    assert (whole != npfuse.fuse(under, over, weights)).any()
    request.getfixturevalue("small_parts")
    out = np.empty_like(whole)
    assert fuse_into([Reading(x) for x in (over, under, middle)], out, weights) == [1, 2, 0]
    np.testing.assert_array_equal(out, whole)


def write_array(file, pixels):
    if file.endswith(".zarr"):
        pytest.importorskip("zarr").create_array(store=file, data=pixels, chunks=(64, 64, 3))
    else:
        np.save(file, pixels)


@pytest.mark.parametrize("suffix", [".npy", ".zarr"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_array_files_are_fused_into_array_files(folder, suffix, dtype):
    under, over = random_pair(SHAPE, dtype)
    write_array(f"under{suffix}", under)
    write_array(f"over{suffix}", over)
    assert fuse(f"under{suffix}", f"over{suffix}", "-o", f"fused{suffix}") == 0
    with opened(Path(f"fused{suffix}")) as fused:
        expected = npfuse.fuse(under, over, random_weights("tonefuse"))
        np.testing.assert_array_equal(np.asarray(fused.pixels[:, :]), expected)
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    assert fuse(f"under{suffix}", f"over{suffix}", "-o", f"fused{suffix}") == 2
    assert fuse(f"under{suffix}", f"over{suffix}", "-o", f"fused{suffix}", "--force") == 0


def test_arrays_become_pictures_and_pictures_arrays(folder):
    under, over = random_pair(SHAPE)
    np.save("under.npy", under)
    write_picture("over.png", Picture(pixels=over))
    expected = npfuse.fuse(under, over, random_weights("tonefuse"))
    for output in ("fused.npy", "fused.tif", "fused.png"):
        assert fuse("under.npy", "over.png", "-o", output) == 0
    np.testing.assert_array_equal(np.load("fused.npy"), expected)
    np.testing.assert_array_equal(read_picture("fused.png").pixels, expected)
    np.testing.assert_array_equal(read_picture("fused.tif").pixels, expected)


def test_tiffs_part_by_part_make_the_same_file_as_in_memory(folder, monkeypatch, request):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    under, over = random_pair(SHAPE, np.uint16)
    alpha = np.arange(150 * 203, dtype=np.uint16).reshape(150, 203)
    write_picture("under.tif", Picture(pixels=under, alpha=alpha, exif=exif_block()))
    write_picture("over.tif", Picture(pixels=over))
    assert fuse("under.tif", "over.tif", "-o", "whole.tif") == 0
    monkeypatch.setattr("npfuse.pairs.stored_fusion.STORED_BYTES", 0)
    request.getfixturevalue("small_parts")
    monkeypatch.setattr("npfuse.pairs.file_fusion.read_picture", None)  # nothing is read whole
    assert fuse("under.tif", "over.tif", "-o", "parts.tif") == 0
    assert Path("parts.tif").read_bytes() == Path("whole.tif").read_bytes()


def test_align_and_clip_work_part_by_part(folder, monkeypatch):
    from npfuse.examples import example_pair

    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    under, over = (read_picture(path).pixels / np.float32(200) - np.float32(0.1) for path in example_pair("forest"))
    write_picture("under.tif", Picture(pixels=under[4:, :-6]))
    write_picture("over.tif", Picture(pixels=over[:-4, 6:]))
    command = ["fuse", "under.tif", "over.tif", "--weights", "small.npz", "--align", "--clip", "-o"]
    assert main([*command, "whole.tif"]) == 0
    monkeypatch.setattr("npfuse.pairs.stored_fusion.STORED_BYTES", 0)
    assert main([*command, "parts.tif"]) == 0
    assert Path("parts.tif").read_bytes() == Path("whole.tif").read_bytes()


def test_too_little_memory_is_told_before_the_work_with_what_would_fit(folder, capsys):
    for name, pixels in zip(("under", "over"), random_pair((2000, 3000, 3)), strict=True):
        write_picture(f"{name}.png", Picture(pixels=pixels))
    assert fuse("under.png", "over.png", "-o", "fused.png", "--max-memory", "100M") == 2
    err = capsys.readouterr().err
    assert "pictures of 2000x3000 need about" in err
    assert "expected at most 100 MiB as --max-memory says; between .tif, .npy and .zarr files it needs" in err
    assert fuse("under.png", "over.png", "-o", "fused.png", "--max-memory", "much") == 2
    assert "--max-memory is 'much', expected a size such as 800M or 1.5G" in capsys.readouterr().err
    assert not Path("fused.png").exists()


def test_values_out_of_range_are_told_and_nothing_is_left(folder, capsys):
    bad = random_pair(SHAPE, np.float32)[0]
    bad[77, 5, 1] = np.nan
    np.save("bad.npy", bad)
    before = sorted(os.listdir())
    assert fuse("bad.npy", "bad.npy", "-o", "fused.npy") == 2
    assert (
        "1 of 91350 values of the first picture are NaN or outside [0, 1], expected none; the first is at (77, 5, 1)"
        in (capsys.readouterr().err)
    )
    assert sorted(os.listdir()) == before


def test_float64_is_not_written_as_a_tiff(folder, capsys):
    np.save("a.npy", np.zeros((4, 5)))
    assert fuse("a.npy", "a.npy", "-o", "fused.tif") == 2
    assert "picture is float64, expected up to 32 bits in a TIFF; choose .npy" in capsys.readouterr().err


LARGE = """
    import re, sys
    import numpy as np
    from npfuse.cli import main

    for name, level in (("under", 40), ("over", 200)):
        array = np.lib.format.open_memmap(f"{name}.npy", "w+", np.uint8, (7000, 6000, 3))
        array[:] = np.arange(level, level + 3)
        array.flush()
        del array
    options = ["--weights", "small.npz", "-o", "fused.npy", "--max-memory", "450M", "-v"]
    status = main(["fuse", "under.npy", "over.npy", *options])
    with open("/proc/self/status") as file:  # not ru_maxrss, which begins at the parent's
        print(status, 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_predicted_memory_is_kept_to(folder):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LARGE).replace("array[:]", "array[:64]")],
        capture_output=True, text=True, timeout=300, check=True, cwd=folder,
    )  # fmt: skip
    status, peak = map(int, done.stdout.split())
    assert status == 0, done.stderr
    predicted = int(re.search(r"memory: at most (\d+) MiB predicted on \d+ threads, 450 MiB allowed", done.stderr)[1])
    assert peak >> 20 <= predicted <= 450
    assert np.load("fused.npy", mmap_mode="r").shape == (7000, 6000, 3)
