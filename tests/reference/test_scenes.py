import imageio.v3 as iio
import numpy as np
import pytest

pytest.importorskip("keras")

from reference.errors import InputError
from reference.made_labels import made_label
from reference.scenes import Scene, cut_patches, full_range, patch_starts, read_scene, read_scenes
from tests.reference.scenes import write_picture, write_scene


def test_scenes_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "c", "a"):
        write_scene(tmp_path / name)
    assert [scene.name for scene in read_scenes(tmp_path)] == ["a", "b", "c"]


def test_the_pair_is_the_darkest_and_the_brightest_by_mean_not_by_name(tmp_path):
    write_scene(tmp_path / "s")
    for n, value in enumerate([0.5, 0.9, 0.1], start=1):
        write_picture(tmp_path / "s" / f"exposure_{n:02d}.png", np.full((24, 40, 3), value))
    scene = read_scene(tmp_path / "s")
    assert set(np.unique(scene.under)) == {26}  # 0.1 * 255, rounded
    assert set(np.unique(scene.over)) == {230}


def test_the_label_is_read_as_it_is(tmp_path):
    label = write_scene(tmp_path / "s")
    np.testing.assert_array_equal(read_scene(tmp_path / "s").label, label)


def test_exposures_have_any_name_and_the_label_one_of_three_in_any_case(tmp_path):
    label = write_scene(tmp_path / "s")
    for old, new in (("exposure_01.png", "A dark.PNG"), ("exposure_02.png", "bright.png"), ("label.png", "GT.PNG")):
        (tmp_path / "s" / old).rename(tmp_path / "s" / new)
    scene = read_scene(tmp_path / "s")
    assert len(scene.exposures) == 3
    np.testing.assert_array_equal(scene.given_label, label)


def test_jpeg_scenes_are_read(tmp_path):
    folder = tmp_path / "s"
    write_scene(folder)
    for path in list(folder.iterdir()):
        iio.imwrite(path.with_suffix(".jpg"), iio.imread(path))
        path.unlink()
    scene = read_scene(folder)
    assert scene.given_label is not None
    assert scene.under.shape == (24, 40, 3)


def test_other_files_and_hidden_folders_are_left_alone(tmp_path):
    write_scene(tmp_path / "s")
    (tmp_path / "s" / "notes.txt").write_text("not a picture")
    (tmp_path / "readme.txt").write_text("not a scene")
    (tmp_path / ".cache").mkdir()
    assert [scene.name for scene in read_scenes(tmp_path)] == ["s"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder, expected DIR/<scene>/<exposures>"):
        read_scenes(tmp_path / "nowhere")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path}: no scenes in it"):
        read_scenes(tmp_path)


def test_a_scene_without_label_has_a_made_one(tmp_path):
    write_scene(tmp_path / "007", height=40, width=48)
    (tmp_path / "007" / "label.png").unlink()
    (scene,) = read_scenes(tmp_path)
    assert scene.given_label is None
    np.testing.assert_array_equal(scene.label, made_label(scene.exposures))


def test_the_label_of_a_pair_is_given_where_it_is_far_apart_and_made_of_what_lies_between_otherwise():
    rng = np.random.default_rng(0)
    stack = tuple(rng.integers(low, low + 40, (24, 32, 3), dtype=np.uint8) for low in (0, 60, 90, 120))
    scene = Scene(name="s", exposures=stack, given_label=stack[1])
    for pair, given in (((0, 3), True), ((0, 2), False), ((1, 3), False)):
        assert scene.has_given_label(*pair) == given
    assert scene.label_of(0, 3) is stack[1]
    np.testing.assert_array_equal(scene.label_of(1, 3), made_label(stack[1:]))
    unlabelled = Scene(name="s", exposures=stack)
    np.testing.assert_array_equal(unlabelled.label_of(0, 3), made_label(stack))
    bright = Scene(
        name="s", exposures=(stack[0], stack[3] + np.uint8(20), stack[3] + np.uint8(40)), given_label=stack[1]
    )
    assert bright.has_given_label(0, 1)  # 140 levels apart


def test_two_labels_are_named(tmp_path):
    label = write_scene(tmp_path / "007")
    iio.imwrite(tmp_path / "007" / "label.jpg", label)
    with pytest.raises(InputError, match=r"007: the scene has 2 label pictures, expected one at most"):
        read_scenes(tmp_path)


