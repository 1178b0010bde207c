"""Drawn motions between exposures are found and undone, and where nothing can be known that is said."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from npfuse import align
from npfuse.cli import main
from npfuse.examples import SCENES, example_pair
from npfuse.pairs.diagnosis import diagnose, findings, is_moved
from npfuse.pairs.motion_search import DOUBLE_FLOOR, EDGES_FLOOR, _blocks, find_motion, still
from npfuse.pairs.motions import Frame, farthest, moved
from npfuse.pairs.small_copies import small_luma, unpadded
from npfuse.pictures.reading import read_picture

BORDER = 40  # pixels of the examples that are left out, so that a moved frame shows the scene everywhere


def examples(scene):
    return tuple(read_picture(path).pixels for path in example_pair(scene))


def drawn_motion(height, width, shift, turn, zoom, tilt):
    """Return a motion, as shares of half of the longer side, in degrees, and as shares."""
    frame = Frame(height=height, width=width)
    step = np.array([*shift, np.radians(turn), zoom, 0, 0, 0, 0])
    return frame.step(step) @ frame.step(np.array([0, 0, 0, 0, 0, 0, *tilt]))


def photographed(picture, matrix, dtype=np.uint8):
    """Return the middle of a picture, seen by a camera that has moved, by SciPy's cubic splines."""
    height, width = picture.shape[0] - 2 * BORDER, picture.shape[1] - 2 * BORDER
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    there = moved(np.linalg.inv(matrix), places.astype(float)).T.reshape(2, height, width) + BORDER
    planes = np.atleast_3d(picture).astype(float)
    seen = [ndimage.map_coordinates(planes[..., k], there, order=3, mode="reflect") for k in range(planes.shape[2])]
    values = np.stack(seen, -1).reshape(height, width, *picture.shape[2:]).clip(0, 255)
    if dtype == np.float32:
        return (values / 255).astype(np.float32)
    return np.rint(values * (np.iinfo(dtype).max / 255)).astype(dtype)


def luma(picture):
    return small_luma(picture, None, 1)


share = st.floats(-1, 1, allow_nan=False)


@given(
    scene=st.sampled_from(SCENES),
    shift=st.tuples(share, share),
    turn=share,
    zoom=share,
    tilt=st.tuples(share, share),
)
@settings(max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate])
def test_drawn_motions_of_real_pictures_are_found_to_fractions_of_a_pixel(scene, shift, turn, zoom, tilt):
    under, over = examples(scene)
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    matrix = drawn_motion(height, width, np.multiply(shift, 0.08), 3 * turn, 0.02 * zoom, np.multiply(tilt, 0.01))
    found = find_motion(luma(under[BORDER:-BORDER, BORDER:-BORDER]), luma(photographed(over, matrix)))
    assert found.sure, found.doubt
    assert farthest(found.matrix, matrix, height, width) < min(0.3 + found.spread, 0.9)


@pytest.mark.parametrize(
    ("kind", "motion"),
    [
        ("still", ((0, 0), 0, 0, (0, 0))),
        ("shifted", ((0.02, -0.03), 0, 0, (0, 0))),
        ("turned", ((0.01, 0), 1.5, 0, (0, 0))),
        ("zoomed", ((0, 0.01), -0.5, 0.015, (0, 0))),
        ("tilted", ((0, 0), 0.3, 0, (0.008, -0.004))),
    ],
)
def test_as_many_parameters_are_taken_as_the_pair_needs(kind, motion):
    under, over = examples("courtyard")
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    found = find_motion(
        luma(under[BORDER:-BORDER, BORDER:-BORDER]), luma(photographed(over, drawn_motion(height, width, *motion)))
    )
    assert found.sure
    assert found.kind == kind


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_told_of_a_still_pair_however_it_is_enlarged(scene):
    under, over = examples(scene)
    found = diagnose(under, over)
    assert found.motion.sure
    assert not found.moved
    enlarged = [ndimage.zoom(picture, (3, 3, 1), order=1) for picture in (under, over)]
    assert not diagnose(*enlarged).moved


@pytest.mark.parametrize("scene", SCENES)
def test_a_pair_turned_by_a_degree_is_told_with_how_much(scene):
    under, over = examples(scene)
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    turned = photographed(over, drawn_motion(height, width, (0, 0), 1.0, 0, (0, 0)))
    told, *_ = findings(diagnose(under[BORDER:-BORDER, BORDER:-BORDER], turned))
    assert re.search(r"turned by \+(1\.0[0-2]|0\.9[89]) degrees.*; use --align", told)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_aligned_frames_show_what_unmoved_ones_would(dtype):
    under, over = examples("interior")
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    matrix = drawn_motion(height, width, (0.02, 0.01), 2.0, 0.01, (0.004, 0.002))
    still = photographed(over, np.eye(3), dtype)
    done = align([photographed(under, np.eye(3), dtype), photographed(over, matrix, dtype)])
    rows, columns = done.area
    assert done.frames[0].dtype == dtype
    assert done.frames[0].shape[0] > 0.85 * height
    white = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    error = (done.frames[1].astype(float) - still[rows, columns]) / white
    assert np.sqrt((error**2).mean()) < 0.012  # 38 dB, of a picture resampled twice


