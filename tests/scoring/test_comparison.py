"""Sheets of methods side by side, zoomed parts, and the paper's figures."""

import numpy as np
import pytest

import npfuse
from npfuse.cli import main
from npfuse.pictures.contact_sheet import contact_sheet
from npfuse.pictures.reading import Picture, read_picture, write_picture
from npfuse.scoring import comparison
from npfuse.scoring.comparison import (
    FIGURES,
    FRAMES,
    compare,
    figure_5,
    gradient,
    parts_of_lightfuse,
    stretched,
    zoomed,
)
from npfuse.scoring.evaluation import candidates
from npfuse.weights.loading import load_weights
from npfuse.weights.npz_files import save_weights
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights

MERTENS = candidates([], ["mertens"])


def test_a_sheet_shows_the_exposures_and_every_method():
    under, over = random_pair((40, 50, 3))
    fused = npfuse.fuse(under, over, method="mertens")
    expected = contact_sheet([[under, over, fused]], ["under-exposed", "over-exposed", "Mertens 2009"], cell_height=40)
    assert_close(compare([over, under], MERTENS, cell_height=40), expected)


def test_a_stack_is_shown_by_its_extremes_and_fused_whole():
    under, over = random_pair((40, 50, 3))
    stack = [over, under, (under // 2 + over // 2).astype(np.uint8)]
    fused = npfuse.fuse_stack(stack, method="mertens")
    expected = contact_sheet([[under, over, fused]], ["darkest of 3", "brightest", "Mertens 2009"], cell_height=40)
    assert_close(compare(stack, MERTENS, cell_height=40), expected)


def test_zoomed_parts_have_a_row_each_in_the_colour_that_shows_where_they_are():
    under, over = random_pair((40, 50, 3))
    fused = npfuse.fuse(under, over, method="mertens")
    parts = [x[7:17, 20:40].repeat(4, axis=0).repeat(4, axis=1) for x in (under, over, fused)]
    shown = [under.copy(), over.copy(), fused]
    for x in shown[:2]:
        x[[7, 8, 15, 16], 20:40] = x[7:17, [20, 21, 38, 39]] = FRAMES[0]
    for x in parts:
        x[[0, 1, 2, 3, -4, -3, -2, -1]] = x[:, [0, 1, 2, 3, -4, -3, -2, -1]] = FRAMES[0]
    captions = ["under-exposed", "over-exposed", "Mertens 2009"]
    expected = contact_sheet([shown, parts], captions, ["", "7,20"], cell_height=40)
    assert_close(compare([under, over], MERTENS, zooms=[(7, 20, 10, 20)], cell_height=40), expected)


def test_zoomed_parts_keep_their_pixels_at_any_height():
    under, _ = random_pair((40, 50, 3))
    part = zoomed(under, (3, 5, 30, 30), 40)
    assert part.shape == (40, 40, 3)
    rows = np.arange(40) * 30 // 40
    assert_close(part, under[3:33, 5:35][np.ix_(rows, rows)])
    assert_close(zoomed(under, (3, 5, 30, 31), 20), under[3:33, 5:36])  # the sheet shrinks it
    assert zoomed(under[..., 0], (3, 5, 30, 30), 40).shape == (40, 40, 3)


@pytest.mark.parametrize("zoom", [(-1, 0, 5, 5), (0, 0, 0, 5), (36, 0, 5, 5), (0, 46, 5, 5)])
def test_parts_outside_the_pictures_are_refused(zoom):
    with pytest.raises(ValueError, match=r"zoom is .*, expected a part of pictures of 40x50 \(height x width\)"):
        compare(random_pair((40, 50, 3)), MERTENS, zooms=[zoom])


def test_the_two_networks_of_lightfuse_add_up_to_its_result():
    under, over = random_pair((21, 34, 3))
    detail, coarse = parts_of_lightfuse(under, over, load_weights("lightfuse"))
    fused = (np.tanh(detail + coarse) + 1) * 127.5
    # Half a level of rounding, and what float32 loses.
    assert_close(fused, npfuse.fuse(under, over, "lightfuse", order="given").astype(float), 0.51)
    assert (detail >= 0).all()  # behind its last ReLU
    blocks = coarse[:16, :32].reshape(2, 8, 4, 8, 3)
    assert_close(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))  # nearest x8


def test_gradient_is_the_length_of_the_central_differences():
    ramp = np.add.outer(3.0 * np.arange(5), 4.0 * np.arange(6))
    assert_close(gradient(np.stack([ramp, ramp], axis=2)), np.full((5, 6), 5.0), 1e-12)


def test_a_flat_picture_is_stretched_to_zeros():
    assert_close(stretched(np.full((3, 4), 0.7)), np.zeros((3, 4)))


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """Two small example scenes in place of the real ones."""
    for i, scene in enumerate("ab"):
        for name, picture in zip(("under", "over"), random_pair((24, 32, 3), seed=i), strict=True):
            write_picture(tmp_path / f"{scene}_{name}.png", Picture(pixels=picture))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparison, "SCENES", ("a", "b"))
    monkeypatch.setattr(comparison, "example_pair", lambda scene: (f"{scene}_under.png", f"{scene}_over.png"))


def test_figures_are_written_by_one_command_each(examples, monkeypatch):
    save_weights("t_cnn.npz", random_weights("t_cnn"))
    t_cnn = candidates(["t_cnn.npz"], [])
    monkeypatch.setattr(comparison, "candidates", lambda sources, methods=None: t_cnn + MERTENS)
    for number in FIGURES:
        assert main(["figure", str(number), "-o", f"{number}.png", "--cell-height", "24"]) == 0
    assert_close(read_picture("5.png").pixels, figure_5(24))
    pictures = read_picture("3.png").pixels
    assert_close(pictures, read_picture("6.png").pixels)  # of the same methods here
    under, over = (read_picture(f"a_{name}.png").pixels for name in ("under", "over"))
    fused = npfuse.fuse(under, over, method="mertens")
    height, width = pictures.shape[:2]
    assert any(
        (pictures[row : row + 24, column : column + 32] == fused).all()
        for row in range(height - 23)
        for column in range(width - 31)
    )


def test_compare_writes_a_sheet_or_says_why_not(examples, capsys, monkeypatch):
    monkeypatch.setattr("npfuse.choices.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    pair = ["a_under.png", "a_over.png"]
    options = ["-o", "sheet.png", "--methods", "mertens", "--cell-height", "24"]
    assert main(["compare", *pair, *options, "--zoom", "2,3,12,10"]) == 0
    pictures = [read_picture(name).pixels for name in pair]
    assert_close(read_picture("sheet.png").pixels, compare(pictures, MERTENS, zooms=[(2, 3, 12, 10)], cell_height=24))
    for arguments, message in (
        ([*pair, *options], "sheet.png: exists already"),
        ([pair[0], *options, "--force"], "number of pictures is 1, expected at least 2"),
        ([*pair, *options, "--force", "--zoom", "20,0,8,8"], "zoom is 20,0,8,8"),
        ([*pair, "-o", "b.png", "--cell-height", "7"], "--cell-height is 7, expected 8 to 4096"),
        ([*pair, "-o", "b.png", "--methods", "deepfuse"], "no weights of DeepFuse ship with npfuse"),
    ):
        assert main(["compare", *arguments]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["compare", *pair, *options, "--zoom", "1,2,3"])
    assert "1,2,3, expected row,column,height,width, each a whole number" in capsys.readouterr().err
