"""The command line: what it writes, what it says, and that bad input costs one line, status 2 and no file."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.examples import NARROW_SCENE, SCENES, example_pair
from npfuse.pictures.metadata.profiles import with_profile_of
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.weights.npz_files import save_weights
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights
from tests.picture_files import matrix_profile


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a pair of pictures and a weights file."""
    monkeypatch.chdir(tmp_path)
    for name, pixels in zip(("under", "over"), random_pair((21, 34, 3)), strict=True):
        write_picture(f"{name}.png", Picture(pixels=pixels))
    save_weights("small.npz", random_weights())
    return tmp_path


def fuse(*arguments):
    return main(["fuse", "under.png", "over.png", "--weights", "small.npz", *arguments])


def one_error(capsys) -> str:
    """Return the one line on stderr."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("npfuse: ")
    assert err.count("\n") == 1
    return err


def test_fuse_writes_what_the_api_returns(folder, capsys):
    assert fuse("-o", "fused.png") == 0
    expected = npfuse.fuse(*random_pair((21, 34, 3)), random_weights())
    assert_close(read_picture("fused.png").pixels, expected)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["fused.jpg", "fused.webp", "fused.tif", "with space é\n.png"])
def test_fuse_writes_the_format_of_the_extension(folder, name):
    assert fuse("-o", name) == 0
    expected = npfuse.fuse(*random_pair((21, 34, 3)), random_weights())
    difference = np.abs(read_picture(name).pixels.astype(int) - expected)
    assert np.median(difference) <= (0 if name.endswith((".tif", ".png")) else 12)


def test_fuse_keeps_16_bits(folder):
    for name, pixels in zip(("under", "over"), random_pair((21, 34, 3), np.uint16), strict=True):
        write_picture(f"{name}.tif", Picture(pixels=pixels))
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    for output in ("fused.tif", "fused.png"):
        assert main(["fuse", "under.tif", "over.tif", "--weights", "small.npz", "-o", output]) == 0
        expected = npfuse.fuse(*random_pair((21, 34, 3), np.uint16), random_weights())
        assert_close(read_picture(output).pixels, expected)


def test_fuse_keeps_alpha_exif_and_profile_of_the_first_picture(folder):
    from PIL import Image, ImageCms

    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6  # Make; Orientation: turn a quarter
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    under, over = random_pair((21, 34, 3))
    alpha = np.arange(21 * 34, dtype=np.uint8).reshape(21, 34)
    Image.fromarray(np.dstack([under, alpha])).save("under.png", exif=exif, icc_profile=profile)
    Image.fromarray(np.dstack([over, alpha])).save("over.png", exif=exif, icc_profile=profile)
    assert fuse("-o", "fused.png") == 0
    fused = read_picture("fused.png")
    assert fused.icc_profile == profile
    assert_close(fused.alpha, np.rot90(alpha, -1))
    turned = [np.rot90(picture, -1) for picture in (under, over)]
    assert_close(fused.pixels, npfuse.fuse(*turned, random_weights()))
    with Image.open("fused.png") as image:
        assert (image.getexif()[271], image.getexif()[274]) == ("Maker", 1)


def test_fuse_refuses_different_profiles_and_converts_them_where_asked(folder, capsys):
    under, over = random_pair((21, 34, 3))
    write_picture("other.png", Picture(pixels=over, icc_profile=matrix_profile(1.8)))
    assert main(["fuse", "under.png", "other.png", "--weights", "small.npz", "-o", "fused.png"]) == 2
    assert "other.png: its ICC profile means other colours than that of under.png, expected the same" in one_error(
        capsys
    )
    options = ["--weights", "small.npz", "-o", "fused.png", "--convert-profiles", "--order", "given"]
    assert main(["fuse", "under.png", "other.png", *options]) == 0
    converted = with_profile_of(read_picture("other.png"), Picture(pixels=under), "other.png").pixels
    assert_close(read_picture("fused.png").pixels, npfuse.fuse(under, converted, random_weights(), order="given"))


def test_fuse_takes_one_profile_in_two_spellings(folder):
    from npfuse.pictures.metadata.profiles import SRGB

    write_picture("over.png", Picture(pixels=random_pair((21, 34, 3))[1], icc_profile=SRGB), overwrite=True)
    assert fuse("-o", "fused.png") == 0


def test_fuse_clips_floats_where_asked(folder, capsys):
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    under, over = random_pair((21, 34, 3), np.float32)
    write_picture("under.tif", Picture(pixels=under))
    write_picture("over.tif", Picture(pixels=over * 2 - 0.5))
    options = ["--weights", "small.npz", "-o", "fused.tif"]
    assert main(["fuse", "under.tif", "over.tif", *options]) == 2
    assert "are NaN or outside [0, 1], expected none" in one_error(capsys)
    assert main(["fuse", "under.tif", "over.tif", *options, "--clip"]) == 0
    expected = npfuse.fuse(under, np.clip(over * 2 - 0.5, 0, 1), random_weights())
    assert_close(read_picture("fused.tif").pixels, expected)


def test_fuse_says_what_it_did_where_asked(folder, capsys):
    assert main(["fuse", "over.png", "under.png", "--weights", "small.npz", "-o", "fused.png", "-v"]) == 0
    err = capsys.readouterr().err
    for said in ("weights random: LightFuse", "evaluated: one pass\n", "read over.png: ",
                 "21x34 (height x width), RGB, uint8", "under-exposed: under.png", "fused: ",
                 "wrote fused.png: "):  # fmt: skip
        assert said in err


def test_fuse_says_how_a_network_is_evaluated_that_is_not_evaluated_in_one_pass(folder, capsys):
    save_weights("t_cnn.npz", random_weights("t_cnn"))
    command = ["fuse", "under.png", "over.png", "-o", "fused.png", "--force", "-v", "--weights"]
    assert main([*command, "t_cnn.npz"]) == 0
    assert "evaluated: row by row\n" in capsys.readouterr().err
    assert main([*command, "small.npz", "--engine", "definition"]) == 0
    assert "evaluated: operator by operator: engine definition\n" in capsys.readouterr().err


def test_fuse_takes_the_given_order_where_told(folder, capsys):
    assert (
        main(["fuse", "over.png", "under.png", "--weights", "small.npz", "-o", "a.png", "--order", "given", "-v"]) == 0
    )
    assert "under-exposed: over.png (as given)" in capsys.readouterr().err
    under, over = random_pair((21, 34, 3))
    assert_close(read_picture("a.png").pixels, npfuse.fuse(over, under, random_weights(), order="given"))


def test_fuse_refuses_to_overwrite_unless_forced(folder, capsys):
    (folder / "fused.png").write_bytes(b"precious")
    assert fuse("-o", "fused.png") == 2
    assert "fused.png: exists already; choose another name, or allow overwriting" in one_error(capsys)
    assert (folder / "fused.png").read_bytes() == b"precious"
    assert fuse("-o", "fused.png", "--force") == 0
    assert read_picture("fused.png").pixels.shape == (21, 34, 3)


def write_unlike(folder):
    write_picture("small.png", Picture(pixels=np.zeros((3, 4, 3), np.uint8)))
    write_picture("grey.png", Picture(pixels=np.zeros((21, 34), np.uint8)))
    write_picture("deep.png", Picture(pixels=np.zeros((21, 34), np.uint16)))
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "over.png").read_bytes()[:300])
    (folder / "folder.png").mkdir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["under.png", "small.png"], "small.png: size (height, width) is (3, 4), expected (21, 34) as in under.png"),
        (["under.png", "grey.png"], "grey.png: kind is grey, expected RGB as in under.png"),
        (["grey.png", "deep.png"], "deep.png: sample type is uint16, expected uint8 as in grey.png"),
        (["under.png", "nowhere.png"], "nowhere.png: does not exist"),
        (["under.png", "new\nline.png"], "'new\\nline.png': does not exist"),
        (["empty.png", "over.png"], "empty.png: is empty"),
        (["text.png", "over.png"], "text.png: is not a picture"),
        (["cut.png", "over.png"], "cut.png: "),
        (["folder.png", "over.png"], "folder.png: is a folder"),
        (["under.png", "over.png", "-o", "out.gif"], "out.gif: extension is '.gif', expected one of .jpg"),
        (["under.png", "over.png", "-o", "missing/out.png"], "folder missing does not exist"),
        (["under.png", "over.png", "-o", "folder.png", "--force"], "folder.png: is a folder"),
        (["under.png", "over.png", "--quality", "101"], "--quality is 101, expected 1 to 100"),
        (["under.png", "over.png", "--threads", "0"], "threads is 0, expected None or an integer of at least 1"),
        (["under.png", "over.png", "--weights", "nothing"], "weights 'nothing'"),
        (["under.png", "over.png", "--weights", "text.png"], "expected an npfuse weights file"),
    ],
)
def test_fuse_says_in_one_line_what_is_wrong_and_writes_nothing(folder, capsys, arguments, message):
    write_unlike(folder)
    before = sorted(os.listdir())
    options = ["--weights", "small.npz"] if "--weights" not in arguments else []
    options += ["-o", "out.png"] if "-o" not in arguments else []
    assert main(["fuse", *arguments, *options]) == 2
    assert message in one_error(capsys)
    assert sorted(os.listdir()) == before


def test_an_interrupt_leaves_nothing_half_written(folder, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    before = sorted(os.listdir())
    monkeypatch.setattr("npfuse.pairs.file_fusion.fused_in_order", interrupt)
    assert fuse("-o", "fused.png") == 130
    assert "interrupted" in one_error(capsys)
    assert sorted(os.listdir()) == before


def test_too_little_memory_is_one_line(folder, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("npfuse.pairs.file_fusion.fused_in_order", fail)
    assert fuse("-o", "fused.png") == 2
    assert "not enough memory" in one_error(capsys)


def test_demo_fuses_the_examples_and_makes_a_sheet(folder, capsys):
    assert main(["demo", "--weights", "small.npz", "-o", "demo"]) == 0
    assert "look at" in capsys.readouterr().out
    sheet = read_picture("demo/contact-sheet.png").pixels
    assert sheet.shape[0] > 200 * len(SCENES)
    for scene in SCENES:
        under, over = (read_picture(path).pixels for path in example_pair(scene))
        fused = read_picture(f"demo/{scene}_fused.jpg").pixels
        assert fused.shape == under.shape
        expected = npfuse.fuse(under, over, random_weights())
        assert np.median(np.abs(fused.astype(int) - expected)) <= 3  # JPEG
    for scene in (*SCENES, NARROW_SCENE):
        for path in example_pair(scene):
            assert Path("demo", path.name).read_bytes() == path.read_bytes()
    assert main(["demo", "--weights", "small.npz", "-o", "demo"]) == 2
    assert "exists already" in one_error(capsys)
    assert main(["demo", "--weights", "small.npz", "-o", "demo", "--force"]) == 0


def test_weights_list_names_the_bundled_ones(capsys):
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert "lightfuse    LightFuse    18,630 parameters\n" in out
    assert "tonefuse     ToneFuse     5,380 parameters (default)\n" in out


def test_weights_show_prints_arrays_and_the_network(folder, capsys):
    assert main(["weights", "show", "small.npz"]) == 0
    out = capsys.readouterr().out
    parameters = random_weights().parameter_count
    for said in ("drawn at random", "full_range", "detail1/kernel", "6x12", f"lightfuse: {parameters:,} parameters"):
        assert said in out


def test_weights_convert_writes_what_fuse_takes(folder, capsys):
    pytest.importorskip("h5py")
    from tests.weights.test_keras_files import write_legacy

    weights = random_weights()
    write_legacy("authors.h5", weights, custom=True)
    assert main(["weights", "convert", "authors.h5", "authors.npz", "--normalization", "full_range"]) == 0
    assert "lightfuse, hidden=[12, 5], decoder=nearest" in capsys.readouterr().out
    converted = npfuse.load_weights("authors.npz")
    assert (converted.name, converted.normalization) == ("authors", "full_range")
    for name, array in weights.arrays.items():
        assert_close(converted.arrays[name], array)
    assert main(["weights", "convert", "authors.h5", "authors.npz"]) == 2
    assert "exists already" in one_error(capsys)
    assert main(["weights", "convert", "small.npz", "again.npz"]) == 2
    assert "small.npz: is an .npz of npfuse already" in one_error(capsys)
    assert main(["weights", "convert", "authors.h5", "missing/again.npz"]) == 2
    assert "missing/again.npz: folder missing does not exist" in one_error(capsys)
    assert main(["weights", "convert", "nothing.h5", "again.npz"]) == 2
    assert "weights 'nothing.h5': No such file or directory" in one_error(capsys)


def test_a_demo_that_fails_leaves_no_folder(folder, capsys):
    assert main(["demo", "--weights", "small.npz", "--threads", "0"]) == 2
    assert "threads is 0" in one_error(capsys)
    assert not (folder / "npfuse-demo").exists()


def test_names_and_sources_cannot_steer_the_terminal(folder, capsys):
    weights = random_weights()
    hostile = replace(weights, name="a\x1b[2Jb", source="c\nd")
    save_weights("hostile.npz", hostile)
    assert main(["weights", "show", "hostile.npz"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "c d" in out


def test_output_that_nobody_reads_is_no_error():
    command = f"{sys.executable} -m npfuse weights show lightfuse | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "npfuse", "fuse", "a", "b", "-o", "c"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith("npfuse: c: extension is ''")
    assert "Traceback" not in done.stderr


def test_no_command_prints_the_help(capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "lay every method's result" in told.err


def test_fuse_takes_a_method_and_further_exposures(folder, capsys):
    under, over = (read_picture(name).pixels for name in ("under.png", "over.png"))
    middle = (under // 2 + over // 2).astype(np.uint8)
    write_picture(folder / "middle.png", Picture(pixels=middle))
    stack = ["under.png", "over.png", "middle.png"]
    assert main(["fuse", *stack, "-o", "mertens.png", "--method", "mertens", "-v"]) == 0
    assert "method Mertens 2009" in capsys.readouterr().err
    expected = npfuse.fuse_stack([under, middle, over], method="mertens")
    assert_close(read_picture(folder / "mertens.png").pixels, expected)
    assert main(["fuse", *stack, "-o", "all.png", "--weights", "small.npz", "-v"]) == 0
    assert "all 3 exposures are used: LightFuse fuses the darkest and the brightest, each averaged" in (
        capsys.readouterr().err
    )
    expected = npfuse.fuse_stack([under, middle, over], random_weights())
    assert_close(read_picture(folder / "all.png").pixels, expected)
    assert main(["fuse", *stack, "-o", "pair.png", "--weights", "small.npz", "-v", "--pair"]) == 0
    assert "of 3 exposures, LightFuse takes the darkest and the brightest" in capsys.readouterr().err
    assert_close(read_picture(folder / "pair.png").pixels, npfuse.fuse(under, over, random_weights()))


def test_fuse_refuses_methods_without_weights(folder, capsys, monkeypatch):
    monkeypatch.setattr("npfuse.choices.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    assert main(["fuse", "under.png", "over.png", "-o", "fused.png", "--method", "deepfuse"]) == 2
    assert "no weights of DeepFuse ship with npfuse" in one_error(capsys)
    assert not (folder / "fused.png").exists()


def test_weights_convert_takes_the_files_of_deepfuse_s_authors(folder, capsys):
    rng = np.random.default_rng(0)
    shapes = [(32, 1, 3, 3), (64, 32, 5, 5), (64, 64, 7, 7), (32, 64, 5, 5), (16, 32, 5, 5), (1, 16, 7, 7)]
    np.savez("DF_model.npz", *(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    assert main(["weights", "convert", "DF_model.npz", "deepfuse.npz"]) == 0
    assert capsys.readouterr().out.startswith("deepfuse.npz: deepfuse, defaults, 316,976 parameters")
    assert main(["weights", "show", "deepfuse.npz"]) == 0
    assert "conv3/kernel                 7x7x64x64" in capsys.readouterr().out
    assert main(["fuse", "under.png", "over.png", "--weights", "deepfuse.npz", "-o", "fused.png"]) == 0
    assert read_picture(folder / "fused.png").pixels.shape == (21, 34, 3)


def test_a_line_says_once_that_code_is_compiled(capsys, tmp_path, monkeypatch):
    from npfuse.commands.console import note_of_compiling
    from npfuse.engine import machine_code
    from npfuse.engine.compiled import compiled
    from npfuse.progress import Bar

    @compiled
    def fill(out):
        out[0] = 1

    monkeypatch.setattr(machine_code, "folder", lambda: tmp_path)
    with note_of_compiling(Bar("fusing")):
        for dtype in (np.float32, np.float64):
            fill(np.zeros(1, dtype))
    assert capsys.readouterr().err == "npfuse: compiling for this processor, the first time only: about 10 seconds\n"
    with note_of_compiling(Bar("fusing")):
        pass
    assert capsys.readouterr().err == ""