def test_scenes_in_sets_are_called_by_their_path_and_folders_are_read_one_after_another(tmp_path):
    for name in ("first/b", "first/set/a", "second/c"):
        write_scene(tmp_path / name)
    names = [scene.name for scene in read_scenes(tmp_path / "second", tmp_path / "first")]
    assert names == ["c", "b", "set/a"]
    write_scene(tmp_path / "second" / "b")
    with pytest.raises(InputError, match="two scenes are called b, expected different names"):
        read_scenes(tmp_path / "second", tmp_path / "first")


def test_a_scene_with_one_exposure_is_named(tmp_path):
    write_scene(tmp_path / "007", exposures=1)
    with pytest.raises(InputError, match=r"007: the scene has 1 exposures, expected 2 or more"):
        read_scenes(tmp_path)


def test_unequal_sizes_are_named_with_both_files(tmp_path):
    write_scene(tmp_path / "s")
    write_picture(tmp_path / "s" / "exposure_02.png", np.zeros((24, 41, 3)))
    wanted = r"exposure_02.png: the picture is 24x41 \(height x width\), expected 24x40 as in .*exposure_01.png"
    with pytest.raises(InputError, match=wanted):
        read_scenes(tmp_path)


def test_a_broken_picture_is_named_in_one_line(tmp_path):
    write_scene(tmp_path / "s")
    (tmp_path / "s" / "exposure_02.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"exposure_02.png: not a picture that can be read") as caught:
        read_scenes(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_grey_picture_is_refused(tmp_path):
    write_scene(tmp_path / "s")
    iio.imwrite(tmp_path / "s" / "exposure_02.png", np.zeros((24, 40), np.uint8))
    with pytest.raises(
        InputError, match=r"exposure_02.png: the picture is uint8 \(24, 40\), expected uint8 \(H, W, 3\)"
    ):
        read_scenes(tmp_path)


@pytest.mark.parametrize(
    ("length", "starts"),
    [(256, [0]), (257, [0, 1]), (512, [0, 256]), (754, [0, 256, 498]), (1344, [0, 256, 512, 768, 1024, 1088])],
)
def test_patches_start_every_256_and_the_last_ends_at_the_border(length, starts):
    assert patch_starts(length) == starts


def test_every_pixel_is_in_some_patch_and_label_and_input_stay_together(tmp_path):
    write_scene(tmp_path / "s", height=21, width=37)
    scene = read_scene(tmp_path / "s")
    # Every pixel carries its own row and column, so that each patch tells where it was cut.
    rows, columns = np.mgrid[:21, :37].astype(np.uint8)
    for picture, mark in ((scene.under, 1), (scene.over, 2), (scene.label, 3)):
        picture[...] = np.stack([rows, columns, np.full_like(rows, mark)], axis=-1)
    inputs, labels = cut_patches([scene], patch=16)
    assert inputs.shape == (6, 16, 16, 6)
    np.testing.assert_array_equal(inputs[..., 0:2], labels[..., 0:2])
    np.testing.assert_array_equal(inputs[..., 3:5], labels[..., 0:2])
    assert set(np.unique(inputs[..., 2])) == {1}
    assert set(np.unique(inputs[..., 5])) == {2}
    assert {(int(r), int(c)) for r, c, _ in labels.reshape(-1, 3)} == {(r, c) for r in range(21) for c in range(37)}


def test_patches_stay_bytes(tmp_path):
    write_scene(tmp_path / "s")
    assert {array.dtype for array in cut_patches(read_scenes(tmp_path), patch=16)} == {np.dtype(np.uint8)}


def test_a_picture_smaller_than_a_patch_is_named(tmp_path):
    write_scene(tmp_path / "big", height=32)
    write_scene(tmp_path / "small", height=24)
    wanted = r"small: the picture is 24x40 \(height x width\), expected 32x32 or more"
    with pytest.raises(InputError, match=wanted):
        cut_patches(read_scenes(tmp_path), patch=32)


def test_full_range_maps_bytes_to_minus_one_to_one():
    values = full_range(np.arange(256, dtype=np.uint8))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, np.linspace(-1, 1, 256), atol=2e-7)
