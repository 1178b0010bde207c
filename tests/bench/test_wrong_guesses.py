"""Each wrong guess of docs/porting.md is told apart by a picture that ships, by more than summing in another order."""

import numpy as np
import pytest

from bench.wrong_guesses import fused, guesses, pictures, psnr
from npfuse.examples import NARROW_SCENE
from npfuse.fusion import fuse
from npfuse.weights.loading import load_weights

WEIGHTS = load_weights("tonefuse")
PAIR = pictures(4, NARROW_SCENE)
HARMLESS = "margin of 8"  # where the coarse picture is repeated
SHOWN = [(name, guess) for name, guess in guesses(WEIGHTS) if name != HARMLESS]


def test_the_right_guess_is_what_fuse_makes():
    expected = fuse(*PAIR, WEIGHTS, order="given", engine="definition")
    np.testing.assert_array_equal(fused(*PAIR, WEIGHTS), expected)


@pytest.mark.parametrize(("name", "guess"), SHOWN, ids=[name for name, _ in SHOWN])
def test_a_wrong_guess_shows(name, guess):
    right, wrong = fused(*PAIR, WEIGHTS), guess(*PAIR, WEIGHTS)
    # Summing in another order changes single levels in a few of 100,000 bytes: more than 80 dB.
    assert psnr(wrong, right) < 65
