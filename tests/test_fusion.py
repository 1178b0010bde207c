"""fuse(): what comes back for which pictures, and that tiles, threads and engines do not show in it."""

import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npfuse
from npfuse import jobs, strip_run, strips
from npfuse.engine.pixel_groups import GROUP_SIDE
from npfuse.graph import GraphBuilder
from npfuse.models import lightfuse
from npfuse.ops import DEFINITIONS, PointwiseConv2D, resize
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights

DECODERS = ("nearest", "bilinear", "transposed")
DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


def fused_by_hand(under, over, weights):
    """Replicate edges, map to [-1, 1], run the definitions in float64, crop: floats in [0, 1]."""
    height, width = under.shape[:2]
    rows, columns = weights.padded_size(height, width)
    white = 1.0 if under.dtype.kind == "f" else float(np.iinfo(under.dtype).max)
    mapped = [
        np.pad(picture / white * 2 - 1, [(0, rows - height), (0, columns - width), (0, 0)], mode="edge")
        for picture in (under.astype(np.float64), over.astype(np.float64))
    ]
    values = {"exposures": np.concatenate(mapped, axis=2)[np.newaxis]}
    graph = weights.graph(*values["exposures"].shape[1:3])
    if weights.model == "tonefuse":
        whole = values["exposures"][:, :height, :width]
        values["thumbnail"] = resize(whole, height=16, width=24, method="area")
    for node in graph.nodes:
        xs = [values[name] for name in node.inputs]
        own = {
            name: weights.arrays[f"{node.weight_key}/{name}"].astype(np.float64)
            for name in node.op.weight_shapes(*graph.input_shapes(node))
        }
        constants = node.op.constants(*graph.input_shapes(node))
        values[node.name] = DEFINITIONS[type(node.op)](*xs, **constants, **own, **node.op.arguments())
    return (values["fused"][0, :height, :width] + 1) / 2


def cut_small(monkeypatch):
    """Make strips and tiles as small as they may be."""
    monkeypatch.setattr(strips, "TILE_BYTES", 1)
    monkeypatch.setattr(strips, "STRIP_ROWS", 1)
    monkeypatch.setattr(strips, "STRIP_COLUMNS", strips.TILE_GRID)
    monkeypatch.setattr(strips, "LOOK_SIDES", (strips.TILE_GRID,) * 2)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    decoder=st.sampled_from((*DECODERS, None)),
    dtype=st.sampled_from(DTYPES),
    engine=st.sampled_from(["fast", "definition"]),
)
def test_fuse_pads_by_replication_runs_and_crops(height, width, decoder, dtype, engine):
    weights = random_weights(decoder=decoder) if decoder else random_weights("tonefuse")
    under, over = random_pair((height, width, 3), dtype, seed=height * 41 + width)
    expected = fused_by_hand(under, over, weights)
    actual = npfuse.fuse(under, over, weights, order="given", engine=engine)
    assert actual.dtype == dtype
    white = 1.0 if under.dtype.kind == "f" else float(np.iinfo(dtype).max)
    # Half a level of rounding, and the float32 network: under 100 roundings of values of a few units.
    rounding = 0.5 if white > 1 else 0
    tolerance = 1e-14 if dtype == np.float64 else rounding + white * 100 * float(np.finfo(np.float32).eps)
    assert_close(actual.astype(np.float64), expected * white, tolerance)


@pytest.mark.parametrize("model", ["lightfuse", "t_cnn", "tonefuse"])
@pytest.mark.parametrize("engine", ["fast", "definition"])
def test_tiles_do_not_show(monkeypatch, model, engine):
    weights = random_weights(model)
    under, over = random_pair((150, 75, 3))
    whole = npfuse.fuse(under, over, weights, engine=engine)
    cut_small(monkeypatch)
    assert strips.tile_side(weights.graph(152, 80), engine) == strips.TILE_GRID
    tiled = npfuse.fuse(under, over, weights, engine=engine)
    # The definitions' matrix products come from a library that may sum in another order for another shape.
    assert_close(tiled.astype(int), whole.astype(int), 0 if engine == "fast" else 1)


