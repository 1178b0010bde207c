"""What really runs when a method fuses a pair of pictures: which graph, on how many pixels, how often.

Counted are the graphs: networks, and Mertens' pyramids. What each method does around its graph is named in `left_out`,
and its cost is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

from npfuse.graph import Graph
from npfuse.methods.mefnet import SHORT_SIDE, low_resolution
from npfuse.models import build

Grid = Callable[[int, int], tuple[int, int]]


def same_size(height: int, width: int) -> tuple[int, int]:
    """Return the picture's own size."""
    return height, width


def multiple_of_8(height: int, width: int) -> tuple[int, int]:
    """Return the size that LightFuse runs at: pictures are padded to multiples of 8.

    Examples
    --------
    >>> multiple_of_8(16, 17)
    (16, 24)
    """
    return height + -height % 8, width + -width % 8


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to fuse a pair of pictures with a network.

    Parameters
    ----------
    name : as in the paper
    model : key of `npfuse.models.MODELS`
    grid : maps the picture's (height, width) to the network's
    runs : of the network for a pair of pictures
    difference : why what runs differs from what the paper counts
    left_out : what happens outside the network
    """

    name: str
    model: str
    grid: Grid
    runs: int
    difference: str
    left_out: str

    def graph(self, height: int, width: int) -> Graph:
        """Return the network for one picture size."""
        return build(self.model, *self.grid(height, width))


METHODS: tuple[Method, ...] = (
    Method(
        name="LightFuse",
        model="lightfuse",
        grid=multiple_of_8,
        runs=1,
        difference="the parameters are the same; `paper` leaves out the decoder, biases, ReLU, sum and tanh, which run "
        "(see --convention flops-all)",
        left_out="minimum and maximum of each picture, and rounding",
    ),
    Method(
        name="DeepFuse",
        model="deepfuse",
        grid=same_size,
        runs=1,
        difference="the released network sees luma only, shares its branches' weights and has no biases; the table "
        "counts the FLOPs of that one, but the parameters of one with three channels, two sets of weights and biases",
        left_out="colour conversion, and the weighted average of the chroma",
    ),
    Method(
        name="MEF-Net",
        model="mefnet",
        grid=low_resolution,
        runs=2,
        difference="the released network normalises where the table counts biases; and it runs once an exposure, on a "
        f"copy whose short side is {SHORT_SIDE}, so its FLOPs per pixel of the copy are not per pixel of the picture",
        left_out="the copy, the guided filter that brings the weight maps to full size, their sum, and the chroma",
    ),
    Method(
        name="T_CNN",
        model="t_cnn",
        grid=same_size,
        runs=1,
        difference="Table III has no row for it; the network is built from Table I",
        left_out="minimum and maximum of each picture, and rounding",
    ),
    Method(
        name="Mertens09",
        model="mertens",
        grid=same_size,
        runs=1,
        difference="Table III has no row for it; it learns nothing, so `paper` counts nothing, and its pyramids weigh "
        "by fixed kernels (see --convention flops-all)",
        left_out="conversion from and to bytes",
    ),
    Method(
        name="ToneFuse",
        model="tonefuse",
        grid=multiple_of_8,
        runs=1,
        difference="the paper does not have it",
        left_out="the thumbnail of both pictures (one addition a value), and rounding",
    ),
)


def method_of(model: str) -> Method:
    """Return the method that runs a model; ValueError names the models there are."""
    for method in METHODS:
        if method.model == model:
            return method
    raise ValueError(f"model is {model!r}, expected one of {', '.join(method.model for method in METHODS)}")
