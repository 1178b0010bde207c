import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from reference.keras_models import lightfuse, t_cnn  # noqa: E402
from reference.scene_scores import dead_channels, format_scores, fuse_scene, score  # noqa: E402
from reference.scenes import Scene  # noqa: E402
from tests.reference.scenes import random_scene  # noqa: E402


def grey_scene(height, width, label):
    picture = np.full((height, width, 3), 100, np.uint8)
    return Scene(name="s", exposures=(picture, picture), given_label=np.full_like(picture, label))


def constant_model(value):
    """A LightFuse that gives the byte `value` everywhere."""
    model = lightfuse(hidden=(2,))
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    model.get_layer("global3").bias.assign(np.full(3, np.arctanh(value / 255 * 2 - 1)))
    return model


def test_score_is_the_psnr_and_ssim_of_the_whole_picture_by_hand():
    ((psnr, similarity),) = score(constant_model(110), [grey_scene(19, 13, label=120)]).values()
    assert psnr == pytest.approx(20 * np.log10(255 / 10), abs=1e-3)
    a, b = 110 / 255, 120 / 255
    assert similarity == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=5e-4)  # float32 variances


def test_scenes_of_any_size_are_fused_as_if_their_edges_went_on():
    keras.utils.set_random_seed(2)
    model = lightfuse(hidden=(6, 4))
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 256, (13, 18, 3), dtype=np.uint8) for _ in range(2)]
    grown = [np.pad(p, ((0, 3), (0, 6), (0, 0)), mode="edge") for p in small]
    fused, whole = (fuse_scene(model, Scene(name="s", exposures=tuple(p))) for p in (small, grown))
    assert whole.shape == (16, 24, 3)
    np.testing.assert_array_equal(fused, whole[:13, :18])


def test_scores_are_told_in_one_line():
    wanted = "PSNR 21.00 dB SSIM 0.6000 (a 20.00 dB 0.5000, b 22.00 dB 0.7000)"
    assert format_scores({"a": (20.0, 0.5), "b": (22.0, 0.7)}) == wanted


def test_a_channel_whose_last_relu_is_off_everywhere_is_found():
    model = lightfuse(hidden=(6, 4))
    model.get_layer("detail3").bias.assign([1.0, -1e6, 1.0])
    scenes = [random_scene()]
    assert 1 in dead_channels(model, scenes)
    model.get_layer("detail3").bias.assign([1e6, 1e6, 1e6])
    assert dead_channels(model, scenes) == []
    assert dead_channels(t_cnn(hidden=(6, 4)), scenes) == []
