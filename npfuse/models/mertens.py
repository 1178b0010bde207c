"""Exposure fusion by Mertens, Kautz and Van Reeth (2009): no network, but weights by rule and Laplacian pyramids.

Each exposure is weighted pixel by pixel by its contrast, saturation and exposedness; the weights of a pixel are made
to add up to 1. The exposures' Laplacian pyramids are blended level by level, with the Gaussian pyramids of the weights,
and the blended pyramid is collapsed. There are no parameters.
"""

from npfuse.graph import Graph, GraphBuilder
from npfuse.ops import Add, Divide, ExposureQuality, Resize, Subtract, WeightedSum
from npfuse.ops.exposure_quality import MEASURES, Measure


def coarsest_level(height: int, width: int) -> int:
    """Return the number of the pyramids' coarsest level, the largest L with 2**L <= min(H, W).

    Examples
    --------
    >>> coarsest_level(7, 9), coarsest_level(8, 9)
    (2, 3)
    """
    return min(height, width).bit_length() - 1


def mertens(
    height: int,
    width: int,
    *,
    exposures: int = 2,
    channels: int = 3,
    measures: tuple[Measure, ...] = MEASURES,
) -> Graph:
    """Build Mertens' exposure fusion for one picture size.

    Parameters
    ----------
    height, width : size of the pictures
    exposures : how many, at least 2
    channels : number of channels of each exposure, 3 (RGB) or 1 (luma)
    measures : what pixels are weighted by; OpenCV leaves "exposedness" out unless it is asked for

    Returns
    -------
    Graph with inputs "exposure1", "exposure2", … (H, W, channels) in [0, 1] and output "fused" (H, W, channels), which
    may overshoot [0, 1]

    Raises
    ------
    ValueError : a size below 1, fewer than 2 exposures, another number of channels, or unknown measures

    Notes
    -----
    Source: Mertens, Kautz and Van Reeth 2009, sections 3.1 and 3.2; details, among them the number of levels, the
    largest L with 2**L <= min(H, W), as in OpenCV's MergeMertens.

    Examples
    --------
    >>> graph = mertens(5, 7)
    >>> graph.parameter_count, graph.shapes["weight1_level2"], graph.shapes["fused"]
    (0, (2, 2, 1), (5, 7, 3))
    """
    if min(height, width) < 1:
        raise ValueError(f"mertens: size is {height}x{width}, expected at least 1x1, height x width")
    if exposures < 2:
        raise ValueError(f"mertens: number of exposures is {exposures}, expected at least 2")
    b = GraphBuilder("mertens")
    numbers = range(1, exposures + 1)
    pictures = [b.input(f"exposure{k}", (height, width, channels)) for k in numbers]
    qualities = [b.add(f"quality{k}", ExposureQuality(measures=measures), pictures[k - 1]) for k in numbers]
    total = b.add("quality", Add(), *qualities)
    weights = [b.add(f"weight{k}", Divide(), qualities[k - 1], total) for k in numbers]

    sizes = [(height, width)]
    for _ in range(coarsest_level(height, width)):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    blended = []
    for level, (coarser, finer) in enumerate(zip(sizes[1:], sizes, strict=False)):
        down = Resize(height=coarser[0], width=coarser[1], method="pyramid_down")
        up = Resize(height=finer[0], width=finer[1], method="pyramid_up")
        terms = []
        for k in numbers:
            picture = b.add(f"exposure{k}_level{level + 1}", down, pictures[k - 1])
            enlarged = b.add(f"exposure{k}_up{level}", up, picture)
            terms += [b.add(f"detail{k}_level{level}", Subtract(), pictures[k - 1], enlarged), weights[k - 1]]
            pictures[k - 1] = picture
        blended.append(b.add(f"blended{level}", WeightedSum(), *terms))
        weights = [b.add(f"weight{k}_level{level + 1}", down, weights[k - 1]) for k in numbers]

    terms = [name for pair in zip(pictures, weights, strict=True) for name in pair]
    fused = b.add(f"blended{len(blended)}" if blended else "fused", WeightedSum(), *terms)
    for level, (rows, columns) in reversed(list(enumerate(sizes[:-1]))):
        enlarged = b.add(f"up{level}", Resize(height=rows, width=columns, method="pyramid_up"), fused)
        fused = b.add(f"fused{level}" if level else "fused", Add(), blended[level], enlarged)
    return b.build(fused)
