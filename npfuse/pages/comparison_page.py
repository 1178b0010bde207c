"""The page of `npfuse compare --html`: one scene, its exposures, the results, and a slider between any two."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npfuse.pages.page import page
from npfuse.pages.viewed_scene import COPY_SIDE, Layer, shrunk, shrunk_size, viewed_scene
from npfuse.scoring.metrics import mef_ssim, psnr, ssim

SMALLEST_SCORED = 44  # pixels: MEF-SSIM's coarsest window
BODY = """<header><h1></h1></header>
<main id="viewer"></main>
<noscript>This page needs JavaScript, which is in the page itself.</noscript>"""

Pixels = NDArray[np.uint8]


class NamedPicture(NamedTuple):
    """A picture with the title that it is shown under."""

    title: str
    pixels: Pixels


def comparison_page(
    name: str,
    exposures: Sequence[NamedPicture],
    results: Sequence[NamedPicture],
    *,
    maps: Sequence[tuple[NDArray[np.float32], str]] = (),
    label: NamedPicture | None = None,
    long_side: int = COPY_SIDE,
) -> str:
    """Return the page.

    Parameters
    ----------
    name : str
        Title of the page.
    exposures : sequence of NamedPicture
        Darkest first; pixels (H, W, 3) or (H, W), uint8.
    results : sequence of NamedPicture
        Of the methods, then of other programs.
    maps : sequence of (ndarray (K, H', W'), str)
        Shares of the exposures in each of the first results, and how they were measured
        (`npfuse.scoring.comparison.maps_of_each`).
    label : NamedPicture, optional
        Picture that a good fusion looks like.
    long_side : int
        Pixels of the shown copies' longer side at most.

    Returns
    -------
    str, HTML
    """
    layers = [Layer(title=x.title, kind="exposure", pixels=x.pixels) for x in exposures]
    if label is not None:
        layers.append(Layer(title=label.title, kind="label", pixels=label.pixels))
    height, width = exposures[0].pixels.shape[:2]
    size = shrunk_size(height, width, long_side)
    extremes = [shrunk(x.pixels, *size) for x in (exposures[0], exposures[-1])]
    for i, result in enumerate(results):
        shares, measure = maps[i] if i < len(maps) else (None, "")
        scores = copy_scores(extremes, result.pixels, label, size)
        layers.append(
            Layer(
                title=result.title,
                kind="result",
                pixels=result.pixels,
                scores=scores,
                shares=shares,
                measure=measure,
            )
        )
    scene = viewed_scene(name, layers, long_side=long_side)
    if any(layer.scores for layer in layers):
        scene["notes"].append("Scores are of the copies, MEF-SSIM against the darkest and the brightest exposure.")
    return page(name, BODY, ["viewer.js", "comparison.js"], {"scene": scene})


def copy_scores(
    extremes: Sequence[Pixels], pixels: Pixels, label: NamedPicture | None, size: tuple[int, int]
) -> dict[str, str]:
    """Return the scores of a result's copy, as they are printed; none of a picture below 44 pixels."""
    if min(size) < SMALLEST_SCORED:
        return {}
    copy = shrunk(pixels, *size)
    found = {"MEF-SSIM": f"{mef_ssim(extremes, copy):.4f}"}
    if label is not None:
        wanted = shrunk(label.pixels, *size)
        found = {"PSNR dB": f"{psnr(wanted, copy):.2f}", "SSIM": f"{ssim(wanted, copy):.4f}"} | found
    return found