def test_any_number_of_frames_is_aligned_onto_the_first():
    under, over = examples("forest")
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    between = np.rint(np.sqrt(under.astype(float) * over)).astype(np.uint8)
    motions = [((0.02, 0), 1.0, 0, (0, 0)), ((0, -0.02), -1.5, 0.005, (0, 0))]
    matrices = [drawn_motion(height, width, *motion) for motion in motions]
    frames = [photographed(over, np.eye(3)), photographed(under, matrices[0]), photographed(between, matrices[1])]
    done = align(frames)
    for motion, matrix in zip(done.motions[1:], matrices, strict=True):
        assert motion.sure
        assert farthest(motion.matrix, matrix, height, width) < 0.4
    assert len({frame.shape for frame in done.frames}) == 1


def test_a_whole_shift_is_undone_without_resampling():
    under, over = examples("forest")
    done = align([under[4:, :-6], over[:-4, 6:]])
    np.testing.assert_array_equal(done.frames[0], under[4:-4, 6:-6])
    np.testing.assert_array_equal(done.frames[1], over[4:-4, 6:-6])


def test_kept_frames_have_the_first_ones_area_and_no_black_border():
    under, over = examples("courtyard")
    done = align([under[:-12], over[12:]], keep=True)
    assert done.frames[1].shape == under[:-12].shape
    np.testing.assert_array_equal(done.frames[0], under[:-12])
    np.testing.assert_array_equal(done.frames[1][12:], over[12:-12])
    filled, true = done.frames[1][:12].astype(float), over[:12].astype(float)
    assert np.abs(filled.mean(axis=(0, 1)) - true.mean(axis=(0, 1))).max() < 12  # at the second one's brightness


def test_transparent_and_padded_areas_say_nothing():
    under, over = examples("city")
    height, width = (n - 2 * BORDER for n in under.shape[:2])
    matrix = drawn_motion(height, width, (0.01, 0.02), 1.2, 0, (0, 0))
    first, second = under[BORDER:-BORDER, BORDER:-BORDER].copy(), photographed(over, matrix)
    mask = np.ones((height, width), np.uint8)
    mask[:, : width // 4] = 0
    rng = np.random.default_rng(0)
    second[mask == 0] = rng.integers(0, 255, second[mask == 0].shape)  # what lies under transparency is anything
    corner = np.add.outer(np.arange(height), np.arange(width)) < height // 2
    first[corner] = 0  # as a program pads that has turned the frame
    motion = align([first, second], masks=[None, mask]).motions[1]
    assert motion.sure, motion.doubt
    assert farthest(motion.matrix, matrix, height, width) < 0.4


def test_dark_scenes_are_not_taken_for_padded_ones():
    night = np.zeros((60, 80), np.float32)
    night[20:30, 10:20], night[40:50, 60:70] = 200, 150
    assert unpadded(night) is None


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (noise((200, 300), 0), noise((200, 300), 1)),
        (examples("city")[0][:380, :600], examples("interior")[1][:380, :600]),
        (np.full((200, 300), 9, np.uint8), np.full((200, 300), 200, np.uint8)),
        (np.zeros((1, 300), np.uint8), noise((1, 300), 0)),
        (noise((1, 1), 0), noise((1, 1), 1)),
    ],
    ids=["noise", "other scenes", "empty", "one row", "one pixel"],
)
def test_where_nothing_can_be_known_the_frames_are_left_alone(a, b):
    done = align([a, b])
    assert not done.motions[1].sure
    assert done.motions[1].doubt
    for frame, given_frame in zip(done.frames, (a, b), strict=True):
        np.testing.assert_array_equal(frame, given_frame)


