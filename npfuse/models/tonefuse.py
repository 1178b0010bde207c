"""ToneFuse: a small LightFuse whose DetailNet is also told about the two whole pictures.

LightFuse (arXiv 2107.02299) decides from a pixel and its surroundings of 15x15; it cannot know how bright the scene is.
Here a thumbnail of both whole pictures makes one number per feature, which is added to DetailNet's first layer like a
bias. That takes 500 parameters, and no arithmetic per pixel. DetailNet's last layer has no ReLU. The coarse picture is
enlarged bilinearly, so that no 8x8 blocks show.

GlobalNet has a hidden layer, which LightFuse's has not: what it adds at a place need not be linear in the brightness
around it. And it sees further, some 60 pixels each way, by separable convolutions of growing dilation, each added to
what it reads. At a 64th of the pixels that costs next to nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import Add, AddChannels, DepthwiseConv2D, PointwiseConv2D, ReLU, Resize, Tanh

THUMBNAIL = (16, 24)  # rows and columns, whatever the picture's proportions


def tonefuse(
    height: int,
    width: int,
    *,
    hidden: Sequence[int] = (32, 16),
    coarse: int = 30,
    dilations: Sequence[int] = (1, 2, 4),
    tones: int = 12,
) -> Graph:
    """Build ToneFuse for one picture size.

    Parameters
    ----------
    height, width : size of the pictures, multiples of 8
    hidden : widths of DetailNet's hidden layers, at least one
    coarse : width of GlobalNet's hidden layer
    dilations : dilations of the separable convolutions at an eighth of the size; each is added to its own input
    tones : number of features of each pixel of the thumbnail

    Returns
    -------
    Graph with inputs "exposures" (H, W, 6), in [-1, 1], under-exposed RGB then over-exposed RGB, and "thumbnail"
    (16, 24, 6), the area average of the whole pictures, mapped alike; output "fused" (H, W, 3), in [-1, 1]

    Raises
    ------
    ValueError : a size that is no positive multiple of 8, no hidden layer, or a width below 1

    Notes
    -----
    5,380 parameters with the default widths.

    Examples
    --------
    >>> tonefuse(8, 8).parameter_count
    5380
    """
    if height < 8 or width < 8 or height % 8 or width % 8:
        raise ValueError(f"tonefuse: size is {height}x{width}, expected positive multiples of 8, height x width")
    if not hidden:
        raise ValueError("tonefuse: number of hidden layers is 0, expected at least 1")
    b = GraphBuilder("tonefuse")
    exposures = b.input("exposures", (height, width, 6))
    thumbnail = b.input("thumbnail", (*THUMBNAIL, 6))

    tone = b.add("tone1", PointwiseConv2D(features=tones), thumbnail)
    tone = b.add("tone1_relu", ReLU(), tone)
    tone = b.add("tone_mean", Resize(height=1, width=1, method="area"), tone)
    tone = b.add("tone2", PointwiseConv2D(features=hidden[0]), tone)

    detail = b.add("detail1", PointwiseConv2D(features=hidden[0]), exposures)
    detail = b.add("detail1_tone", AddChannels(), detail, tone)
    detail = b.add("detail1_relu", ReLU(), detail)
    for i, features in enumerate(hidden[1:], 2):
        detail = b.add(f"detail{i}", PointwiseConv2D(features=features), detail)
        detail = b.add(f"detail{i}_relu", ReLU(), detail)
    detail = b.add(f"detail{len(hidden) + 1}", PointwiseConv2D(features=3), detail)

    halving = DepthwiseConv2D(kernel_size=(3, 3), stride=(2, 2))
    around = b.add("global1", halving, exposures)
    around = b.add("global2", halving, around)
    around = b.add("global3_depthwise", replace(halving, use_bias=False), around)
    around = b.add("global3_pointwise", PointwiseConv2D(features=coarse), around)
    around = b.add("global3_relu", ReLU(), around)
    for i, dilation in enumerate(dilations, 1):
        looking = DepthwiseConv2D(kernel_size=(3, 3), dilation=(dilation, dilation), use_bias=False)
        further = b.add(f"around{i}_depthwise", looking, around)
        further = b.add(f"around{i}_pointwise", PointwiseConv2D(features=coarse), further)
        further = b.add(f"around{i}_relu", ReLU(), further)
        around = b.add(f"around{i}_sum", Add(), around, further)
    around = b.add("global4", PointwiseConv2D(features=3), around)
    around = b.add("up", Resize(height=height, width=width, method="bilinear"), around)

    total = b.add("sum", Add(), detail, around)
    return b.build(b.add("fused", Tanh(), total))
