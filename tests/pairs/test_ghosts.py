"""What moved between exposures is found and taken out; where nothing moved, nothing changes."""

import contextlib
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import npfuse
from npfuse.examples import SCENES, example_pair
from npfuse.pairs.brightness import find_mapping
from npfuse.pairs.diagnosis import diagnose, findings
from npfuse.pairs.file_options import Teller
from npfuse.pairs.ghosts import find_ghosts
from npfuse.pairs.mending import ghost_mask, mend_pictures
from npfuse.pictures.light import decode_light, encode_light
from npfuse.pictures.picture import Picture
from npfuse.pictures.reading import read_picture, write_picture
from tests.picture_files import exif_block


def examples(scene):
    return tuple(read_picture(path).pixels.copy() for path in example_pair(scene))


def luma(picture):
    return picture[..., 1].astype(np.float32) / 255


def with_person(scene):
    """Return a pair in which somebody walks, and where he is in each."""
    under, over = examples(scene)
    places = (slice(220, 330), slice(200, 245)), (slice(220, 330), slice(290, 335))
    under[places[0]], over[places[1]] = (4, 3, 2), (140, 120, 110)
    return under, over, places


def as_jpeg(picture):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


def noisy(picture, seed):
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_moved_in_still_pairs_even_if_noisy_compressed_or_slightly_apart(scene):
    under, over = examples(scene)
    for a, b in (
        (under, over),
        (as_jpeg(under), as_jpeg(over)),
        (noisy(under, 0), noisy(over, 1)),
        (under[1:, 1:], over[:-1, :-1]),
    ):
        assert not find_ghosts([luma(a), luma(b)])


def test_a_person_at_two_places_is_told_with_where():
    under, over, places = with_person("courtyard")
    (told,) = findings(diagnose(under, over))
    assert told.startswith("something moved between the pictures: ")
    assert told.endswith("use --deghost")
    ghosts = find_ghosts([luma(under), luma(over)])
    for place in places:
        assert ghosts.inside[place].mean() > 0.97
    assert ghosts.share < 0.06


def test_mended_pictures_show_one_exposure_and_their_own_pixels_elsewhere():
    under, over, places = with_person("courtyard")
    still = examples("courtyard")
    pictures = [Picture(pixels=under), Picture(pixels=over)]
    done = [picture.pixels for picture in mend_pictures(pictures, None, False, Teller())]
    ghosts = find_ghosts([luma(under), luma(over)])
    source, other = ghosts.source, 1 - ghosts.source
    np.testing.assert_array_equal(done[source], pictures[source].pixels)
    far = np.ones(under.shape[:2], bool)
    for rows, columns in places:
        far[rows.start - 40 : rows.stop + 40, columns.start - 40 : columns.stop + 40] = False
    np.testing.assert_array_equal(done[other][far], pictures[other].pixels[far])
    assert not find_ghosts([luma(picture) for picture in done])
    # Where the source shows the scene itself, the other gets the scene as it would have exposed it.
    place = places[other]
    error = np.abs(done[other][place].astype(float).mean((0, 1)) - still[other][place].astype(float).mean((0, 1)))
    assert error.max() < 40


def test_still_pictures_stay_as_they_are_to_the_byte():
    pictures = [Picture(pixels=pixels) for pixels in examples("city")]
    for picture, mended in zip(pictures, mend_pictures(pictures, None, False, Teller()), strict=True):
        assert mended.pixels is picture.pixels


def test_the_mask_is_written_where_pixels_were_replaced(tmp_path):
    under, over, places = with_person("courtyard")
    mend_pictures([Picture(pixels=under), Picture(pixels=over)], tmp_path / "mask.png", False, Teller())
    mask = read_picture(tmp_path / "mask.png").pixels
    assert mask.shape == under.shape[:2]
    for place in places:
        assert np.median(mask[place]) == 255
    assert (mask == 0).mean() > 0.85


