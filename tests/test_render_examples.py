"""The camera that renders the example pictures, against values worked out by hand. No panorama file is read."""

import importlib.util
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from npfuse.examples import NARROW_SCENE, SCENES, example_pair


@pytest.fixture(scope="module")
def render_examples():
    """The script, imported by its path: bench/ is not installed."""
    path = Path(__file__).parents[1] / "bench" / "render_examples.py"
    spec = importlib.util.spec_from_file_location("render_examples", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def srgb_decode(encoded):
    """IEC 61966-2-1, from encoded to linear."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def test_srgb_encode_equals_the_standard_at_known_points(render_examples):
    linear = np.array([0.0, 0.0031308, 0.18, 0.214041, 0.5, 1.0])
    # 12.92 * 0.0031308; 1.055 * v**(1/2.4) - 0.055 for the others. 0.214041 is the light of mid code 0.5.
    expected = [0.0, 0.04044994, 0.46135613, 0.5, 0.73535698, 1.0]
    np.testing.assert_allclose(render_examples.srgb_encode(linear), expected, rtol=0, atol=1e-6)


def test_srgb_encode_has_no_step_at_its_joint(render_examples):
    below, above = render_examples.srgb_encode(np.array([0.0031308, 0.0031308 + 1e-12]))
    assert abs(above - below) < 1e-7  # the rounded constants of the standard leave 3e-8


def test_expose_doubles_light_per_ev_and_clips_at_white(render_examples):
    light = np.array([0.0, 0.1, 0.3, 0.7])
    np.testing.assert_array_equal(render_examples.expose(light, 1), [0.0, 0.2, 0.6, 1.0])
    np.testing.assert_array_equal(render_examples.expose(light, -2), light / 4)


def test_quantise_rounds_to_the_nearest_level(render_examples):
    levels = render_examples.quantise(np.array([0.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 1.0]))
    assert levels.dtype == np.uint8
    assert levels.tolist() == [0, 0, 1, 127, 255]


def test_view_angles_centre_pixel_looks_along_yaw_and_pitch(render_examples):
    longitude, latitude = render_examples.view_angles(5, 7, yaw=40, pitch=-25, field_of_view=100)
    np.testing.assert_allclose([longitude[2, 3], latitude[2, 3]], [40, -25], atol=1e-12)


def test_view_angles_edges_lie_half_a_field_of_view_from_the_centre(render_examples):
    # Pixel centres lie half a pixel inside the edge: at 3 of 4 half widths of 2 pixels, atan(0.75 * tan 45 deg).
    longitude, latitude = render_examples.view_angles(4, 4, yaw=0, pitch=0, field_of_view=90)
    assert np.ptp(longitude[1]) < 90
    np.testing.assert_allclose(longitude[:, [0, 3]], [[-36.86989765, 36.86989765]] * 4, atol=1e-7)
    assert (latitude[0] > 0).all()  # row 0 is up
    assert (latitude[3] < 0).all()


def test_view_angles_vertical_extent_uses_square_pixels(render_examples):
    # Focal length 1.5 pixels (3 wide, 90 degrees); the top row is 1 pixel above the axis: atan(1 / 1.5).
    _, latitude = render_examples.view_angles(3, 3, yaw=0, pitch=0, field_of_view=90)
    np.testing.assert_allclose(latitude[:, 1], [33.69006753, 0, -33.69006753], atol=1e-7)


def test_view_angles_pitch_moves_the_middle_column_only_in_latitude(render_examples):
    longitude, latitude = render_examples.view_angles(3, 3, yaw=10, pitch=30, field_of_view=90)
    np.testing.assert_allclose(longitude[:, 1], 10, atol=1e-12)
    np.testing.assert_allclose(latitude[:, 1], [63.69006753, 30, -3.69006753], atol=1e-7)


def test_view_angles_wrap_longitude_into_half_open_range(render_examples):
    longitude, _ = render_examples.view_angles(1, 3, yaw=170, pitch=0, field_of_view=90)
    np.testing.assert_allclose(longitude, [[136.30993247, 170, -156.30993247]], atol=1e-7)


def test_panorama_coordinates_hit_pixel_centres(render_examples):
    # 4 rows of 45 degrees, 8 columns of 45 degrees: the centre of pixel [0, 0] is at latitude 67.5, longitude -157.5.
    row, column = render_examples.panorama_coordinates(np.array([-157.5, 22.5]), np.array([67.5, -22.5]), 4, 8)
    np.testing.assert_allclose(row, [0, 2])
    np.testing.assert_allclose(column, [0, 4])


def test_sample_panorama_returns_a_pixel_at_its_centre(render_examples):
    rng = np.random.default_rng(1)
    radiance = np.exp2(rng.uniform(-6, 6, (8, 16, 3))).astype(np.float32)
    longitude = (np.arange(16) + 0.5) * 22.5 - 180
    latitude = 90 - (np.arange(8) + 0.5) * 22.5
    sampled = render_examples.sample_panorama(radiance, *np.meshgrid(longitude, latitude))
    np.testing.assert_allclose(sampled[1:-1], radiance[1:-1], rtol=1e-4)  # float64 splines, margin of 16 pixels


def test_sample_panorama_closes_at_180_degrees(render_examples):
    # The seam shows the middle of its neighbours: sqrt(2 * 8) = 4 by the logarithm, the panorama elsewhere symmetric.
    radiance = np.full((6, 12, 3), 4, np.float32)
    radiance[:, 0], radiance[:, -1] = 2, 8
    sampled = render_examples.sample_panorama(radiance, np.array([[-180.0, 180.0]]), np.zeros((1, 2)))
    np.testing.assert_allclose(sampled, 4, rtol=1e-6)


def test_sample_panorama_does_not_ring_beside_a_lamp(render_examples):
    radiance = np.full((16, 32, 3), 0.25, np.float32)
    radiance[8, 16] = 4096
    longitude, latitude = render_examples.view_angles(60, 80, yaw=0, pitch=0, field_of_view=80)
    sampled = render_examples.sample_panorama(radiance, longitude, latitude)
    assert sampled.min() >= 0.25 * (1 - 1e-6)
    assert sampled.max() <= 4096 * (1 + 1e-6)


def test_fill_holes_leaves_an_ordinary_panorama_alone(render_examples):
    radiance = np.exp2(np.random.default_rng(2).uniform(-2, 2, (16, 32, 3))).astype(np.float32)
    np.testing.assert_array_equal(render_examples.fill_holes(radiance), radiance)


def test_fill_holes_replaces_zero_and_negative_values_by_their_surroundings(render_examples):
    radiance = np.full((16, 32, 3), 0.5, np.float32)
    radiance[4, 5] = 0
    radiance[9, 0] = -0.01  # on the seam
    np.testing.assert_array_equal(render_examples.fill_holes(radiance), np.full_like(radiance, 0.5))


def test_fill_holes_takes_the_dark_side_of_an_edge(render_examples):
    radiance = np.full((16, 32, 3), 0.25, np.float32)
    radiance[:, 16:24] = 16
    radiance[8, 15] = 0  # on the wall, beside the window
    assert render_examples.fill_holes(radiance)[8, 15].tolist() == [0.25] * 3


def test_fill_holes_floors_what_surrounds_a_light(render_examples):
    radiance = np.full((16, 32, 3), 8, np.float32)
    radiance[8, 16] = 30000
    radiance[7, 16] = 2  # too bright for a hole, and still ringing
    filled = render_examples.fill_holes(radiance)
    assert filled[8, 16].tolist() == [30000] * 3
    assert filled[7, 16].tolist() == [8] * 3


def test_render_gives_two_pictures_of_the_stated_shape_darker_first(render_examples):
    scene = render_examples.Scene(
        name="ramp", panorama="-", yaw=0, pitch=0, field_of_view=90, height=5, width=9, under_ev=-1, over_ev=1
    )
    under, over = render_examples.render(scene, np.full((16, 32, 3), 0.25, np.float32))
    assert under.shape == over.shape == (5, 9, 3)
    # sRGB of 0.125 is 0.388573 (level 99), of 0.5 is 0.735357 (level 188).
    assert (under == 99).all()
    assert (over == 188).all()


def test_render_examples_has_the_scenes_that_ship(render_examples):
    assert tuple(scene.name for scene in render_examples.SCENES) == (*SCENES, NARROW_SCENE)


@pytest.mark.parametrize("name", [*SCENES, NARROW_SCENE])
def test_example_over_has_2_to_the_stated_ev_times_the_light_of_under(name, render_examples):
    scene = next(scene for scene in render_examples.SCENES if scene.name == name)
    under, over = (iio.imread(path) for path in example_pair(name))
    # 8 levels or more, so that rounding is at most 1/16; over short of its clipped end, beside which JPEG rings.
    usable = (under >= 8).all(axis=2) & (over >= 8).all(axis=2) & (over <= 245).all(axis=2)
    assert usable.sum() > 1000
    ratio = srgb_decode(over[usable] / 255) / srgb_decode(under[usable] / 255)
    # Rounding cancels in the median of thousands of pixels: the six pairs lie within 0.011 EV of what is stated.
    np.testing.assert_allclose(np.median(np.log2(ratio)), scene.over_ev - scene.under_ev, atol=0.05)


def test_credits_show_the_scene_table_of_the_script(render_examples):
    credits = example_pair(SCENES[0])[0].with_name("CREDITS.md").read_text(encoding="utf-8")
    assert render_examples.scene_table(render_examples.SCENES) in credits


def test_read_panorama_names_the_extra_when_openexr_is_missing(render_examples, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(SystemExit, match=r"OpenEXR is missing, .*npfuse\[bench\]"):
        render_examples.read_panorama(tmp_path / "none.exr")
