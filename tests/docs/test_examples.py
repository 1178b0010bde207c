"""The commands in the documentation run: every block of `sh`, page by page, beside photographs like those it speaks of.

A block that cannot be run here has a comment before it, <!-- not run: REASON -->. The examples in Python are doctests,
which the gate runs by themselves.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import costmodel.__main__
from npfuse.cli import main
from npfuse.examples import example_pair
from npfuse.pictures.reading import Picture, write_picture

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.*?) -->\n)?```sh\n(?P<commands>.*?)```", re.DOTALL)
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if not {"made", "_build"} & set(path.relative_to(DOCS).parts)]
RUN = {"npfuse": main, "python -m costmodel": costmodel.__main__.main}


def commands(page):
    """Return the commands of a page that are run, and those that are not."""
    run, left_out = [], []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        lines = block["commands"].replace("\\\n", " ").splitlines()
        (left_out if block["reason"] else run).extend(line for line in lines if line.strip())
    return run, left_out


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of, small."""
    monkeypatch.chdir(tmp_path)
    dark, bright = (Image.open(path).resize((168, 112)) for path in example_pair("courtyard"))
    middle = Image.blend(dark, bright, 0.5)
    for name, picture in (("dark", dark), ("middle", middle), ("bright", bright)):
        picture.save(f"{name}.jpg", quality=95)
    for name, picture in (("dark", dark), ("bright", bright)):
        wide = np.asarray(picture).astype(np.uint16) * 257
        write_picture(f"{name}-16.tif", Picture(pixels=wide))
    pairs = {
        "photos": ["lake_under", "lake_over", "hill/1", "hill/2"],
        "numbered": ["lake_1", "lake_2"],
        "positions": ["1_under", "1_over", "2_under", "2_over"],
        "frames": ["frame_0001_under", "frame_0001_over"],
        "scenes": ["001/dark", "001/bright", "002/dark", "002/bright"],
    }
    for folder, names in pairs.items():
        for name in names:
            path = Path(folder, f"{name}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            (bright if name.endswith(("over", "2", "bright")) else dark).save(path, quality=95)
    middle.save("scenes/001/label.jpg")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_commands_of_a_page_run(page, photographs, capsys):
    run, _ = commands(page)
    if any("-16.tif" in command for command in run):
        pytest.importorskip("tifffile")
        pytest.importorskip("imagecodecs")
    for command in run:
        name = next((name for name in RUN if command.startswith(name)), None)
        assert name, f"{command}: expected one of {', '.join(RUN)}, or <!-- not run: REASON --> before the block"
        status = RUN[name](shlex.split(command, comments=True)[len(name.split()) :])
        expected = (0, 1) if " check " in command else (0,)  # 1: it has something to say
        assert status in expected, (command, capsys.readouterr().err)


def test_many_commands_are_run_and_all_others_say_why_not():
    run, left_out = (sum(len(commands(page)[side]) for page in PAGES) for side in (0, 1))
    assert run >= 30
    assert left_out > 0
