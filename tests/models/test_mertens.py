"""Mertens 2009 against OpenCV's MergeMertens, and what follows from its definition."""

import numpy as np
import pytest

from npfuse.examples import example_pair
from npfuse.models import build, mertens
from npfuse.ops import exposure_quality
from npfuse.ops.exposure_quality import MEASURES
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from tests.arrays import assert_close
from tests.checks import check_rejects
from tests.oracles import opencv_mertens

ENGINES = [("definition", np.float64), ("fast", np.float32)]
SIZES = [(1, 1), (1, 2), (2, 1), (1, 9), (3, 2), (7, 5), (33, 20), (20, 129), (64, 65)]


def by_opencv(pictures, measures=MEASURES):
    """Fuse uint8 pictures (H, W, 3) or (H, W) by OpenCV, (H, W, C)."""
    cv2 = pytest.importorskip("cv2")
    fused = cv2.createMergeMertens(*(float(measure in measures) for measure in MEASURES)).process(list(pictures))
    return fused.reshape(*pictures[0].shape[:2], -1)


def fuse(pictures, measures=MEASURES, engine="fast", dtype=np.float32):
    """Fuse uint8 pictures by the graph, (H, W, C)."""
    inputs = {
        f"exposure{k}": (x / dtype(255)).astype(dtype).reshape(1, *x.shape[:2], -1) for k, x in enumerate(pictures, 1)
    }
    height, width, channels = inputs["exposure1"].shape[1:]
    graph = mertens(height, width, exposures=len(pictures), channels=channels, measures=measures)
    return run(graph, inputs, {}, engine=engine)["fused"][0]


def random_pictures(count, *shape):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize(("engine", "dtype"), ENGINES)
@pytest.mark.parametrize("exposures", [2, 3, 5])
def test_mertens_equals_opencv_at_every_kind_of_size(exposures, engine, dtype):
    """2e-4 is a twentieth of a level; OpenCV computes in float32, and noise keeps the weights above its rounding."""
    for size in SIZES:
        pictures = random_pictures(exposures, *size, 3)
        assert_close(fuse(pictures, engine=engine, dtype=dtype), by_opencv(pictures), 2e-4)


@pytest.mark.parametrize("measures", [MEASURES[:2], MEASURES[1:], MEASURES[:1], MEASURES[2:]])
def test_mertens_with_some_of_the_measures_equals_opencv(measures):
    pictures = random_pictures(3, 21, 34, 3)
    assert_close(fuse(pictures, measures), by_opencv(pictures, measures), 2e-4)


def test_mertens_of_grey_pictures_equals_opencv():
    pictures = random_pictures(2, 21, 34)
    assert_close(fuse(pictures), by_opencv(pictures), 2e-4)


@pytest.mark.parametrize("scene", ["courtyard", "sunrise"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-5), (np.float32, 2e-4)])
def test_mertens_of_photographs_equals_opencv_in_float64(scene, dtype, tolerance):
    """Every pixel, flat ones too: OpenCV's own filters, in the order of its MergeMertens, without float32's rounding.

    In float64 the least contrast is right to 1e-10 of itself or so, where the floor of 1e-12 counts as well.
    """
    cv2 = pytest.importorskip("cv2")
    pictures = [read_picture(path).pixels[:256, :384] for path in example_pair(scene)]
    assert_close(fuse(pictures, dtype=dtype), opencv_mertens.merge(cv2, pictures), tolerance)


@pytest.mark.parametrize("scene", ["courtyard", "sunrise"])
def test_mertens_of_grainy_photographs_equals_opencv(scene):
    """Grain of up to 8 levels leaves few pixels flat, grey or black in both exposures.

    There every weight is below the rounding of a float32 luma, which decides, and OpenCV's is another: such pixels are
    counted. Each of them changes the few around it that differ by more than 2e-4.
    """
    grain = np.random.default_rng(0).integers(-8, 9, (2, 256, 384, 3))
    photographs = [read_picture(path).pixels[:256, :384] for path in example_pair(scene)]
    pictures = np.clip(np.array(photographs, np.int64) + grain, 0, 255).astype(np.uint8)
    strongest = np.maximum(*(exposure_quality(x[np.newaxis] / 255.0) for x in pictures))
    floor = int(np.count_nonzero(strongest < 1e-6))
    error = np.abs(fuse(pictures) - by_opencv(pictures)).max(axis=2)
    assert floor < 0.01 * error.size
    assert np.count_nonzero(error > 2e-4) <= floor


def test_mertens_of_equal_exposures_is_the_exposure():
    x = random_pictures(1, 19, 30, 3)[0]
    # A pyramid of 5 levels is taken apart and put together: a few roundings of numbers up to 2.
    assert_close(fuse([x, x, x], dtype=np.float64, engine="definition"), x / 255, 1e-14)


def test_mertens_takes_each_pixel_from_the_exposure_that_shows_something():
    flat, textured = np.zeros((16, 16, 3), np.uint8), random_pictures(1, 16, 16, 3)[0]
    left, right = flat.copy(), flat.copy()
    left[:, :6], right[:, 10:] = textured[:, :6], textured[:, 10:]
    fused = fuse([left, right], measures=("exposedness",))
    assert_close(fused[:, :2], textured[:, :2] / np.float32(255), 0.15)


def test_mertens_has_no_parameters_and_as_many_levels_as_the_short_side_allows():
    graph = mertens(8, 100, exposures=3)
    assert graph.parameter_count == 0
    assert [name for name, _ in graph.inputs] == ["exposure1", "exposure2", "exposure3"]
    assert [graph.shapes[f"exposure3_level{i}"][:2] for i in (1, 2, 3)] == [(4, 50), (2, 25), (1, 13)]
    assert "exposure3_level4" not in graph.shapes
    assert build("mertens", 8, 100, exposures=3) == graph


def test_mertens_rejects_what_does_not_fit():
    check_rejects(mertens, "mertens: size is 0x7, expected at least 1x1", 0, 7)
    check_rejects(mertens, "mertens: number of exposures is 1, expected at least 2", 5, 7, exposures=1)
    check_rejects(mertens, "mertens/quality1: ExposureQuality: number of channels is 4", 5, 7, channels=4)
    check_rejects(mertens, "ExposureQuality: measures is ()", 5, 7, measures=())
