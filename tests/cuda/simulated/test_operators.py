"""The operators on the card against their definitions: small pictures, strides, dilations and borders."""

import numpy as np
import pytest

from npfuse.cuda.card import to_card
from npfuse.cuda.operators import CARD
from npfuse.ops import (
    DEFINITIONS,
    Add,
    AddChannels,
    Conv2DTranspose,
    DepthwiseConv2D,
    DepthwiseConv2DTranspose,
    PointwiseConv2D,
    ReLU,
    Resize,
    Tanh,
)

RNG = np.random.default_rng(5)
PICTURE = RNG.normal(size=(1, 5, 4, 3)).astype(np.float32)


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


WINDOWS = [
    {"stride": (1, 1), "dilation": (1, 1), "padding": "same"},
    {"stride": (2, 1), "dilation": (1, 1), "padding": "same"},
    {"stride": (1, 1), "dilation": (4, 2), "padding": "same"},
    {"stride": (1, 2), "dilation": (1, 1), "padding": "valid"},
]
CALLS = [
    (ReLU, (), {}),
    (Tanh, (), {}),
    (Add, (drawn(1, 5, 4, 3), drawn(1, 5, 4, 3)), {}),
    (AddChannels, (drawn(1, 1, 1, 3),), {}),
    (PointwiseConv2D, (drawn(3, 2), drawn(2)), {}),
    (PointwiseConv2D, (drawn(3, 2),), {}),
    *((DepthwiseConv2D, (drawn(3, 2, 3), drawn(3)), window) for window in WINDOWS),
    *((DepthwiseConv2DTranspose, (drawn(3, 2, 3),), window) for window in WINDOWS),
    *((Conv2DTranspose, (drawn(3, 2, 2, 3), drawn(2)), window) for window in WINDOWS),
    (Resize, (), {"height": 7, "width": 3, "method": "bilinear"}),
    (Resize, (), {"height": 1, "width": 1, "method": "area"}),
]


@pytest.mark.parametrize(("op", "others", "attributes"), CALLS)
def test_operator_on_the_card_equals_definition(op, others, attributes):
    expected = DEFINITIONS[op](PICTURE, *others, **attributes)
    actual = CARD[op](to_card(PICTURE), *map(to_card, others), **attributes).copy_to_host()
    assert actual.shape == expected.shape
    # Sums of at most 3 * 2 * 3 products of numbers below 4, in another order.
    np.testing.assert_allclose(actual, expected, rtol=0, atol=18 * 16 * np.finfo(np.float32).eps)


def test_every_operator_on_the_card_is_tried_here():
    assert {op for op, *_ in CALLS} == set(CARD)
