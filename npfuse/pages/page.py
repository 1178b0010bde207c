"""Put a self-contained HTML page together: style, scripts and data in one file that asks nobody for anything.

Data go in as JSON in which no `<`, `>` or `&` is left, and the scripts show texts as text; so a file name is never
HTML. A content security policy allows the page's own scripts and style, by their hashes, and pictures in data URIs;
the browser refuses everything else, requests to other machines among it.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def page(title: str, body: str, scripts: Sequence[str], data: Mapping[str, Any]) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
        Of the browser's tab; plain text.
    body : str
        HTML of the page's empty places, without anything from outside.
    scripts : sequence of str
        Names of scripts beside this module, run in this order.
    data : mapping
        Values for JSON, by the id under which the scripts find them.

    Returns
    -------
    str, the HTML

    Examples
    --------
    >>> html = page("<b>", "<p></p>", [], {"scene": {"name": "</script><img src=x>"}})
    >>> "<b>" in html, "<img" in html
    (False, False)
    """
    style = _beside("pages.css")
    script = "\n".join(_beside(name) for name in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    blocks = [
        f'<script type="application/json" id="{escape(key)}">{_json(value)}</script>' for key, value in data.items()
    ]
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        body,
        *blocks,
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _beside(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(ESCAPES)
