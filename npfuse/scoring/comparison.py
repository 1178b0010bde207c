"""Methods side by side on one sheet, whole and zoomed in; and the paper's figures 3, 5 and 6 on the example pictures.

A sheet is for looking (`npfuse.pictures.contact_sheet`): pictures are shrunk to it, and zoomed parts enlarged by
repeating their pixels. Each part has a frame, whose colour marks its place in the exposures.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.examples import SCENES, example_pair
from npfuse.fusion import fuse_stack
from npfuse.jobs import Progress
from npfuse.methods.shares import SHARES
from npfuse.picture_shares import LONG_SIDE, exposure_shares
from npfuse.pictures.contact_sheet import contact_sheet
from npfuse.pictures.reading import read_picture
from npfuse.run import run
from npfuse.scoring.evaluation import Candidate, candidates
from npfuse.scoring.scenes import darkest_first
from npfuse.weights.loading import load_weights
from npfuse.weights.weights import Weights

Picture = NDArray[np.uint8]
Zoom = tuple[int, int, int, int]

CELL_HEIGHT = 320
FRAMES = ((240, 80, 60), (70, 190, 240), (250, 200, 60), (120, 220, 110))  # red, blue, yellow, green, and again
FRAME = 4  # pixels of a frame in the sheet


def compare(
    exposures: Sequence[Picture],
    scored: Sequence[Candidate],
    *,
    zooms: Sequence[Zoom] = (),
    cell_height: int = CELL_HEIGHT,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Picture:
    """Fuse exposures by every method, and lay the results out beside the darkest and the brightest of them.

    Parameters
    ----------
    exposures : ndarrays (H, W, 3) or (H, W), uint8, two or more, in any order
    scored : the methods
    zooms : parts (row, column, height, width) that get a row of their own
    cell_height : height of the pictures in the sheet, in pixels
    threads : as for `npfuse.fuse`
    progress : called with the number of methods done and of all

    Returns
    -------
    ndarray (H', W', 3), uint8

    Raises
    ------
    ValueError : a part outside the pictures, or pictures that `npfuse.fuse_stack` refuses
    """
    check_zooms(zooms, exposures[0].shape)
    results = fuse_by_all(exposures, scored, threads=threads, progress=progress)
    return lay_out(exposures, results, zooms=zooms, cell_height=cell_height)


def fuse_by_all(
    exposures: Sequence[Picture],
    scored: Sequence[Candidate],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[tuple[str, Picture]]:
    """Return the title and the result of every method."""
    in_order, results = darkest_first(exposures), []
    for done, candidate in enumerate(scored, 1):
        options: dict[str, Any] = {"method": candidate.method.name, "threads": threads, "order": "given"}
        results.append((candidate.title, fuse_stack(in_order, candidate.weights, **options)))
        if progress:
            progress(done, len(scored))
    return results


def maps_of_each(
    exposures: Sequence[Picture],
    scored: Sequence[Candidate],
    *,
    long_side: int = LONG_SIDE,
    progress: Progress | None = None,
) -> list[tuple[NDArray[np.float32], str]]:
    """Return the map of every method: the shares of the exposures (K, H', W'), darkest first, and their measure.

    Parameters
    ----------
    exposures, scored, progress : as for `compare`
    long_side : as for `npfuse.exposure_shares`
    """
    in_order, maps = darkest_first(exposures), []
    for done, candidate in enumerate(scored, 1):
        options: dict[str, Any] = {"method": candidate.method.name, "order": "given", "long_side": long_side}
        shares = exposure_shares(in_order, candidate.weights, **options)
        maps.append((shares, SHARES[candidate.method.name].words))
        if progress:
            progress(done, len(scored))
    return maps


def lay_out(
    exposures: Sequence[Picture],
    results: Sequence[tuple[str, Picture]],
    *,
    zooms: Sequence[Zoom] = (),
    cell_height: int = CELL_HEIGHT,
) -> Picture:
    """Lay results out beside the darkest and the brightest of the exposures.

    Parameters
    ----------
    exposures, zooms, cell_height : as for `compare`
    results : caption and picture of each, of the exposures' shape

    Returns
    -------
    ndarray (H', W', 3), uint8
    """
    in_order = darkest_first(exposures)
    captions = ["under-exposed", "over-exposed"]
    if len(exposures) > 2:
        captions = [f"darkest of {len(exposures)}", "brightest"]
    captions += [caption for caption, _ in results]
    pictures = [in_order[0], in_order[-1], *(picture for _, picture in results)]
    cell_height = min(cell_height, pictures[0].shape[0])  # none is enlarged
    parts = [[zoomed(picture, zoom, cell_height) for picture in pictures] for zoom in zooms]
    for i, row in enumerate(parts):
        for part in row:
            framed(part, (0, 0, *part.shape[:2]), i, FRAME)
    shown = [picture.copy() if picture.ndim == 3 else np.dstack([picture] * 3) for picture in pictures[:2]]
    for picture in shown:
        for i, zoom in enumerate(zooms):
            framed(picture, zoom, i, -(-FRAME * len(picture) // (2 * cell_height)))
    labels = ["", *(f"{row},{column}" for row, column, _, _ in zooms)] if zooms else None
    return contact_sheet([[*shown, *pictures[2:]], *parts], captions, labels, cell_height=cell_height)


def check_zooms(zooms: Sequence[Zoom], shape: tuple[int, ...]) -> None:
    """Raise ValueError where a part (row, column, height, width) does not lie inside a picture."""
    for row, column, height, width in zooms:
        inside = min(row, column) >= 0 and min(height, width) >= 1
        if not inside or row + height > shape[0] or column + width > shape[1]:
            raise ValueError(
                f"zoom is {row},{column},{height},{width} (row, column, height, width), expected a part of pictures "
                f"of {shape[0]}x{shape[1]} (height x width)"
            )


def zoomed(picture: Picture, zoom: Zoom, cell_height: int) -> Picture:
    """Return a part of a picture in RGB, its pixels repeated until it is as high as a cell, where it is lower.

    Examples
    --------
    >>> zoomed(np.arange(6, dtype=np.uint8).reshape(2, 3), (0, 1, 1, 2), 2)[..., 0]
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]], dtype=uint8)
    """
    row, column, height, width = zoom
    part = picture[row : row + height, column : column + width]
    high = max(cell_height, height)
    wide = max(1, round(width * high / height))
    part = part[np.arange(high) * height // high][:, np.arange(wide) * width // wide]
    return part if part.ndim == 3 else np.dstack([part] * 3)


def framed(picture: Picture, part: Zoom, number: int, thickness: int) -> None:
    """Draw the frame of a part (row, column, height, width), inside it, into a picture."""
    row, column, height, width = part
    inside = picture[row : row + height, column : column + width]
    colour = FRAMES[number % len(FRAMES)]
    inside[:thickness], inside[-thickness:] = colour, colour
    inside[:, :thickness], inside[:, -thickness:] = colour, colour


def figure_3(cell_height: int, progress: Progress | None = None) -> Picture:
    """T_CNN beside LightFuse, as in Figure 3, which shows what the plain network does to an extreme pair."""
    return _examples(candidates([], ["t_cnn", "lightfuse"]), cell_height, progress)


def figure_6(cell_height: int, progress: Progress | None = None) -> Picture:
    """Every method there is, as in Figure 6."""
    return _examples(candidates([]), cell_height, progress)


def figure_5(cell_height: int, progress: Progress | None = None) -> Picture:
    """What DetailNet (D) and GlobalNet (G) add to the picture, in grey, and the gradients of both, as in Figure 5."""
    weights = load_weights("lightfuse")
    rows = []
    for done, scene in enumerate(SCENES, 1):
        under, over = (read_picture(path).pixels for path in example_pair(scene))
        detail, coarse = parts_of_lightfuse(under, over, weights)
        fused = np.tanh(detail + coarse)
        shown = [_levels((fused + 1) / 2), *(_levels(stretched(part.mean(axis=2))) for part in (detail, coarse))]
        steep = [gradient(part) for part in (detail, coarse)]
        rows.append([*shown, *(_levels(part / _white(part)) for part in steep)])
        if progress:
            progress(done, len(SCENES))
    captions = ["LightFuse", "D, stretched", "G, stretched", "gradient of D", "gradient of G"]
    return contact_sheet(rows, captions, SCENES, cell_height=cell_height)


FIGURES: dict[int, Callable[..., Picture]] = {3: figure_3, 5: figure_5, 6: figure_6}


def parts_of_lightfuse(under: Picture, over: Picture, weights: Weights) -> tuple[NDArray[Any], NDArray[Any]]:
    """Run LightFuse on a whole pair, and return what its two networks add up to the argument of tanh.

    Parameters
    ----------
    under, over : ndarray (H, W, 3), uint8
    weights : Weights of LightFuse, mapped by the full range

    Returns
    -------
    detail, coarse : ndarray (H, W, 3), float32, of DetailNet and of GlobalNet
    """
    height, width = under.shape[:2]
    padded = weights.padded_size(height, width)
    pads = [(0, padded[0] - height), (0, padded[1] - width), (0, 0)]
    exposures = np.concatenate([np.pad(x, pads, mode="edge") / np.float32(127.5) - 1 for x in (under, over)], axis=2)
    graph = weights.graph(*exposures.shape[:2])
    total = next(node for node in graph.nodes if node.name == "sum")
    inputs = {"exposures": exposures[np.newaxis].astype(np.float32)}
    values = run(replace(graph, outputs=total.inputs), inputs, weights.arrays)
    detail, coarse = (values[name][0, :height, :width] for name in total.inputs)
    return detail, coarse


def gradient(x: NDArray[Any]) -> NDArray[Any]:
    """Return the length of the gradient of each pixel's mean over the channels, (H, W).

    Examples
    --------
    >>> gradient(np.array([[[0.0], [3.0]], [[4.0], [7.0]]]))
    array([[5., 5.],
           [5., 5.]])
    """
    rows, columns = np.gradient(x.mean(axis=2))
    length: NDArray[Any] = np.hypot(rows, columns)
    return length


def stretched(x: NDArray[Any]) -> NDArray[Any]:
    """Return values stretched so that a hundredth of them is below 0, and one above 1; zeros where all are equal.

    Examples
    --------
    >>> stretched(np.linspace(3, 5, 101))[[1, 50, 99]].round(6)
    array([0. , 0.5, 1. ])
    """
    least, most = np.quantile(x, (0.01, 0.99))
    result: NDArray[Any] = (x - least) / (float(most - least) or 1.0)
    return result


def _white(x: NDArray[Any]) -> float:
    """Return the level that is shown white: all but a hundredth of the pixels are below it."""
    return float(np.quantile(x, 0.99)) or 1.0


def _levels(x: NDArray[Any]) -> Picture:
    levels: Picture = np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
    return levels


def _examples(scored: Sequence[Candidate], cell_height: int, progress: Progress | None) -> Picture:
    """Fuse every example pair by every method, one row per scene."""
    rows = []
    for i, scene in enumerate(SCENES):
        pair = [read_picture(path).pixels for path in example_pair(scene)]
        fused = []
        for j, candidate in enumerate(scored, 1):
            fused.append(fuse_stack(pair, candidate.weights, method=candidate.method.name))
            if progress:
                progress(i * len(scored) + j, len(SCENES) * len(scored))
        rows.append([*pair, *fused])
    captions = ["under-exposed", "over-exposed", *(candidate.title for candidate in scored)]
    return contact_sheet(rows, captions, SCENES, cell_height=cell_height)