@pytest.mark.parametrize("decoder", DECODERS)
def test_tiles_do_not_show_for_any_decoder(monkeypatch, decoder):
    weights = random_weights(decoder=decoder)
    under, over = random_pair((90, 130, 3), np.uint16)
    whole = npfuse.fuse(under, over, weights)
    cut_small(monkeypatch)
    assert_close(npfuse.fuse(under, over, weights), whole)


def test_tiles_meet_where_groups_of_blocks_do():
    assert strips.TILE_GRID == GROUP_SIDE


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
def test_threads_do_not_show(monkeypatch, model):
    cut_small(monkeypatch)
    weights = random_weights(model)
    under, over = random_pair((90, 130, 3))
    one = npfuse.fuse(under, over, weights, threads=1)
    for threads in (2, 3, None):
        assert_close(npfuse.fuse(under, over, weights, threads=threads), one)


def test_one_thread_starts_no_pool(monkeypatch):
    cut_small(monkeypatch)
    monkeypatch.setattr(jobs, "ThreadPoolExecutor", None)
    npfuse.fuse(*random_pair((90, 130, 3)), random_weights(), threads=1)


def test_many_callers_at_once_get_the_right_answer():
    weights = random_weights()
    pairs = [random_pair((40 + i, 33, 3), seed=i) for i in range(8)]
    expected = [npfuse.fuse(*pair, weights, threads=1) for pair in pairs]
    with ThreadPoolExecutor(8) as pool:
        for actual, wanted in zip(pool.map(lambda pair: npfuse.fuse(*pair, weights), pairs), expected, strict=True):
            assert_close(actual, wanted)


def test_engines_agree_within_a_level():
    weights = random_weights(hidden=[256, 64])
    under, over = random_pair((61, 83, 3))
    fast, definition = (npfuse.fuse(under, over, weights, engine=engine) for engine in ("fast", "definition"))
    assert_close(fast.astype(int), definition.astype(int), 1)
    assert len(np.unique(fast)) > 20  # not a constant picture, for which the comparison would say nothing


def test_auto_order_takes_the_darker_picture_as_under_exposed():
    under, over = random_pair((20, 24, 3))
    weights = random_weights()
    assert_close(npfuse.fuse(over, under, weights), npfuse.fuse(under, over, weights))
    assert_close(npfuse.fuse(under, over, weights), npfuse.fuse(under, over, weights, order="given"))
    swapped = npfuse.fuse(over, under, weights, order="given")
    assert np.abs(swapped.astype(int) - npfuse.fuse(under, over, weights)).max() > 3


def test_auto_order_keeps_the_given_order_where_means_are_equal():
    a = np.array([[0, 255], [255, 0]], np.uint8)
    weights = random_weights()
    assert_close(npfuse.fuse(a, a.T[::-1].copy(), weights), npfuse.fuse(a, a.T[::-1], weights, order="given"))


def test_auto_order_is_found_for_each_pair_of_a_batch():
    under, over = random_pair((2, 11, 9, 3))
    a, b = np.stack([under[0], over[1]]), np.stack([over[0], under[1]])
    assert_close(npfuse.fuse(a, b, random_weights()), npfuse.fuse(under, over, random_weights()))


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
def test_a_batch_is_its_pictures(model):
    under, over = random_pair((3, 17, 9, 3))
    weights = random_weights(model)
    batch = npfuse.fuse(under, over, weights)
    assert_close(batch, np.stack([npfuse.fuse(u, o, weights) for u, o in zip(under, over, strict=True)]))


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_grey_is_the_mean_of_the_three_channels(dtype, model):
    under, over = random_pair((19, 30), dtype)
    weights = random_weights(model)
    grey = npfuse.fuse(under, over, weights)
    assert grey.shape == (19, 30)
    assert grey.dtype == dtype
    rgb = [np.repeat(picture[:, :, np.newaxis], 3, axis=2) for picture in (under, over)]
    white = 1.0 if grey.dtype.kind == "f" else float(np.iinfo(dtype).max)
    expected = fused_by_hand(*rgb, weights).mean(axis=2)
    assert_close(grey / white, expected, (0.5 if white > 1 else 0) / white + 2e-5)


def test_a_16_bit_result_uses_its_16_bits():
    under, over = random_pair((64, 64, 3), np.uint16)
    fused = npfuse.fuse(under, over, random_weights())
    assert len(np.unique(fused)) > 1000
    assert np.count_nonzero(fused % 257) > 0.9 * fused.size  # an 8-bit picture scaled up has multiples of 257 only