def test_the_command_line_mends_for_every_method(tmp_path):
    from npfuse.cli import main

    under, over, _ = with_person("courtyard")
    for name, pixels in (("u.png", under), ("o.png", over)):
        Image.fromarray(pixels).save(tmp_path / name)
    arguments = ["fuse", str(tmp_path / "u.png"), str(tmp_path / "o.png"), "-o", str(tmp_path / "f.png"), "--method"]
    assert main([*arguments, "mertens", "--deghost", "--ghost-mask", str(tmp_path / "mask.png")]) == 0
    pictures = [Picture(pixels=under), Picture(pixels=over)]
    mended = [picture.pixels for picture in mend_pictures(pictures, None, False, Teller())]
    expected = npfuse.fuse(*mended, method="mertens")
    np.testing.assert_array_equal(read_picture(tmp_path / "f.png").pixels, expected)
    assert (tmp_path / "mask.png").exists()


@given(
    seed=st.integers(0, 2**32 - 1),
    deep=st.booleans(),
    orientation=st.sampled_from([1, 3, 6, 8]),
    scale=st.sampled_from([1, 3]),
    shift=st.sampled_from([None, (6, -9)]),
)
@settings(max_examples=4, deadline=None)
def test_the_mask_file_lies_over_the_result_and_is_white_where_regions_were_told(
    tmp_path_factory, seed, deep, orientation, scale, shift
):
    from npfuse.cli import main

    folder = tmp_path_factory.mktemp("mask")
    rng = np.random.default_rng(seed)
    light, exposed = drawn_scene(seed, 3)
    frames = []
    for i, by in enumerate((0.0, 3.0)):
        row, column = rng.integers(30, 60) + 40 * i, rng.integers(30, 140)
        seen = light.copy()
        seen[row : row + 25, column : column + 25] = 4 * light[row : row + 25, column : column + 25].max()
        frames.append(exposed(seen, by).repeat(scale, 0).repeat(scale, 1))
    if shift is not None:  # what the second shows lies elsewhere
        (rows, columns), (height, width) = (scale * n for n in shift), frames[0].shape[:2]
        frames = [frames[0][rows:, : width + columns], frames[1][: height - rows, -columns:]]
    for name, frame in zip("ab", frames, strict=True):
        pixels = frame.astype(np.uint16) * 257 if deep else frame
        turned_back = np.rot90(pixels, {1: 0, 3: 2, 6: 1, 8: 3}[orientation])
        write_picture(folder / f"{name}.png", Picture(pixels=turned_back, exif=exif_block(orientation)))
    files = [str(folder / name) for name in ("a.png", "b.png", "f.png", "mask.png")]
    arguments = ["fuse", *files[:2], "-o", files[2], "--method", "mertens", "--deghost", "--ghost-mask", files[3], "-v"]
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        assert main([*arguments, *(["--align"] if shift is not None else [])]) == 0
    fused, mask = read_picture(files[2]).pixels, read_picture(files[3]).pixels
    assert mask.shape == fused.shape[:2]
    assert mask.dtype == np.uint8
    assert shift is not None or mask.shape == frames[0].shape[:2]
    assert fused.dtype == (np.uint16 if deep else np.uint8)
    places = re.findall(r"moved: \S+ of the picture, rows (\d+) to (\d+), columns (\d+) to (\d+)", told.getvalue())
    inside = np.zeros(mask.shape, bool)
    for place in places:
        first, last, left, right = map(int, place)
        # The file is white within a region, and fades beyond its ends by the softness of the joint.
        assert (mask[first : last + 1, left : right + 1] == 255).mean() > 0.4
        by = 3 * round(0.006 * max(mask.shape)) + 4 * scale
        inside[max(0, first - by) : last + 1 + by, max(0, left - by) : right + 1 + by] = True
    assert places
    assert not mask[~inside].any()


