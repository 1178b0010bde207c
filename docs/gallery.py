"""Make the gallery: the example scenes by every method, as a row of small pictures and as a page with a slider each."""

import hashlib
from html import escape
from pathlib import Path

from PIL import Image

import npfuse
from npfuse.examples import SCENES, example_pair
from npfuse.pages.comparison_page import NamedPicture, comparison_page
from npfuse.pages.viewed_scene import shrunk, shrunk_size
from npfuse.pictures.reading import read_picture
from npfuse.scoring.comparison import fuse_by_all, maps_of_each
from npfuse.scoring.evaluation import candidates

SMALL, MAP = 280, 320  # pixels of the long sides of the small pictures, and of the maps
INTRODUCTION = """# Gallery

The example scenes, fused by every method with the weights that ship. Each scene has a page with a slider between any
two pictures, with maps of which exposure each place comes from. The pages are those of `npfuse compare A B --html
page.html`; this one is written by `docs/gallery.py`.
"""


def make(folder: Path) -> None:
    """Write gallery.md, its pictures and its pages, unless they are there, made of the same."""
    page, stamp = folder / "gallery.md", folder / "gallery.stamp"
    made_of = _digest()
    if stamp.exists() and stamp.read_text() == made_of:
        return
    static = folder / "static" / "gallery"
    static.mkdir(parents=True, exist_ok=True)
    scored = candidates([])
    lines = [INTRODUCTION]
    for scene in SCENES:
        named = [
            NamedPicture(title=path.name, pixels=read_picture(path).pixels) for path in map(Path, example_pair(scene))
        ]
        pair = [picture.pixels for picture in named]
        fused = fuse_by_all(pair, scored)
        results = [NamedPicture(title, pixels) for title, pixels in fused]
        html = comparison_page(scene, named, results, maps=maps_of_each(pair, scored, long_side=MAP))
        (static / f"{scene}.html").write_text(html, encoding="utf-8")
        shown = dict(zip(["under-exposed", "over-exposed"], pair, strict=True))
        shown |= dict(fused)
        lines.append(f'## {scene}\n\n<a href="../_static/gallery/{scene}.html">Open {scene} under the slider</a>\n')
        lines.append('<div class="gallery">')
        for number, (title, pixels) in enumerate(shown.items()):
            small = shrunk(pixels, *shrunk_size(*pixels.shape[:2], SMALL))
            name = f"{scene}-{number}.jpg"
            Image.fromarray(small).save(static / name, quality=88)
            caption = f"{scene}, {escape(title)}"
            picture = f'<img src="../_static/gallery/{name}" alt="{caption}">'
            linked = f'<a href="../_static/gallery/{scene}.html">{picture}</a>'
            lines.append(f"<figure>{linked}<figcaption>{escape(title)}</figcaption></figure>")
        lines.append("</div>\n")
    page.write_text("\n".join(lines), encoding="utf-8")
    stamp.write_text(made_of)


def _digest() -> str:
    """Return what tells one gallery from another: pictures, weights, pages, and the methods' own files."""
    package = Path(npfuse.__file__).parent
    found = hashlib.sha256(Path(__file__).read_bytes())
    for name in ("examples", "bundled", "pages", "methods"):
        for path in sorted((package / name).glob("*.*")):
            found.update(path.read_bytes())
    return found.hexdigest()
