"""The page of `npfuse compare --html`: one scene, its exposures, the results, and a slider between any two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npfuse.methods.shares import SHARES
from npfuse.pages.page import page
from npfuse.pages.viewed_scene import LONG_SIDE, Layer, shrunk, shrunk_size, viewed_scene
from npfuse.scoring.evaluation import Candidate
from npfuse.scoring.metrics import mef_ssim, psnr, ssim

SMALLEST_SCORED = 44  # pixels: MEF-SSIM's coarsest window
BODY = """<header><h1></h1></header>
<main id="viewer"></main>
<noscript>This page needs JavaScript, which is in the page itself.</noscript>"""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedPicture:
    """A picture with the title that it is shown under."""

    title: str
    pixels: Pixels


def comparison_page(
    name: str,
    exposures: Sequence[NamedPicture],
    fused: Sequence[tuple[Candidate, Pixels]],
    *,
    others: Sequence[NamedPicture] = (),
    label: NamedPicture | None = None,
    maps: Sequence[NDArray[np.float32]] | None = None,
    long_side: int = LONG_SIDE,
) -> str:
    """Return the page.

    Parameters
    ----------
    name : str
        Title of the page.
    exposures : sequence of NamedPicture
        Darkest first; pixels (H, W, 3) or (H, W), uint8.
    fused : sequence of (Candidate, ndarray)
        Result of each method.
    others : sequence of NamedPicture
        Results that were made elsewhere.
    label : NamedPicture, optional
        Picture that a good fusion looks like.
    maps : sequence of ndarray (K, H', W'), float32, optional
        Shares of the exposures in each result of `fused` (`npfuse.exposure_shares`).
    long_side : int
        Pixels of the shown copies' longer side at most.

    Returns
    -------
    str, HTML
    """
    inputs = [Layer(title=x.title, kind="exposure", pixels=x.pixels) for x in exposures]
    layers = [*inputs, *([Layer(title=label.title, kind="label", pixels=label.pixels)] if label else [])]
    pictures = [x.pixels for x in exposures]
    size = shrunk_size(*pictures[0].shape[:2], long_side)

    def scores(pixels: Pixels) -> Mapping[str, str]:
        return copy_scores([shrunk(x, *size) for x in (pictures[0], pictures[-1])], pixels, label, size)

    for (candidate, pixels), shares in zip(fused, maps or [None] * len(fused), strict=True):
        layers.append(
            Layer(
                title=candidate.title,
                kind="result",
                pixels=pixels,
                scores=scores(pixels),
                shares=shares,
                measure=SHARES[candidate.method.name].words,
            )
        )
    layers += [Layer(title=x.title, kind="result", pixels=x.pixels, scores=scores(x.pixels)) for x in others]
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
