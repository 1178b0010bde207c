"""The page of `npfuse evaluate --html`: the table, sortable, and for each scene a thumbnail that opens the viewer."""

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npfuse.pages.page import page
from npfuse.pages.viewed_scene import Layer, thumbnail, viewed_scene
from npfuse.scoring.scenes import Scene
from npfuse.scoring.score_table import HEADER, MISSING, UNKNOWN, Evaluation, cells_of_rows, notes

MOST_PIXELS = 60_000_000  # of all copies in a page: some 30 MB
LONG_SIDES = 320, 1600  # pixels of a copy, at least and at most
BODY = """<header><h1></h1></header>
<main>
<div id="table"></div>
<p>A click on a heading sorts; a click on a scene opens its pictures under a slider.</p>
<div id="scenes"></div>
<ul class="notes" id="notes"></ul>
</main>
<dialog><header><h2></h2><button type="button">close</button></header><div></div></dialog>
<noscript>This page needs JavaScript, which is in the page itself.</noscript>"""

Pixels = NDArray[np.uint8]


def long_side_for(pictures: int) -> int:
    """Return the longest side of the copies in a page of so many pictures.

    Examples
    --------
    >>> long_side_for(20), long_side_for(1000)
    (1600, 320)
    """
    return max(LONG_SIDES[0], min(LONG_SIDES[1], isqrt(MOST_PIXELS * 3 // 2 // max(pictures, 1))))


def evaluation_page(
    evaluation: Evaluation, scene_of: Callable[[str], Scene], fused_of: Callable[[int, str], Pixels | None]
) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : Evaluation
    scene_of : callable
        Returns the pictures of a scene by its name.
    fused_of : callable
        Returns a result by the candidate's index and the scene's name, or None where there is none.

    Returns
    -------
    str, HTML
    """
    scenes = [name for name in evaluation.scenes if any(key[1] == name for key in evaluation.results)]
    long_side = long_side_for(len(scenes) * (len(evaluation.scored) + 3))
    data: dict[str, Any] = {}
    thumbnails = []
    for number, name in enumerate(scenes):
        layers = _layers(evaluation, scene_of(name), fused_of)
        identifier = f"scene-{number}"
        data[identifier] = viewed_scene(name, layers, long_side=long_side)
        best = next((layer for layer in layers if layer.kind == "result"), layers[0])
        thumbnails.append({"name": name, "id": identifier, "src": thumbnail(best.pixels)})
    rows = [[_cell(text) for text in cells] for cells in cells_of_rows(evaluation)]
    title = f"Evaluation of {evaluation.folder}"
    told = {"title": title, "header": list(HEADER), "rows": rows, "notes": notes(evaluation), "thumbnails": thumbnails}
    return page(title, BODY, ["viewer.js", "evaluation.js"], {"page": told, **data})


def _layers(evaluation: Evaluation, scene: Scene, fused_of: Callable[[int, str], Pixels | None]) -> Sequence[Layer]:
    """Return a scene's exposures, its label and its results."""
    ends = {0: "darkest exposure", len(scene.exposures) - 1: "brightest exposure"}
    layers = [
        Layer(title=ends.get(k, f"exposure {k + 1}"), kind="exposure", pixels=pixels)
        for k, pixels in enumerate(scene.exposures)
    ]
    if scene.label is not None:
        layers.append(Layer(title="label", kind="label", pixels=scene.label))
    for index, candidate in enumerate(evaluation.scored):
        result, pixels = evaluation.results.get((index, scene.name)), fused_of(index, scene.name)
        if result is not None and pixels is not None:
            scores = {"MEF-SSIM": f"{result.mef_ssim:.4f}", "seconds": f"{result.seconds:.2f}"}
            if result.psnr is not None and result.ssim is not None:
                scores = {"PSNR dB": f"{result.psnr:.2f}", "SSIM": f"{result.ssim:.4f}"} | scores
            layers.append(Layer(title=candidate.title, kind="result", pixels=pixels, scores=scores))
    return layers


def _cell(text: str) -> dict[str, Any]:
    """Return a cell as it is shown, and as it is sorted: a number where it is one, None where it is missing."""
    if text in (MISSING, UNKNOWN):
        return {"text": text, "value": None}
    try:
        return {"text": text, "value": float(text)}
    except ValueError:
        return {"text": text, "value": text}
