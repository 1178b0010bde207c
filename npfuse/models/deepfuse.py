"""DeepFuse (Prabhakar et al., ICCV 2017): two branches with shared weights see a luma each; their sum is decoded.

Only luma passes through the network. Outside (`npfuse.methods.deepfuse`), its range is stretched and the chroma of the
two exposures is averaged with weights |C - 128|.
"""

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import Add, Conv2D, LeakyReLU

SLOPE = 0.01

ENCODER = ((3, 32), (5, 64))  # (kernel, features)
DECODER = ((7, 64), (5, 32), (5, 16), (7, 1))


def deepfuse(height: int, width: int, *, channels: int = 1, use_bias: bool = False, shared: bool = True) -> Graph:
    """Build DeepFuse for one picture size.

    Parameters
    ----------
    height, width : size of the pictures
    channels : number of channels of each input; the released network takes luma only
    use_bias : whether every convolution adds a bias; the released network has none
    shared : whether the two branches share their weights, as the released network does

    Returns
    -------
    Graph with inputs "under" and "over" (H, W, channels) and output "fused" (H, W, 1)

    Raises
    ------
    ValueError : a size or the number of channels is below 1

    Notes
    -----
    Source: the layers and weights released at https://github.com/KRamPrabhakar/DeepFuse, commit 2a776ba. 316,976
    parameters. Table III of LightFuse counts 369,921: three channels, biases, and both branches' weights.

    Examples
    --------
    >>> deepfuse(5, 7).parameter_count, deepfuse(5, 7, channels=3, use_bias=True, shared=False).parameter_count
    (316976, 369921)
    """
    b = GraphBuilder("deepfuse")
    branches = []
    for exposure in [b.input(name, (height, width, channels)) for name in ("under", "over")]:
        x = exposure
        for i, (kernel, features) in enumerate(ENCODER, 1):
            conv = Conv2D(features=features, kernel_size=(kernel, kernel), use_bias=use_bias)
            x = b.add(f"{exposure}_conv{i}", conv, x, weight_key=f"conv{i}" if shared else None)
            x = b.add(f"{exposure}_conv{i}_act", LeakyReLU(slope=SLOPE), x)
        branches.append(x)
    x = b.add("sum", Add(), *branches)
    for i, (kernel, features) in enumerate(DECODER, 1 + len(ENCODER)):
        x = b.add(f"conv{i}", Conv2D(features=features, kernel_size=(kernel, kernel), use_bias=use_bias), x)
        x = b.add("fused" if features == 1 else f"conv{i}_act", LeakyReLU(slope=SLOPE), x)
    return b.build(x)
