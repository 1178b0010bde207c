"""Contact sheets of flat pictures: every cell where it should be, and nothing over it."""

import numpy as np
import pytest

from npfuse.pictures.contact_sheet import BACKGROUND, contact_sheet

RED, GREEN, BLUE, YELLOW = (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)


def flat(height, width, color):
    return np.full((height, width, 3), color, np.uint8)


def box(sheet, color):
    """Rows and columns of the rectangle that has this colour; fails if it is no full rectangle."""
    mask = (sheet == np.array(color, np.uint8)).all(axis=2)
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert mask[top:bottom, left:right].all(), f"{color} is not a full rectangle"
    return int(top), int(bottom), int(left), int(right)


def test_contact_sheet_without_text_has_even_margins():
    sheet = contact_sheet(
        [[flat(20, 30, RED), flat(20, 30, GREEN)], [flat(20, 30, BLUE), flat(20, 30, YELLOW)]], ["", ""], margin=7
    )
    assert sheet.dtype == np.uint8
    assert sheet.shape == (7 + 20 + 7 + 20 + 7, 7 + 30 + 7 + 30 + 7, 3)
    assert box(sheet, RED) == (7, 27, 7, 37)
    assert box(sheet, GREEN) == (7, 27, 44, 74)
    assert box(sheet, BLUE) == (34, 54, 7, 37)
    assert box(sheet, YELLOW) == (34, 54, 44, 74)
    assert (sheet == np.array(BACKGROUND, np.uint8)).all(axis=2).sum() == sheet.shape[0] * sheet.shape[1] - 4 * 600


def test_contact_sheet_scales_pictures_down_to_one_height_and_keeps_their_aspect():
    sheet = contact_sheet([[flat(100, 150, RED), flat(200, 100, GREEN)]], ["", ""], cell_height=50, margin=5)
    assert box(sheet, RED) == (5, 55, 5, 80)
    assert box(sheet, GREEN) == (5, 55, 85, 110)


def test_contact_sheet_never_scales_up():
    sheet = contact_sheet([[flat(20, 30, RED), flat(40, 60, GREEN)]], ["", ""], cell_height=240, margin=5)
    assert sheet.shape == (30, 75, 3)
    assert box(sheet, GREEN) == (5, 25, 40, 70)


def test_contact_sheet_centres_narrow_pictures_in_their_column():
    sheet = contact_sheet([[flat(40, 60, RED)], [flat(40, 20, GREEN)]], [""], margin=5)
    assert box(sheet, RED)[2:] == (5, 65)
    assert box(sheet, GREEN)[2:] == (25, 45)


def test_contact_sheet_text_stands_beside_the_cells_and_never_on_them():
    rows = [[flat(60, 90, RED), flat(60, 90, GREEN)], [flat(60, 90, BLUE), flat(60, 90, YELLOW)]]
    plain = contact_sheet(rows, ["", ""])
    captioned = contact_sheet(rows, ["under", "jolly over"], ["first row", "gq"])
    top, bottom, left, _ = box(captioned, RED)
    assert bottom - top == 60
    assert top > 16
    assert left > 16
    for color in (RED, GREEN, BLUE, YELLOW):
        old, new = box(plain, color), box(captioned, color)
        assert [a - b for a, b in zip(new, old, strict=True)] == [top - 16, top - 16, left - 16, left - 16]
    ink = (captioned != np.array(BACKGROUND, np.uint8)).any(axis=2)
    assert ink[16:top, left : left + 90].any()  # "under"
    assert ink[16:top, left + 106 : left + 196].any()  # "jolly over"
    assert ink[top : top + 60, 16 : left - 16].any()  # "first row"
    assert ink[top + 76 : top + 136, 16 : left - 16].any()  # "gq"
    assert not ink[:15].any()
    assert not ink[top - 3 : top, :].any()
    assert not ink[:, left - 8 : left].any()


def test_contact_sheet_widens_a_column_for_a_long_caption():
    sheet = contact_sheet([[flat(30, 10, RED), flat(30, 10, GREEN)]], ["a caption far wider", ""], margin=5)
    top, _, left, right = box(sheet, RED)
    caption = np.nonzero((sheet[:top] != np.array(BACKGROUND, np.uint8)).any(axis=(0, 2)))[0]
    assert caption[0] >= 5 - 1
    assert caption[-1] < box(sheet, GREEN)[2] - 3
    assert abs((left + right) - (caption[0] + caption[-1])) <= 6


def test_contact_sheet_shows_single_channel_pictures_as_grey():
    sheet = contact_sheet([[np.full((20, 30), 120, np.uint8)]], [""], margin=5)
    assert box(sheet, (120, 120, 120)) == (5, 25, 5, 35)


def test_contact_sheet_accepts_non_contiguous_pictures():
    picture = np.zeros((30, 20, 3), np.uint8)
    picture[..., 0] = np.arange(20) * 10
    turned = picture.transpose(1, 0, 2)[::-1]
    sheet = contact_sheet([[turned]], [""], margin=0)
    np.testing.assert_array_equal(sheet, turned)


def test_contact_sheet_leaves_its_pictures_unchanged():
    picture = flat(20, 30, RED)
    contact_sheet([[picture]], ["under"], ["row"], cell_height=10)
    np.testing.assert_array_equal(picture, flat(20, 30, RED))


@pytest.mark.parametrize(
    ("rows", "captions", "labels", "options", "error", "message"),
    [
        ([], ["a"], None, {}, ValueError, "got 0 rows and 1 captions, expected at least 1 of each"),
        ([[]], [], None, {}, ValueError, "got 1 rows and 0 captions"),
        ([[flat(2, 2, RED)] * 2, [flat(2, 2, RED)]], ["a", "b"], None, {}, ValueError,
         "row 1 has 1 pictures, expected 2, one per caption"),
        ([[flat(2, 2, RED)]], ["a"], ["x", "y"], {}, ValueError, "got 2 labels, expected 1, one for each row"),
        ([[np.zeros((2, 2, 4), np.uint8)]], ["a"], None, {}, ValueError,
         r"picture \[0\]\[0\] has shape \(2, 2, 4\), expected \(H, W, 3\) or \(H, W\)"),
        ([[np.zeros((0, 2, 3), np.uint8)]], ["a"], None, {}, ValueError, r"has shape \(0, 2, 3\), .*not empty"),
        ([[np.zeros((2, 2, 3))]], ["a"], None, {}, TypeError, r"picture \[0\]\[0\] is float64, expected uint8"),
        ([[flat(2, 2, RED)]], ["a"], None, {"cell_height": 0}, ValueError, "cell_height is 0 and margin 16"),
        ([[flat(2, 2, RED)]], ["a"], None, {"margin": -1}, ValueError, "margin -1, expected >= 1 and >= 0"),
    ],
)  # fmt: skip
def test_contact_sheet_rejects_bad_input(rows, captions, labels, options, error, message):
    with pytest.raises(error, match=message):
        contact_sheet(rows, captions, labels, **options)
