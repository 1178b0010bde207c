"""Networks of other people that npfuse's operators run, without pooling and with normalisation folded.

SRCNN (Dong et al. 2014), FSRCNN (2016), DnCNN (Zhang et al. 2017), EDSR's body (Lim et al. 2017, two of its blocks) and
blocks of MobileNet (Howard et al. 2017), with the widths of their papers and random weights. None of their shapes is
among the benchmarks of the calibration.
"""

from collections.abc import Callable

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import Add, Conv2D, Conv2DTranspose, DepthwiseConv2D, LeakyReLU, PointwiseConv2D, ReLU, Subtract


def _conv(b: GraphBuilder, name: str, x: str, features: int, kernel: int) -> str:
    return b.add(name, Conv2D(features=features, kernel_size=(kernel, kernel)), x)


def srcnn(height: int = 210, width: int = 330) -> Graph:
    """Return SRCNN 9-1-5."""
    b = GraphBuilder("SRCNN")
    x = b.add("relu1", ReLU(), _conv(b, "conv1", b.input("x", (height, width, 1)), 64, 9))
    x = b.add("relu2", ReLU(), b.add("conv2", PointwiseConv2D(features=32), x))
    return b.build(_conv(b, "conv3", x, 1, 5))


def fsrcnn(height: int = 150, width: int = 230) -> Graph:
    """Return FSRCNN (56, 12, 4), for twice the size; PReLU is taken as LeakyReLU."""
    b = GraphBuilder("FSRCNN")
    leaky = LeakyReLU(slope=0.2)
    x = b.add("prelu1", leaky, _conv(b, "extract", b.input("x", (height, width, 1)), 56, 5))
    x = b.add("prelu2", leaky, b.add("shrink", PointwiseConv2D(features=12), x))
    for i in range(1, 5):
        x = b.add(f"prelu{i + 2}", leaky, _conv(b, f"map{i}", x, 12, 3))
    x = b.add("prelu7", leaky, b.add("expand", PointwiseConv2D(features=56), x))
    return b.build(b.add("deconv", Conv2DTranspose(features=1, kernel_size=(9, 9), stride=(2, 2)), x))


def dncnn(height: int = 110, width: int = 130) -> Graph:
    """Return DnCNN-S, 17 layers."""
    b = GraphBuilder("DnCNN")
    picture = b.input("x", (height, width, 1))
    x = picture
    for i in range(1, 17):
        x = b.add(f"relu{i}", ReLU(), _conv(b, f"conv{i}", x, 64, 3))
    return b.build(b.add("clean", Subtract(), picture, _conv(b, "conv17", x, 1, 3)))


def edsr(height: int = 90, width: int = 110) -> Graph:
    """Return the head and two residual blocks of EDSR's baseline."""
    b = GraphBuilder("EDSR")
    x = _conv(b, "head", b.input("x", (height, width, 3)), 64, 3)
    for i in (1, 2):
        y = b.add(f"relu{i}", ReLU(), _conv(b, f"first{i}", x, 64, 3))
        x = b.add(f"sum{i}", Add(), x, _conv(b, f"second{i}", y, 64, 3))
    return b.build(x)


def mobilenet(height: int = 112, width: int = 112) -> Graph:
    """Return the first blocks of MobileNet 1.0, at 224x224."""
    b = GraphBuilder("MobileNet, first blocks")
    x = b.input("x", (height, width, 32))
    for i, (stride, features) in enumerate(((1, 64), (2, 128), (1, 128), (2, 256), (1, 256)), 1):
        x = b.add(f"depthwise{i}", DepthwiseConv2D(kernel_size=(3, 3), stride=(stride, stride)), x)
        x = b.add(f"relu{i}", ReLU(), x)
        x = b.add(f"pointwise{i}", PointwiseConv2D(features=features), x)
        x = b.add(f"relu{i}_pointwise", ReLU(), x)
    return b.build(x)


NETWORKS: tuple[Callable[[], Graph], ...] = (srcnn, fsrcnn, dncnn, edsr, mobilenet)