def test_min_max_normalization_maps_each_picture_by_its_own_range():
    under, over = random_pair((16, 24, 3), np.float64)
    stretched = [(picture - picture.min()) / (picture.max() - picture.min()) for picture in (under, over)]
    expected = npfuse.fuse(*stretched, random_weights(), order="given")
    actual = npfuse.fuse(under, over, random_weights(normalization="min_max"), order="given")
    assert_close(actual, expected, 1e-12)


def test_min_max_normalization_maps_a_picture_of_one_value_by_the_full_range():
    under, over = np.full((8, 8, 3), 40, np.uint8), np.full((8, 8, 3), 255, np.uint8)
    actual = npfuse.fuse(under, over, random_weights(normalization="min_max"))
    assert_close(actual, npfuse.fuse(under, over, random_weights()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_min_max_normalization_maps_values_too_close_to_tell_apart_by_the_full_range(dtype):
    under, over = np.zeros((8, 8, 3), dtype), np.ones((8, 8, 3), dtype)
    under[0, 0, 0] = np.finfo(dtype).smallest_subnormal
    assert np.isfinite(npfuse.fuse(under, over, random_weights(normalization="min_max"))).all()


def test_more_threads_get_smaller_tiles():
    sides = [strips.tile_side(lightfuse(8, 8), "fast", 4, threads) for threads in (1, 8, 16, 64, 10_000)]
    assert sides == [832, 832, 576, 256, 64]
    assert strips.tile_side(lightfuse(8, 8), "fast", 8) == 576


@pytest.mark.parametrize("value", [0, 255])
def test_extreme_pictures_are_fused(value):
    flat = np.full((5, 9, 3), value, np.uint8)
    assert npfuse.fuse(flat, flat, random_weights()).shape == (5, 9, 3)


def test_strips_of_read_only_pictures_are_not_copied():
    picture = np.zeros((40, 30, 3), np.uint8)
    picture.flags.writeable = False
    assert np.shares_memory(strips._part(picture, (8, 24), (0, 30)), picture)


def test_views_and_read_only_pictures_are_fused_and_left_alone():
    under, over = random_pair((40, 30, 3))
    weights = random_weights()
    expected = npfuse.fuse(under[::2, ::-3], over[::2, ::-3], weights)
    copies = under[::2, ::-3].copy(), over[::2, ::-3].copy()
    for picture in copies:
        picture.flags.writeable = False
    assert_close(npfuse.fuse(*copies, weights), expected)
    assert_close(copies[0], random_pair((40, 30, 3))[0][::2, ::-3])


def test_progress_is_told_after_each_tile(monkeypatch):
    cut_small(monkeypatch)
    calls = []
    npfuse.fuse(*random_pair((72, 90, 3)), random_weights(), progress=lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_error_in_a_tile_reaches_the_caller(monkeypatch):
    cut_small(monkeypatch)

    def fail(*args, **kwargs):
        raise RuntimeError("the network failed")

    monkeypatch.setattr(strips, "run", fail)
    monkeypatch.setattr(strip_run, "fuse_rows", fail)
    for engine in ("fast", "definition"):
        with pytest.raises(RuntimeError, match="the network failed"):
            npfuse.fuse(*random_pair((90, 90, 3)), random_weights(), threads=2, engine=engine)


def nan_at(shape, *positions):
    picture = np.full(shape, 0.5, np.float32)
    for position in positions:
        picture[position] = np.nan
    return picture


RGB = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (RGB, RGB[:3], ValueError, "shape of b is (3, 5, 3), expected (4, 5, 3) as a"),
        (RGB, RGB.astype(np.uint16), TypeError, "dtype of b is uint16, expected uint8 as a"),
        (RGB.astype(np.int32), RGB, TypeError, "dtype of a is int32, expected one of uint8, uint16, float32, float64"),
        (RGB, RGB.astype(object), TypeError, "dtype of b is object, expected one of"),
        (np.zeros((4, 5, 4), np.uint8), RGB, ValueError, "shape of a is (4, 5, 4), expected (H, W, 3), (H, W) or"),
        (RGB, np.zeros(5, np.uint8), ValueError, "shape of b is (5,), expected (H, W, 3), (H, W) or (N, H, W, 3)"),
        (np.zeros((0, 5, 3), np.uint8), RGB, ValueError, "shape of a is (0, 5, 3), expected lengths of 1 or more"),
        (np.zeros((0, 4, 5, 3), np.uint8), RGB, ValueError, "shape of a is (0, 4, 5, 3), expected lengths of 1"),
        (
            nan_at((4, 5, 3), (2, 1, 0), (3, 0, 2)), np.zeros((4, 5, 3), np.float32), ValueError,
            "2 of 60 values of a are NaN or outside [0, 1], expected none; the first is nan at (2, 1, 0)",
        ),
        (np.zeros((4, 5)), np.full((4, 5), np.inf), ValueError, "20 of 20 values of b are NaN or outside [0, 1]"),
        (np.full((4, 5), -1e-9), np.zeros((4, 5)), ValueError, "20 of 20 values of a are NaN or outside [0, 1]"),
        (np.full((4, 5), 200.0), np.zeros((4, 5)), ValueError, "the first is 200.0 at (0, 0)"),
    ],
)  # fmt: skip
def test_fuse_rejects_bad_pictures(a, b, error, message):
    with pytest.raises(error, match="fuse: .*" + re.escape(message)):
        npfuse.fuse(a, b, random_weights())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": "darkest"}, ValueError, "order is 'darkest', expected one of auto, given"),
        ({"engine": "gpu"}, ValueError, "engine is 'gpu', expected one of fast, definition"),
        ({"threads": 0}, ValueError, "threads is 0, expected None or an integer of at least 1"),
        ({"threads": 1.5}, TypeError, "threads is 1.5, expected None or an integer"),
        ({"weights": "no such name"}, ValueError, "weights 'no such name'"),
        (
            {"method": "average"},
            ValueError,
            "method is 'average', expected one of tonefuse, lightfuse, t_cnn, ",
        ),
        (
            {"method": "t_cnn"},
            ValueError,
            "weights random are for lightfuse (channels: exposures of 6), expected",
        ),
        ({"method": "mertens"}, ValueError, "weights are given, expected none: Mertens 2009 has no weights"),
        (
            {"method": "deepfuse", "weights": None},
            ValueError,
            "no weights of DeepFuse ship with npfuse, expected a file of them; the authors' DF_model_Epoch99.npz is at",
        ),
        ({"weights": 7}, TypeError, "weights is int, expected None, a name, a path or Weights"),
    ],
)
def test_fuse_rejects_bad_options(options, error, message, monkeypatch):
    monkeypatch.setattr("npfuse.choices.bundled_names", lambda: ["lightfuse", "mefnet", "t_cnn", "tonefuse"])
    with pytest.raises(error, match=re.escape(message)):
        npfuse.fuse(RGB, RGB, **({"weights": random_weights()} | options))


