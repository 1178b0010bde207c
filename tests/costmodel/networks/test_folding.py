"""Normalisation that is folded into convolutions."""

from math import prod

import pytest

from costmodel import Work, count
from costmodel.networks.description import Description, Network
from costmodel.networks.folding import folded
from costmodel.networks.operators import fixed_normalisation
from costmodel.networks.windows import Convolution
from npfuse.ops import Conv2D, ReLU

MOMENTS = tuple((name, (4,)) for name in ("gamma", "beta", "moving_mean", "moving_variance"))
NORM = fixed_normalisation("BatchNormalization", MOMENTS)
CONV = Conv2D(features=4, kernel_size=(3, 3), use_bias=False)
GROUPED = Convolution(label="Conv", features=4, kernel_size=(1, 3), groups=2, use_bias=False)


def network(*steps, outputs=None) -> Network:
    """Return a chain of (name, operator)."""
    description = Description(name="net", where="net")
    before = description.input("x", (5, 6, 4)).name
    for name, op in steps:
        description.add(name, op, (before,))
        before = name
    return description.network(outputs or [before], "by hand")


@pytest.mark.parametrize(
    "conv", [CONV, Convolution(label="Conv", features=4, kernel_size=(1, 3), groups=2, use_bias=False)]
)
def test_a_normalisation_after_a_convolution_becomes_its_bias(conv):
    given = network(("conv", conv), ("norm", NORM), ("act", ReLU()))
    cost, less = count(given), count(folded(given))
    assert [row.name for row in less.layers] == ["conv", "act"]
    assert less.layers[1].reads == ("conv",)
    assert less.parameters == cost.parameters - 16 + 4
    values = prod(less.layers[0].output)
    assert less.work == cost.layers[0].work + cost.layers[2].work + Work(additions=values)


def test_a_convolution_that_another_layer_reads_too_keeps_its_normalisation():
    given = network(("conv", CONV), ("norm", NORM), outputs=["conv", "norm"])
    assert folded(given).graph == given.graph


def test_a_normalisation_before_a_convolution_stays():
    given = network(("norm", NORM), ("conv", CONV))
    assert folded(given).graph == given.graph


def test_the_output_may_be_folded():
    assert folded(network(("conv", CONV), ("norm", NORM))).graph.outputs == ("conv",)
