"""Prepare a scene for the viewer: copies of its pictures that a browser can hold, histograms, scores and maps."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npfuse.picture_shares import share_colours, share_palette

QUALITY = 94  # of the copies, JPEG without chroma subsampling
COPY_SIDE = 2400  # pixels of a copy: 24 megapixels become 3.8, some 1.5 MB a picture

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A picture that the viewer can show.

    Parameters
    ----------
    title : str
        Shown as plain text, whatever is in it.
    kind : "exposure", "label" or "result"
    pixels : ndarray (H, W, 3) or (H, W), uint8
    scores : mapping of str to str
        Values by the heading of their column, as they are printed.
    shares : ndarray (K, H', W'), float, or None
        Share of each exposure in every place of the result (`npfuse.exposure_shares`).
    measure : str
        Sentence on how the shares were measured.
    """

    title: str
    kind: str
    pixels: Pixels
    scores: Mapping[str, str] = field(default_factory=dict)
    shares: NDArray[Any] | None = None
    measure: str = ""


def viewed_scene(name: str, layers: Sequence[Layer], *, long_side: int = COPY_SIDE) -> dict[str, Any]:
    """Return the data of a scene for the viewer, ready for JSON.

    Parameters
    ----------
    name : str
        Title of the scene.
    layers : sequence of Layer
        Pictures of one size.
    long_side : int
        Pixels of a copy's longer side at most.

    Returns
    -------
    dict

    Examples
    --------
    >>> dark, light = np.zeros((30, 40, 3), np.uint8), np.full((30, 40, 3), 255, np.uint8)
    >>> layers = [Layer(title="dark", kind="exposure", pixels=dark), Layer(title="light", kind="result", pixels=light)]
    >>> scene = viewed_scene("night", layers, long_side=20)
    >>> scene["height"], scene["width"], scene["layers"][0]["black"]
    (15, 20, '100.0 %')
    """
    full_height, full_width = layers[0].pixels.shape[:2]
    height, width = shrunk_size(full_height, full_width, long_side)
    made = [_layer(layer, height, width) for layer in layers]
    maps = []
    measures: dict[str, list[str]] = {}
    exposures = 0
    for of, layer in enumerate(layers):
        if layer.shares is not None:
            exposures = len(layer.shares)
            title, colours = f"map of {layer.title}", share_colours(layer.shares)
            maps.append({"title": title, "kind": "map", "of": of, "src": _data_uri(shrunk(colours, height, width))})
            measures.setdefault(layer.measure, []).append(layer.title)
    notes = [_size_note(full_height, full_width, height, width)]
    notes += [f"Maps of {', '.join(titles)}: {measure}." for measure, titles in measures.items()]
    return {
        "name": name,
        "height": height,
        "width": width,
        "full_height": full_height,
        "full_width": full_width,
        "layers": [*made, *maps],
        "legend": _legend(exposures),
        "notes": notes,
    }


def thumbnail(pixels: Pixels, long_side: int = 240) -> str:
    """Return a small copy of a picture as a data URI."""
    height, width = pixels.shape[:2]
    return _data_uri(shrunk(pixels, *shrunk_size(height, width, long_side)), quality=80)


def shrunk_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Return the size of a copy, which is never larger than the picture.

    Examples
    --------
    >>> shrunk_size(4000, 6000, 2400), shrunk_size(30, 20, 2400)
    ((1600, 2400), (30, 20))
    """
    share = min(1.0, long_side / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return a copy of a picture at another size, in RGB: by area average where it is smaller, else by repetition."""
    rgb = pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
    if rgb.shape[:2] == (height, width):
        return rgb
    smaller = height <= rgb.shape[0] and width <= rgb.shape[1]
    filtered = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(rgb).resize((width, height), filtered))


def _layer(layer: Layer, height: int, width: int) -> dict[str, Any]:
    rgb = layer.pixels if layer.pixels.ndim == 3 else np.dstack([layer.pixels] * 3)
    counts = [np.bincount(rgb[..., channel].ravel(), minlength=256) for channel in range(3)]
    most = max(1, *(int(count.max()) for count in counts))
    found: dict[str, Any] = {
        "title": layer.title,
        "kind": layer.kind,
        "src": _data_uri(shrunk(rgb, height, width)),
        "histogram": [np.ceil(count * (4095 / most)).astype(int).tolist() for count in counts],
        "black": f"{float((rgb.max(axis=2) == 0).mean()):.1%}".replace("%", " %"),
        "white": f"{float((rgb.min(axis=2) == 255).mean()):.1%}".replace("%", " %"),
    }
    return found | ({"scores": dict(layer.scores)} if layer.scores else {})


def _data_uri(rgb: Pixels, quality: int = QUALITY) -> str:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _legend(exposures: int) -> list[dict[str, str]]:
    if not exposures:
        return []
    ends = {0: "darkest exposure", exposures - 1: "brightest exposure"}
    return [
        {"title": ends.get(k, f"exposure {k + 1}"), "colour": f"rgb({red}, {green}, {blue})"}
        for k, (red, green, blue) in enumerate(share_palette(exposures).tolist())
    ]


def _size_note(full_height: int, full_width: int, height: int, width: int) -> str:
    if (height, width) == (full_height, full_width):
        return f"Pictures of {height}x{width} pixels (height x width), all of them shown, as JPEG of quality {QUALITY}."
    return (
        f"Reduced copies: the pictures have {full_height}x{full_width} pixels (height x width), and are shown with "
        f"{height}x{width}, averaged over areas, as JPEG of quality {QUALITY}. Histograms are those of the pictures."
    )