def test_fuse_rejects_weights_of_another_kind_of_network(monkeypatch):
    b = GraphBuilder("other")
    x = b.input("luma", (8, 8, 2))
    other = b.build(b.add("fused", PointwiseConv2D(features=3), x))
    weights = random_weights()
    monkeypatch.setattr(type(weights), "graph", lambda self, height, width: other)
    with pytest.raises(
        ValueError, match=re.escape("are for lightfuse (channels: luma of 2), expected weights of LightFuse")
    ):
        npfuse.fuse(RGB, RGB, weights)


def test_tile_windows_reach_as_far_as_the_result_depends_on():
    graph = lightfuse(64, 32)
    windows = [(tile.keep, tile.window) for tile in strips.tiles_along(0, 64, 24, graph)]
    # Rows 8i to 8i + 14 make row i of the coarsest grid (three 3-tap stages at stride 2): 7 rows beyond a tile count.
    assert windows == [((0, 24), (0, 32)), ((24, 48), (24, 56)), ((48, 64), (48, 64))]


MEMORY = """
    import re
    import numpy as np
    import npfuse
    from tests.networks import random_weights

    def peak_bytes():
        with open("/proc/self/status") as status:  # not ru_maxrss, which begins at the parent's
            return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1])

    weights = random_weights("MODEL", hidden=[8])
    npfuse.fuse(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), weights)
    pair = [np.full((4000, 6000, 3), level, np.uint8) for level in (20, 200)]
    before = peak_bytes()
    fused = npfuse.fuse(*pair, weights, threads=2)
    print(peak_bytes() - before - fused.nbytes)
"""


