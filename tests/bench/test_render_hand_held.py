"""The hand-held bracket of the documentation: its geometry, its noise, and that npfuse finds its known motions."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.render_examples import view_angles
from bench.render_hand_held import (
    FIELD_OF_VIEW,
    FULL_WELL,
    HEIGHT,
    READ_NOISE,
    SHOTS,
    WIDTH,
    Shot,
    covered,
    directions,
    known_motion,
    photograph,
    shots_table,
)
from npfuse import align
from npfuse.cli import main
from npfuse.pairs.motions import farthest, moved

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "hand-held"
FILES = [FOLDER / f"frame-{i}.jpg" for i in range(1, len(SHOTS) + 1)]


@pytest.fixture(scope="module")
def aligned():
    return align([np.asarray(Image.open(file)) for file in FILES])


@pytest.mark.parametrize("i", range(1, len(SHOTS)))
def test_the_known_motions_of_the_frames_are_found_to_0_3_pixels_at_the_corners(aligned, i):
    motion = aligned.motions[i]
    assert motion.sure, motion.doubt
    assert motion.size > 10
    assert farthest(motion.matrix, known_motion(SHOTS[0], SHOTS[i]), HEIGHT, WIDTH) < 0.3


def test_the_command_aligns_the_frames_and_crops_them_to_what_they_share(aligned, tmp_path, capsys):
    made = tmp_path / "fused.png"
    assert main(["fuse", *map(str, FILES), "-o", str(made), "--align", "--method", "mertens", "-v"]) == 0
    rows, columns = aligned.area
    with Image.open(made) as fused:
        assert fused.size == (columns.stop - columns.start, rows.stop - rows.start)
    told = capsys.readouterr().err
    assert "picture 2 was shifted by" in told
    assert "picture 3 was shifted by" in told
    assert "unsure" not in told


def test_without_alignment_the_command_says_that_the_camera_was_turned(tmp_path, capsys):
    assert main(["fuse", *map(str, FILES), "-o", str(tmp_path / "fused.png"), "--method", "mertens"]) == 0
    told = capsys.readouterr().err
    assert "turned by +0.7" in told or "turned by -0.7" in told or "turned by +0.8" in told or "turned by -0.8" in told
    assert told.count("use --align") == 2


def test_a_level_camera_looks_where_that_of_the_examples_does():
    shot = Shot(ev=0, iso=100, yaw=30, pitch=-7, roll=0, walker=0, stride=0)
    for found, expected in zip(directions(shot), view_angles(HEIGHT, WIDTH, 30, -7, FIELD_OF_VIEW), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_known_motion_leads_to_the_pixel_that_looks_the_same_way():
    first, second = SHOTS[0], SHOTS[2]
    places = np.array([[100.0, 100.0], [400.0, 600.0]])
    there = moved(known_motion(first, second), places)
    looked = np.stack([plane[100:401:300, 100:601:500].diagonal() for plane in directions(first)])
    for k in (0, 1):
        row, column = np.floor(there[k]).astype(int)
        share = there[k] - (row, column)
        for plane, expected in zip(directions(second), looked[:, k], strict=True):
            part = plane[row : row + 2, column : column + 2]
            between = (1 - share[0]) * (part[0] @ [1 - share[1], share[1]]) + share[0] * (
                part[1] @ [1 - share[1], share[1]]
            )
            assert abs(between - expected) < 1e-3  # degrees; a pixel is 0.15, and a direction bends little within it


def test_a_camera_rolled_by_a_right_angle_has_its_top_to_the_right():
    shot = Shot(ev=0, iso=100, yaw=0, pitch=0, roll=90, walker=0, stride=0)
    longitude, latitude = directions(shot)
    assert longitude[0, WIDTH // 2] > 25  # the top row's middle
    assert abs(latitude[0, WIDTH // 2]) < 0.1


def test_noise_has_the_variance_of_the_electrons():
    shot = Shot(ev=0, iso=400, yaw=180, pitch=60, roll=0, walker=0, stride=0.5)  # away from the walker
    radiance = np.full((32, 64, 3), 0.2, np.float32)
    encoded = photograph(radiance, shot, np.random.default_rng(0)) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    white = FULL_WELL / 4
    rounding = (1 / 255 / 2.05) ** 2 / 12  # of levels, where the curve's slope is 2.05
    assert abs(light.mean() - 0.2) < 2e-4
    assert light.var() == pytest.approx((0.2 * white + READ_NOISE**2) / white**2 + rounding, rel=0.05)


def test_the_walker_stands_on_the_ground_and_is_as_tall_as_people_are():
    up = np.linspace(-0.5, 2.5, 601)
    inside = np.max([part for part, _, _ in covered(np.zeros_like(up), up, 0.0)], axis=0)
    body = up[inside > 0]
    assert -0.05 < body.min() < 0.0
    assert 1.75 < body.max() < 1.9


def test_credits_show_the_frames_of_the_script():
    assert shots_table() in (FOLDER / "CREDITS.md").read_text(encoding="utf-8")


def test_frames_are_small():
    assert sum(file.stat().st_size for file in FOLDER.glob("*.jpg")) < 400_000
