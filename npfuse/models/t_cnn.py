"""T_CNN (arXiv 2107.02299, Table I): the plain network of three separable convolutions that the paper sets out from."""

from collections.abc import Sequence

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import DepthwiseConv2D, PointwiseConv2D, ReLU, Tanh


def t_cnn(height: int, width: int, *, hidden: Sequence[int] = (256, 64)) -> Graph:
    """Build T_CNN for one picture size.

    Parameters
    ----------
    height, width : size of the pictures
    hidden : widths of the hidden layers

    Returns
    -------
    Graph with input "exposures" (H, W, 6), in [-1, 1], under-exposed RGB then over-exposed RGB; output
    "fused" (H, W, 3), in [-1, 1]

    Raises
    ------
    ValueError : a size or a width below 1

    Notes
    -----
    Separable convolutions 3x3, stride 1, 6 -> 256 -> 64 -> 3 (Table I): depthwise without bias, pointwise with. ReLU
    after the hidden layers and tanh after the last, as in LightFuse.

    Examples
    --------
    >>> t_cnn(5, 7).parameter_count  # 54 + 6*256+256 + 2304 + 256*64+64 + 576 + 64*3+3
    21369
    """
    b = GraphBuilder("t_cnn")
    x = b.input("exposures", (height, width, 6))
    widths = (*hidden, 3)
    for i, features in enumerate(widths, 1):
        x = b.add(f"conv{i}_depthwise", DepthwiseConv2D(kernel_size=(3, 3), use_bias=False), x)
        x = b.add(f"conv{i}_pointwise", PointwiseConv2D(features=features), x)
        x = b.add(f"conv{i}_relu", ReLU(), x) if i < len(widths) else b.add("fused", Tanh(), x)
    return b.build(x)
