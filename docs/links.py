"""Check a built site: links within it lead to files and anchors that are there, and nothing is loaded from elsewhere.

`python docs/links.py docs/_build` prints what is wrong; its exit status is 1 then.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, str, str]] = []  # tag, attribute, address

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element's links and anchors."""
        for name, value in attrs:
            if value is None:
                continue
            if name in ("id", "name"):
                self.anchors.add(value)
            if name in ("href", "src"):
                self.links.append((tag, name, value))


def faults(folder: Path) -> list[str]:
    """Return what is wrong with the links of a site, a line a fault."""
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        pages[path] = Links()
        pages[path].feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in pages.items():
        for tag, name, address in page.links:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if (tag, name) in LOADED:
                    found.append(f"{path.relative_to(folder)}: {tag} loads {address}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{path.relative_to(folder)}: {address}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{path.relative_to(folder)}: {address}: no such anchor")
    return found


if __name__ == "__main__":
    told = faults(Path(sys.argv[1]).resolve())
    print("\n".join(told) or "every link leads somewhere")
    sys.exit(bool(told))
