"""FLOPs under the convention `paper`, against torch's FlopCounterMode run on the networks of Table III in torch.

The networks are written here from the papers, with torch's own layers and random weights, apart from the graphs.
"""

from itertools import pairwise

import pytest

from costmodel import CONVENTIONS, count
from npfuse.models import MODELS

HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def lightfuse(torch):
    """DetailNet and GlobalNet; nearest enlarging has no parameters."""
    nn = torch.nn
    widths = 6, 256, 64, 3
    detail = nn.Sequential(*(part for a, b in pairwise(widths) for part in (nn.Conv2d(a, b, 1), nn.ReLU())))
    halvings = [nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(6, 6, 3, stride=2, groups=6)) for _ in range(3)]
    coarse = nn.Sequential(*halvings, nn.Conv2d(6, 3, 1), nn.Upsample(scale_factor=8))
    exposures = torch.zeros(1, 6, HEIGHT, WIDTH)
    return lambda: torch.tanh(detail(exposures) + coarse(exposures))


def deepfuse(torch):
    """Two branches of shared weights, their sum, and four convolutions."""
    nn = torch.nn

    def layers(widths, kernels):
        convolutions = zip(pairwise(widths), kernels, strict=True)
        parts = [(nn.Conv2d(a, b, k, padding=k // 2, bias=False), nn.LeakyReLU(0.01)) for (a, b), k in convolutions]
        return nn.Sequential(*(part for both in parts for part in both))

    branch, rest = layers((1, 32, 64), (3, 5)), layers((64, 64, 32, 16, 1), (7, 5, 5, 7))
    luma = torch.zeros(1, 1, HEIGHT, WIDTH)
    return lambda: rest(branch(luma) + branch(luma))


def mefnet(torch):
    """Dilated convolutions of one exposure's small copy; the normalisation multiplies no matrices."""
    nn = torch.nn
    convolutions = zip(pairwise((1, *[24] * 6)), (1, 2, 4, 8, 16, 1), strict=True)
    parts = [
        (nn.Conv2d(a, b, 3, padding=d, dilation=d, bias=False), nn.InstanceNorm2d(24, affine=True), nn.LeakyReLU(0.2))
        for (a, b), d in convolutions
    ]
    network = nn.Sequential(*(part for three in parts for part in three), nn.Conv2d(24, 1, 1))
    luma = torch.zeros(1, 1, HEIGHT, WIDTH)
    return lambda: network(luma)


@pytest.mark.parametrize(
    ("network", "per_pixel"),
    [(lightfuse, 36_260), (deepfuse, 736_928), (mefnet, 52_320)],
    ids=["lightfuse", "deepfuse", "mefnet"],
)
def test_flops_are_those_that_flop_counter_mode_counts(torch, network, per_pixel):
    from torch.utils.flop_counter import FlopCounterMode

    run = network(torch)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    assert counter.get_total_flops() == per_pixel * HEIGHT * WIDTH
    ours = count(MODELS[network.__name__](HEIGHT, WIDTH))
    assert ours.amount(CONVENTIONS["paper"]) == counter.get_total_flops()
