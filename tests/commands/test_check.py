"""The command `npfuse check`."""

import numpy as np
import pytest

from npfuse.cli import main
from npfuse.examples import example_pair
from npfuse.pairs.diagnosis import SMALL_PIXELS
from npfuse.pairs.small_copies import reading_reduction
from npfuse.pictures.reading import Picture, read_picture, write_picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_good_pair_has_status_0(capsys):
    assert main(["check", *map(str, example_pair("city"))]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for line in (
        "size        ",
        "exposure    +6.0 stops",
        "clipped     0.",
        "motion      shifted by +0.0 rows",
        "moving      0.0%",
        "nothing wrong",
    ):
        assert line in out


def test_what_is_wrong_is_told_with_status_1(folder, capsys):
    under, over = (read_picture(path).pixels for path in example_pair("forest"))
    write_picture("under.png", Picture(pixels=under[4:, :-6]))
    write_picture("over.png", Picture(pixels=over[:-4, 6:]))
    assert main(["check", "under.png", "over.png"]) == 1
    assert (
        "warning: the second picture is shifted by +4.0 rows and -6.0 columns; use --align" in capsys.readouterr().out
    )
    assert main(["check", "under.png", "under.png"]) == 1
    assert "warning: both are the same picture" in capsys.readouterr().out


def test_large_jpegs_are_read_reduced_and_told_in_their_own_pixels(folder, capsys):
    under, over = (read_picture(path).pixels for path in example_pair("forest"))
    for name, pixels in (("under", under[4:, :-6]), ("over", over[:-4, 6:])):
        for suffix in (".jpg", ".png"):
            large = pixels.repeat(2, axis=0).repeat(2, axis=1)
            write_picture(f"{name}{suffix}", Picture(pixels=large), quality=98)
    height, width = large.shape[:2]
    assert reading_reduction(height, width, SMALL_PIXELS) > 1
    lines = {}
    for suffix in (".jpg", ".png"):
        assert main(["check", f"under{suffix}", f"over{suffix}"]) == 1
        lines[suffix] = capsys.readouterr().out.splitlines()
    assert lines[".jpg"][0] == f"size        {height}x{width} (height x width), uint8"
    for line, of_whole in zip(lines[".jpg"][:3], lines[".png"][:3], strict=True):
        assert line == of_whole
    for found in lines.values():
        assert (
            "warning: the second picture is shifted by +8.0 rows and -12.0 columns; use --align, or a tripod" in found
        )


def test_two_scenes_are_not_called_a_good_pair(folder, capsys):
    under, over = (read_picture(example_pair(scene)[i]).pixels for i, scene in enumerate(("forest", "city")))
    height, width = (min(a, b) for a, b in zip(under.shape[:2], over.shape[:2], strict=True))
    write_picture("under.png", Picture(pixels=under[:height, :width]))
    write_picture("over.png", Picture(pixels=over[:height, :width]))
    assert main(["check", "under.png", "over.png"]) == 1
    told = capsys.readouterr().out
    assert "warning: cannot tell whether both show one scene from one place; look at them" in told
    assert "nothing wrong" not in told


def test_a_pair_that_cannot_be_fused_has_status_2(folder, capsys):
    for name, size in (("a.png", (20, 30)), ("b.png", (20, 31))):
        write_picture(name, Picture(pixels=np.zeros(size, np.uint8)))
    assert main(["check", "a.png", "b.png"]) == 2
    message = (
        "npfuse: b.png: size (height, width) is (20, 31), expected (20, 30) as in a.png; crop or resize one of them"
    )
    assert message in capsys.readouterr().err
    assert main(["check", "a.png", "missing.png"]) == 2


def test_arrays_and_tiffs_are_checked_part_by_part(folder, capsys, monkeypatch):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    under, over = (read_picture(path).pixels for path in example_pair("forest"))
    monkeypatch.setattr("npfuse.pairs.file_fusion.read_picture", None)
    np.save("under.npy", under)
    write_picture("under.tif", Picture(pixels=under))
    write_picture("over.tif", Picture(pixels=over))
    assert main(["check", "under.npy", "over.tif"]) == 0
    told = capsys.readouterr().out
    assert main(["check", "under.tif", "over.tif"]) == 0
    assert capsys.readouterr().out == told
    np.save("small.npy", under[:-1])
    assert main(["check", "small.npy", "over.tif"]) == 2
    assert "over.tif: size (height, width) is" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".exr"])
@pytest.mark.parametrize("value", [np.nan, 2.0])
def test_floats_that_cannot_be_fused_are_told_with_the_files_name(folder, capsys, suffix, value):
    pixels = np.full((20, 30, 3), 0.5, np.float32)
    bad = pixels.copy()
    bad[3, 4, 1] = value
    for name, picture in (("a", pixels), ("b", bad)):
        if suffix == ".npy":
            np.save(f"{name}.npy", picture)
        else:
            pytest.importorskip("OpenEXR")
            write_picture(f"{name}.exr", Picture(pixels=picture))
    for command in (["check"], ["fuse", "-o", "c.tif"]):
        assert main([*command, f"a{suffix}", f"b{suffix}"]) == 2
        told = capsys.readouterr().err
        assert f"values of b{suffix} are NaN or outside [0, 1], expected none; the first is" in told
        assert told.endswith("; scale them, or use --clip for those outside\n")
