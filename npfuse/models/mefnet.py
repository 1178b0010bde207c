"""MEF-Net (Ma et al., TIP 2020): a dilated network predicts a weight map for one exposure at low resolution.

It runs once per exposure, on a copy whose short side is 128; a guided filter brings the maps to full size, and their
normalised weighted sum is the result. Resize, guided filter and sum are not part of this graph.
"""

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import AdaptiveNorm, Conv2D, LeakyReLU, PointwiseConv2D

FEATURES = 24
DILATIONS = (1, 2, 4, 8, 16, 1)
SLOPE = 0.2


def mefnet(height: int, width: int, *, normalise: bool = True, use_bias: bool = False) -> Graph:
    """Build MEF-Net's weight-map network for one low-resolution size.

    Parameters
    ----------
    height, width : size of the low-resolution copy
    normalise : whether adaptive normalisation follows every 3x3 convolution, as in the released network
    use_bias : whether the 3x3 convolutions add a bias; in the released network only the last, 1x1, does

    Returns
    -------
    Graph with input "luma" (H, W, 1) and output "weight_map" (H, W, 1)

    Raises
    ------
    ValueError : a size below 1

    Notes
    -----
    Source: https://github.com/makedede/MEFNet, e2emef.py, commit 28ed074. 26,461 parameters, of which 300 normalise.
    Table III of LightFuse counts 26,305: without the normalisation, and with a bias in every convolution.

    Examples
    --------
    >>> mefnet(5, 7).parameter_count, mefnet(5, 7, normalise=False, use_bias=True).parameter_count
    (26461, 26305)
    """
    b = GraphBuilder("mefnet")
    x = b.input("luma", (height, width, 1))
    for i, dilation in enumerate(DILATIONS, 1):
        conv = Conv2D(features=FEATURES, kernel_size=(3, 3), dilation=(dilation, dilation), use_bias=use_bias)
        x = b.add(f"conv{i}", conv, x)
        if normalise:
            x = b.add(f"conv{i}_norm", AdaptiveNorm(), x)
        x = b.add(f"conv{i}_act", LeakyReLU(slope=SLOPE), x)
    return b.build(b.add("weight_map", PointwiseConv2D(features=1), x))
