"""Shares of exposures: they add up to 1; weights where a method has weights, and a derivative elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

import npfuse
from npfuse.methods import METHODS
from npfuse.methods.shares import SHARES
from npfuse.models.mertens import mertens
from npfuse.ops import DEFINITIONS, ExposureQuality
from npfuse.picture_shares import exposure_shares, share_colours, share_palette
from tests.arrays import assert_close
from tests.networks import random_pair, random_weights


def test_every_method_has_a_measure():
    assert SHARES.keys() == METHODS.keys()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(24, 40, 3), (17, 23)])
def test_shares_lie_between_0_and_1_and_add_up_to_1(method, shape):
    shares = exposure_shares(random_pair(shape), method=method)
    assert shares.shape == (2, *shape[:2])
    assert shares.min() >= 0
    assert_close(shares.sum(axis=0), np.ones(shape[:2], np.float32), 1e-6)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "mefnet"])  # its weights are its own affair
def test_a_place_that_one_exposure_shows_and_the_other_does_not_comes_from_the_first(method):
    rng = np.random.default_rng(0)
    texture = rng.uniform(0.2, 0.6, (48, 64, 3)).astype(np.float32)
    white = np.ones_like(texture)
    shares = exposure_shares([texture, white], method=method)
    assert np.median(shares[0]) > 0.8


def test_mertens_shares_are_its_qualities_over_their_sum():
    pair = [x.astype(np.float32) / 255 for x in sorted(random_pair((9, 14, 3)), key=np.mean)]
    op = next(node.op for node in mertens(9, 14).nodes if isinstance(node.op, ExposureQuality))
    qualities = np.stack([DEFINITIONS[ExposureQuality](x[np.newaxis], **op.arguments())[0, :, :, 0] for x in pair])
    assert_close(exposure_shares(pair, method="mertens"), qualities / qualities.sum(axis=0), 1e-5)


def test_the_derivative_of_a_network_of_one_exposure_gives_that_exposure_everything():
    weights = random_weights()
    arrays = {name: array.copy() for name, array in weights.arrays.items()}
    for name in ("detail1/kernel",):
        arrays[name][3:] = 0  # what the network takes of the over-exposed picture
    for name in arrays:
        if name.startswith("global") and name.endswith("kernel"):
            arrays[name][...] = 0
    deaf = replace(weights, arrays=arrays)
    shares = exposure_shares(random_pair((16, 24, 3)), deaf, order="given")
    fused = npfuse.fuse(*random_pair((16, 24, 3)), deaf, order="given")
    assert fused.std() > 0
    moved = np.abs(shares[0] - 0.5) > 0.1  # a place where every hidden unit is off is owned by nobody
    assert moved.any()
    assert shares[0][moved].min() > 0.99


def test_a_method_of_pairs_leaves_the_middle_exposure_out():
    dark, bright = sorted(random_pair((16, 24, 3)), key=np.mean)
    middle = (dark // 2 + bright // 2).astype(np.uint8)
    shares = exposure_shares([bright, middle, dark], method="lightfuse")
    assert_close(shares[[0, 2]], exposure_shares([dark, bright], method="lightfuse"), 1e-6)
    assert not shares[1].any()
    assert exposure_shares([bright, middle, dark], method="mertens")[1].any()


def test_large_pictures_are_measured_on_copies():
    assert exposure_shares(random_pair((60, 90, 3)), method="mertens", long_side=30).shape == (2, 20, 30)


def test_pictures_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shapes are \(4, 5\), \(5, 4\), expected two or more of one shape"):
        exposure_shares([np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8)])


def test_a_map_shows_each_exposure_in_its_colour():
    shares = np.eye(3, dtype=np.float32)[:, np.newaxis]  # three places, each of one exposure
    assert_close(share_colours(shares)[0], share_palette(3))
