"""The checker of the site's links finds what is broken, and nothing else."""

import runpy
from pathlib import Path

faults = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "links.py"))["faults"]


def test_the_checker_finds_missing_files_missing_anchors_and_things_loaded_from_elsewhere(tmp_path):
    (tmp_path / "other.html").write_text('<h1 id="here">other</h1>')
    (tmp_path / "index.html").write_text(
        '<a id="top" href="#top"></a><a href="other.html#here"></a><a href="https://example.org">elsewhere</a>'
        '<img src="data:,"><a href="missing.html"></a><a href="other.html#there"></a>'
        '<script src="https://example.org/x.js"></script>'
    )
    assert faults(tmp_path) == [
        "index.html: missing.html: no such file",
        "index.html: other.html#there: no such anchor",
        "index.html: script loads https://example.org/x.js",
    ]