@pytest.mark.parametrize(("scene", "axis"), [("courtyard", 1), ("sunset", 0), ("city", 1)])
def test_halves_that_moved_apart_are_never_called_aligned(scene, axis):
    under, over = examples(scene)
    apart = over.copy()
    half = (slice(None), slice(0, over.shape[1] // 2)) if axis else (slice(0, over.shape[0] // 2),)
    apart[half] = np.roll(over[half], 4, axis=1 - axis)
    motion = find_motion(luma(under), luma(apart))
    assert not motion.sure


def test_of_two_edges_beside_each_other_a_block_believes_the_one_that_it_knows_by_levels():
    a, there = luma(examples("interior")[0]), luma(examples("interior")[1])
    (edges, levels), seen = _blocks(a, there, np.eye(3), 32, by_levels=True)
    known = {tuple(place) for place in levels.places}
    assert 0.2 < len(known) / seen.size < 0.9
    for place, floor in zip(edges.places, edges.floor, strict=True):
        assert floor == (DOUBLE_FLOOR if tuple(place) in known else EDGES_FLOOR)


def test_what_lies_under_transparency_does_not_show(tmp_path):
    under, over = (picture[:300, :400] for picture in examples("courtyard"))
    turned = ndimage.rotate(over, 1.5, reshape=False, order=1, mode="reflect")
    alpha = np.full((300, 400), 255, np.uint8)
    alpha[:, :80] = 0
    Image.fromarray(np.dstack([under, np.full_like(alpha, 255)])).save(tmp_path / "under.png")
    rng, made = np.random.default_rng(0), []
    for options in ([], [], ["--max-memory", "1G"]):
        turned[:, :80] = rng.integers(0, 255, (300, 80, 3))
        Image.fromarray(np.dstack([turned, alpha])).save(tmp_path / "over.png")
        names = [str(tmp_path / name) for name in ("under.png", "over.png")]
        out = str(tmp_path / "fused.png")
        assert main(["fuse", *names, "-o", out, "--align", "--force", "--order", "given", *options]) == 0
        with Image.open(out) as fused:
            made.append(np.asarray(fused).astype(int))
    for other in made[1:]:
        assert np.abs(made[0] - other).max() <= 1  # where it decides a rounding


@pytest.mark.parametrize(
    ("frames", "error", "match"),
    [
        ([np.zeros((4, 4), np.uint8)], ValueError, "frames are 1, expected at least 2"),
        (
            [np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)],
            ValueError,
            r"frame 2 is \(4, 5\), expected \(4, 4\)",
        ),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16)], TypeError, "frame 2 is uint16, expected uint8"),
        ([np.zeros((4, 4), np.int8)] * 2, TypeError, "frame 1 is int8, expected uint8"),
        ([[[1, 2], [3, 4]]] * 2, TypeError, "frame 1 is a list, expected an ndarray"),
        ([np.zeros((4, 4, 4), np.uint8)] * 2, ValueError, r"frame 1 is \(4, 4, 4\), expected \(H, W\)"),
    ],
)
def test_frames_that_do_not_fit_are_refused(frames, error, match):
    with pytest.raises(error, match=match):
        align(frames)


@pytest.mark.parametrize(
    ("masks", "match"),
    [
        ([None], "masks are 1, expected 2 as of frames"),
        ([None, np.ones((4, 5), bool)], r"mask 2 is \(4, 5\), expected \(4, 4\) as of its frame"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, match):
    with pytest.raises(ValueError, match=match):
        align([np.zeros((4, 4), np.uint8)] * 2, masks=masks)


def test_frames_that_share_nothing_are_refused_unless_the_first_ones_area_is_kept(monkeypatch):
    frames = [noise((50, 100), k) for k in range(3)]
    shifts = [np.array([[1, 0, 0], [0, 1, by], [0, 0, 1.0]]) for by in (0, 60, -60)]
    motions = tuple(replace(still(50, 100), matrix=shift) for shift in shifts)
    monkeypatch.setattr("npfuse.pairs.alignment.find_motions", lambda frames, masks: motions)
    with pytest.raises(ValueError, match=r"frames share no area, expected some; .*keep=True"):
        align(frames)
    kept = align(frames, keep=True).frames[1]
    np.testing.assert_array_equal(kept[:, :40], frames[1][:, 60:])


@pytest.mark.parametrize(
    ("degrees", "spread", "doubt", "known", "told"),
    [
        (1.0, 0.1, "", True, True),
        (0.001, 0.1, "", True, False),
        (1.0, 0.9, "the corners are not held fast", True, True),  # far more than what is in doubt
        (0.1, 0.9, "the corners are not held fast", True, False),
        (1.0, 0.9, "they do not show the same", False, False),
    ],
)
def test_a_motion_is_told_where_it_is_far_larger_than_its_error(degrees, spread, doubt, known, told):
    turned = drawn_motion(2000, 3000, (0, 0), degrees, 0, (0, 0))
    motion = replace(still(2000, 3000), matrix=turned, kind="turned", spread=spread, doubt=doubt, known=known)
    assert is_moved(motion) == told
