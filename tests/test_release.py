"""What a release says of itself: one version everywhere, and a changelog entry for it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_one_version_stands_everywhere():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert declared == cited == newest


def test_the_citation_is_readable_and_complete():
    text = (ROOT / "CITATION.cff").read_text()
    for key in ("cff-version", "message", "title", "authors", "version", "date-released", "license"):
        assert re.search(rf"^{key}: ?", text, re.MULTILINE), key