@pytest.mark.parametrize("stops", [2, 4])
def test_mappings_are_those_of_the_light_though_a_tenth_has_moved(stops):
    rng = np.random.default_rng(0)
    light = 2.0 ** rng.uniform(-9, -stops, 20_000).astype(np.float32)
    a, b = encode_light(light), encode_light(light * np.float32(2**stops))
    b[:2000] = 0.5
    mapping = find_mapping(a, b)
    levels = np.linspace(0.1, float(a.max()), 30, dtype=np.float32)
    expected = encode_light(decode_light(levels) * np.float32(2**stops))
    assert np.abs(mapping.of(levels) - expected).max() < 0.05  # at the ends, where few values are


def test_where_one_frame_is_transparent_nothing_has_moved_and_nothing_is_taken():
    under, over = examples("interior")
    alphas = [np.full(under.shape[:2], 255, np.uint8) for _ in range(2)]
    alphas[0][:, -80:], alphas[1][:, :60] = 0, 0
    frames = [frame * (alpha > 0)[..., None] for frame, alpha in zip((under, over), alphas, strict=True)]
    told = findings(diagnose(*frames, alphas=alphas))
    assert not any("moved" in one for one in told), told
    # Something moves beside the strip: what is taken ends where the source shows nothing.
    frames[0][100:160, -120:-84] = 250
    pictures = [Picture(pixels=frame, alpha=alpha) for frame, alpha in zip(frames, alphas, strict=True)]
    for picture, mended in zip(pictures, mend_pictures(pictures, None, False, Teller()), strict=True):
        np.testing.assert_array_equal(mended.pixels[:, :60], picture.pixels[:, :60])
        np.testing.assert_array_equal(mended.pixels[:, -80:], picture.pixels[:, -80:])


def drawn_scene(seed, stops):
    """Return two exposures of a smooth scene with some texture, and their exposure of a light."""
    rng = np.random.default_rng(seed)
    light = np.kron(2.0 ** rng.uniform(-7, -stops - 0.5, (6, 8)), np.ones((25, 25)))
    light = light[..., None] * 2.0 ** rng.normal(0, 0.03, (*light.shape, 3)) * rng.uniform(0.8, 1.2, 3)

    def exposed(values, by):
        return np.rint(255 * encode_light(np.clip(values * 2.0**by, 0, 1).astype(np.float32))).astype(np.uint8)

    return light, exposed


@given(seed=st.integers(0, 2**32 - 1), stops=st.floats(2, 5), data=st.data())
@settings(max_examples=15, deadline=None)
def test_drawn_scenes_stay_as_they_are_and_drawn_objects_are_covered(seed, stops, data):
    light, exposed = drawn_scene(seed, stops)
    order = data.draw(st.permutations([0.0, stops / 2, stops]))
    still = [Picture(pixels=exposed(light, by)) for by in order]
    assert all(a.pixels is b.pixels for a, b in zip(still, mend_pictures(still, None, False, Teller()), strict=True))
    # An object that is brighter by two stops than what it hides, at another place in each frame.
    moved, places = [], []
    for i, by in enumerate(order):
        rows = slice(20 + 40 * i, 45 + 40 * i)
        columns = slice(data.draw(st.integers(5, 150)), None)
        columns = slice(columns.start, columns.start + 25)
        with_object = light.copy()
        with_object[rows, columns] = 4 * light[rows, columns].max()
        moved.append(exposed(with_object, by))
        places.append((rows, columns))
    pictures = [Picture(pixels=pixels) for pixels in moved]
    ghosts = find_ghosts([picture.pixels / np.float32(255) for picture in pictures])
    for place in places:
        assert ghosts.inside[place].mean() > 0.8
    mended = mend_pictures(pictures, None, False, Teller())
    np.testing.assert_array_equal(mended[ghosts.source].pixels, pictures[ghosts.source].pixels)
    outside = ghost_mask(ghosts, *light.shape[:2], 1) == 0
    for picture, one in zip(pictures, mended, strict=True):
        np.testing.assert_array_equal(one.pixels[outside], picture.pixels[outside])