@pytest.mark.parametrize("model", ["lightfuse", "tonefuse"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_24_megapixels_take_less_than_a_gigabyte_beyond_inputs_and_output(model):
    code = textwrap.dedent(MEMORY).replace("MODEL", model)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    assert 0 < int(done.stdout) < 1_000_000_000


def test_a_stack_of_two_is_a_pair():
    under, over = random_pair((20, 30, 3))
    for method, weights in ((None, random_weights()), ("mertens", None)):
        expected = npfuse.fuse(under, over, weights, method=method)
        assert_close(npfuse.fuse_stack([over, under], weights, method=method), expected)


def test_networks_of_a_pair_take_the_darkest_and_the_brightest_of_a_stack_where_asked():
    under, over = random_pair((20, 30, 3))
    middle = (under // 2 + over // 2).astype(np.uint8)
    expected = npfuse.fuse(under, over, random_weights())
    assert_close(npfuse.fuse_stack([middle, over, under], random_weights(), pair=True), expected)
    assert_close(npfuse.fuse_stack([under, middle, over], random_weights(), order="given", pair=True), expected)
    swapped = npfuse.fuse_stack([over, middle, under], random_weights(), order="given", pair=True)
    assert_close(swapped, npfuse.fuse(over, under, random_weights(), order="given"))


def test_every_picture_of_a_stack_counts_where_the_method_takes_them():
    under, over = random_pair((20, 30, 3))
    middle = (under // 2 + over // 2).astype(np.uint8)
    pair = npfuse.fuse(under, over, method="mertens")
    assert (npfuse.fuse_stack([under, middle, over], method="mertens") != pair).any()


def test_a_batch_by_a_method_in_phases_is_its_pictures():
    batch = [np.stack(pictures) for pictures in zip(*(random_pair((20, 30, 3), seed=n) for n in (0, 1)), strict=True)]
    calls = []
    fused = npfuse.fuse(*batch, method="mertens", progress=lambda *call: calls.append(call))
    for n in range(2):
        assert_close(fused[n], npfuse.fuse(batch[0][n], batch[1][n], method="mertens"))
    # Three jobs each: the level that is kept, the coarser ones, and the one strip of so small a picture.
    assert calls == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize(
    ("stack", "error", "message"),
    [
        ([], ValueError, "number of exposures is 0, expected at least 2"),
        ([RGB], ValueError, "number of exposures is 1, expected at least 2"),
        ([RGB, RGB, RGB[:3]], ValueError, "shape of exposure 3 is (3, 5, 3), expected (4, 5, 3) as exposure 1"),
    ],
)
def test_fuse_stack_rejects_bad_stacks(stack, error, message):
    with pytest.raises(error, match=re.escape(message)):
        npfuse.fuse_stack(stack, random_weights())


@pytest.mark.parametrize("shape", [(64, 96, 3), (61, 83, 3)])
@pytest.mark.parametrize(("name", "levels"), [("tonefuse", 1), ("lightfuse", 0)])
def test_a_flat_pair_is_flat_to_its_borders_with_the_bundled_weights(name, levels, shape):
    """The zeros that halving is padded with, which are grey, lie beyond what is kept.

    Those of ToneFuse's dilated convolutions at an eighth of the size do not: its training makes them count for little.
    """
    fused = npfuse.fuse(np.full(shape, 40, np.uint8), np.full(shape, 200, np.uint8), name)
    assert np.ptp(fused, axis=(0, 1)).max() <= levels


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("method", ["tonefuse", "mertens"])
def test_pictures_that_are_not_aligned_are_fused_as_others(dtype, method):
    a, b = (np.full((9, 12, 3), level, dtype) for level in (0, 1))
    packed = np.zeros(1 + a.nbytes, np.uint8)[1:].view(dtype).reshape(a.shape)
    packed[...] = a
    assert not packed.flags.aligned
    assert (npfuse.fuse(packed, b, method=method) == npfuse.fuse(a, b, method=method)).all()
